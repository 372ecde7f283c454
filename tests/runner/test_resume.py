"""After a crash or a stop: trials that nobody trains go back in the queue."""

import pytest
from optuna.trial import TrialState

from sweep.runner.resume import reconcile, requeue
from tests.support.mirrors import (
    Own,
    abandon,
    ask,
    assert_mirrored,
    plain_reader,
    plain_study,
    run_trials,
)


def test_a_trial_that_was_cut_off_is_asked_again(url: str, own: Own) -> None:
    mirror, study = own(url)
    run_trials(study, 1)
    cut_off = ask(study)
    cut_off.report(0.5, 1)
    without_params = study.ask()
    mirror.flush()
    alpha = cut_off.params["alpha"]
    abandon(mirror)

    mirror, study = own(url)
    reconcile(mirror, study._study_id)
    with plain_reader(url) as reader:
        assert_mirrored(mirror, reader)
        assert [trial.state.name for trial in study.trials] == ["COMPLETE", "WAITING", "WAITING"]
        assert [trial.user_attrs for trial in study.trials[1:]] == [{"attempts": 1}] * 2
        again, other = ask(study), ask(study)
        assert (again.number, again.params["alpha"]) == (1, alpha)
        assert other.number == without_params.number
        again.report(0.75, 1)
        study.tell(again, 1.0)
        mirror.flush()
        assert_mirrored(mirror, reader)
    assert study.trials[1].intermediate_values == {1: 0.75}
    assert len(study.trials) == 3


@pytest.mark.parametrize("flushed", [False, True])
def test_what_a_pruner_noted_of_a_curve_goes_with_it(url: str, own: Own, flushed: bool) -> None:
    mirror, study = own(url)
    trial = ask(study)
    trial.report(0.5, 1)
    mirror.set_trial_system_attr(trial._trial_id, "completed_rung_0", 0.5)
    mirror.set_trial_system_attr(trial._trial_id, "completed rung", "another program's")
    if flushed:
        mirror.flush()
    requeue(mirror, study._study_id)
    assert study.trials[0].intermediate_values == {}
    with plain_reader(url) as reader:
        assert_mirrored(mirror, reader)
        (seen,) = reader.get_all_trials(study._study_id)
    assert set(seen.system_attrs) == {"completed rung"}


def test_reconciling_twice_changes_nothing_more(sqlite_url: str, own: Own) -> None:
    mirror, study = own(sqlite_url)
    ask(study)
    reconcile(mirror, study._study_id)
    before = plain_study(mirror, "digits")
    reconcile(mirror, study._study_id)
    assert plain_study(mirror, "digits") == before


def test_a_trial_cut_off_too_often_fails_by_name(url: str, own: Own) -> None:
    mirror, study = own(url)
    ask(study)
    for attempts in (1, 2, 3):
        reconcile(mirror, study._study_id, max_attempts=3)
        (trial,) = study.trials
        assert trial.user_attrs["attempts"] == attempts
        if attempts < 3:
            assert trial.state == TrialState.WAITING
            assert ask(study).number == 0
    assert trial.state == TrialState.FAIL
    assert trial.user_attrs["outcome"] == "failed"
    assert "3 times" in trial.user_attrs["reason"]
    with plain_reader(url) as reader:
        assert_mirrored(mirror, reader)
    assert ask(study).number == 1


def test_an_owner_that_stops_in_good_order_counts_no_attempt(url: str, own: Own) -> None:
    mirror, study = own(url)
    trials = [ask(study), ask(study)]
    for trial in trials:
        trial.report(0.5, 1)
    mirror.requeue_trial(trials[0]._trial_id)
    assert [trial.state.name for trial in study.trials] == ["WAITING", "RUNNING"]
    requeue(mirror, study._study_id)
    with plain_reader(url) as reader:
        assert_mirrored(mirror, reader)
    for stored in study.trials:
        assert stored.state == TrialState.WAITING
        assert stored.intermediate_values == {}
        assert stored.user_attrs == {}
