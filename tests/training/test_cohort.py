"""Many trials as one: what a trial reports depends on nothing but itself."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import astuple, dataclass, fields, replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from sweep.data.problem import Problem
from sweep.spec.resolved import Setting
from sweep.training import evaluation, fitted
from sweep.training.cohort import Cohort
from sweep.training.evaluation import ENTRIES
from sweep.training.lanes import Lanes
from sweep.training.layout import Layout
from sweep.training.messages import Measures, Report
from sweep.training.modules import MLP, Factory
from sweep.training.optimizers import SGD, Adam, FusedAdam, Optimizer
from sweep.training.recipe import Recipe
from tests.support import reference
from tests.support.cases import few_fast
from tests.support.problems import made_up
from tests.support.reference import Loop, Penalty
from tests.support.settings import setting_of

EIGHT = tuple((fold, seed) for fold in range(4) for seed in range(2))
HEALTHY = setting_of(1e-3, 0.05, 0.5)
DIVERGING = setting_of(math.nan, 0.05)  # certain to be NaN after one step
ADAM = Recipe(Adam(l1=True), 5, 10, seed=3)


def problem_of(
    task: str = "classification",
    replicates: Sequence[tuple[int, int]] = EIGHT,
    shape: tuple[int, ...] = (5,),
    dtype: torch.dtype = torch.float32,
) -> Problem:
    return made_up(task, replicates, shape, n=33, val_sizes=(41, 22, 37), dtype=dtype)


def mlp(problem: Problem, hidden: Sequence[int] = (7,), activation: str = "tanh") -> Factory:
    n_features = math.prod(problem.feature_shape)
    return lambda: MLP(n_features, hidden, problem.n_outputs, activation)


@dataclass
class Told:
    """All that one trial reported."""

    losses: list[tuple[int, float | None]]
    end: Report | None = None

    @property
    def curve(self) -> np.ndarray:
        return np.array([loss for _, loss in self.losses], np.float64)

    @property
    def finite(self) -> list[tuple[int, float]]:
        return [(epoch, loss) for epoch, loss in self.losses if loss is not None]

    @property
    def result(self) -> Measures:
        assert self.end is not None
        assert self.end.result is not None
        return self.end.result


def follow(cohort: Cohort, told: dict[Hashable, Told], epochs: int = 10**6) -> None:
    """Train until no trial is left, or for so many epochs."""
    while cohort.trials and epochs:
        epochs -= 1
        for report in cohort.advance():
            one = told.setdefault(report.trial, Told([]))
            assert one.end is None, "a trial that has ended must not report"
            one.losses.append((report.epoch, report.loss))
            if report.ended:
                one.end = report


def alone(cohort: Cohort, setting: Setting) -> Told:
    told: dict[Hashable, Told] = {}
    cohort.start("it", setting)
    follow(cohort, told)
    return told["it"]


def crowded(cohort: Cohort, setting: Setting) -> Told:
    """Train it in the last slot, beside trials that diverge, end and are stopped."""
    told: dict[Hashable, Told] = {}
    for index in range(cohort.n_slots - 1):
        cohort.start(index, DIVERGING if index % 2 else HEALTHY | {"lr": 0.01 * (index + 1)})
    follow(cohort, told, 2)
    cohort.stop(0)
    cohort.start("in its place", HEALTHY)
    cohort.start("refill", DIVERGING)
    # The slots of those that diverged are free: take them all but the last.
    while cohort.free > 1:
        cohort.start(f"filler {cohort.free}", HEALTHY | {"strength": 0.1})
    cohort.start("it", setting)
    follow(cohort, told)
    assert {told[1].end and told[1].end.diverged} != {None}
    return told["it"]


def assert_bitwise(one: Told, other: Told) -> None:
    assert one.losses == other.losses
    assert all(loss is not None for _, loss in one.losses)
    for name, a, b in zip(
        [f.name for f in fields(Measures)],
        astuple(one.result),
        astuple(other.result),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b, err_msg=name)


def assert_close(one: Told, other: Told, tolerance: float) -> None:
    assert [epoch for epoch, _ in one.losses] == [epoch for epoch, _ in other.losses]
    np.testing.assert_allclose(one.curve, other.curve, rtol=tolerance)
    for a, b in zip(astuple(one.result), astuple(other.result), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


# --- the same bits in any company


def dropout_net() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 9), nn.ReLU(), nn.Dropout(0.5), nn.Linear(9, 3))


def norm_net() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 32), nn.BatchNorm1d(32), nn.Tanh(), nn.Linear(32, 3))


def layer_norm_net() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 7), nn.LayerNorm(7), nn.GELU(), nn.Linear(7, 3))


def conv_net() -> nn.Module:
    return nn.Sequential(
        nn.Unflatten(1, (1, 5)), nn.Conv1d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(9, 3)
    )


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("task", "n_features", "hidden", "batch_size"),
    few_fast(
        product(
            ["classification", "regression"], [5, 30], [[], [7], [32], [9, 5]], [None, 10, 7]
        ),
        5,
    ),
)  # fmt: skip
def test_a_trial_reports_the_same_bits_in_any_slot_and_company(
    task: str, n_features: int, hidden: list[int], batch_size: int | None
) -> None:
    problem = problem_of(task, EIGHT[:3], (n_features,))
    recipe, factory = replace(ADAM, batch_size=batch_size), mlp(problem, hidden)
    first, second = (Cohort(problem, factory, recipe, width=16) for _ in range(2))
    assert_bitwise(alone(first, HEALTHY), crowded(second, HEALTHY))


def curved_net() -> nn.Module:
    hidden = nn.Linear(5, 5), nn.BatchNorm1d(5), nn.SiLU(), nn.Linear(5, 7), nn.BatchNorm1d(7)
    return nn.Sequential(*hidden, nn.Softplus(), nn.Linear(7, 3))


OTHERS = dropout_net, norm_net, layer_norm_net, conv_net, curved_net, lambda: nn.Linear(5, 3)


@pytest.mark.parametrize(("net", "width"), few_fast(product(OTHERS, [16, 24]), 3))
def test_other_layers_report_the_same_bits_in_any_slot_and_company(
    net: Callable[[], nn.Module], width: int
) -> None:
    problem = problem_of(replicates=EIGHT[:3])
    first, second = (Cohort(problem, net, ADAM, width) for _ in range(2))
    assert_bitwise(alone(first, HEALTHY), crowded(second, HEALTHY))


@pytest.mark.parametrize("activation", ["relu", "gelu", "silu", "elu"])
@pytest.mark.parametrize(
    "optimizer", [SGD(l1=True, has_momentum=False), SGD(0.5, l1=True), SGD(0, True, l1=True)]
)
def test_other_optimisers_report_the_same_bits_in_any_slot_and_company(
    optimizer: Optimizer, activation: str
) -> None:
    problem = problem_of(replicates=EIGHT[:3])
    recipe = replace(ADAM, optimizer=optimizer, schedule="cosine")
    factory, setting = mlp(problem, [6], activation), HEALTHY | {"momentum": 0.8}
    first, second = (Cohort(problem, factory, recipe, width=16) for _ in range(2))
    assert_bitwise(alone(first, setting), crowded(second, setting))


@pytest.mark.parametrize("hidden", [[], [7], [32], [9, 5]])
@pytest.mark.parametrize("batch_size", [None, 7])
def test_adam_in_one_pass_reports_the_same_bits_in_any_slot_and_company(
    hidden: list[int], batch_size: int | None
) -> None:
    problem, made = problem_of(replicates=EIGHT[:3]), FusedAdam()
    recipe = replace(ADAM, optimizer=made, batch_size=batch_size, schedule="cosine")
    factory = mlp(problem, hidden)
    first, second = (Cohort(problem, factory, recipe, width=16) for _ in range(2))
    want = alone(first, HEALTHY)
    assert_bitwise(want, crowded(second, HEALTHY))
    assert_bitwise(want, alone(Cohort(problem, factory, recipe, width=3), HEALTHY))


@pytest.mark.slow
@pytest.mark.usefixtures("compiler")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch, about itself
@pytest.mark.parametrize("net", ["mlp", "layer norm"])
def test_compiled_steps_report_the_same_bits_in_any_slot_and_company(net: str) -> None:
    problem, recipe = problem_of(replicates=EIGHT[:3]), replace(ADAM, compile=True)
    factory = mlp(problem, [32]) if net == "mlp" else layer_norm_net
    first, second = (Cohort(problem, factory, recipe, width=16) for _ in range(2))
    assert_bitwise(alone(first, HEALTHY), crowded(second, HEALTHY))


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("hidden", "activation"),
    few_fast(product([[], [7], [32], [9, 5]], ["relu", "tanh", "gelu", "silu", "elu"]), 3),
)
def test_a_trial_reports_the_same_bits_among_any_number_of_slots(
    hidden: list[int], activation: str
) -> None:
    """Slots behind the last one held are left out, and come back as trials start."""
    problem = problem_of(replicates=EIGHT[:3])
    factory = mlp(problem, hidden, activation)
    want = alone(Cohort(problem, factory, ADAM, width=3), HEALTHY)
    cohort, told = Cohort(problem, factory, ADAM, width=16), dict[Hashable, Told]()
    for trial in ("one", "it", "two"):
        cohort.start(trial, HEALTHY if trial == "it" else HEALTHY | {"strength": 0.03})
    follow(cohort, told, 1)
    cohort.stop("two")  # fewer
    follow(cohort, told, 1)
    for index in range(3):  # and more
        cohort.start(index, DIVERGING)
    follow(cohort, told)
    assert_bitwise(told["it"], want)
    assert_bitwise(alone(cohort, HEALTHY), want)


def test_a_second_run_in_the_same_cohort_reports_the_same_bits() -> None:
    problem = problem_of()
    cohort = Cohort(problem, mlp(problem), ADAM, width=24)
    assert_bitwise(alone(cohort, HEALTHY), alone(cohort, HEALTHY))


# --- any width


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_widths_differ_by_rounding_only(task: str) -> None:
    problem = problem_of(task)
    ones = [
        alone(Cohort(problem, mlp(problem, [16]), ADAM, width), HEALTHY) for width in (16, 96, 384)
    ]
    for other in ones[1:]:
        assert_close(ones[0], other, 1e-5)


@pytest.mark.parametrize("width", [1, 3, 4, 7])
def test_rounds_report_what_one_round_does(width: int) -> None:
    problem = problem_of(dtype=torch.float64)
    want = alone(Cohort(problem, mlp(problem), ADAM, 8), HEALTHY)
    cohort = Cohort(problem, mlp(problem), ADAM, width)
    assert (cohort.n_slots, cohort.lanes_per_slot) == (1, width)
    got = alone(cohort, HEALTHY)
    assert_close(got, want, 1e-9)
    assert len(got.result.norm) == 8


def test_one_lane_at_a_time_reports_what_all_at_once_do() -> None:
    problem = problem_of(replicates=EIGHT[:3], dtype=torch.float64)
    want = alone(Cohort(problem, mlp(problem), ADAM, 3), HEALTHY)
    cohort = Cohort(problem, mlp(problem), replace(ADAM, fused=False), 64)
    assert cohort.width == 1
    assert_close(alone(cohort, HEALTHY), want, 1e-9)


def with_a_bad_row(problem: Problem, replicate: int) -> Problem:
    """Let one replicate, and no other, train on a row so long that each step on it overshoots."""
    X = torch.cat([problem.X, torch.full_like(problem.X[:1], 1e26)])
    y = torch.cat([problem.y, problem.y[:1]])
    train = problem.train.clone()
    train[replicate, 0] = len(problem.X)
    return replace(problem, X=X, y=y, y_clean=y, train=train)


@pytest.mark.parametrize("bad", [0, 4, 7])
@pytest.mark.parametrize("width", [1, 3, 8, 24])
def test_a_replicate_that_diverges_ends_its_trial_alike_at_every_width(
    width: int, bad: int
) -> None:
    problem = with_a_bad_row(problem_of("regression", dtype=torch.float64), bad)
    recipe = Recipe(SGD(has_momentum=False), 6, 10, seed=3)
    factory, setting = mlp(problem, []), setting_of(0.0, 0.01)
    want = alone(Cohort(problem, factory, recipe, 16), setting)
    got = alone(Cohort(problem, factory, recipe, width), setting)
    fold, seed = EIGHT[bad]
    for told in (want, got):
        assert told.end is not None
        assert told.end.result is None
        assert told.end.diverged is not None
        assert re.fullmatch(
            rf"validation loss (inf|nan) at epoch [34] \(fold {fold}, seed {seed}\)",
            told.end.diverged,
        )
    assert want.end is not None
    assert got.end is not None
    assert got.end.diverged == want.end.diverged
    assert len(want.finite) >= 2
    np.testing.assert_allclose(got.finite, want.finite, rtol=1e-6)


@pytest.mark.parametrize("width", [8, 4, 2, 1])
def test_of_two_replicates_that_diverge_at_once_the_same_is_named_at_every_width(
    width: int,
) -> None:
    """Where lanes are few they train in two rounds: the later one must not have the last word."""
    problem = with_a_bad_row(problem_of("regression", dtype=torch.float64), 1)
    train = problem.train.clone()
    train[6] = train[1]  # the same rows, and the same first weights by its own seed or not
    problem = replace(problem, train=train)
    recipe = Recipe(SGD(has_momentum=False), 6, 10, seed=3)
    told = alone(Cohort(problem, mlp(problem, []), recipe, width), setting_of(0.0, 0.01))
    assert told.end is not None and told.end.diverged is not None
    assert told.end.diverged.endswith("(fold 0, seed 1)")


# --- as on a GPU, one epoch ahead of what is read


@pytest.fixture
def asynchronous(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the device pass for a GPU; lists when it is set to train and when it is waited for."""
    events: list[str] = []
    train = Lanes.train_epoch

    def launched(lanes: Lanes) -> None:
        events.append("train")
        train(lanes)

    class Fetched:
        def __init__(self, tensor: torch.Tensor):
            self._values = tensor.double().clone()

        def values(self) -> np.ndarray:
            events.append("wait")
            return self._values.numpy()

    monkeypatch.setattr(Lanes, "is_asynchronous", True)
    monkeypatch.setattr(Lanes, "same_in_any_number", False)
    monkeypatch.setattr(Lanes, "train_epoch", launched)
    monkeypatch.setattr("sweep.training.cohort.Fetched", Fetched)
    return events


