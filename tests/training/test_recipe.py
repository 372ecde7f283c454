"""Fused = serial for all that a recipe may hold: clip, schedule, and each with each."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from sweep.spec.augment import AugmentSpec, augmentations_of
from sweep.spec.schedule import ScheduleSpec
from sweep.training import augmentation, counters, lanes, optimizers, penalty, schedules
from sweep.training.clipping import clip_norm
from sweep.training.lanes import Lanes
from sweep.training.modules import MLP
from tests.support.cases import few_fast, slow_but
from tests.support.problems import made_up
from tests.training.test_lanes import (
    LATER,
    Case,
    eventful,
    make_case,
    relu_net,
    settings,
    side_by_side,
)

CLIPS = [None, 0.05]
SCHEDULES: dict[str, dict[str, Any]] = {
    "linear": {"type": "linear"},
    "cosine after a warm-up": {"type": "cosine", "warmup": 0.3},
    "step": {"type": "step", "every": 2, "factor": 0.5},
    "one cycle": {"type": "one_cycle", "warmup": 5},
}


CHANGES: dict[str, tuple[AugmentSpec, ...]] = {
    "none": (),
    "flip": (AugmentSpec(type="flip"),),
    "crop": (AugmentSpec(type="crop", pad=2),),
    "noise": (AugmentSpec(type="noise", std=0.3),),
    "mixup": (AugmentSpec(type="mixup", alpha=0.7),),
    "all": augmentations_of(("flip", "crop", "mixup", "noise")),
}
IMAGE = (4, 3)


def case_of(
    optimizer: str, norm: str, clip: float | None, schedule: str, changes: str = "none",
    **more: Any,
) -> Case:  # fmt: skip
    given: dict[str, Any] = {
        "schedule": ScheduleSpec(**SCHEDULES[schedule]), "clip_norm": clip,
        "augment": CHANGES[changes], "row_shape": IMAGE,
    }  # fmt: skip
    case = make_case(optimizer, norm, **more)
    return replace(case, recipe=replace(case.recipe, **given), loop=replace(case.loop, **given))


L2_ALONE = ("adamw", "lion", "muon", "muon original", "rmsprop centered")
OPTIMIZERS = ["sgd", "nesterov", "adam", "adamw", *LATER]


def check(
    optimizer: str, clip: float | None, schedule: str, changes: str, net: str,
    task: str = "classification",
) -> None:  # fmt: skip
    problem = made_up(task, shape=(12,))
    # Both with relu: with tanh a neighbour whose rate is huge may stay finite.
    factory = (
        relu_net(problem) if net == "own" else lambda: MLP(12, [4], problem.n_outputs, "relu")
    )
    norm = "l2" if optimizer in L2_ALONE else "elastic"
    case = case_of(optimizer, norm, clip, schedule, changes, problem=problem, factory=factory)
    assert case.gap(eventful(optimizer, norm)) < 1e-9


@pytest.mark.parametrize("net", ["mlp", "own"])
@pytest.mark.parametrize(
    ("optimizer", "clip", "schedule", "changes"),
    [
        *few_fast((("adam", clip, way, "none") for clip in CLIPS for way in SCHEDULES), 4),
        *few_fast((("sgd", clip, "step", changes) for clip in CLIPS for changes in CHANGES), 4),
        *few_fast(((name, 0.05, "cosine after a warm-up", "all") for name in OPTIMIZERS), 4),
        *few_fast(((name, None, "step", "none") for name in LATER), 5),
    ],
)
def test_lanes_train_as_a_plain_loop_does(
    optimizer: str, clip: float | None, schedule: str, changes: str, net: str
) -> None:
    check(optimizer, clip, schedule, changes, net)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("optimizer", "clip", "schedule", "changes"),
    [*itertools.product(OPTIMIZERS, CLIPS, SCHEDULES, ["none", "mixup", "all"])],
)
def test_each_with_each_trains_as_a_plain_loop_does(
    optimizer: str, clip: float | None, schedule: str, changes: str
) -> None:
    check(optimizer, clip, schedule, changes, "mlp")


@pytest.mark.slow
@pytest.mark.usefixtures("compiler")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch, about itself
def test_compiled_lanes_train_as_a_plain_loop_does() -> None:
    optimizer, problem = "rmsprop momentum", made_up(shape=(12,))
    case = case_of(optimizer, "l2", 0.05, "one cycle", "all", problem=problem)
    case = replace(case, recipe=replace(case.recipe, compile=True))
    assert case.gap(eventful(optimizer, "l2")[1:]) < 1e-9


@pytest.mark.parametrize(
    ("changes", "net"), few_fast(itertools.product(["mixup", "all"], ["mlp", "own"]), 3)
)
def test_numbers_are_mixed_as_in_a_plain_loop(changes: str, net: str) -> None:
    check("adam", None, "linear", changes, net, "regression")


@pytest.mark.parametrize("changes", slow_but(("crop", "all"), CHANGES))
def test_images_that_a_network_takes_as_they_are_change_alike(changes: str) -> None:
    problem = made_up(shape=(2, *IMAGE))

    def factory() -> nn.Module:
        return nn.Sequential(nn.Conv2d(2, 2, 2), nn.Tanh(), nn.Flatten(), nn.Linear(12, 3))

    case = case_of("adam", "l2", None, "linear", changes, problem=problem, factory=factory)
    given: dict[str, Any] = {"row_shape": (2, *IMAGE)}
    case = replace(
        case,
        recipe=replace(case.recipe, **given),
        loop=replace(case.loop, **given),
    )
    assert case.gap(eventful("adam", "l2")[1:]) < 1e-9


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_clipping_comes_before_the_penalty_as_in_a_loop_with_weight_decay(optimizer: str) -> None:
    case = case_of(optimizer, "l2", 0.05, "linear")
    assert case.gap(side_by_side(settings(optimizer, "l2"))) < 1e-9


# --- the same bits


def weights_of(optimizer: str, slots: int, slot: int) -> list[torch.Tensor]:
    """Train a trial in a slot beside others, in float32 with clip, schedule and all changes."""
    problem = made_up(shape=(12,), dtype=torch.float32)
    norm = "l2" if optimizer in L2_ALONE else "elastic"
    case = case_of(
        optimizer, norm, 0.5, "cosine after a warm-up", "all", problem=problem,
        factory=lambda: MLP(12, [9], 3, "relu"),
    )  # fmt: skip
    fused = Lanes(problem, case.factory, case.recipe, slots, 2)
    own, other, *_ = settings(optimizer, norm)
    fused.reset(range(slots), range(2), [own if s == slot else other for s in range(slots)])
    for _ in range(case.recipe.epochs):
        fused.train_epoch()
    return [w[2 * slot : 2 * slot + 2] for w in fused.layout.views(fused._params).values()]


SLOTS = [(5, 0), (5, 4), (2, 1), (16, 7)]


@pytest.mark.parametrize(
    ("optimizer", "slots", "slot"),
    few_fast(((name, *place) for name in OPTIMIZERS for place in SLOTS), 3),
)
def test_a_trial_has_the_same_bits_in_any_slot_of_any_number(
    optimizer: str, slots: int, slot: int
) -> None:
    for one, other in zip(
        weights_of(optimizer, 1, 0), weights_of(optimizer, slots, slot), strict=True
    ):
        assert torch.equal(one, other)


# --- planted faults


def test_a_clip_of_each_tensor_by_itself_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def each(gradient: Any, largest: float) -> None:
        for part in gradient.parts:
            part.mul_((largest / (part.square().sum(1) ** 0.5 + 1e-6)).clamp(max=1)[:, None])

    monkeypatch.setattr(lanes, "clip_norm", each)
    case = case_of("sgd", "l2", 0.05, "linear")
    assert case.gap(side_by_side(settings("sgd", "l2"))) > 1e-6


def test_a_clip_over_all_lanes_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def together(gradient: Any, largest: float) -> None:
        gradient.whole.mul_((largest / (gradient.whole.norm() + 1e-6)).clamp(max=1))

    monkeypatch.setattr(lanes, "clip_norm", together)
    case = case_of("sgd", "l2", 0.05, "linear")
    assert case.gap(side_by_side(settings("sgd", "l2"))) > 1e-6


def test_a_clip_that_the_penalty_counts_in_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(gradient: Any, *given: Any) -> None:
        added(gradient, *given)
        clip_norm(gradient, 0.05)

    added = penalty.add_l2_gradient
    monkeypatch.setattr(optimizers, "add_l2_gradient", late)
    monkeypatch.setattr(lanes, "clip_norm", lambda *_: None)
    case = case_of("sgd", "l2", 0.05, "linear")
    assert case.gap(side_by_side(settings("sgd", "l2"))) > 1e-6


def test_a_schedule_that_is_a_step_late_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(*given: Any) -> torch.Tensor:
        table = schedules.factors(*given)
        return table.flatten().roll(1).view(table.shape)

    monkeypatch.setattr(lanes, "factors", late)
    case = case_of("sgd", "l2", None, "cosine after a warm-up")
    assert case.gap(side_by_side(settings("sgd", "l2"))) > 1e-6


def test_a_schedule_by_the_step_of_a_neighbour_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lanes that were refilled are at another place of it."""
    case = case_of("sgd", "l2", None, "linear")

    def first(self: Any) -> None:
        self._epoch.copy_(self._epoch.max().expand_as(self._epoch))
        whole(self)

    whole = lanes.Lanes._train_epoch
    monkeypatch.setattr(lanes.Lanes, "_train_epoch", first)
    assert case.gap(eventful("sgd", "l2")[1:]) > 1e-6


def gap_of(changes: str) -> float:
    problem = made_up(shape=(12,))
    case = case_of("sgd", "l2", None, "step", changes, problem=problem)
    return case.gap(eventful("sgd", "l2")[1:])


def test_a_loss_by_the_row_s_own_target_alone_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def own(loss: Any) -> Any:
        return loss._replace(slope=lambda z, y: loss.slope(z, y.one))

    assert gap_of("mixup") < 1e-9
    monkeypatch.setattr(lanes, "mixing", own)
    assert gap_of("mixup") > 1e-6


@pytest.mark.parametrize("changes", ["flip", "crop", "noise", "mixup"])
def test_rows_that_change_by_the_slot_are_caught(
    changes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bits = augmentation.random_bits
    monkeypatch.setattr(
        augmentation, "random_bits", lambda key, n: bits(torch.arange(len(key)) + 9, n)
    )
    assert gap_of(changes) > 1e-6


def test_rows_that_change_by_a_neighbour_s_step_are_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = counters.draw_key
    monkeypatch.setattr(
        lanes, "draw_key",
        lambda replicate, step, layer: key(replicate, step.max().expand_as(step), layer),
    )  # fmt: skip
    assert gap_of("noise") > 1e-6
