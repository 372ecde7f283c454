"""Files of rows that users send: each whole, under its name for good, by project."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from sweep.errors import StorageError
from sweep.files import write_whole
from sweep.service.folder import LONGEST_NAME, is_name, names, open_file
from sweep.service.refusals import FullError, RefusedError, TakenError, TooLargeError
from sweep.service.sources import SUFFIXES

MOST_FILES = 1_000  # of a project
SHARES = 100  # largest files that a project may hold
STALE_S = 24 * 3600  # after which a part of a file is of an upload that has ended
_DIGESTS, _PART = ".sha256", ".part-"


class Stored(NamedTuple):
    """A file that studies may name as `data.source`.

    Attributes:
        name: of the file.
        size_bytes: of its content.
        sha256: of its content; None for a file of the service's own folder, which may change.
    """

    name: str
    size_bytes: int
    sha256: str | None


class Uploads:
    """The uploaded files of a project; any number of threads and processes may use it.

    Args:
        folder: where they lie; made when the first one comes.
        most_bytes: of one file.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self.folder, self.most_bytes = folder, most_bytes

    def list(self, beside: Iterable[Path] = ()) -> list[Stored]:
        """List what studies may name; `beside`: folders with files for every project."""
        found = {}
        for folder in beside:
            for name in filter(_is_rows, names(folder)):
                with suppress(FileNotFoundError), open_file(folder, name) as file:
                    found[name] = Stored(name, os.fstat(file.fileno()).st_size, None)
        for name in names(self.folder):
            found[name] = self.find(name)
        return [found[name] for name in sorted(found)]

    def find(self, name: str) -> Stored:
        """Tell about an uploaded file.

        Raises:
            FileNotFoundError: there is none of this name.
        """
        note = self.folder / _DIGESTS / name
        with open_file(self.folder, name) as file:
            size = os.fstat(file.fileno()).st_size
            with suppress(OSError):
                return Stored(name, size, note.read_text(encoding="ascii"))
            # The service ended between the two, or the note was lost.
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        write_whole(note, digest)
        return Stored(name, size, digest)

    def begin(self, name: str) -> Incoming:
        """Begin to take a file.

        Raises:
            RefusedError: its name will not do, or the project holds no more.
        """
        if not is_name(name) or not _is_rows(name):
            raise RefusedError(
                "file", f"must be NAME{', NAME'.join(SUFFIXES)} of ASCII letters, digits, '_',"
                f" '-' or '.', at most {LONGEST_NAME}, got {name[:100]!r}", "Rename it",
            )  # fmt: skip
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._check_room(name)
            return Incoming(self, name)
        except OSError as error:
            raise _failed(error) from None

    def _check_room(self, name: str) -> None:
        sizes: dict[str, int] = {}
        for entry in [*os.scandir(self.folder)]:
            with suppress(OSError):  # gone meanwhile
                about = entry.stat(follow_symlinks=False)
                if is_name(entry.name):
                    sizes[entry.name] = about.st_size
                elif entry.name.startswith(_PART) and about.st_mtime < time.time() - STALE_S:
                    os.unlink(entry)
        most = SHARES * self.most_bytes
        if name not in sizes and (len(sizes) >= MOST_FILES or sum(sizes.values()) > most):
            raise FullError(
                "file", f"must be one of at most {MOST_FILES} files and {most} bytes of a"
                f" project, got {len(sizes)} of {sum(sizes.values())} bytes",
                "Ask who runs the service to make room",
            )  # fmt: skip


class Incoming:
    """A file that arrives in parts; nobody sees it before `finish`."""

    def __init__(self, uploads: Uploads, name: str) -> None:
        self._uploads, self._folder, self._name = uploads, uploads.folder, name
        handle, self._part = tempfile.mkstemp(dir=self._folder, prefix=_PART)
        self._file = os.fdopen(handle, "wb")
        self._digest, self._size = hashlib.sha256(), 0

    def write(self, part: bytes) -> None:
        """Take the next part.

        Raises:
            RefusedError: the file is too large, none of its kind, or the disk is full.
        """
        if not self._size and part:
            _check_kind(self._name, part)
        self._size += len(part)
        if self._size > self._uploads.most_bytes:
            rule = f"must be at most {self._uploads.most_bytes} bytes, got more"
            raise TooLargeError("file", rule, "Leave out columns or rows")
        self._digest.update(part)
        try:
            self._file.write(part)
        except OSError as error:
            raise _failed(error) from None

    def finish(self) -> tuple[Stored, bool]:
        """Give the file its name; return it, and whether it was not there before.

        Raises:
            RefusedError: it is empty, the disk is full, or another file has the name.
        """
        if not self._size:
            raise RefusedError("file", "must hold rows, got nothing", "Send its content")
        digest = self._digest.hexdigest()
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            os.link(self._part, self._folder / self._name)  # fails where there is one
            write_whole(self._folder / _DIGESTS / self._name, digest)
        except FileExistsError:
            return self._same(digest), False
        except OSError as error:
            raise _failed(error) from None
        _sync(self._folder)
        return Stored(self._name, self._size, digest), True

    def _same(self, digest: str) -> Stored:
        there = self._uploads.find(self._name)
        if there.sha256 != digest:
            raise TakenError(
                "file", f"must have a new name or the same content, got {self._name} with another",
                "Rename it: uploaded files stay as they are",
            )  # fmt: skip
        return there

    def discard(self) -> None:
        """Remove what has not got its name; after `finish` there is nothing to remove."""
        with suppress(OSError):  # what a full disk has left in the buffer
            self._file.close()
        with suppress(FileNotFoundError):
            os.unlink(self._part)


def _is_rows(name: str) -> bool:
    return name.endswith(SUFFIXES)


def _check_kind(name: str, head: bytes) -> None:
    """Refuse a file that begins as none of its kind does."""
    archive, columns = head.startswith(b"PK"), head.startswith(b"PAR1")
    right = {".npz": archive, ".parquet": columns}
    suffix = next(suffix for suffix in SUFFIXES if name.endswith(suffix))
    if not right.get(suffix, not archive and not columns and b"\0" not in head):
        raise RefusedError("file", f"must be a {suffix} file, got other bytes", "Write it anew")


def _failed(error: OSError) -> Exception:
    if error.errno in (28, 122):  # no space, over the quota
        return FullError("disk", "must have room for the file, got a full one", "Try later")
    return StorageError(f"disk: must take files, got {error.strerror}. Look at the service's log")


def _sync(folder: Path) -> None:
    """Have a new name outlive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