def test_the_next_epoch_is_under_way_before_the_losses_of_the_last_are_read(
    asynchronous: list[str],
) -> None:
    problem = problem_of()
    alone(Cohort(problem, mlp(problem), ADAM, 8), HEALTHY)
    assert asynchronous == ["train", *["train", "wait"] * 4, "wait"]  # 5 epochs and no more


def test_a_trial_that_diverges_trains_one_epoch_too_many(asynchronous: list[str]) -> None:
    problem = problem_of()
    cohort = Cohort(problem, mlp(problem), ADAM, 8)
    assert [epoch for epoch, _ in alone(cohort, DIVERGING).losses] == [1]
    assert asynchronous == ["train", "train", "wait"]
    asynchronous.clear()
    told = alone(cohort, HEALTHY)  # which begins after it
    assert [epoch for epoch, _ in told.losses] == [1, 2, 3, 4, 5]
    assert asynchronous.count("train") == 5


def test_lanes_go_on_without_waiting_for_a_trial_to_be_started(asynchronous: list[str]) -> None:
    problem = problem_of()
    cohort, told = Cohort(problem, mlp(problem), ADAM, 16), dict[Hashable, Told]()
    cohort.start("first", HEALTHY)
    cohort.launch()
    cohort.launch()
    assert asynchronous == ["train"]
    cohort.start("second", HEALTHY)  # begins with the epoch after the one under way
    follow(cohort, told, 1)
    assert list(told) == ["first"]
    follow(cohort, told)
    assert_bitwise(told["first"], told["second"])


