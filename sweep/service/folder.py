"""Files of one folder by their plain names: never through a link, never outside the folder."""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from io import BufferedReader
from pathlib import Path
from typing import IO

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*", re.ASCII)
LONGEST_NAME = 120  # letters


def is_name(text: str) -> bool:
    """Tell whether a text is the plain name of a file: ASCII letters, digits, `_`, `-`, `.`."""
    return len(text) <= LONGEST_NAME and _NAME.fullmatch(text) is not None


def names(folder: Path) -> list[str]:
    """List the files of a folder that `open_file` opens, in their order."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(e.name for e in entries if is_name(e.name) and _is_plain(e))


def _is_plain(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file(follow_symlinks=False)
    except OSError:  # gone meanwhile
        return False


def open_file(folder: Path, name: str) -> BufferedReader:
    """Open a file of a folder to read it.

    The folder is opened first and the name looked up in it, so that no exchange of either for a
    link leads elsewhere.

    Raises:
        FileNotFoundError: the folder has no plain file of that name.
    """
    missing = FileNotFoundError(2, "No such file", name)
    if not is_name(name):
        raise missing
    try:
        within = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        raise missing from None
    # Without O_NONBLOCK a pipe would wait for someone to write.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        file = os.open(name, flags, dir_fd=within)
    except OSError:  # a link, among others
        raise missing from None
    finally:
        os.close(within)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise missing
    return os.fdopen(file, "rb")


def put_copy(file: IO[bytes], target: Path) -> None:
    """Write what is left of an open file to a new place; it appears there whole or not at all."""
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".")
    try:
        with os.fdopen(handle, "wb") as copy:
            shutil.copyfileobj(file, copy, 1 << 20)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
