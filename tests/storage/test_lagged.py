"""The lagged view: what an ask sees of trials depends on nothing later."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from optuna.samplers import TPESampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from sweep.storage.lagged import View
from tests.support.mirrors import (
    ENDS,
    Own,
    Owner,
    ask,
    plain_study,
    plain_trial,
)


@pytest.fixture
def mixed(sqlite_url: str, own: Own) -> Owner:
    """Trials 0 COMPLETE 3.0, 1 RUNNING, 2 COMPLETE 1.0, 3 PRUNED, 4 FAIL, 5 WAITING."""
    mirror, study = own(sqlite_url)
    trials = [ask(study) for _ in range(5)]
    for trial in trials:
        trial.report(0.5, 1)
    study.tell(trials[0], 3.0)
    study.tell(trials[2], 1.0)
    study.tell(trials[3], state=TrialState.PRUNED)
    study.tell(trials[4], state=TrialState.FAIL)
    study.enqueue_trial({"alpha": 0.5})
    return mirror, study


@pytest.mark.parametrize(
    ("last_seen", "states", "best"),
    [
        (-1, "RRRRRW", None),
        (0, "CRRRRW", 0),
        (1, "CRRRRW", 0),
        (2, "CRCRRW", 2),
        (3, "CRCPRW", 2),
        (9, "CRCPFW", 2),
    ],
)
def test_a_lagged_view_shows_later_results_as_running(
    mixed: Owner, last_seen: int, states: str, best: int | None
) -> None:
    mirror, study = mixed
    before = plain_study(mirror, "digits")
    with mirror.view.showing(last_seen):
        for deepcopy in (False, True):
            seen = study.get_trials(deepcopy=deepcopy)
            assert "".join(trial.state.name[0] for trial in seen) == states
        assert [mirror.get_trial(trial._trial_id) for trial in seen] == seen
        for trial in seen:
            if trial.state == TrialState.RUNNING:
                assert trial.values is None
                assert trial.datetime_complete is None
                assert trial.intermediate_values == {}
                assert "alpha" in trial.params
        for state in TrialState:
            assert mirror.get_n_trials(study._study_id, state) == states.count(state.name[0])
        if best is None:
            with pytest.raises(ValueError, match="No trials"):
                mirror.get_best_trial(study._study_id)
        else:
            assert mirror.get_best_trial(study._study_id).number == best
    assert plain_study(mirror, "digits") == before


def test_a_negating_view_shows_a_study_that_minimizes(mixed: Owner) -> None:
    mirror, study = mixed
    before = plain_study(mirror, "digits")
    with mirror.view.showing(2), mirror.view.negating():
        first, second = study.get_trials(deepcopy=False), study.get_trials(deepcopy=False)
        assert [trial.value for trial in first[:3]] == [-3.0, None, -1.0]
        assert first[0] is second[0] and first[2] is second[2]  # which samplers rely on
        assert first[0].intermediate_values == {1: 0.5}  # a loss
        assert mirror.get_best_trial(study._study_id).number == 0
        assert mirror.get_study_directions(study._study_id) == [StudyDirection.MINIMIZE]
    assert plain_study(mirror, "digits") == before


def test_a_lagged_view_shows_one_trial_whole_to_its_pruner(mixed: Owner) -> None:
    mirror, study = mixed
    running = study.get_trials(deepcopy=False)[1]
    mirror.set_trial_intermediate_value(running._trial_id, 3, 0.5)
    mirror.set_trial_system_attr(running._trial_id, "completed_rung_0", 0.5)
    with mirror.view.showing(3):
        seen = study.get_trials(deepcopy=False)[1]
        assert (seen.intermediate_values, seen.system_attrs) == ({}, {})
    with mirror.view.showing(3), mirror.view.showing_whole(1):
        seen = study.get_trials(deepcopy=False)[1]
        assert seen.intermediate_values[3] == 0.5
        assert seen.system_attrs == {"completed_rung_0": 0.5}
        later = study.get_trials(deepcopy=False)[4]
        assert later.state == TrialState.RUNNING


def test_views_nest_and_end_with_an_error(mixed: Owner) -> None:
    mirror, study = mixed
    with suppress(ZeroDivisionError), mirror.view.showing(2):
        with mirror.view.showing(0):
            assert mirror.get_n_trials(study._study_id, TrialState.COMPLETE) == 1
        assert mirror.get_n_trials(study._study_id, TrialState.COMPLETE) == 2
        _ = 1 / 0
    assert mirror.get_n_trials(study._study_id, TrialState.PRUNED) == 1


def test_the_best_of_a_maximised_study_follows_the_view(sqlite_url: str, own: Own) -> None:
    mirror, study = own(sqlite_url, direction="maximize")
    for value in (1.0, 3.0, 2.0, 9.0):
        study.tell(ask(study), value)
    with mirror.view.showing(2):
        assert study.best_trial.number == 1
    assert study.best_trial.number == 3


@pytest.mark.parametrize("lagged", [False, True])
def test_an_ask_in_a_lagged_view_does_not_depend_on_later_results(
    tmp_path: Path, own: Own, lagged: bool
) -> None:
    def asked(finished: int) -> float:
        mirror, study = own(f"sqlite:///{tmp_path}/{finished}.db")
        for _ in range(12):
            trial = ask(study)
            study.tell(trial, trial.params["alpha"])
        trials = [ask(study) for _ in range(6)]
        for trial in trials[:finished]:
            trial.report(0.25, 1)
            study.tell(trial, 1e-9)
        study.sampler = TPESampler(seed=1)
        with mirror.view.showing(11 if lagged else 99):
            return float(ask(study).params["alpha"])

    assert (asked(0) == asked(3) == asked(6)) == lagged


def test_a_lagged_view_is_the_same_at_once_as_trial_by_trial(url: str, own: Own) -> None:
    mirror, study = own(url)
    rng = np.random.default_rng(0)
    running: list[Trial] = []
    for turn in range(60):
        trial = ask(study)
        trial.report(0.5, 1)
        running.append(trial)
        while running and rng.random() < 0.5:
            done = running.pop(rng.integers(len(running)))
            if rng.random() < 0.2:
                mirror.requeue_trial(done._trial_id)
            else:
                state = ENDS[turn % 3]
                study.tell(done, 1.0 if state == TrialState.COMPLETE else None, state)
        last, whole = int(rng.integers(-2, turn + 3)), int(rng.integers(turn + 1))
        with mirror.view.showing(last), mirror.view.showing_whole(whole):
            seen = study.get_trials(deepcopy=False)
            one_by_one = [mirror.get_trial(trial._trial_id) for trial in seen]
            states = (TrialState.RUNNING,)
            some = study.get_trials(deepcopy=False, states=states)
        assert [*map(plain_trial, seen)] == [*map(plain_trial, one_by_one)]
        assert [t.number for t in some] == [t.number for t in seen if t.state in states]
        late = [t for t in seen if t.number > last and t.number != whole]
        assert not any(t.state.is_finished() for t in late)


def a_trial(number: int, state: TrialState) -> FrozenTrial:
    trial = create_trial(
        state=state, value=1.0 if state == TrialState.COMPLETE else None,
        intermediate_values={1: 0.5}, user_attrs={"a": 1}, system_attrs={"completed_rung_0": 0.5},
    )  # fmt: skip
    trial.number = number
    return trial


def test_what_is_shown_leaves_the_trial_itself_alone() -> None:
    trial = a_trial(3, TrialState.COMPLETE)
    before = plain_trial(trial)
    view = View()
    assert view.trial(trial) is trial
    with view.showing(2):
        shown = view.trial(trial)
        assert (shown.state, shown.values, shown.user_attrs) == (
            TrialState.RUNNING,
            None,
            {"a": 1},
        )
        assert (shown.intermediate_values, shown.system_attrs) == ({}, {})
    with view.showing(3):
        assert view.trial(trial) is trial
    assert plain_trial(trial) == before


def test_a_study_that_comes_again_under_its_id_is_seen_anew() -> None:
    view = View()
    ended = [a_trial(number, TrialState.COMPLETE) for number in range(3)]
    running = [a_trial(number, TrialState.RUNNING) for number in range(3)]
    with view.showing(9):
        assert view.trials(1, ended) == ended
        view.forget(1)
        assert [trial.intermediate_values for trial in view.trials(1, running)] == [{}] * 3
        assert view.trials(2, ended) == ended
    view.forget(7)  # nothing was seen of it
    assert view.trials(1, running) == running


def test_a_trial_that_waits_with_its_params_looks_as_under_way(mixed: Owner) -> None:
    mirror, study = mixed
    mirror.requeue_trial(study.trials[1]._trial_id)

    def states() -> str:
        return "".join(trial.state.name[0] for trial in study.trials)

    assert states() == "CWCPFW"
    with mirror.view.showing(9):
        assert states() == "CRCPFW"  # the last one was enqueued, and never asked for
        assert study.trials[1].params


def test_of_trials_that_wait_one_may_be_offered(mixed: Owner) -> None:
    mirror, study = mixed
    mirror.requeue_trial(study.trials[1]._trial_id)

    def waiting() -> list[int]:
        trials = mirror.get_all_trials(study._study_id, states=(TrialState.WAITING,))
        return [trial.number for trial in trials]

    assert waiting() == [1, 5]
    with mirror.view.showing(9), mirror.view.offering(5):
        assert waiting() == [5]
        with mirror.view.offering(7):
            assert waiting() == []
        assert waiting() == [5]
    assert waiting() == [1, 5]
