"""What is replayed is what would be trained without graphs, as `tests.support.replay` shows.

What only a GPU can show, the capture itself and the order of its stream, is in
tests/benchmarks/contracts.py.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from sweep.data.problem import Problem
from sweep.spec.augment import augmentations_of
from sweep.spec.schedule import ScheduleSpec
from sweep.training import cuda_graph as graph
from sweep.training import linalg
from sweep.training import optimizers as optim
from sweep.training.cohort import Cohort
from sweep.training.lanes import Lanes
from sweep.training.layout import Flat
from sweep.training.modules import Factory
from sweep.training.recipe import Recipe
from tests.benchmarks import contracts
from tests.support import replay
from tests.support.cases import few_fast, slow_but
from tests.support.gpu import GPU, SimulatedGpu
from tests.support.networks import Recurrent
from tests.support.problems import made_up
from tests.training.test_cohort import (
    ADAM,
    DIVERGING,
    EIGHT,
    HEALTHY,
    alone,
    assert_bitwise,
    conv_net,
    crowded,
    dropout_net,
    layer_norm_net,
    mlp,
    norm_net,
    problem_of,
)
from tests.training.test_lanes import LATER, NETWORKS, eventful, make_case, optimizers, relu_net
from tests.training.test_recipe import L2_ALONE

EPOCHS, SLOTS = 20, 3
History = list[Tensor]


@pytest.fixture
def replays(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Record and replay on the CPU; holds how often each recording was replayed."""
    counts: list[int] = []

    def capture(work: graph.Work, state: Sequence[Tensor]) -> graph.Replay:
        replayed, index = replay.capture(work, state), len(counts)
        counts.append(0)

        def once() -> None:
            counts[index] += 1
            replayed()

        return once

    monkeypatch.setattr(graph, "capture", capture)
    monkeypatch.setattr(linalg, "by_numpy", lambda: False)  # a GPU's work is all of torch's
    yield counts
    assert counts and all(counts), "nothing was replayed"


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no cohort change its number of lanes, and each train an epoch ahead."""
    monkeypatch.setattr(Lanes, "same_in_any_number", False)
    monkeypatch.setattr(Lanes, "is_asynchronous", True)


def history(
    problem: Problem, factory: Factory, recipe: Recipe,
    between: Callable[[Lanes, int], None] = lambda lanes, epoch: None,
) -> History:  # fmt: skip
    """Train with refills on the way; return the losses of each epoch and all that lanes hold."""
    places = len(problem.replicates)
    lanes = Lanes(problem, factory, recipe, SLOTS, places)
    starts = {  # (epoch, slot) to what is put there; one slot is idle at first
        (0, 0): HEALTHY | {"momentum": 0.9},
        (0, 1): DIVERGING,
        (4, 2): HEALTHY | {"lr": 0.01, "momentum": 0.5},
        (7, 0): HEALTHY | {"strength": 0.1, "lr": 0.02, "l1_ratio": 0.1},
        (9, 1): HEALTHY | {"strength": 0.01, "lr": 0.03, "l1_ratio": 1.0, "momentum": 0.9},
    }
    losses = []
    for epoch in range(EPOCHS):
        for (start, slot), setting in starts.items():
            if start == epoch:
                lanes.reset(range(slot, slot + 1), range(places), [setting])
        between(lanes, epoch)
        lanes.train_epoch()
        losses.append(lanes.validate(range(places)))
    return [torch.stack(losses), *lanes.held()]


def equal(one: History, other: History) -> bool:
    """Compare bit by bit; the lanes of the trial that diverged are NaN in both."""
    pairs = zip(one, other, strict=True)
    return all(torch.equal(a.nan_to_num(-1.25), b.nan_to_num(-1.25)) for a, b in pairs)


def replayed_is_eager(
    problem: Problem, factory: Factory, recipe: Recipe,
    between: Callable[[Lanes, int], None] = lambda lanes, epoch: None,
) -> bool:  # fmt: skip
    eager, replayed = (
        history(problem, factory, replace(recipe, cuda_graph=cuda_graph), between)
        for cuda_graph in (False, True)
    )
    assert eager[0].isnan().any() and eager[0].isfinite().all(1).any()
    return equal(eager, replayed)


def recipe_of(
    optimizer: str = "adam", norm: str = "elastic", batch_size: int | None = 10,
    schedule: Literal["constant", "cosine"] = "cosine",
) -> Recipe:  # fmt: skip
    return Recipe(optimizers(optimizer, norm)[0], EPOCHS, batch_size, schedule, seed=3)


# --- replay = eager, bit by bit


BATCH_SIZES = [None, 10, 7]  # of 33 rows


@pytest.mark.parametrize(
    ("task", "hidden", "batch_size"),
    few_fast(product(["classification", "regression"], [[], [7], [9, 5]], BATCH_SIZES), 4),
)
def test_20_epochs_replayed_are_20_epochs_trained(
    replays: list[int], task: str, hidden: list[int], batch_size: int | None
) -> None:
    problem = problem_of(task, EIGHT[:3])
    assert replayed_is_eager(problem, mlp(problem, hidden), recipe_of(batch_size=batch_size))
    assert replays == [EPOCHS, EPOCHS]  # an epoch and its validation


@pytest.mark.parametrize(
    ("optimizer", "norm", "schedule"),
    [
        ("adamw", "l2", "cosine"),
        pytest.param("adamw", "l2", "constant", marks=pytest.mark.slow),
        *few_fast(
            product(
                ["adam", "sgd", "momentum", "nesterov"], ["l2", "l1", "elastic"],
                ["constant", "cosine"],
            ),
            5,
        ),
    ],
)  # fmt: skip
def test_every_optimiser_replays(
    replays: list[int], optimizer: str, norm: str, schedule: Literal["constant", "cosine"]
) -> None:
    problem = problem_of(replicates=EIGHT[:3])
    recipe = recipe_of(optimizer, norm, schedule=schedule)
    assert replayed_is_eager(problem, mlp(problem), recipe)


@pytest.mark.parametrize("optimizer", few_fast(LATER, 5))
def test_the_later_optimisers_replay_with_clip_schedule_and_changed_rows(
    replays: list[int], optimizer: str
) -> None:
    problem, norm = problem_of(replicates=EIGHT[:3]), "l2" if optimizer in L2_ALONE else "elastic"
    recipe = replace(
        recipe_of(optimizer, norm), clip_norm=0.5, augment=augmentations_of(("mixup", "noise")),
        schedule=ScheduleSpec(type="cosine", warmup=0.3),
    )  # fmt: skip
    eager, replayed = (
        history(problem, mlp(problem), replace(recipe, cuda_graph=graphs))
        for graphs in (False, True)
    )
    assert equal(eager, replayed)


def test_images_that_change_replay(replays: list[int]) -> None:
    problem = made_up(shape=(1, 6, 6), replicates=EIGHT[:3], dtype=torch.float32)
    recipe = replace(
        recipe_of("adam", "l2"), augment=augmentations_of(("flip", "crop")), row_shape=(1, 6, 6)
    )
    assert replayed_is_eager(problem, NETWORKS["convolution"][0], recipe)


@pytest.mark.parametrize("activation", few_fast(["relu", "gelu", "silu", "elu"], 2))
def test_every_activation_replays(replays: list[int], activation: str) -> None:
    problem = problem_of(replicates=EIGHT[:3])
    assert replayed_is_eager(problem, mlp(problem, [9, 5], activation), recipe_of())


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_that_autograd_differentiates_replay(replays: list[int], name: str) -> None:
    factory, shape = NETWORKS[name]
    problem = problem_of(replicates=EIGHT[:3], shape=shape)
    assert replayed_is_eager(problem, factory, recipe_of())


@pytest.mark.parametrize("name", slow_but(("recurrent", "batch norm"), ["recurrent", *NETWORKS]))
def test_one_lane_without_vmap_replays(replays: list[int], name: str) -> None:
    networks = {"recurrent": (lambda: Recurrent(nn.GRU), (5,)), **NETWORKS}
    factory, shape = networks[name]
    problem = problem_of(replicates=EIGHT[:1], shape=shape)
    eager, replayed = (
        alone(Cohort(problem, factory, replace(ADAM, fused=False, cuda_graph=on), 1), HEALTHY)
        for on in (False, True)
    )
    assert_bitwise(replayed, eager)


# --- trials that end, diverge, are stopped and replaced


NETS: dict[str, Callable[[], nn.Module]] = {
    "dropout": dropout_net, "batch norm": norm_net, "layer norm": layer_norm_net,
    "convolution": conv_net,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.usefixtures("as_on_a_gpu")
@pytest.mark.parametrize("name", ["mlp", *NETS])
def test_a_trial_reports_the_same_bits_replayed_in_any_slot_and_company(
    replays: list[int], name: str
) -> None:
    problem, recipe = problem_of(replicates=EIGHT[:3]), replace(ADAM, cuda_graph=True)
    factory = NETS.get(name, mlp(problem))
    cohorts = [Cohort(problem, factory, recipe, width=16) for _ in range(2)]
    lonely, among_others = alone(cohorts[0], HEALTHY), crowded(cohorts[1], HEALTHY)
    assert len(replays) == 4  # refilled lanes are those that were captured
    assert_bitwise(lonely, among_others)
    assert_bitwise(lonely, alone(Cohort(problem, factory, ADAM, width=16), HEALTHY))


def test_lanes_of_another_number_are_captured_anew(replays: list[int]) -> None:
    problem, recipe = problem_of(replicates=EIGHT[:3]), replace(ADAM, cuda_graph=True)
    told = crowded(Cohort(problem, mlp(problem), recipe, width=16), HEALTHY)
    assert len(replays) > 2
    assert_bitwise(told, alone(Cohort(problem, mlp(problem), ADAM, width=16), HEALTHY))


@pytest.mark.usefixtures("as_on_a_gpu")
@pytest.mark.parametrize("width", [1, 3, 4])
def test_rounds_replay(replays: list[int], width: int) -> None:
    problem = problem_of()
    eager, replayed = (
        alone(Cohort(problem, mlp(problem), replace(ADAM, cuda_graph=on), width), HEALTHY)
        for on in (False, True)
    )
    assert_bitwise(replayed, eager)
    assert len(replays) == 1 + -(-8 // width)  # an epoch, and the validation of each round


@pytest.mark.parametrize(
    ("optimizer", "net"), few_fast(product(["nesterov", "adam"], ["mlp", "own"]), 3)
)
def test_replayed_lanes_train_as_torch_optim_does(
    replays: list[int], optimizer: str, net: str
) -> None:
    case = make_case(optimizer, "elastic", "cosine")
    factory = case.factory if net == "mlp" else relu_net(case.problem)
    case = replace(case, factory=factory, recipe=replace(case.recipe, cuda_graph=True))
    assert case.gap(eventful(optimizer, "elastic")) < 1e-9


@pytest.mark.slow
@pytest.mark.usefixtures("as_on_a_gpu")
def test_the_contracts_checked_on_a_gpu_hold_here(replays: list[int]) -> None:
    device = torch.device("cpu")
    for found in (
        *contracts.replay_is_eager(device),
        *contracts.slots_are_bitwise_equal(device, cuda_graph=True),
    ):
        assert not any(found.values())
    for found in contracts.fused_is_serial(device, cuda_graph=True):
        assert max(found.values()) < contracts.ROUNDING


@pytest.mark.slow
@pytest.mark.usefixtures("compiler")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch, about itself
@pytest.mark.parametrize("name", ["mlp", "layer norm"])
def test_compiled_steps_leave_all_tensors_where_they_are(name: str) -> None:
    """Compiled code is not recorded here; it must write where it did, for a graph to be right."""
    problem = problem_of(replicates=EIGHT[:3])
    recipe = replace(recipe_of(), compile=True)
    lanes = Lanes(problem, NETS.get(name, mlp(problem)), recipe, SLOTS, 3)
    before = [tensor.data_ptr() for tensor in lanes.held()]
    for _ in range(2):
        lanes.train_epoch()
        lanes.reset(range(1), range(3), [HEALTHY])
    assert [tensor.data_ptr() for tensor in lanes.held()] == before


# --- planted faults: the comparisons above must see them


@dataclass
class Scheduled:
    """An optimiser that takes a number from Python."""

    inner: optim.Optimizer
    factor: float = 1.0

    def init(self, params: Flat) -> tuple[Flat, ...]:
        return self.inner.init(params)

    def step(
        self, params: Flat, grad: Flat, state: tuple[Flat, ...], t: Tensor, columns: optim.Columns
    ) -> None:
        columns = columns | {"lr": columns["lr"] * self.factor}
        self.inner.step(params, grad, state, t, columns)


def test_a_number_that_a_graph_would_freeze_is_caught(replays: list[int]) -> None:
    problem, scheduled = problem_of(replicates=EIGHT[:3]), Scheduled(optim.Adam())
    recipe = replace(recipe_of(), optimizer=scheduled)

    def change(lanes: Lanes, epoch: int) -> None:
        scheduled.factor = 0.5 if epoch == 12 else 1.0

    assert replayed_is_eager(problem, mlp(problem), recipe)
    assert not replayed_is_eager(problem, mlp(problem), recipe, change)


@pytest.mark.parametrize("name", ["_lr", "_epoch", "_replicate"])
def test_a_tensor_that_is_replaced_is_caught(replays: list[int], name: str) -> None:
    problem = problem_of(replicates=EIGHT[:3])

    def put_another(lanes: Lanes, epoch: int) -> None:
        tensor = getattr(lanes, name)
        setattr(lanes, name, tensor.clone() if epoch != 12 else tensor.roll(1, 0))

    assert not replayed_is_eager(problem, mlp(problem), recipe_of(), put_another)


class Counting(nn.Module):
    """A network that grows duller at each of its runs, by Python's count."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.runs = nn.Linear(5, 3), 0

    def forward(self, x: Tensor) -> Tensor:
        self.runs += 1
        return torch.as_tensor(self.layer(x) / self.runs)


