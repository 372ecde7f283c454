"""Which trials a team has, whose they are, and what was told of them."""

from __future__ import annotations

import numpy as np

from sweep.engines.roster import Roster
from sweep.training.messages import Measures, Report

NOTHING = Measures(*[np.empty(0)] * 11)


def roster_of(**places: int | None) -> Roster:
    roster = Roster()
    for trial, place in places.items():
        roster.place(trial, place)
    return roster


def test_a_trial_goes_to_the_member_with_the_fewest() -> None:
    roster = roster_of(a=0, b=1, c=0)
    assert roster.fewest([0, 1]) == 1
    assert roster.fewest([0, 1, 2]) == 2
    roster.remove("a")
    assert roster.fewest([0, 1]) == 0  # of several alike the first


def test_reports_come_by_start_and_ended_trials_leave() -> None:
    roster = roster_of(a=0, b=1, c=0)
    told = [Report("c", 1, 1.0), Report("gone", 1, 1.0), Report("a", 1, 1.0, result=NOTHING)]
    assert [report.trial for report in roster.settle(told)] == ["a", "c"]
    assert roster.n_trials == 2 and roster.busy == [0, 1]


def test_each_epoch_is_taken_by_itself() -> None:
    roster = roster_of(a=0)
    epochs = [[Report("a", 1, 1.0)], [Report("a", 2, 1.0)]]
    roster.tell(0, epochs)
    assert [roster.take(0), roster.take(0), roster.take(0)] == [*epochs, None]


def test_trials_of_a_lost_member_wait_for_another_in_their_order() -> None:
    roster = roster_of(a=0, b=1, c=0)
    roster.tell(0, [[Report("a", 1, 1.0)]])
    assert roster.forget(0) == ["a", "c"] == roster.homeless
    assert roster.take(0) is None and roster.busy == [1] and roster.n_trials == 3
    roster.place("a", 1)
    assert roster.held(1) == ["a", "b"] and roster.homeless == ["c"]
