"""Slots that wait for a trial are not trained, and that changes no bit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sweep.spec.resolved import Setting
from sweep.training import fitted
from sweep.training.cohort import Cohort
from sweep.training.lanes import Lanes
from sweep.training.messages import Measures, Report
from sweep.training.metrics import Scorer, Seen
from sweep.training.optimizers import Adam
from sweep.training.over_lanes import over_lanes
from sweep.training.recipe import Recipe
from tests.support.cases import few_fast
from tests.support.networks import Recurrent
from tests.support.problems import made_up
from tests.support.settings import setting_of

WAVES = 8, 4, 1  # trials that start at once, as `sampler: design` has them
SLOTS, PLACES, EPOCHS = 9, 2, 4
RECIPE = Recipe(Adam(l1=True), EPOCHS, 8, seed=3)
PROBLEM = made_up("classification", [(0, 0), (1, 0)], (6,), n=32, val_sizes=(40, 24),
                  dtype=torch.float32)  # fmt: skip


class Lonely(nn.Module):
    """Have lanes that give more or less by how many they are."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        (out,) = over_lanes(lambda t: (t * (1 + 1e-6 * len(t)),), self.layer(x))
        return out


def image_net() -> nn.Module:
    first = nn.Unflatten(1, (1, 6)), nn.Conv1d(1, 4, 3, padding=1), nn.BatchNorm1d(4), nn.ReLU()
    return nn.Sequential(*first, nn.MaxPool1d(2), nn.Flatten(), nn.Linear(12, 3))


def token_net() -> nn.Module:
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
    tokens = nn.Unflatten(1, (6, 1)), nn.Linear(1, 8), layer, nn.Flatten(), nn.Linear(48, 3)
    return nn.Sequential(*tokens)


def dense_net() -> nn.Module:
    hidden = nn.Linear(6, 8), nn.LayerNorm(8), nn.GELU(), nn.Dropout(0.2)
    return nn.Sequential(*hidden, nn.Linear(8, 3))


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Hold how many slots each epoch of lanes trained."""
    slots: list[int] = []
    train = Lanes.train_epoch

    def counting(lanes: Lanes) -> None:
        slots.append(lanes.shape[0])
        train(lanes)

    monkeypatch.setattr(Lanes, "train_epoch", counting)
    return slots


def settings(n: int) -> list[Setting]:
    found = [setting_of(1e-3 * (1 + i), 0.02, 0.5) for i in range(n)]
    if n > 2:
        found[1] = setting_of(float("nan"), 0.02)  # diverges
    return found


def reports(cohort: Cohort, waves: Sequence[int] = WAVES) -> list[Report]:
    """Train waves of trials; return what ended each."""
    ends = []
    for wave, n in enumerate(waves):
        for i, setting in enumerate(settings(n)):
            cohort.start((wave, i), setting)
        while cohort.trials:
            ends += [report for report in cohort.advance() if report.ended]
    return sorted(ends, key=lambda report: report.trial)  # type: ignore[arg-type, return-value]


def cohort_of(make: Callable[[], nn.Module], recipe: Recipe = RECIPE) -> Cohort:
    return Cohort(PROBLEM, make, recipe, SLOTS * PLACES)


def assert_same(a: list[Report], b: list[Report]) -> None:
    assert [(one.trial, one.epoch, one.diverged) for one in a] == [
        (one.trial, one.epoch, one.diverged) for one in b
    ]
    for one, other in zip(a, b, strict=True):
        np.testing.assert_array_equal(one.losses, other.losses)
        if one.result and other.result:
            for field in fields(Measures):
                of_both = (getattr(found, field.name) for found in (one.result, other.result))
                np.testing.assert_array_equal(*of_both)


@pytest.mark.parametrize(
    "make", few_fast([lambda: Recurrent(nn.LSTM), image_net, token_net, dense_net], 2),
    ids=["LSTM", "convolution and BatchNorm", "transformer", "LayerNorm and dropout"],
)  # fmt: skip
def test_networks_train_the_slots_that_are_held_to_the_same_bits(
    make: Callable[[], nn.Module], trained: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = reports(cohort_of(make))
    # 8 of 9 slots are not worth a trial; 4 and 1 are tried in one epoch of 4 steps.
    assert trained == [9] * EPOCHS + [9, 4] + [4] * (EPOCHS - 1) + [4, 1] + [1] * (EPOCHS - 1)
    monkeypatch.setattr(fitted, "MOST_BYTES", 0)
    trained.clear()
    assert_same(found, reports(cohort_of(make)))
    assert trained == [9] * 3 * EPOCHS


def test_a_network_whose_bits_tell_the_number_of_lanes_trains_all_slots(
    trained: list[int],
) -> None:
    reports(cohort_of(Lonely))
    rest = [9] * (EPOCHS - 1)
    assert trained == [9, *rest, 9, 4, *rest, 9, 1, *rest]


def test_a_number_of_slots_is_tried_once(trained: list[int]) -> None:
    cohort = cohort_of(dense_net)
    reports(cohort)
    trained.clear()
    reports(cohort, (3, 9, 4))
    assert trained == [4] * EPOCHS + [9] * EPOCHS + [4] * EPOCHS


def test_what_starts_while_both_train_is_in_both(
    trained: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trial of a whole batch takes as many epochs as it has steps."""

    def run() -> list[Report]:
        cohort = cohort_of(dense_net, replace(RECIPE, batch_size=None))
        cohort.start((0, 0), setting_of(1e-3, 0.02))
        cohort.start((0, 1), setting_of(1e-2, 0.02))
        ends = [report for report in cohort.advance() if report.ended]
        cohort.stop((0, 0))
        cohort.start((0, 2), setting_of(1e-4, 0.02))
        while cohort.trials:
            ends += [report for report in cohort.advance() if report.ended]
        return ends

    found = run()
    assert trained == [9, 2] * fitted.STEPS + [2] * (EPOCHS + 1 - fitted.STEPS)
    monkeypatch.setattr(fitted, "MOST_BYTES", 0)
    assert_same(found, run())


@pytest.mark.parametrize("recipe", [replace(RECIPE, epochs=1)], ids=["one epoch"])
def test_what_a_trial_could_not_save_is_not_tried(recipe: Recipe, trained: list[int]) -> None:
    reports(cohort_of(dense_net, recipe), (4,))
    assert trained == [9]


def test_a_metric_of_ones_own_is_asked_for_at_the_end_of_training_alone(
    trained: list[int],
) -> None:
    asked: list[int] = []

    def measure(seen: Seen) -> float:
        asked.append(len(trained))
        return 0.5

    scorer = Scorer("own", "classification", measure)
    reports(cohort_of(dense_net, replace(RECIPE, metric=scorer)), (1,))
    assert trained == [9, 1] + [1] * (EPOCHS - 1)
    assert asked == [len(trained)] * PLACES
