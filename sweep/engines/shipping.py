"""What reaches actors: rows as arrays, and a folder with the user's own files."""

from __future__ import annotations

import pickle
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from sweep.errors import UsageError
from sweep.spec.objective import OWN
from sweep.spec.sources import FILES, sources_of
from sweep.spec.study import StudySpec

LARGEST_BYTES = 100_000_000  # of the user's files together
Parts = list[Any]  # bytes, and arrays of bytes: nothing that the owner would import

# Compiled by Python; or read by Ray, which would leave out what it names.
NOT_SHIPPED = {"__pycache__", ".git", ".gitignore", ".rayignore"}


def packed(value: Any) -> Parts:
    """Take a value apart: its arrays are not copied."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    return [head, *(np.frombuffer(buffer.raw(), dtype=np.uint8) for buffer in buffers)]


def unpacked(parts: Parts) -> Any:
    """Put a value together again; its arrays are those of the parts, and are read alone."""
    return pickle.loads(parts[0], buffers=parts[1:])


def size_bytes(parts: Parts) -> int:
    """Return how large they are together."""
    return sum(len(part) for part in parts)


def files_to_ship(spec: StudySpec) -> list[Path]:
    """List the files that actors need, as paths below the study file's folder.

    Raises:
        UsageError: one is not there or not below the folder, or together they are too large.
    """
    ship = spec.engine.ship
    if ship == "auto":
        named = [] if spec.engine.address == "local" else _needed(spec)
    else:
        named = [Path(name) for name in ship]
    found = dict.fromkeys(file for name in named for file in _files(spec.folder, name))
    size = sum((spec.folder / file).stat().st_size for file in found)
    if size > LARGEST_BYTES:
        raise UsageError(
            f"engine.ship: must be at most {LARGEST_BYTES / 1e6:g} MB together, got"
            f" {size / 1e6:,.0f} MB. Put what is large on a disk that all hosts have, and name it"
            " by its whole path"
        )
    return [*found]


@contextmanager
def package(spec: StudySpec) -> Iterator[Path | None]:
    """Put copies of the files to ship into a folder, for the time of the block; None: none.

    Raises:
        UsageError: see `files_to_ship`.
    """
    files = files_to_ship(spec)
    if not files:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="sweep-") as name:
        for file in files:
            target = Path(name) / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(spec.folder / file, target)
        yield Path(name)


def _needed(spec: StudySpec) -> list[Path]:
    """Name what the study file names that lies beside it, and the modules beside those."""
    sources = sources_of(spec).values()
    modules = [source.split(":")[1] for source in sources if source.startswith(OWN)]
    found = []
    for module in modules:
        base = Path(*module.split("."))
        folder = spec.folder / base.parent
        if (spec.folder / base.with_suffix(".py")).is_file() or (spec.folder / base).is_dir():
            found += [path.relative_to(spec.folder) for path in sorted(folder.glob("*.py"))]
        if (spec.folder / base).is_dir():
            found.append(base)
    for table in map(Path, (*spec.data.files.values(), *spec.data.beside.values())):
        if table.suffix in FILES and not table.is_absolute() and (spec.folder / table).is_file():
            found.append(table)
    return found


def _files(folder: Path, name: Path) -> list[Path]:
    """List a file, or all files of a folder that matter."""
    path = folder / name
    if name.is_absolute() or ".." in name.parts or not path.exists():
        raise UsageError(
            f"engine.ship: must be files beside the study file, got {name} ({folder})."
            " Put it there, or name a file by its whole path on a disk that all hosts have"
        )
    if path.is_file():
        return [name]
    inner = (file.relative_to(folder) for file in sorted(path.rglob("*")) if file.is_file())
    return [file for file in inner if not NOT_SHIPPED.intersection(file.parts)]
