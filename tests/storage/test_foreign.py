"""Whose a trial is: the study's own, the user's, or another program's."""

from __future__ import annotations

import math
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from sweep.storage.foreign import ASKED, FIXED, Rule, counted, left_out, own_trials, sort_study
from tests.conftest import made_study

ALPHA, LR = FloatDistribution(1e-3, 1.0, log=True), FloatDistribution(0.0, 1.0)
SPACES = {"alpha": ALPHA, "lr": LR, "beta": LR}
COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL
RUNNING, WAITING = TrialState.RUNNING, TrialState.WAITING
EPOCHS = 2
RANGES = {"alpha": (1e-3, 1.0), "lr": (0.0, 1.0)}


def trial(
    state: TrialState,
    number: int = 0,
    fixed: Any = None,
    attrs: Any = (),
    curve: dict[int, float] | None = None,
    **params: float,
) -> FrozenTrial:
    made = create_trial(
        state=state, value=1.0 if state == COMPLETE else None, params=params,
        distributions={name: SPACES[name] for name in params},
        user_attrs=dict.fromkeys(attrs, "ok"),
        intermediate_values=curve, system_attrs={} if fixed is None else {FIXED: fixed},
    )  # fmt: skip
    made.number = made._trial_id = number
    return made


def whose(one: FrozenTrial, asked: int | None) -> str:
    found = Rule(RANGES, EPOCHS, asked).sort([one])
    (name,) = (name for name in found._fields if getattr(found, name))
    return name


OWN: dict[str, FrozenTrial] = {
    "complete": trial(COMPLETE, attrs=["outcome"], alpha=0.1, lr=0.1),
    "complete, a param lost": trial(COMPLETE, attrs=["outcome"], alpha=0.1),
    "complete, attributes lost": trial(COMPLETE, curve={1: 0.5, 2: 0.1}, alpha=0.1, lr=0.1),
    "pruned": trial(PRUNED, attrs=["outcome"], alpha=0.1, lr=0.1),
    "failed": trial(FAIL, attrs=["outcome"]),
    "running": trial(RUNNING, alpha=0.1, lr=0.1),
    "cut off in its ask": trial(RUNNING),
    "cut off before its ask": trial(WAITING, fixed={"alpha": 0.001}),
    "put back": trial(WAITING, alpha=0.1, lr=0.1),
}
FOREIGN: dict[str, FrozenTrial] = {
    "complete": trial(COMPLETE, alpha=0.1, lr=0.1),
    "complete, another param": trial(COMPLETE, attrs=["outcome"], alpha=0.1, lr=0.1, beta=0.1),
    "complete, with a curve": trial(COMPLETE, curve={0: 0.5, 1: 0.1}, alpha=0.1, lr=0.1),
    "pruned": trial(PRUNED, alpha=0.1, lr=0.1),
    "failed": trial(FAIL, alpha=0.1, lr=0.1),
    "running, another param": trial(RUNNING, alpha=0.1, beta=0.1),
    "enqueued, another param": trial(WAITING, fixed={"beta": 0.1}),
    "enqueued, out of range": trial(WAITING, fixed={"alpha": 2.0}),
    "enqueued, not a number": trial(WAITING, fixed={"alpha": math.nan}),
    "enqueued, a text": trial(WAITING, fixed={"alpha": "0.1"}),
    "enqueued, a truth": trial(WAITING, fixed={"alpha": True}),
}


@pytest.mark.parametrize("case", OWN)
def test_what_the_search_asked_for_is_its_own(case: str) -> None:
    assert whose(OWN[case], None) == whose(OWN[case], 1) == "own"


@pytest.mark.parametrize("case", OWN)
def test_what_it_has_not_asked_for_is_not(case: str) -> None:
    waits = OWN[case].state == WAITING
    assert whose(OWN[case], 0) == ("enqueued" if waits else "foreign")


@pytest.mark.parametrize("case", FOREIGN)
@pytest.mark.parametrize("asked", [None, 0, 1])
def test_the_rest_is_foreign(case: str, asked: int | None) -> None:
    assert whose(FOREIGN[case], asked) == "foreign"


@given(value=st.floats() | st.integers() | st.none() | st.booleans() | st.text(), name=st.text())
def test_only_finite_numbers_of_the_range_can_be_enqueued(value: Any, name: str) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = number and 1e-3 <= value <= 1.0
    assert whose(trial(WAITING, fixed={"alpha": value}), 0) == ("enqueued" if fits else "foreign")
    assert whose(trial(WAITING, fixed={f"{name}!": value}), 0) == "foreign"
    assert whose(trial(WAITING, fixed=value), 0) == "foreign"


def test_of_two_trials_with_one_number_the_later_is_another_programs() -> None:
    first, second = (trial(RUNNING, alpha=0.1, lr=0.1) for _ in range(2))
    assert Rule(RANGES, EPOCHS, 1).sort([first, second]) == ([first], [], [second])


def test_a_reader_sees_own_trials_alone() -> None:
    study = made_study({0.1: [1.0, 2.0, 3.0]}, [2.0, 3.0, 4.0])
    study.add_trial(trial(COMPLETE, alpha=0.1))
    study.enqueue_trial({"alpha": 0.2})
    study._storage.set_study_system_attr(study._study_id, ASKED, 1)
    assert [len(part) for part in sort_study(study)] == [1, 1, 1]
    assert [one.number for one in own_trials(study)] == [0]


@pytest.mark.parametrize("attrs", [{}, {"spec": 1}, {"spec": {"study_name": "x"}}])
def test_all_trials_of_another_programs_study_are_its_own(attrs: dict[str, Any]) -> None:
    study = optuna.create_study()
    for key, value in attrs.items():
        study.set_user_attr(key, value)
    study.add_trial(trial(COMPLETE, beta=0.1))
    assert len(own_trials(study)) == 1


def test_sentences_name_the_first_few() -> None:
    many = [trial(COMPLETE, number) for number in range(9)]
    assert left_out(many[:1]) == "trial #0 was written by another program and left out"
    assert counted(many) == "9 trials (#0, #1, #2, #3, #4, …) were"
