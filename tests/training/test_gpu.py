"""What trains on a GPU trains there alone: shown by `tests.support.gpu` on a CPU."""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import sweep
from sweep.config.refit import fit
from sweep.errors import UsageError
from sweep.plan.plan import make_plan
from sweep.plan.width import CUDA_SHARE
from sweep.training import cuda_graph, transfer
from sweep.training.cohort import Cohort
from sweep.training.modules import Factory
from sweep.training.recipe import Recipe
from tests.benchmarks import contracts
from tests.benchmarks import gpu as benchmark
from tests.support.cases import few_fast
from tests.support.gpu import GPU, SimulatedGpu
from tests.support.studies import tiny
from tests.training.test_cohort import (
    ADAM,
    EIGHT,
    HEALTHY,
    Told,
    alone,
    assert_close,
    mlp,
    problem_of,
)
from tests.training.test_cohort import crowded as in_company
from tests.training.test_lanes import NETWORKS, optimizers

ROUNDING = 1e-4  # of float32, where sums run in another order
TABLE = ["number", "state", "value", "alpha", "train_loss", "norm", "outcome"]


def on_both(
    gpu: SimulatedGpu, factory: Factory, recipe: Recipe, task: str = "classification",
    shape: tuple[int, ...] = (5,), width: int = 16,
) -> tuple[Told, Told]:  # fmt: skip
    """Train a trial in company on the CPU and on the GPU, where nothing waits but for its end."""
    problem = problem_of(task, EIGHT[:3], shape)
    want = in_company(Cohort(problem, factory, recipe, width), HEALTHY)
    there = Cohort(
        problem.to(GPU, torch.float32), factory, replace(recipe, cuda_graph=True), width
    )
    gpu.waits.clear()
    got = in_company(there, HEALTHY)
    assert gpu.waits == []
    assert gpu.n_graphs == 2  # an epoch and its validation
    return want, got


@pytest.mark.parametrize(
    ("optimizer", "norm", "schedule"),
    few_fast(
        product(
            ["adam", "sgd", "momentum", "nesterov"], ["l2", "l1", "elastic"],
            ["constant", "cosine"],
        ),
        13,
    ),
)  # fmt: skip
def test_every_optimiser_trains_on_a_gpu(
    gpu: SimulatedGpu, optimizer: str, norm: str, schedule: Any
) -> None:
    made, _ = optimizers(optimizer, norm)
    recipe = replace(ADAM, optimizer=made, schedule=schedule)
    assert_close(*on_both(gpu, mlp(problem_of()), recipe), ROUNDING)


@pytest.mark.parametrize(
    ("task", "batch_size", "hidden", "activation"),
    few_fast(
        product(
            ["classification", "regression"], [None, 10], [[], [9, 5]],
            ["relu", "gelu", "silu", "elu"],
        ),
        12,
    ),
)  # fmt: skip
def test_every_mlp_trains_on_a_gpu(
    gpu: SimulatedGpu, task: str, batch_size: int | None, hidden: list[int], activation: str
) -> None:
    factory = mlp(problem_of(task), hidden, activation)
    recipe = replace(ADAM, batch_size=batch_size)
    assert_close(*on_both(gpu, factory, recipe, task), ROUNDING)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_that_autograd_differentiates_train_on_a_gpu(
    gpu: SimulatedGpu, name: str
) -> None:
    factory, shape = NETWORKS[name]
    assert_close(*on_both(gpu, factory, ADAM, shape=shape), ROUNDING)


def test_one_lane_without_vmap_trains_on_a_gpu(gpu: SimulatedGpu) -> None:
    problem, recipe = problem_of(replicates=EIGHT[:1]), replace(ADAM, fused=False)
    want, got = (
        alone(Cohort(each, mlp(each), recipe, 1), HEALTHY)
        for each in (problem, problem.to(GPU, torch.float32))
    )
    assert_close(want, got, ROUNDING)


# --- whole studies


@pytest.mark.slow
def test_a_study_on_a_gpu_has_the_trials_of_one_on_a_cpu(
    gpu: SimulatedGpu, tmp_path: Path
) -> None:
    devices = {"cpu": "cpu", "eager": str(GPU), "replayed": str(GPU)}
    of_cpu, eager, replayed = (
        sweep.run(
            tiny(tmp_path, study_name=name, device=device, training__cuda_graph=name == "replayed")
        ).trials
        for name, device in devices.items()
    )
    assert gpu.n_graphs == 2 + 2  # for the search, and for the fresh folds
    pd.testing.assert_frame_equal(eager[TABLE], of_cpu[TABLE], rtol=ROUNDING)
    pd.testing.assert_frame_equal(replayed[TABLE], eager[TABLE], check_exact=True)


@pytest.mark.slow
def test_a_study_does_not_wait_for_a_gpu_once_it_trains(gpu: SimulatedGpu, tmp_path: Path) -> None:
    waits = []
    for n_trials in (5, 14):
        gpu.waits.clear()
        sweep.run(
            tiny(tmp_path, study_name=f"of{n_trials}", device=str(GPU), search__n_trials=n_trials)
        )
        waits.append(len(gpu.waits))
    assert waits[0] == waits[1] > 0


