"""Metrics are scikit-learn's: what reaches its functions, from lanes, folds and scaled targets."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics
from sklearn.preprocessing import label_binarize

from sweep.errors import UsageError
from sweep.spec.objective import METRICS, ObjectiveSpec
from sweep.spec.tasks import TaskName
from sweep.training.cohort import Cohort
from sweep.training.lanes import Lanes
from sweep.training.metrics import Scorer, make_scorer
from sweep.training.modules import MLP
from sweep.training.optimizers import Adam
from sweep.training.recipe import Recipe
from tests.support.problems import made_up
from tests.support.settings import setting_of

Function = Callable[[Any, Any], float]

SIZES = (9, 6)  # rows of the places: the second one's last three are padding
PLACES, SLOTS = len(SIZES), 2


def _ovr(y: Any, z: Any) -> float:
    p = torch.softmax(torch.tensor(z), 1).numpy()
    if z.shape[1] == 2:
        return float(metrics.roc_auc_score(y, p[:, 1]))
    return float(metrics.roc_auc_score(y, p, multi_class="ovr", average="macro"))


def _precision(y: Any, z: Any) -> float:
    p = torch.softmax(torch.tensor(z), 1).numpy()
    if z.shape[1] == 2:
        return float(metrics.average_precision_score(y, p[:, 1]))
    return float(metrics.average_precision_score(label_binarize(y, classes=[0, 1, 2]), p))


def _f1(y: Any, z: Any) -> float:
    average = "binary" if z.shape[1] == 2 else "macro"
    return float(metrics.f1_score(y, z.argmax(1), average=average, zero_division=0))


def _log_loss(y: Any, z: Any) -> float:
    p = torch.softmax(torch.tensor(z), 1).numpy()
    return float(metrics.log_loss(y, p, labels=range(z.shape[1])))


OF_CLASSES: dict[str, Function] = {
    "auc": _ovr,
    "average_precision": _precision,
    "f1": _f1,
    "balanced_accuracy": lambda y, z: metrics.balanced_accuracy_score(y, z.argmax(1)),
    "log_loss": _log_loss,
}
OF_NUMBERS: dict[str, Function] = {
    "r2": metrics.r2_score,
    "mae": metrics.mean_absolute_error,
    "rmse": metrics.root_mean_squared_error,
}


def scorer(name: str, task: TaskName = "classification") -> Scorer:
    found = make_scorer(ObjectiveSpec(metric=name), task, Path())
    assert isinstance(found, Scorer)
    return found


def test_every_metric_is_held_here() -> None:
    assert METRICS.keys() - {"val_loss", "val_error"} == OF_CLASSES.keys() | OF_NUMBERS.keys()


@pytest.mark.filterwarnings("ignore:y_pred contains classes")
@pytest.mark.parametrize("name", OF_CLASSES)
@pytest.mark.parametrize("n_classes", [2, 3])
@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_metric_of_classes_is_scikit_learns_in_every_lane(
    name: str, n_classes: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    # Few different outputs: many rows tie.
    z = rng.integers(-2, 3, (SLOTS * PLACES, max(SIZES), n_classes)).astype(np.float64)
    y = np.stack([np.r_[np.arange(n_classes), rng.integers(0, n_classes, max(SIZES) - n_classes)]
                  for _ in SIZES])  # fmt: skip
    units = torch.ones(PLACES), torch.zeros(PLACES)
    got = scorer(name).of_lanes(
        torch.tensor(z).mT, torch.tensor(y), torch.tensor(SIZES), units, range(len(z))
    )
    for lane, found in enumerate(got):
        place = lane % PLACES
        n = SIZES[place]
        assert found == pytest.approx(OF_CLASSES[name](y[place, :n], z[lane, :n]), abs=1e-12)


@pytest.mark.parametrize("name", OF_NUMBERS)
@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_metric_of_numbers_is_scikit_learns_in_the_targets_units(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scaled = rng.integers(-3, 4, (PLACES, max(SIZES))) / 4
    z = rng.integers(-3, 4, (SLOTS * PLACES, max(SIZES), 1)) / 8
    scale, mean = np.array([12.5, 0.25]), np.array([-300.0, 7.0])
    got = scorer(name, "regression").of_lanes(
        torch.tensor(z).mT, torch.tensor(scaled), torch.tensor(SIZES),
        (torch.tensor(scale), torch.tensor(mean)), range(len(z)),
    )  # fmt: skip
    for lane, found in enumerate(got):
        place = lane % PLACES
        y, p = (values[: SIZES[place]] * scale[place] + mean[place]
                for values in (scaled[place], z[lane, :, 0]))  # fmt: skip
        if name == "r2" and np.ptp(y) == 0:
            assert math.isnan(found)
        else:
            assert found == pytest.approx(OF_NUMBERS[name](y, p), rel=1e-12, abs=1e-12)


def test_only_lanes_that_are_asked_for_are_measured() -> None:
    z, y = torch.randn(4, 2, 6, dtype=torch.float64), torch.tensor([[0, 1] * 3] * 2)
    units = torch.ones(2), torch.zeros(2)
    found = scorer("auc").of_lanes(z, y, torch.tensor([6, 6]), units, [2])
    assert np.isfinite(found).tolist() == [False, False, True, False]


@pytest.mark.parametrize("name", OF_CLASSES)
def test_a_lane_without_finite_outputs_has_no_metric(name: str) -> None:
    z = np.array([[0.0, 1.0], [np.nan, 0.0], [1.0, 0.0]])
    assert math.isnan(scorer(name).of_rows(z, np.array([1, 0, 0]), 1.0, 0.0))


@pytest.mark.parametrize("name", ["auc", "average_precision"])
def test_rows_of_one_class_have_no_area_under_a_curve(name: str) -> None:
    assert math.isnan(scorer(name).of_rows(np.eye(3, 2), np.zeros(3, np.int64), 1.0, 0.0))


# --- functions of the user's own

SCORES = """
import numpy as np
def of_shares(predictions, targets):
    assert np.allclose(predictions.sum(1), 1)
    return float(predictions[np.arange(len(targets)), targets].mean())
