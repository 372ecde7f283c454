"""A line for every kind of trial that the search has not chosen."""

from __future__ import annotations

from optuna.trial import create_trial

from sweep.analysis.notes import trial_notes
from sweep.storage.foreign import ASKED
from tests.conftest import made_study


def test_a_study_of_own_trials_needs_no_word() -> None:
    assert trial_notes(made_study({0.1: [1.0, 2.0, 3.0]})) == []


def test_each_kind_has_its_line() -> None:
    study = made_study({0.1: [1.0, 2.0, 3.0], 0.2: [1.0, 2.0, 3.0]})
    study._storage.set_study_system_attr(study._study_id, ASKED, 3)
    study.add_trial(create_trial(value=1.0, user_attrs={"enqueued": True, "outcome": "ok"}))
    study.enqueue_trial({"alpha": 0.01})
    study.enqueue_trial({"alpha": -1.0})
    study.add_trial(create_trial(value=1.0))
    study.set_user_attr("other_programs", {"study": "made (other programs)", "trials": 1})
    assert trial_notes(study) == [
        "trial #2 was enqueued by hand, not chosen by the search",
        "trial #3 was enqueued; `sweep run` trains as many as search.n_trials leaves room for",
        "2 trials (#4, #5) were written by another program and left out. `sweep run` and"
        " `sweep doctor --repair` move them",
        "1 trial of other programs moved to the study 'made (other programs)'",
    ]
