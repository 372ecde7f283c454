"""Lanes of every optimiser beside SGD and Adam step as torch's do, over a hundred steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from sweep.training import adaptive
from sweep.training.adaptive import Adagrad, Lion, NAdam, RAdam, RMSprop
from sweep.training.layout import Flat
from sweep.training.optimizers import Columns, Optimizer
from tests.support import reference

SIZES, STEPS = [6, 3], 100  # a weight and a bias
BETAS: dict[str, Any] = {"betas": (0.8, 0.98), "eps": 1e-6}


@pytest.fixture(autouse=True)
def doubles() -> Iterator[None]:
    with reference.default_dtype(torch.float64), torch.no_grad():
        yield


class Pair(NamedTuple):
    """An optimiser of ours, torch's, and whether it decays weights by itself."""

    ours: Optimizer
    theirs: Callable[..., torch.optim.Optimizer]
    options: dict[str, Any]
    has_momentum: bool = False
    decay: float = 2.0


PAIRS = {
    "rmsprop": Pair(RMSprop(), torch.optim.RMSprop, {}),
    "rmsprop, momentum": Pair(RMSprop(0.9, 1e-3, has_momentum=True), torch.optim.RMSprop,
                              {"alpha": 0.9, "eps": 1e-3}, has_momentum=True),
    "rmsprop, centered": Pair(RMSprop(0.8, 1e-4, centered=True), torch.optim.RMSprop,
                              {"alpha": 0.8, "eps": 1e-4, "centered": True}),
    "rmsprop, both": Pair(RMSprop(0.8, 1e-4, centered=True, has_momentum=True),
                          torch.optim.RMSprop, {"alpha": 0.8, "eps": 1e-4, "centered": True},
                          has_momentum=True),
    "adagrad": Pair(Adagrad(), torch.optim.Adagrad, {}),
    "adagrad, all": Pair(Adagrad(0.1, 0.5, 1e-4), torch.optim.Adagrad,
                         {"lr_decay": 0.1, "initial_accumulator_value": 0.5, "eps": 1e-4}),
    "nadam": Pair(NAdam(), torch.optim.NAdam, {}),
    "nadam, all": Pair(NAdam(**BETAS, momentum_decay=0.02), torch.optim.NAdam,
                       {**BETAS, "momentum_decay": 0.02}),
    "radam": Pair(RAdam(), torch.optim.RAdam, {}),
    "radam, all": Pair(RAdam(**BETAS), torch.optim.RAdam, BETAS),
    "radam, never rectified": Pair(RAdam((0.8, 0.6)), torch.optim.RAdam, {"betas": (0.8, 0.6)}),
    "lion": Pair(Lion(), reference.Lion, {"betas": (0.9, 0.99)}, decay=1.0),
    "lion, all": Pair(Lion((0.5, 0.7)), reference.Lion, {"betas": (0.5, 0.7)}, decay=1.0),
}  # fmt: skip


class Trial(NamedTuple):
    """Where a trial runs: its lane, its first step, what it sets, how its gradients are."""

    lane: int
    start: int
    strength: float
    lr: float
    momentum: float
    poison: bool = False


TRIALS = [
    Trial(0, 0, 0.01, 0.02, 0.9),
    Trial(1, 0, 0.3, 0.05, 0.5, poison=True),  # diverges at its 20th step
    Trial(2, 0, 0.0, 0.001, 0.0),
    Trial(1, 37, 0.1, 0.03, 0.7),  # where the other diverged
    Trial(2, 61, 0.02, 0.2, 0.95),  # where the other was cut off
]


def draw(*key: int) -> Tensor:
    seed = sum(value * 1009**place for place, value in enumerate(key))
    scale = 10.0 ** float(seed % 5 - 3)
    drawn: Tensor = torch.randn(sum(SIZES), generator=torch.Generator().manual_seed(seed))
    return drawn * float(scale)


def gradient(index: int, step: int) -> Tensor:
    poisoned = TRIALS[index].poison and step >= 20
    return draw(index, step) * (math.inf if poisoned else 1.0)


