"""Read specs that studies and exported configs have stored, also those of earlier versions."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

from pydantic import BaseModel, ValidationError

from sweep.errors import UsageError
from sweep.spec.study import StudySpec, hash_of, identity_of, without_nulls

# The hash of sweep 0.1 counts these nulls; a config in TOML leaves them out.
_NULLS = {
    "data": ("target", "groups", "train_rows"),
    "penalty": ("l1_ratio",),
    "space": ("weight_decay", "lr", "momentum", "l1_ratio"),
}


class _Trained(BaseModel):
    """What was trained beside the trials."""

    params: dict[str, float] = {}
    value: float = 0.0
    replicate_values: list[float] = []


class _Attributes(BaseModel):
    """The attributes of a study that readers rely on, named as in `spec.attributes`."""

    alpha_range: tuple[float, float] = (0.0, 1.0)
    alpha_max: float | None = None
    alpha_cap: float | None = None
    widenings: list[dict[str, Any]] = []
    baseline: _Trained | None = None
    confirmation: dict[str, _Trained] = {}
    controls: dict[str, Any] = {}
    line: dict[str, Any] = {}
    problem: dict[str, Any] = {}
    remarks: list[dict[str, Any]] = []
    engine: dict[str, Any] = {}
    transfer: dict[str, Any] = {}


def check_stored(study: str, attrs: dict[str, Any]) -> None:
    """Refuse a study whose attributes another program has overwritten.

    Raises:
        UsageError: in one line, naming the attribute.
    """
    try:
        _Attributes.model_validate_json(json.dumps(attrs), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        name, why = str(first["loc"][0]), first["msg"].lower().partition(" or instance")[0]
        raise UsageError(
            f"study {study}: its attribute {name} must be as sweep stored it, got"
            f" {attrs[name]!r:.60} ({why})."
            " Restore a backup, or run it with --fresh"
        ) from None


def stored_spec(tree: dict[str, Any]) -> StudySpec:
    """Read a spec as a study stores it.

    Raises:
        UsageError: another version of sweep stored it, and this one cannot read it.
    """
    try:
        return StudySpec.model_validate_json(json.dumps(upgraded(tree)))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or f"{tree!r:.60}"
        raise UsageError(
            f"study: must be of this version of sweep, got {where}:"
            f" {first['msg'].lower()}. Use the version that made it, or --fresh"
        ) from None


def going_on(spec: StudySpec, begun: StudySpec) -> StudySpec:
    """Return a study with what its file leaves open as it was when the study was begun.

    Args:
        spec: the study's file, as read now.
        begun: what the study has stored.
    """
    return spec.model_copy(update={"search": spec.search.going_on(begun.search)})


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


def differences(old: Any, new: Any, key: str = "") -> list[tuple[str, Any, Any]]:
    """List the dotted keys at which two specs, as plain data, differ, with both values."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            found
            for name in dict.fromkeys([*old, *new])
            for found in differences(old.get(name), new.get(name), f"{key}.{name}".lstrip("."))
        ]
    return [] if old == new else [(key, old, new)]


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