def of_outputs(outputs, targets):
    return float((outputs.argmax(1) == targets).mean())
def whatever(a, b):
    return float(a.mean() + b.mean())
def of_text(predictions, targets):
    return "good"
def fails(predictions, targets):
    raise RuntimeError("no")
def single(x):
    return 1.0
"""


def own(folder: Path, name: str, task: TaskName = "classification") -> Scorer:
    (folder / "scores.py").write_text(SCORES)
    objective = ObjectiveSpec(metric=f"python:scores:{name}", direction="maximize")
    found = make_scorer(objective, task, folder)
    assert isinstance(found, Scorer)
    return found


Z, Y = np.array([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0]]), np.array([0, 1, 1])


def test_a_function_gets_probabilities_or_outputs_by_its_arguments_name(tmp_path: Path) -> None:
    shares = torch.softmax(torch.tensor(Z), 1).numpy()
    expected = shares[[0, 1, 2], Y].mean()
    assert own(tmp_path, "of_shares").of_rows(Z, Y, 1.0, 0.0) == pytest.approx(expected)
    assert own(tmp_path, "of_outputs").of_rows(Z, Y, 1.0, 0.0) == pytest.approx(2 / 3)


def test_a_function_gets_numbers_in_the_targets_own_units(tmp_path: Path) -> None:
    found = own(tmp_path, "whatever", "regression").of_rows(Z[:, :1], Y, 10.0, 100.0)
    assert found == pytest.approx((10 * 5 / 3 + 100) + (10 * 2 / 3 + 100))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("of_text", "must return a float, got str"),
        ("fails", "must not fail, got RuntimeError: no"),
        ("single", "must take (predictions, targets)"),
        ("missing", "must name a function"),
    ],
)
def test_a_function_that_is_no_metric_is_refused_in_one_line(
    tmp_path: Path, name: str, said: str
) -> None:
    with pytest.raises(UsageError) as error:
        own(tmp_path, name).of_rows(Z, Y, 1.0, 0.0)
    assert str(error.value).startswith("objective.metric: ") and said in str(error.value)
    assert "\n" not in str(error.value)


# --- in lanes


@pytest.mark.parametrize(
    ("task", "name"), [("classification", "log_loss"), ("classification", "f1"),
                       ("regression", "rmse"), ("regression", "r2")],
)  # fmt: skip
def test_lanes_are_measured_on_the_rows_of_their_own_fold(task: TaskName, name: str) -> None:
    replicates = tuple((fold, 0) for fold in range(3))
    problem = made_up(task, replicates, n=33, val_sizes=(41, 22, 37))
    if task == "regression":
        units = {"y_scale": torch.tensor([3.0, 20.0, 0.5]), "y_mean": torch.tensor([9.0, -2.0, 0])}
        problem = replace(problem, **{k: v.double() for k, v in units.items()})  # type: ignore[arg-type]
    recipe = Recipe(Adam(), 2, 10, seed=3, metric=scorer(name, task))
    lanes = Lanes(problem, lambda: MLP(5, (7,), problem.n_outputs, "tanh"), recipe, 3, 3)
    lanes.reset(range(2), range(3), [setting_of(1e-3, 0.05), setting_of(0.1, 0.02)])
    lanes.train_epoch()
    measured, out = lanes.measure(range(3), [0, 1]), lanes.predict(range(3)).numpy()
    for slot, place in itertools.product(range(2), range(3)):
        n = int(problem.val_size[place])
        y, z = problem.y_clean[problem.val[place, :n]].numpy(), out[3 * slot + place, :n]
        if task == "regression":
            y, z = (v * problem.y_scale[place].item() + problem.y_mean[place].item()
                    for v in (y, z[:, 0]))  # fmt: skip
        expected = (OF_CLASSES | OF_NUMBERS)[name](y, z)
        assert measured[slot].metric[place] == pytest.approx(expected, rel=1e-9)


def test_a_trial_without_a_metric_is_one_that_diverged() -> None:
    problem = made_up()
    nothing = Scorer("metric", "classification", lambda seen: math.nan)
    recipe = Recipe(Adam(), 2, 10, seed=3, metric=nothing)
    cohort = Cohort(problem, lambda: MLP(5, (7,), 3, "tanh"), recipe, 4)
    cohort.start(0, setting_of(1e-3, 0.05))
    reports = [report for _ in range(2) for report in cohort.advance()]
    assert reports[-1].result is None
    assert reports[-1].diverged == "metric nan at the end of training (fold 0, seed 0)"
    assert reports[-1].loss is not None and cohort.free == cohort.n_slots
