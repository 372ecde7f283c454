"""Rows of an array in a .npy file, read when they are wanted: never all at once.

They are read at their place in the file, not mapped: rows drawn from all over a large file cost a
page fault each when mapped, several times a read, and mapped pages count as memory in use.

| symbol | meaning |
|---|---|
| N | rows of the file, or of a part of it |
| B | rows that are read together |
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, NoReturn

import numpy as np

from sweep.data.refuse import refuse

# Numbers of rows that are looked at together, in float64 32 MB: a file of any size is worked
# through in blocks of so many, and so is an array.
BLOCK = 1 << 22
TOGETHER = 1 << 14  # rows that are read before they are put where they belong
LARGE_BYTES = 1 << 30  # a call reads no more than two of these
GAP_BYTES = 1024  # rows that lie no further apart are read at once, with those between them


class Header(NamedTuple):
    """What a .npy file says of its array."""

    shape: tuple[int, ...]
    kind: np.dtype[Any]
    is_fortran: bool
    offset: int  # bytes before the array

    @property
    def size_bytes(self) -> int:
        """How large a file with this header is."""
        return self.offset + math.prod(self.shape) * self.kind.itemsize


def read_header(file: BinaryIO) -> Header:
    """Read the header of a .npy file that is open at its beginning.

    Raises:
        ValueError: it is none, its items have no bytes or are Python objects, or the file is not
            as large as it says.
    """
    read = {(1, 0): np.lib.format.read_array_header_1_0}
    version = np.lib.format.read_magic(file)
    shape, is_fortran, kind = read.get(version, np.lib.format.read_array_header_2_0)(file)
    found = Header(shape, kind, is_fortran, file.tell())
    if kind.hasobject or not kind.itemsize:
        raise ValueError("an array of Python objects" if kind.hasobject else "items without bytes")
    has = os.fstat(file.fileno()).st_size
    if has != found.size_bytes:
        raise ValueError(f"{has} bytes where its header says {found.size_bytes}")
    return found


class Stamp(NamedTuple):
    """What tells that a file has been written to."""

    size_bytes: int
    modified_ns: int

    @classmethod
    def of(cls, file: BinaryIO) -> Stamp:
        """Return that of an open file."""
        status = os.fstat(file.fileno())
        return cls(status.st_size, status.st_mtime_ns)


@dataclass(frozen=True, eq=False)
class FileRows:
    """Rows of an array in a file; what is read becomes float32 or float64 as any array does.

    Attributes:
        path: of the file.
        header: what it says of its array.
        stamp: of the file when it was first read; another one is refused.
        rows: (N,) int64 which rows of the file.
    """

    path: Path
    header: Header
    stamp: Stamp
    rows: np.ndarray

    @classmethod
    def of(cls, path: Path) -> FileRows:
        """Take all rows of a .npy file.

        Raises:
            ValueError: see `read_header`.
        """
        with path.open("rb") as file:
            header = read_header(file)
            stamp = Stamp.of(file)
        n = header.shape[0] if header.shape else 0
        return cls(path, header, stamp, np.arange(n))

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, *features)."""
        return (len(self.rows), *self.header.shape[1:])

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.header.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """What the rows are read as: float32, or float64 of any other kind of numbers."""
        return np.dtype(np.float32 if self.header.kind == np.float32 else np.float64)

    def __len__(self) -> int:
        """N."""
        return len(self.rows)

    def part(self, rows: np.ndarray) -> FileRows:
        """Return some of the rows (n,), in that order; nothing is read."""
        return replace(self, rows=self.rows[rows])

    def __getitem__(self, rows: Any) -> np.ndarray:
        """Read some of the rows, (B,) or a slice, in that order: (B, *features).

        Raises:
            UsageError: the file is not what it was.
        """
        of_file = self.rows[rows]
        found = self._read(of_file).reshape(len(of_file), *self.shape[1:])
        return found.astype(self.dtype, copy=False)

    def __array__(self, kind: Any = None, copy: bool | None = None) -> np.ndarray:
        """Read all of them."""
        return self[:].astype(kind or self.dtype, copy=False)

    def blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield all rows in order, as the place of the first and the rows (B, *features)."""
        size = block_rows(self.shape)
        for start in range(0, len(self), size):
            yield start, self[start : start + size]

    def __reduce__(self) -> tuple[Any, ...]:
        """Name the file: another process may be on a machine that has its own copy of it."""
        return _again, (self.path, self.header, self.rows)

    def _read(self, rows: np.ndarray) -> np.ndarray:
        try:
            with self.path.open("rb", buffering=0) as file:
                if Stamp.of(file) != self.stamp:
                    refuse_changed(self.path, "a file that was written to")
                return self._of_file(file.fileno(), rows)
        except OSError as error:
            refuse_changed(self.path, str(error))

    def _of_file(self, file: int, rows: np.ndarray) -> np.ndarray:
        """Read rows (B,) of the file: (B, numbers of a row)."""
        if 0 < len(rows) <= TOGETHER and (np.diff(rows) >= 0).all():
            return self._in_order(file, rows)
        found = np.empty((len(rows), math.prod(self.shape[1:])), self.header.kind)
        order = np.argsort(rows, kind="stable")
        for start in range(0, len(rows), TOGETHER):
            some = order[start : start + TOGETHER]
            found[some] = self._in_order(file, rows[some])
        return found

    def _in_order(self, file: int, rows: np.ndarray) -> np.ndarray:
        """Read rows (B,) of the file that are in its order: (B, numbers of a row)."""
        numbers, offset = math.prod(self.shape[1:]), self.header.offset
        each = numbers * self.header.kind.itemsize
        starts, sizes, places = _runs(rows, GAP_BYTES // each)
        read = os.pread if sizes.max() * each < LARGE_BYTES else _bytes
        runs = zip((sizes * each).tolist(), (starts * each + offset).tolist(), strict=True)
        raw = b"".join([read(file, size, at) for size, at in runs])
        if len(raw) != sizes.sum() * each:
            refuse_changed(self.path, "a file that became shorter")
        found = np.frombuffer(raw, self.header.kind).reshape(-1, numbers)
        return found if np.array_equal(places, np.arange(len(found))) else found[places]


def _runs(rows: np.ndarray, gap: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Divide what is to be read of a file into runs of rows.

    Args:
        rows: (B,) of the file, in order; one or more.
        gap: so many rows between two wanted ones are read with them.

    Returns:
        The first row and the number of rows of each run; and (B,) where the wanted rows lie in
        all runs put together.
    """
    begins = np.diff(rows, prepend=rows[0] - gap - 2) > gap + 1
    firsts = np.flatnonzero(begins)
    starts, ends = rows[firsts], rows[np.append(firsts[1:], len(rows)) - 1] + 1
    sizes = ends - starts
    shift = np.cumsum(sizes) - sizes - starts
    return starts, sizes, rows + shift[np.cumsum(begins) - 1]


def block_rows(shape: tuple[int, ...]) -> int:
    """Return how many rows of (N, *features) are looked at together."""
    return max(1, BLOCK // max(1, math.prod(shape[1:])))


def _again(path: Path, header: Header, rows: np.ndarray) -> FileRows:
    try:
        found = FileRows.of(path)
    except (OSError, ValueError) as error:
        refuse_changed(path, str(error))
    if found.header != header:
        refuse_changed(path, "another file")
    return replace(found, rows=rows)


def refuse_changed(path: object, got: str) -> NoReturn:
    """Refuse a file that is not what it was when the study was planned."""
    hint = "Leave it as it is until the run ends"
    refuse("must be the same file wherever the study is trained", got, path, hint)


def _bytes(file: int, size: int, offset: int) -> bytes:
    """Read bytes in as many calls as it takes: one gives 2 GB at most."""
    parts = []
    while size and (part := os.pread(file, size, offset)):
        parts.append(part)
        size, offset = size - len(part), offset + len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
