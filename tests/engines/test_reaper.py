"""What a killed process has started is ended, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

OWNER = """
import subprocess, sys, time
from sweep.engines.reaper import Reaper
reaper = Reaper()
with open(reaper.folder / "log", "w") as log:
    ours = subprocess.Popen(["sleep", "60"], start_new_session=True, stderr=log)
other = subprocess.Popen(["sleep", "60"], start_new_session=True)
if sys.argv[1] == "dismiss":
    reaper.dismiss()
print(reaper.folder, ours.pid, other.pid, flush=True)
time.sleep(60)
"""


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("deed", ["keep", "dismiss"])
def test_what_a_killed_owner_has_started_is_ended(deed: str) -> None:
    command = [sys.executable, "-c", OWNER, deed]
    owner = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    with owner.stdout:
        folder, *pids = owner.stdout.readline().split()
    ours, other = map(int, pids)
    try:
        os.kill(owner.pid, signal.SIGKILL)
        owner.wait()
        until = time.monotonic() + (8 if deed == "keep" else 0.5)
        while (lives(ours) or Path(folder).exists()) and time.monotonic() < until:
            time.sleep(0.05)
        assert lives(ours) == (deed == "dismiss") and lives(other)
        assert not Path(folder).exists()
    finally:
        for pid in filter(lives, (ours, other)):
            os.kill(pid, signal.SIGKILL)