def flat(rows: Tensor) -> Flat:
    return Flat(torch.cat([part.flatten() for part in rows.split(SIZES, 1)]), SIZES, 1)


def steps_of(trial: Trial) -> int:
    later = [other.start for other in TRIALS if other.lane == trial.lane]
    ends = [start for start in later if start > trial.start]
    return min([*ends, STEPS]) - trial.start


def side_by_side(pair: Pair) -> list[Tensor]:
    """Step all lanes, refilling them, and return each trial's last parameters."""
    lanes = 3
    params = flat(torch.zeros(lanes, sum(SIZES)))
    state, t = pair.ours.init(params), torch.zeros(lanes, 1)
    names = ("strength", "lr", "l1_ratio", "momentum")
    columns: Columns = {name: torch.zeros(lanes, 1) for name in names}
    held, ended = dict[int, int](), dict[int, Tensor]()
    for step in range(STEPS):
        for index, trial in enumerate(TRIALS):
            if trial.start == step:
                for part, row in zip(params.parts, draw(index, 999).split(SIZES), strict=True):
                    part[trial.lane] = row
                for part in (part for of in state for part in of.parts):
                    part[trial.lane] = 0
                t[trial.lane] = 0
                for name in ("strength", "lr", "momentum"):
                    columns[name][trial.lane] = getattr(trial, name)
                held[trial.lane] = index
        rows = [gradient(held[lane], step - TRIALS[held[lane]].start) for lane in range(lanes)]
        t += 1
        pair.ours.step(params, flat(torch.stack(rows)), state, t, columns)
        for lane, index in held.items():
            ended[index] = torch.cat([part[lane] for part in params.parts]).clone()
    return [ended[index] for index in range(len(TRIALS))]


def alone(pair: Pair, index: int) -> Tensor:
    trial = TRIALS[index]
    weight, bias = (nn.Parameter(part.clone()) for part in draw(index, 999).split(SIZES))
    options = pair.options | ({"momentum": trial.momentum} if pair.has_momentum else {})
    groups = [
        {"params": [weight], "weight_decay": pair.decay * trial.strength},
        {"params": [bias], "weight_decay": 0.0},
    ]
    optimizer = pair.theirs(groups, lr=trial.lr, **options)
    for step in range(steps_of(trial)):
        weight.grad, bias.grad = gradient(index, step).split(SIZES)
        optimizer.step()
    return torch.cat([weight.detach(), bias.detach()])


def gap(pair: Pair) -> float:
    found = []
    for index, got in enumerate(side_by_side(pair)):
        if TRIALS[index].poison:
            assert not got.isfinite().all() or isinstance(pair.ours, Lion | Adagrad)
        else:
            found.append(float((got - alone(pair, index)).abs().nan_to_num(math.inf).max()))
    return max(found)


@pytest.mark.parametrize("name", PAIRS)
def test_lanes_step_as_torch_does_for_a_hundred_steps(name: str) -> None:
    assert gap(PAIRS[name]) < 1e-9


# --- the proximal step


def test_an_l1_part_adds_to_a_step_its_reach_and_no_more() -> None:
    """Where entries stay far from 0, it is the step for a gradient with α·r·sign(w) in it.

    That is so where squares are not of this step's gradient: the first step of plain Adagrad,
    of a gradient far larger than α.
    """
    ours, columns = Adagrad(l1=True), filled(strength=1e-6, l1_ratio=1.0)
    params = flat(torch.full((1, 9), 3.0))
    ours.step(params, flat(torch.full((1, 9), 50.0)), ours.init(params), torch.ones(1, 1), columns)
    moved = 3.0 - torch.cat(params.parts, 1)[0]
    assert moved[:6].tolist() == pytest.approx([0.1 * (1 + 1e-6 / 50)] * 6, rel=1e-9)
    assert moved[6:].tolist() == pytest.approx([0.1] * 3, rel=1e-9)


