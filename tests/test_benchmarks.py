"""The benchmarks still run, and what they compare does the same work; no figure is looked at."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def run(output: Path, module: str, *options: str) -> dict[str, Any]:
    """Run a benchmark as a rehearsal."""
    command = [sys.executable, "-m", f"tests.benchmarks{module}", "--quick", *options]
    ended = subprocess.run([*command, "--output", str(output)], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(output.read_text())
    return found


@pytest.mark.slow
def test_jobs_are_compared(tmp_path: Path) -> None:
    found = run(tmp_path / "jobs.json", "", "--runs", "1", "--only", "short")
    programs = {row["program"] for row in found["rows"]}
    assert {"sweep", "sweep, all cores", "Optuna, plain loop"} < programs
    assert all(row["seconds"]["median"] > 0 for row in found["rows"])


@pytest.mark.slow
def test_the_gpu_s_benchmark_runs_on_a_cpu_and_its_contracts_hold_there(tmp_path: Path) -> None:
    found = run(tmp_path / "gpu.json", ".gpu", "--device", "cpu")
    assert not [name for name in found if name.endswith("_error")]
    assert max(found["fused_is_serial"].values()) < 1e-9
    assert not any(found["slots_are_bitwise_equal"].values())
    assert found["replay_is_eager"] == found["graph_times"] == "not done: no CUDA"


@pytest.mark.slow
def test_the_floor_is_measured(tmp_path: Path) -> None:
    for row in run(tmp_path / "floor.json", ".floor", "--runs", "1")["rows"]:
        assert 0 < row["share_of_floor"] < row["share_of_floor_in_steps"]
        assert sum(row["shares"].values()) == pytest.approx(1)
