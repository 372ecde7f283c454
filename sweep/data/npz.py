"""Arrays of an .npz file: none runs code as it is read, none is larger than the file says."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np

from sweep.runtime import total_memory_bytes


def read_npz(path: Path) -> dict[str, Any]:
    """Read arrays by name; none of them may run code, as a pickled one would."""
    with path.open("rb") as file:
        arrays = np.load(file, allow_pickle=False)
        if isinstance(arrays, np.ndarray):
            raise ValueError("a single array without a name")
        _check_sizes(arrays.zip)
        return {name: _whole(arrays[name], name) for name in arrays}


def _check_sizes(archive: zipfile.ZipFile) -> None:
    """Refuse arrays that no memory holds, by what the archive and their own headers say."""
    said = sum(member.file_size for member in archive.infolist())
    if said > total_memory_bytes():
        raise ValueError(f"arrays of {said / 1e9:.3g} GB, more than the memory")
    for member in archive.infolist():
        with archive.open(member) as file:
            shape, kind = _header(file)
        needed = math.prod(shape) * kind.itemsize
        if needed > member.file_size:
            raise ValueError(
                f"an array of {needed} bytes in {member.file_size} ({member.filename})"
            )


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    read = {(1, 0): np.lib.format.read_array_header_1_0}
    version = np.lib.format.read_magic(file)
    shape, _, kind = read.get(version, np.lib.format.read_array_header_2_0)(file)
    return shape, kind


def _whole(array: Any, name: str) -> Any:
    """Return an array unless its items have no bytes: of those a header may claim any number."""
    if not array.dtype.itemsize:
        raise ValueError(f"an array of items without bytes ({name})")
    return array