def reads_a_value(x: Tensor) -> None:
    x.mul_(x.sum().item())


def branches(x: Tensor) -> None:
    if x.sum() > 0:
        x.neg_()


def takes_a_list_of_rows(x: Tensor) -> None:
    x.copy_(x[[1, 0, 2]])


def takes_a_mask(x: Tensor) -> None:
    x.add_(x[x > 0].sum())


def fills_a_mask(x: Tensor) -> None:
    x[x > 0] = 0


def finds_places(x: Tensor) -> None:
    x.add_(torch.where(x > 0)[0].sum())


def makes_a_tensor_of_numbers(x: Tensor) -> None:
    x.add_(torch.tensor([1.0, 2.0, 3.0]))


def goes_to_the_host(x: Tensor) -> None:
    x.add_(x.cpu().abs())


def lists_values(x: Tensor) -> None:
    x.fill_(sum(x.tolist()))


def compares_values(x: Tensor) -> None:
    x.fill_(torch.equal(x, x + 1))


@pytest.mark.parametrize(
    "work",
    [
        reads_a_value, branches, takes_a_list_of_rows, takes_a_mask, fills_a_mask, finds_places,
        makes_a_tensor_of_numbers, goes_to_the_host, lists_values, compares_values,
    ],
)  # fmt: skip
def test_work_that_waits_for_the_host_is_refused(work: Callable[[Tensor], None]) -> None:
    x = torch.tensor([1.0, 2.0, 3.0])
    with pytest.raises(replay.RefusedError):
        replay.capture(lambda: work(x), [x])


