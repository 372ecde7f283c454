"""All seeds side by side are the seeds one by one; the calibration error is as defined."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sweep.config import train as retrain
from sweep.config.train import Trained, calibration_error, train_seeds
from sweep.data.holdout import make_refit_problem
from sweep.errors import SweepError
from sweep.plan.plan import Plan, make_plan
from sweep.spec.files import parse_spec
from sweep.training.lanes import Lanes

SEEDS = 5


def plan_of(task: str = "classification", **training: Any) -> Plan:
    source = {"classification": "sklearn:iris", "regression": "sklearn:diabetes"}[task]
    tree = {
        "study_name": "x", "device": "cpu", "model": {"hidden": [4, 3]},
        "data": {"source": source, "task": task, "train_rows": 40},
        "training": {"epochs": 3, "batch_size": 20, **training},
    }  # fmt: skip
    plan = make_plan(parse_spec(tree, "x", Path(".")))
    return replace(plan, problem=make_refit_problem(plan.spec, plan.dataset, SEEDS))


def train(plan: Plan) -> Trained:
    settings = [plan.setting({"alpha": alpha}) for alpha in (0.1, 0.0)]
    return train_seeds(plan, settings, lambda done, total: None)


@pytest.fixture(scope="module")
def together() -> Trained:
    return train(plan_of())


def assert_same(found: Trained, expected: Trained) -> None:
    assert found.best == expected.best
    assert found.tensors is not None and expected.tensors is not None
    for name, tensor in expected.tensors.items():
        torch.testing.assert_close(found.tensors[name], tensor, rtol=1e-4, atol=1e-6)
    for key, values in expected.values.items():
        assert found.values[key] == pytest.approx(values, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(
    "training", [{"width": 1}, {"width": 4}, {"width": 7}, {"width": 99}, {"fused": False}]
)
def test_any_width_gives_the_same(training: dict[str, Any], together: Trained) -> None:
    assert_same(train(plan_of(**training)), together)


def test_where_memory_is_short_fewer_train_at_once(
    together: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def small(plan: Any, factory: Any, recipe: Any, slots: int, places: int) -> Lanes:
        made.append(slots * places)
        if slots * places > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return Lanes(plan, factory, recipe, slots, places)

    monkeypatch.setattr(retrain, "Lanes", small)
    assert_same(train(plan_of()), together)
    assert made == [10, 4, 2]


def test_without_memory_for_one_lane_it_fails_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none(*_: Any) -> Lanes:
        raise MemoryError

    monkeypatch.setattr(retrain, "Lanes", none)
    with pytest.raises(SweepError, match=r"^device: must hold one lane, got out of memory"):
        train(plan_of())


def test_progress_counts_every_round() -> None:
    told: list[tuple[int, int]] = []
    plan = plan_of(width=4)
    setting = plan.setting({"alpha": 0.0})
    train_seeds(plan, [setting, setting], lambda *at: told.append(at))
    assert told == [(done, 9) for done in range(1, 10)]  # seeds 0 and 1, 2 and 3, 4


def test_the_kept_network_is_the_first_settings_best(together: Trained) -> None:
    losses = [together.values[0, seed]["train_loss"] for seed in range(SEEDS)]
    assert together.best == int(np.argmin(losses))


def test_r2_of_a_constant_target_is_left_out() -> None:
    plan = plan_of("regression")
    y = plan.problem.y_clean.clone()
    y[plan.problem.val] = 1.0
    row = train(replace(plan, problem=replace(plan.problem, y_clean=y))).row(0, {"alpha": 0.1})
    assert set(row.values) == {"loss", "rmse", "train_loss", "norm", "sparsity"}
    assert row.seeds == tuple(range(SEEDS))


def test_rows_leave_out_what_diverged() -> None:
    fine, gone = {"loss": 1.0, "train_loss": 0.5}, {"loss": 1.0, "train_loss": math.nan}
    values = {(0, 0): gone, (0, 1): fine, (1, 0): fine, (1, 1): {**fine, "loss": math.inf}}
    trained = Trained(values, rows={key: {"loss": np.ones(3)} for key in values})
    assert trained.row(0, {}).seeds == (1,)
    assert trained.row(1, {}).seeds == (0,)
    assert Trained({(0, 0): gone}).row(0, {}).estimates == {}


# --- calibration


def outputs(*confidences: float) -> torch.Tensor:
    """Outputs of two classes (1, T, 2) whose first has these probabilities."""
    p = torch.tensor(confidences, dtype=torch.float64)
    return torch.stack([p, 1 - p], -1).log()[None]


def test_calibration_error_by_hand() -> None:
    # .75 and .76 share the bin (11/15, 12/15]; .95 has its own; class 1 is told with .9.
    out, y = outputs(0.75, 0.76, 0.95, 0.1), torch.tensor([[0, 1, 1, 1]])
    expected = (abs(1 - 1.51) + 0.95 + 0.1) / 4
    assert calibration_error(out, y) == pytest.approx([expected])


def test_sure_and_right_is_calibrated_and_sure_and_wrong_is_not() -> None:
    out = torch.tensor([[[100.0, 0.0]], [[0.0, 100.0]]])
    assert calibration_error(out, torch.tensor([[0], [0]])) == pytest.approx([0.0, 1.0])


def test_calibration_error_against_plain_numpy() -> None:
    draw = np.random.default_rng(0)
    out, y = draw.normal(size=(3, 200, 4)) * 2, draw.integers(0, 4, (3, 200))
    found = calibration_error(torch.from_numpy(out), torch.from_numpy(y))
    p = np.exp(out) / np.exp(out).sum(-1, keepdims=True)
    confidence, hit = p.max(-1), p.argmax(-1) == y
    edges = np.linspace(0, 1, 16)
    for lane in range(3):
        total = 0.0
        for low, high in pairwise(edges):
            inside = (confidence[lane] > low) & (confidence[lane] <= high)
            if inside.any():
                gap = hit[lane][inside].mean() - confidence[lane][inside].mean()
                total += inside.mean() * abs(gap)
        assert found[lane] == pytest.approx(total)


def test_a_diverged_lane_spoils_no_other() -> None:
    out = torch.cat([outputs(0.75), torch.full((1, 1, 2), math.nan)])
    assert calibration_error(out, torch.tensor([[0], [0]]))[0] == pytest.approx(0.25)
