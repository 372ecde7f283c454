"""Read specs that studies and exported configs have stored, also those of earlier versions."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

from pydantic import ValidationError

from sweep.errors import UsageError
from sweep.spec.study import StudySpec, hash_of, identity_of, without_nulls

# The hash of sweep 0.1 counts these nulls; a config in TOML leaves them out.
_NULLS = {
    "data": ("target", "groups", "train_rows"),
    "penalty": ("l1_ratio",),
    "space": ("weight_decay", "lr", "momentum", "l1_ratio"),
}


def stored_spec(tree: dict[str, Any]) -> StudySpec:
    """Read a spec as a study stores it.

    Raises:
        UsageError: another version of sweep stored it, and this one cannot read it.
    """
    try:
        return StudySpec.model_validate_json(json.dumps(upgraded(tree)))
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(
            f"study: must be of this version of sweep, got {'.'.join(map(str, first['loc']))}:"
            f" {first['msg'].lower()}. Use the version that made it, or --fresh"
        ) from None


def upgraded(tree: Any) -> Any:
    """Return a stored spec in today's form; anything else is returned unchanged.

    Sweep 0.1 kept the study's seed in `search.sampler`.
    """
    if not _is_of_0_1(tree):
        return tree
    tree = deepcopy(tree)
    return {**tree, "seed": tree["search"]["sampler"].pop("seed")}


def hashes(tree: dict[str, Any]) -> set[str]:
    """Return the hashes that may be stored with a spec: today's, and that of its version."""
    found = {hash_of(without_nulls(identity_of(tree)))}
    if _is_of_0_1(tree):
        found.add(hash_of(identity_of(_with_nulls(tree))))
    return found


def _is_of_0_1(tree: Any) -> bool:
    search = tree.get("search") if isinstance(tree, dict) and "seed" not in tree else None
    sampler = search.get("sampler") if isinstance(search, dict) else None
    return isinstance(sampler, dict) and "seed" in sampler


def _with_nulls(tree: dict[str, Any]) -> dict[str, Any]:
    tree = deepcopy(tree)
    for name, keys in _NULLS.items():
        section = (tree["search"] if name == "space" else tree).get(name)
        if isinstance(section, dict):
            section |= {key: section.get(key) for key in keys}
    return tree