@pytest.mark.slow
def test_where_a_study_searches_does_not_depend_on_the_device(
    gpu: SimulatedGpu, tmp_path: Path
) -> None:
    spans = [
        make_plan(tiny(tmp_path, model__activation="relu", device=device)).span
        for device in ("cpu", str(GPU))
    ]
    assert spans[0] == spans[1]
    assert spans[0].alpha_max is not None


@pytest.mark.slow
def test_what_a_study_on_a_gpu_found_is_refitted_there(gpu: SimulatedGpu, tmp_path: Path) -> None:
    spec = tiny(tmp_path, device=str(GPU), training__cuda_graph=True)
    config = sweep.run(spec).export(tmp_path / "best.toml")
    there = fit(config)
    assert gpu.waits  # it was there
    here = fit(config, output=tmp_path / "here.safetensors", device="cpu")
    for name, values in here.chosen.values.items():
        np.testing.assert_allclose(there.chosen.values[name], values, rtol=ROUNDING)


@pytest.mark.slow
def test_a_study_on_a_gpu_convolves_in_full_precision(
    gpu: SimulatedGpu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)  # torch's default
    sweep.run(tiny(tmp_path, device=str(GPU), search__n_trials=1))
    assert not torch.backends.cudnn.allow_tf32


def test_a_gpu_has_memory_for_the_outputs_of_all_its_lanes(
    gpu: SimulatedGpu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.support.gpu.MEMORY", 2 << 20)
    plan = make_plan(tiny(tmp_path, device=str(GPU), search__in_flight=14))
    outputs = 4 * 10 * plan.problem.val.shape[1]  # bytes of a lane
    share = CUDA_SHARE * (2 << 20)
    assert plan.width < 4 * 15, "all trials and the control would fit anyway"
    assert plan.width * (plan.lane_bytes + 3 * outputs) <= share
    assert plan.width * plan.lane_bytes < share / 2, "the outputs do not matter here"


# --- what a GPU refuses, or does later: the checks above must see it


def network_of(tmp_path: Path, forward: str) -> str:
    """Write a network of the user's own; return its source."""
    (tmp_path / "net.py").write_text(f"""
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.layer, self.scale = nn.Linear(n_features, n_outputs), torch.full((n_outputs,), 0.5)

    def forward(self, x):
        {forward}

def net(shape, n_outputs):
    return Net(shape, n_outputs)
""")
    return "python:net:net"


@pytest.mark.parametrize(
    "forward",
    [
        "return self.layer(x) * self.scale",
        "return self.layer(x) + torch.zeros(len(x), self.layer.out_features)",
    ],
)
def test_a_network_that_keeps_a_tensor_on_the_host_is_refused(
    gpu: SimulatedGpu, tmp_path: Path, forward: str
) -> None:
    model = {"model": {"source": network_of(tmp_path, forward)}}
    make_plan(tiny(tmp_path, device="cpu", **model))
    with pytest.raises(UsageError, match=r"^model: .*on device cuda:0, got .*tensors"):
        make_plan(tiny(tmp_path, device=str(GPU), **model))


def test_a_network_that_waits_for_the_gpu_trains_without_graphs(
    gpu: SimulatedGpu, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = network_of(tmp_path, "return self.layer(x.cpu().to(x.device))")
    spec = tiny(
        tmp_path, device=str(GPU), model={"source": source}, training__cuda_graph=True,
        search__n_trials=2,
    )  # fmt: skip
    cuda_graph._tell.cache_clear()
    with caplog.at_level(logging.WARNING, "sweep"):
        assert sweep.run(spec).trials["value"].notna().all()
    assert gpu.n_graphs == 0
    assert "Training goes on without graphs" in caplog.text


def test_values_that_are_not_waited_for_are_not_there(gpu: SimulatedGpu) -> None:
    on_gpu = torch.arange(3.0, device=GPU)
    fetched = transfer.Fetched(on_gpu)
    assert np.isnan(np.asarray(fetched._values)).all()
    on_gpu.add_(1)  # after the copy was queued
    assert fetched.values().tolist() == [0, 1, 2]
    assert gpu.waits == []


def test_a_capture_runs_nothing_and_its_replays_nothing_of_python(gpu: SimulatedGpu) -> None:
    x = torch.zeros(3, device=GPU)
    runs: list[int] = []

    def work() -> None:
        runs.append(len(runs))
        x.add_(runs[-1])

    replay = cuda_graph.capture(work, [x])
    assert x.tolist() == [0, 0, 0]
    assert replay is not None
    replay()
    replay()
    assert x.tolist() == [6, 6, 6]
    assert runs == [0, 1, 2, 3]


# --- what is measured on a GPU


@pytest.mark.slow
@pytest.mark.parametrize(
    "stage",
    [
        "no_step_waits", "step_times", "trainings_alone", "parts",
        "replay_is_eager", "fused_is_serial_graphs",
    ],
)  # fmt: skip
def test_the_gpu_s_benchmark_runs_on_a_gpu(gpu: SimulatedGpu, stage: str) -> None:
    given = argparse.Namespace(device=GPU, quick=True, runs=1, minutes=7.5)
    *_, found = benchmark.stages(given, {})[stage]()
    assert found
    if "serial" in stage:
        assert max(found.values()) < contracts.ROUNDING
    if stage == "replay_is_eager":
        assert not any(found.values())