def test_a_cpu_trains_nothing_that_may_turn_out_to_be_too_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem, train, counts = problem_of(), Lanes.train_epoch, [0]

    def counted(lanes: Lanes) -> None:
        counts[0] += 1
        train(lanes)

    monkeypatch.setattr(Lanes, "train_epoch", counted)
    told = alone(Cohort(problem, mlp(problem), ADAM, 8), DIVERGING)
    assert [epoch for epoch, _ in told.losses] == [1]
    assert counts == [1]


@pytest.mark.usefixtures("asynchronous")
@pytest.mark.parametrize("name", ["mlp", "dropout", "norm"])
def test_a_trial_reports_the_same_bits_with_an_epoch_under_way(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    problem = problem_of(replicates=EIGHT[:3])
    factory = {"mlp": mlp(problem), "dropout": dropout_net, "norm": norm_net}[name]
    ahead = crowded(Cohort(problem, factory, ADAM, width=16), HEALTHY)
    monkeypatch.setattr(Lanes, "is_asynchronous", False)
    assert_bitwise(ahead, alone(Cohort(problem, factory, ADAM, width=16), HEALTHY))


@pytest.mark.usefixtures("asynchronous")
@pytest.mark.parametrize(("width", "bad"), few_fast(product([1, 3, 8, 24], [None, 0, 4, 7]), 3))
def test_rounds_and_divergence_are_the_same_with_an_epoch_under_way(
    monkeypatch: pytest.MonkeyPatch, width: int, bad: int | None
) -> None:
    problem = problem_of("regression", dtype=torch.float64)
    problem = problem if bad is None else with_a_bad_row(problem, bad)
    recipe = Recipe(SGD(has_momentum=False), 6, 10, seed=3)
    factory, setting = mlp(problem, []), setting_of(0.0, 0.01)
    ahead = alone(Cohort(problem, factory, recipe, width), setting)
    monkeypatch.setattr(Lanes, "is_asynchronous", False)
    want = alone(Cohort(problem, factory, recipe, width), setting)
    assert ahead.losses == want.losses
    assert ahead.end is not None and want.end is not None
    assert ahead.end.diverged == want.end.diverged
    assert (bad is None) == (ahead.end.diverged is None)
    if bad is None:
        assert_bitwise(ahead, want)


# --- what a trial reports


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_reports_are_those_of_a_serial_loop(task: str) -> None:
    problem = problem_of(task, EIGHT[:3], dtype=torch.float64)
    factory = mlp(problem)
    told = alone(Cohort(problem, factory, ADAM, 9), HEALTHY)
    loop = Loop(
        "adam", HEALTHY["lr"], Penalty(HEALTHY["strength"], HEALTHY["l1_ratio"]), 5, 10, seed=3
    )
    serial = [reference.train(problem, factory, loop, r) for r in range(3)]
    curve = np.mean([one.losses for one in serial], 0)
    assert [epoch for epoch, _ in told.losses] == [1, 2, 3, 4, 5]
    np.testing.assert_allclose(told.curve, curve, rtol=1e-9)
    result = told.result
    np.testing.assert_allclose(result.val_loss, [one.losses[-1] for one in serial], rtol=1e-9)
    for r, one in enumerate(serial):
        weights = [w for name, w in one.weights.items() if name.endswith("weight")]
        entries = torch.cat([w.flatten() for w in weights])
        want = 0.5 * entries.abs().sum() + 0.5 * entries.square().sum()
        assert result.norm[r] == pytest.approx(float(want), rel=1e-9)
        assert result.sparsity[r] == float((entries == 0).double().mean())


def linear_outputs(problem: Problem, rows: torch.Tensor, r: int) -> torch.Tensor:
    loop = Loop(
        "adam", HEALTHY["lr"], Penalty(HEALTHY["strength"], HEALTHY["l1_ratio"]), 5, 10, seed=3
    )
    weights = reference.train(problem, mlp(problem, []), loop, r).weights
    return problem.X[rows] @ weights["layers.0.weight"].mT + weights["layers.0.bias"]


def test_accuracy_is_the_share_of_rows_of_the_fold_whose_class_is_right() -> None:
    problem = problem_of(replicates=EIGHT[:3], dtype=torch.float64)
    result = alone(Cohort(problem, mlp(problem, []), ADAM, 9), HEALTHY).result
    for r in range(3):
        rows = problem.val[r, : problem.val_size[r]]
        hits = linear_outputs(problem, rows, r).argmax(1) == problem.y_clean[rows]
        assert result.val_score[r] == pytest.approx(float(hits.double().mean()))
    assert len(set(result.val_score)) > 1


def test_r2_is_1_minus_the_loss_over_the_variance_of_the_fold() -> None:
    problem = problem_of("regression", EIGHT[:3], dtype=torch.float64)
    result = alone(Cohort(problem, mlp(problem, []), ADAM, 9), HEALTHY).result
    for r in range(3):
        rows = problem.val[r, : problem.val_size[r]]
        y, out = problem.y_clean[rows].numpy(), linear_outputs(problem, rows, r)[:, 0].numpy()
        want = 1 - ((y - out) ** 2).sum() / ((y - y.mean()) ** 2).sum()
        assert result.val_score[r] == pytest.approx(want)


def test_training_loss_is_told_on_noisy_and_on_true_labels() -> None:
    problem = problem_of(replicates=EIGHT[:3], dtype=torch.float64)
    assert (problem.y != problem.y_clean).any()
    result = alone(Cohort(problem, mlp(problem, []), ADAM, 9), HEALTHY).result
    for r in range(3):
        rows = problem.train[r]
        out = linear_outputs(problem, rows, r)
        for y, got in (
            (problem.y, result.train_loss),
            (problem.y_clean, result.train_loss_clean),
        ):
            want = nn.functional.cross_entropy(out, y[rows])
            assert got[r] == pytest.approx(float(want), rel=1e-9)


def test_rows_beyond_one_evaluation_are_evaluated_in_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem = problem_of(dtype=torch.float64)
    want = alone(Cohort(problem, mlp(problem), ADAM, 16), HEALTHY)
    monkeypatch.setitem(ENTRIES, "cpu", 150)
    assert_close(alone(Cohort(problem, mlp(problem), ADAM, 16), HEALTHY), want, 1e-12)


def test_into_which_parts_depends_on_no_other_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """The size of a product may matter to its last bit: there are kernels for small ones."""
    monkeypatch.setitem(ENTRIES, "cpu", 1 << 18)
    problem = made_up(
        replicates=EIGHT[:2], shape=(64,), n=50, val_sizes=(300, 300), n_outputs=10,
        dtype=torch.float32,
    )  # fmt: skip
    factory = mlp(problem, [128], "relu")
    few, many = (Cohort(problem, factory, ADAM, width) for width in (2, 24))
    want = alone(few, HEALTHY)
    for index in range(11):
        many.start(index, HEALTHY | {"lr": 0.01 * (index + 1)})
    assert_bitwise(alone(many, HEALTHY), want)


def test_few_slots_are_evaluated_at_once_where_their_outputs_are_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem, sizes = problem_of(), list[int]()

    def last_of_six() -> Told:
        cohort = Cohort(problem, mlp(problem), ADAM, 6 * len(EIGHT))
        for index in range(5):
            cohort.start(index, HEALTHY | {"lr": 0.01 * (index + 1)})
        return alone(cohort, HEALTHY)

    want = last_of_six()
    evaluate = evaluation.Evaluation._evaluate

    def noting(self: Any, tensors: Any, x: torch.Tensor) -> torch.Tensor:
        sizes.append(len(tensors["layers.0.weight"]))
        return evaluate(self, tensors, x)

    monkeypatch.setattr(evaluation.Evaluation, "_evaluate", noting)
    monkeypatch.setitem(ENTRIES, "cpu", 4 * len(EIGHT) * 7 * 20)  # 20 rows of 4 slots
    assert_close(last_of_six(), want, 1e-6)
    assert set(sizes) == {4, 2, 6}  # the last rows are few, so of all slots


@pytest.mark.parametrize("net", ["mlp", "batch norm"])
def test_slots_that_end_are_measured_in_groups_of_one_size(
    monkeypatch: pytest.MonkeyPatch, net: str
) -> None:
    problem, measured = problem_of(replicates=EIGHT[:3]), list[int]()
    factory = norm_net if net == "batch norm" else mlp(problem)
    measures = evaluation.Evaluation.measures

    def noting(self: Any, tensors: Any, weights: torch.Tensor, *args: Any) -> Measures:
        measured.append(len(weights))
        return measures(self, tensors, weights, *args)

    def six() -> dict[Hashable, Told]:
        cohort = Cohort(problem, factory, ADAM, 6 * 3)
        for index in range(6):
            cohort.start(index, HEALTHY | {"lr": 0.01 * (index + 1)})
        told: dict[Hashable, Told] = {}
        follow(cohort, told, 2)
        cohort.stop(0)
        cohort.start("later", HEALTHY)  # measured alone
        follow(cohort, told)
        del told[0]
        return told

    want = six()
    monkeypatch.setattr(evaluation.Evaluation, "measures", noting)
    monkeypatch.setattr(fitted, "MOST_BYTES", 0)  # tries no fewer lanes
    n_weights = Layout.of(factory()).n_weights
    monkeypatch.setitem(ENTRIES, "cpu", 4 * 3 * max(n_weights, 41 * problem.n_outputs))
    got = six()
    # Six slots in two groups, then the last of them, which an MLP's cohort has shrunk to.
    assert measured == [12, 12, 3 if net == "mlp" else 12]
    for trial, told in want.items():
        assert_close(got[trial], told, 1e-6)


def test_a_trial_that_diverges_says_where_and_when() -> None:
    problem = problem_of("regression")
    cohort = Cohort(problem, mlp(problem), replace(ADAM, optimizer=SGD()), 16)
    told: dict[Hashable, Told] = {}
    cohort.start("bad", setting_of(0.0, 1e30))
    cohort.start("good", HEALTHY)
    follow(cohort, told)
    bad = told["bad"].end
    assert bad is not None
    assert bad.ended
    assert bad.epoch == 1
    assert bad.loss is None
    assert bad.result is None
    assert bad.diverged in (
        "validation loss nan at epoch 1 (fold 0, seed 0)",
        "validation loss inf at epoch 1 (fold 0, seed 0)",
    )
    assert [epoch for epoch, _ in told["good"].losses] == [1, 2, 3, 4, 5]
    assert np.isfinite(told["good"].result.val_loss).all()


def test_a_collapsed_trial_trains_to_its_end() -> None:
    problem = problem_of()
    told = alone(Cohort(problem, mlp(problem), ADAM, 8), setting_of(1e3, 0.05, 1.0))
    assert len(told.losses) == 5
    assert (told.result.sparsity == 1).all()
    assert (told.result.norm == 0).all()


# --- slots


@pytest.mark.parametrize(
    ("width", "slots", "places"), [(1, 1, 1), (3, 1, 3), (8, 1, 8), (15, 1, 8), (24, 3, 8)]
)
def test_a_cohort_has_as_many_whole_slots_as_fit(width: int, slots: int, places: int) -> None:
    problem = problem_of()
    cohort = Cohort(problem, mlp(problem), ADAM, width)
    assert (cohort.n_slots, cohort.lanes_per_slot) == (slots, places)
    assert cohort.width == slots * places
    assert cohort.free == slots
    assert cohort.trials == []


def test_trials_take_slots_and_leave_them_when_they_end_or_are_stopped() -> None:
    problem = problem_of()
    cohort = Cohort(problem, mlp(problem), ADAM, 24)
    cohort.start(0, HEALTHY)
    cohort.start(1, HEALTHY)
    assert (cohort.free, cohort.trials) == (1, [0, 1])
    told: dict[Hashable, Told] = {}
    follow(cohort, told, 3)
    cohort.stop(0)
    assert (cohort.free, cohort.trials) == (2, [1])
    cohort.start(2, HEALTHY)
    follow(cohort, told)
    assert cohort.free == 3
    assert len(told[0].losses) == 3
    assert [epoch for epoch, _ in told[2].losses] == [1, 2, 3, 4, 5]
    assert told[0].end is None
    assert_bitwise(told[1], told[2])
