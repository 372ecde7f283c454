"""The benchmarks still run, and what they compare does the same work; no figure is looked at."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.benchmarks import arrival, engines, gpu, peers
from tests.benchmarks.comparison import Outcome
from tests.benchmarks.job import Trial
from tests.benchmarks.regret import Truth
from tests.benchmarks.timing import Run, timed
from tests.benchmarks.workloads import ENSEMBLE, PLAIN, Program, Workload


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
    for of_cuda in ("replay_is_eager", "graph_times", "compiled_times"):
        assert found[of_cuda] == "not done: no CUDA"


@pytest.mark.slow
def test_the_floor_is_measured(tmp_path: Path) -> None:
    for row in run(tmp_path / "floor.json", ".floor", "--runs", "1")["rows"]:
        assert 0 < row["share_of_floor"] < row["share_of_floor_in_steps"]
        assert sum(row["shares"].values()) == pytest.approx(1)


@pytest.mark.slow
def test_the_engines_are_measured() -> None:
    pytest.importorskip("ray")
    command = [sys.executable, "-m", "tests.benchmarks.engines", "--quick"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "| 2 | 64 |" in ended.stdout


@pytest.mark.slow
def test_networks_of_ones_own_are_compared(tmp_path: Path) -> None:
    options = "--turns", "1", "--lanes", "8", "--only", "residual"
    command = [sys.executable, "-m", "tests.benchmarks.networks", *options]
    output = tmp_path / "networks.json"
    ended = subprocess.run([*command, "--output", str(output)], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    (row,) = json.loads(output.read_text())["rows"].values()
    assert row["floor_ms"] > 0
    assert row["ratios"]["8"] == pytest.approx(row["ms"]["plain"] / row["ms"]["8"])


@pytest.mark.slow
def test_waves_of_trials_are_measured_with_all_slots_and_those_held(tmp_path: Path) -> None:
    output = tmp_path / "waves.json"
    options = "--turns", "1", "--epochs", "4", "--only", "residual", "--output", str(output)
    subprocess.run([sys.executable, "-m", "tests.benchmarks.waves", *options], check=True)
    (row,) = json.loads(output.read_text())["rows"].values()
    assert row["ratio"] == pytest.approx(row["held"] / row["all"])


@pytest.mark.slow
def test_it_is_told_when_each_program_has_a_good_choice(tmp_path: Path) -> None:
    options = "--runs", "1", "--only", "linear, diabetes"
    found = run(tmp_path / "arrival.json", ".arrival", *options)
    assert [row["program"] for row in found["rows"]] == [p.name for p in arrival.SOLVED]
    for row in found["rows"]:
        seconds, cpu, _ = row["choices"][-1]
        assert 0 < seconds <= row["seconds"] and 0 < cpu <= row["cpu_seconds"]


@pytest.mark.parametrize(
    ("alphas", "since"),
    [((1.0, 10.0, 9.0), 2.0), ((10.0, 10.0, 10.0), 1.0), ((10.0, 1.0, 10.0), 3.0),
     ((10.0, 10.0, 1.0), None)],
    ids=["from the second on", "at once", "it left again", "never"],
)  # fmt: skip
def test_a_choice_has_arrived_once_it_stays_good(
    alphas: tuple[float, ...], since: float | None
) -> None:
    truth = Truth(np.log([1.0, 10.0, 100.0]), np.array([3.0, 1.0, 3.0]), float("nan"))
    choices = [(n, 0.0, alpha) for n, alpha in enumerate(alphas, 1)]
    first = arrival.arrived(choices, truth, 0.5)
    assert (first[0] if first else None) == since


def test_after_each_trial_the_best_so_far_is_chosen_in_the_order_of_their_ends() -> None:
    trials = [Trial(1.0, 3.0, 0.0, 12.0), Trial(2.0, 2.0, 0.0, 11.0), Trial(3.0, 1.0, 0.0, 13.0)]
    outcome = Outcome(Run(10.0, 5.0, 1.0, ""), 1, trials, [])
    assert arrival.of_trials(outcome) == [(1.0, 2.0), (2.0, 2.0), (3.0, 3.0)]


def test_cpu_time_until_a_moment_lies_between_what_was_seen_before_and_after() -> None:
    ended = Run(0.0, 3.0, 1.0, "", [(1.0, 0.5), (2.0, 1.5)])
    assert [ended.cpu_until(at) for at in (0.0, 1.5, 9.0)] == [0.0, 1.0, 1.5]


def test_from_which_length_on_more_hosts_pay_follows_from_the_pairs() -> None:
    rows = [{"seconds": {"workers": [t], "ray": [10 + 1.1 * t]}} for t in (5.0, 20.0, 60.0)]
    cost = engines.overhead(rows)
    assert cost == {"fixed_s": 10.0, "factor": 1.1}
    assert engines.pays_from_s(cost, 2) == pytest.approx(10 / (1 - 0.55))
    assert engines.pays_from_s(cost, 1) is None  # on the same cores it never does


def test_a_job_that_hangs_is_killed() -> None:
    with pytest.raises(SystemExit, match="failed with -9"):
        timed([sys.executable, "-c", "import time; time.sleep(600)"], limit_s=0.2)


def test_a_stage_that_fails_leaves_what_it_found_and_where_it_failed(tmp_path: Path) -> None:
    def stage() -> Iterator[Any]:
        yield [1]
        raise RuntimeError("no more\nbut this")

    found: dict[str, Any] = {}
    gpu.run("it", stage, found, tmp_path / "gpu.json")
    assert found["it"] == [1]
    assert found["it_error"] == "RuntimeError: no more … but this"
    assert "test_benchmarks.py" in found["it_traceback"]
    assert json.loads((tmp_path / "gpu.json").read_text()) == found
    assert [path.name for path in tmp_path.iterdir()] == ["gpu.json"]


def test_a_program_that_fails_costs_none_of_what_was_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []

    def run_once(program: Program, work: Workload) -> Outcome:
        done.append(program.name)
        third = program.name == ENSEMBLE.name and done.count(program.name) == 3
        if program.name == PLAIN.name or third:
            raise SystemExit("failed with 1")
        trials = [Trial(10.0**-k, 1.0 + k, 0.0, 1.0 + k) for k in range(1, 5)]
        return Outcome(Run(0.0, 10.0, 1.0, ""), 1, trials, [0.5] * 4)

    monkeypatch.setattr(peers, "run_once", run_once)
    told: list[list[dict[str, Any]]] = []
    with pytest.raises(RuntimeError) as raised:
        told.extend(peers.whole_jobs(torch.device("cpu"), 2, True, float("inf")))
    assert len(str(raised.value).splitlines()) == 2
    made = {(row["work"], row["program"]): len(row["seconds"]["runs"]) for row in told[-1]}
    one, other = (work.name for work in peers.workloads(torch.device("cpu"), True))
    assert made == {
        (one, "sweep"): 2, (one, ENSEMBLE.name): 1,
        (other, "sweep"): 2, (other, ENSEMBLE.name): 2,
    }  # fmt: skip
