"""A study as it is sent: its file without what is the service's own, and the rows it needs."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sweep.errors import UsageError
from sweep.service.sources import SUFFIXES
from sweep.spec.study import StudySpec
from sweep.spec.tree import read_tree

LONGEST_STEM = 60  # letters of a file's own name
# What a study file may say of a machine: it is left out where it says no more than the default.
_MACHINE = ("storage", "device", "training.workers", "training.width", "training.compile",
            "training.cuda_graph")  # fmt: skip


class Rows(NamedTuple):
    """A file that goes with a study.

    Attributes:
        path: where it lies here.
        name: what it is called there: its own name, and its hash.
        sha256: of its content.
    """

    path: Path
    name: str
    sha256: str


class Parcel(NamedTuple):
    """What is sent.

    Attributes:
        name: of the study.
        body: the study as JSON.
        rows: the file that must be there first; None: it needs none of here.
        key: the same for what is the same.
    """

    name: str
    body: bytes
    rows: Rows | None
    key: str


def pack(
    study: str | Path | Mapping[str, Any], overrides: Mapping[str, Any] | Iterable[str] = ()
) -> Parcel:
    """Make a study ready to be sent.

    Args:
        study: a study file, whose relative paths start at its own folder; or what stands in one,
            whose paths start at the working folder.
        overrides: as in `load_spec`.

    Raises:
        UsageError: the file, or that of its rows, cannot be read.
    """
    if isinstance(study, Mapping):
        tree, folder = json.loads(_as_json(study)), Path(".")
    else:
        tree, folder = read_tree(Path(study), overrides), Path(study).parent
    for key in _MACHINE:
        _drop_default(tree, key)
    rows = None
    data = tree.get("data")
    if isinstance(data, dict) and isinstance(source := data.get("source"), str):
        rows = _find_rows(source, folder)
        if rows is not None:
            data["source"] = rows.name
    body = _as_json(tree).encode()
    return Parcel(str(tree.get("study_name")), body, rows, hashlib.sha256(body).hexdigest())


def _as_json(tree: Mapping[str, Any]) -> str:
    try:
        return json.dumps(tree)
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(
            f"study: must be plain keys and values, got {error}. Mend that part"
        ) from None


def _drop_default(tree: dict[str, Any], dotted: str) -> None:
    section, _, name = dotted.rpartition(".")
    part: Any = tree.get(section) if section else tree
    fields: Any = StudySpec.model_fields
    default = fields["training"].default if section else None
    usual = getattr(default, name) if section else fields[name].default
    if isinstance(part, dict) and name in part and part[name] == usual:
        del part[name]


def _find_rows(source: str, folder: Path) -> Rows | None:
    """Return the file here that a study names; None where it is none, or of the service's."""
    path = folder / source
    if ":" in source.partition(".")[0] or not source.lower().endswith(SUFFIXES):
        return None
    try:
        if not path.is_file() and "/" not in source:
            return None
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        got = getattr(error, "strerror", None) or error
        raise UsageError(
            f"data.source: must be a file that can be read, got {got} ({path}). Mend the name"
        ) from None
    stem = re.sub(r"[^A-Za-z0-9_]+", "-", path.stem).strip("-")[:LONGEST_STEM] or "rows"
    return Rows(path, f"{stem}-{digest[:16]}{path.suffix.lower()}", digest)