def filled(**values: float) -> Columns:
    given = {"strength": 0.0, "lr": 0.1, "l1_ratio": 0.0, "momentum": 0.0} | values
    return {name: torch.full((1, 1), value) for name, value in given.items()}


WITH_L1: dict[str, tuple[Optimizer, float]] = {
    "rmsprop": (RMSprop(l1=True), 0.0),
    "rmsprop, momentum": (RMSprop(l1=True, has_momentum=True), 0.8),
    "adagrad": (Adagrad(l1=True), 0.0),
    "nadam": (NAdam(l1=True), 0.0),
    "radam": (RAdam(l1=True), 0.0),
}
TARGET = torch.tensor([1.0, -0.7, 0.3, 0.05, -0.02, 0.0, 0.4, -0.4, 0.2]).double()


def rested(optimizer: Optimizer, momentum: float, strength: float, ratio: float) -> Tensor:
    """Minimise ½‖w − target‖² + the penalty, with a rate that falls to 0."""
    params = flat(torch.zeros(1, 9))
    state = optimizer.init(params)
    for step in range(1, 3001):
        w = torch.cat(params.parts, 1)
        lr = (0.3 if isinstance(optimizer, Adagrad) else 0.02) * (1 - step / 3001)
        columns = filled(strength=strength, l1_ratio=ratio, momentum=momentum, lr=lr)
        t = torch.full((1, 1), float(step))
        optimizer.step(params, flat(w - TARGET), state, t, columns)
    return torch.cat(params.parts, 1)[0]


@pytest.mark.parametrize("ratio", [1.0, 0.6])
@pytest.mark.parametrize("name", WITH_L1)
def test_it_rests_at_the_minimum_of_the_penalised_problem_with_its_zeros(
    name: str, ratio: float
) -> None:
    strength = 0.1
    absolute, squared = strength * ratio, strength * (1 - ratio)
    want = TARGET.sign() * (TARGET.abs() - absolute).clamp_min(0) / (1 + 2 * squared)
    want[6:] = TARGET[6:]  # biases
    got = rested(*WITH_L1[name], strength, ratio)
    torch.testing.assert_close(got, want, atol=2e-3, rtol=0)
    assert ((got == 0) == (want == 0)).all() and (want[:6] == 0).sum() == 3


# --- planted faults


def test_a_threshold_that_is_the_same_for_all_entries_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        adaptive, "_shrink",
        lambda params, reach, lr, columns: whole(
            params, [torch.ones_like(each) for each in reach], lr, columns
        ),
    )  # fmt: skip
    with pytest.raises(AssertionError):
        test_it_rests_at_the_minimum_of_the_penalised_problem_with_its_zeros("adagrad", 1.0)


whole = adaptive._shrink


def test_a_refill_that_leaves_the_state_is_caught() -> None:
    class Leaves:
        def __init__(self, inner: Optimizer):
            self.inner, self.init = inner, inner.init
            self.kept: list[Tensor] = []

        def step(self, params: Flat, grad: Flat, state: tuple[Flat, ...], *rest: Any) -> None:
            for part, kept in zip(state[0].parts, self.kept, strict=bool(self.kept)):
                part.copy_(kept)
            self.inner.step(params, grad, state, *rest)
            self.kept = [part.clone() for part in state[0].parts]

    assert gap(PAIRS["adagrad"]._replace(ours=Leaves(Adagrad()))) > 1e-6


def test_a_step_count_shared_by_the_lanes_is_caught() -> None:
    class Shares:
        def __init__(self, inner: Optimizer):
            self.inner, self.init = inner, inner.init

        def step(
            self, params: Flat, grad: Flat, state: tuple[Flat, ...], t: Tensor, columns: Columns
        ) -> None:
            self.inner.step(params, grad, state, t.max().expand_as(t), columns)

    for name in ("nadam", "radam", "adagrad, all"):
        assert gap(PAIRS[name]._replace(ours=Shares(PAIRS[name].ours))) > 1e-6
