"""Features in a .npy file; beside it files of a value a row: targets, groups and the like."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sweep.data.file_rows import FileRows, Header, read_header
from sweep.data.files import read_file
from sweep.data.notes import Note
from sweep.data.refuse import refuse
from sweep.errors import UsageError
from sweep.runtime import total_memory_bytes
from sweep.spec.data import DataSpec

STREAMED_BYTES = 100_000_000  # a larger file is read batch by batch, unless the study says other
OF_TABLES = ("columns", "validation", "test", "images")
BESIDE = ("groups", "weight", "fold", "split", "time")


def read_npy(data: DataSpec, folder: Path) -> dict[str, Any]:
    """Read features, or where they lie in the file, and all that is beside them.

    Args:
        data: the study's data section.
        folder: where relative paths start.

    Raises:
        UsageError: in one line, naming the key and the file at fault.
    """
    X = read_file(partial(_features, stream=data.stream), folder / data.source)
    found = {"X": X, **read_beside(data, folder, len(X) if X.ndim else 0)}
    if isinstance(X, FileRows):
        size = f"{X.header.size_bytes / 1e9:.3g} GB"
        found["notes"] = [
            Note("streamed", "", f"rows are read from {data.source}, {size}, batch by batch")
        ]
    return found


def read_beside(data: DataSpec, folder: Path, n: int) -> dict[str, np.ndarray]:
    """Read the targets, and what else keys of `data` name, from .npy files: y, groups and so on.

    Args:
        data: the study's data section.
        folder: where relative paths start.
        n: rows that each must have.

    Raises:
        UsageError: in one line, naming the key and the file at fault.
    """
    for key in OF_TABLES:
        if given := getattr(data, key):
            got = ", ".join([given] if isinstance(given, str) else given)
            raise UsageError(
                f"data.{key}: only a .csv or .parquet table has it, got {got} ({data.source})."
                " Remove it"
            )
    if len(data.targets) != 1:
        got = "null" if data.target is None else f"{len(data.targets)} names"
        raise UsageError(
            f"data.target: must be a .npy file of one value or several a row, got {got}"
            f" ({data.source}). Name the file"
        )
    named = {"target": data.targets[0]} | {key: getattr(data, key) for key in BESIDE}
    return {
        "y" if key == "target" else key: _whole(folder, name, f"data.{key}", n)
        for key, name in named.items()
        if name is not None
    }


def _whole(folder: Path, name: str, key: str, n: int) -> np.ndarray:
    if Path(name).suffix.lower() != ".npy":
        raise UsageError(f"{key}: must be a .npy file, got {name!r}. Save the values of all rows")
    array: np.ndarray = read_file(load_whole, folder / name, key)
    if array.ndim not in (1, 2) or len(array) != n:
        raise UsageError(
            f"{key}: must have a value in each of {n} rows, got shape {array.shape} ({name})."
            " Mend it"
        )
    return array


def load_whole(path: Path) -> np.ndarray:
    """Read an array; none is larger than its file, and none runs code as a pickled one would.

    Raises:
        ValueError: it is no such array, or larger than the memory.
    """
    header = _header(path)
    if header.size_bytes > total_memory_bytes():
        raise ValueError(f"an array of {header.size_bytes / 1e9:.3g} GB, more than the memory")
    return np.asarray(np.load(path, allow_pickle=False))


def _header(path: Path) -> Header:
    with path.open("rb") as file:
        return read_header(file)


def _features(path: Path, stream: bool | None) -> np.ndarray | FileRows:
    header = _header(path)
    if not (stream or (stream is None and header.size_bytes > STREAMED_BYTES)):
        return load_whole(path)
    way_out = " or set data.stream: false" if header.size_bytes < total_memory_bytes() else ""
    if header.is_fortran and len(header.shape) > 1:
        hint = f"Save numpy.ascontiguousarray of it,{way_out}".rstrip(",")
        refuse("must have its rows one after another to be read in part", "Fortran order", path,
               hint)  # fmt: skip
    if header.kind.kind not in "biuf":
        refuse("X must be numbers", str(header.kind), path, "Convert it")
    return FileRows.of(path)
