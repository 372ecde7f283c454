"""Files without a name: their room on the disk is free again when no process has them open.

That needs no tidying up, however a process ends, and two runs never meet in one file.
"""

from __future__ import annotations

import os
import tempfile
import weakref
from pathlib import Path

LARGE = Path("/var/tmp")  # by custom on a disk, where /tmp may be memory


class Unnamed:
    """A file that this process and those forked from it have open.

    Args:
        descriptor: of the open file; it is closed with the last reference to this object.
    """

    def __init__(self, descriptor: int):
        self.descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)

    @classmethod
    def of_size(cls, size_bytes: int) -> Unnamed:
        """Make one, its room on the disk taken at once.

        Raises:
            OSError: the disk is full, or has no such files.
        """
        with tempfile.TemporaryFile(dir=folder()) as file:
            found = cls(os.dup(file.fileno()))
        os.posix_fallocate(found.descriptor, 0, size_bytes)
        return found

    @property
    def path(self) -> Path:
        """Where this process, and those forked from it, can open it once more."""
        return Path(f"/proc/self/fd/{self.descriptor}")

    @property
    def path_for_others(self) -> Path:
        """Where other processes of this machine can, as long as this one has it open."""
        return Path(f"/proc/{os.getpid()}/fd/{self.descriptor}")


def folder() -> Path:
    """Return where such files are made: TMPDIR, or else a folder for large ones."""
    if "TMPDIR" not in os.environ and os.access(LARGE, os.W_OK):
        return LARGE
    return Path(tempfile.gettempdir())