def test_work_that_replaces_what_it_reads_is_refused() -> None:
    held = {"x": torch.ones(3)}

    def replace_it() -> None:
        held["x"] = held["x"] - 0.1

    with pytest.raises(replay.RefusedError, match="reads a tensor that is another one"):
        replay.capture(replace_it, [held["x"]])


def test_a_network_that_counts_its_runs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "capture", replay.capture)
    recipe = replace(ADAM, cuda_graph=True)
    cohort = Cohort(problem_of(replicates=EIGHT[:3]), Counting, recipe, 6)
    with pytest.raises(replay.RefusedError, match="other numbers the second time"):
        alone(cohort, HEALTHY)


# --- work that cannot be captured


def test_lanes_that_cannot_be_captured_train_without_graphs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def refused(work: graph.Work, state: Sequence[Tensor]) -> None:
        asked.append(work)

    monkeypatch.setattr(graph, "capture", refused)
    problem = problem_of(replicates=EIGHT[:3])
    assert replayed_is_eager(problem, mlp(problem), recipe_of())
    assert len(asked) == 2  # each once


@pytest.mark.parametrize("fails_in", ["error", "capture"])
def test_a_capture_that_fails_leaves_the_state_and_says_why_once(
    gpu: SimulatedGpu, caplog: pytest.LogCaptureFixture, fails_in: str
) -> None:
    state, modes = torch.arange(4.0, device=GPU), []
    before = state.tolist()

    def work() -> None:
        modes.append(gpu.mode)
        state.add_(1)
        if gpu.mode == fails_in:
            raise RuntimeError("called a synchronizing operation.\nand more")

    graph._tell.cache_clear()
    with caplog.at_level(logging.WARNING, "sweep"):
        for _ in range(2):
            assert graph.capture(work, [state]) is None
            assert state.tolist() == before
    runs = ["default", "default", "error", "capture"]
    assert modes == 2 * runs[: runs.index(fails_in) + 1]
    assert gpu.mode == "default"
    assert [record.getMessage() for record in caplog.records] == [
        "training.cuda_graph: must be work that a GPU can capture, got called a synchronizing"
        " operation. Training goes on without graphs"
    ]


@pytest.mark.parametrize("fails_in", ["default", "error", "capture"])
def test_full_memory_is_raised_wherever_it_is_met(gpu: SimulatedGpu, fails_in: str) -> None:
    def work() -> None:
        if gpu.mode == fails_in:
            raise RuntimeError("CUDA error: out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        graph.capture(work, [torch.zeros(1, device=GPU)])
