"""The script for SLURM in docs/clusters.md runs, with stand-ins for SLURM's own programs."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import TINY

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]
ROOT = Path(__file__).parents[1]
STAND_INS = {
    "srun": 'while [[ "$1" == --* ]]; do shift; done\nexec "$@"\n',
    "scontrol": 'python -c "from ray.util import get_node_ip_address as ip; print(ip())"\n',
    "sweep": 'exec python -m sweep "$@"\n',
}
LIMIT_S = 300


def free_port() -> int:
    """Return a port below those of Ray's workers."""
    for port in range(6400, 9000):
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)):
                return port
    raise AssertionError("no port is free")


def below(folder: Path) -> list[str]:
    """Return the commands of processes that name a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        found += [command] * (str(folder) in command)
    return found


def test_the_script_for_slurm_runs_a_study_over_two_nodes_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    pytest.importorskip("ray")
    programs, ray = tmp_path / "bin", Path("/tmp") / f"sweep-slurm-{os.getpid()}"
    programs.mkdir()
    for name, text in STAND_INS.items():
        (programs / name).write_text(f"#!/bin/bash\n{text}")
        (programs / name).chmod(0o755)
    (tmp_path / "study.yaml").write_text(TINY)
    document = (ROOT / "docs" / "clusters.md").read_text(encoding="utf-8")
    (script,) = [one for one in re.findall(r"```sh\n(.*?)```", document, re.DOTALL)
                 if "#SBATCH" in one]  # fmt: skip
    script = script.replace("6379", str(free_port()))
    script = script.replace("ray start", "ray start --num-cpus 1 --object-store-memory 80000000")
    environment = os.environ | {
        "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT), "RAY_TMPDIR": str(ray), "SLURM_SUBMIT_DIR": str(tmp_path),
        "SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "n[1-2]", "SLURM_NNODES": "2",
    }  # fmt: skip
    try:
        done = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment, text=True,
                              capture_output=True, timeout=LIMIT_S)  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "next: sweep export study.yaml" in done.stdout
        assert [*tmp_path.glob(".ray-token-*")] == []
        deadline = time.monotonic() + 300
        while left := below(ray):
            assert time.monotonic() < deadline, left
            time.sleep(0.2)
    finally:
        shutil.rmtree(ray, ignore_errors=True)
