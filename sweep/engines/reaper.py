"""Nothing that a process has started outlives it, however it ends: not even by SIGKILL (Linux)."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# Waits for the end of its stdin, which is the owner's; then ends what has files open in a folder,
# and removes it. By then such processes have neither parents nor names that tell whose they were.
PROGRAM = """
read -r _
for file in $(find /proc/[0-9]*/fd -lname "$1/*" 2>/dev/null); do
  process=${file#/proc/}
  kill -9 "${process%%/*}" 2>/dev/null
done
rm -rf "$1"
"""
SHORT = Path("/tmp")  # the path of a socket has 107 letters at most


class Reaper:
    """A small process that tidies up after this one, once this one is gone.

    Attributes:
        folder: a new one; every process that has a file of it open is ended with the owner.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp("", "sweep-ray-", SHORT if SHORT.is_dir() else None))
        self._process: subprocess.Popen[bytes] | None = None
        if sys.platform == "linux":
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", PROGRAM, "sweep-reaper", str(self.folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # not interrupted with the owner
            )

    def dismiss(self) -> None:
        """End it, and remove the folder: all that it would have ended has been ended."""
        if self._process:
            self._process.kill()
            self._process.communicate()
            self._process = None
        shutil.rmtree(self.folder, ignore_errors=True)
