"""Trials that other programs add to a study that is owned, and what becomes of them."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.storages import BaseStorage
from optuna.trial import TrialState, create_trial

from sweep.spec.files import parse_spec
from sweep.storage.foreign import FIXED
from sweep.storage.mirror import MirroredStorage
from tests.support.mirrors import Own, execute, plain_reader, plain_trial, run_trials

ASIDE = "digits (other programs)"


def sweeps(mirror: MirroredStorage, study: optuna.Study) -> None:
    """Make a study one of sweep's."""
    spec = parse_spec({"study_name": "digits"}, "digits.yaml", Path("."))
    study.set_user_attr("spec", spec.model_dump(mode="json"))
    study.set_user_attr("alpha_range", [1e-6, 1.0])
    run_trials(study, 2)
    mirror.flush()


def assert_same_trials(*storages: BaseStorage) -> None:
    held, read = (
        [
            plain_trial(one)
            for one in storage.get_all_trials(storage.get_study_id_from_name("digits"))
        ]
        for storage in storages
    )
    assert held == read


def test_foreign_trials_are_put_aside_by_the_next_flush(url: str, own: Own) -> None:
    mirror, study = own(url)
    sweeps(mirror, study)
    with plain_reader(url) as plain:
        theirs = optuna.load_study(storage=plain, study_name="digits")
        theirs.add_trial(create_trial(value=-9.0))
        asked = theirs.ask()
        mirror.flush()
        theirs.tell(asked, 1.0)  # moved, under its own id
        run_trials(study, 2)
        mirror.flush()
        assert_same_trials(mirror, plain)
        aside = optuna.load_study(storage=plain, study_name=ASIDE)
        assert [trial.value for trial in aside.trials] == [-9.0, 1.0]
        assert [trial.number for trial in aside.trials] == [0, 1]


@pytest.mark.parametrize("asks_after", [0, 100])
def test_enqueued_trials_stay_until_they_are_taken_over(
    url: str, own: Own, asks_after: int
) -> None:
    mirror, study = own(url)
    sweeps(mirror, study)
    with plain_reader(url) as plain:
        optuna.load_study(storage=plain, study_name="digits").enqueue_trial({"alpha": 0.5})
        for _ in range(asks_after):  # beyond the reserved ids
            study.ask()
        mirror.flush()
        mirror.flush()
        (theirs,) = mirror.enqueued(study._study_id)
        assert list(mirror.enqueued(study._study_id)) == []
        template = create_trial(state=TrialState.WAITING, system_attrs=theirs.system_attrs)
        mirror.take_over(study._study_id, template, theirs._trial_id)
        mirror.flush()
        assert_same_trials(mirror, plain)
        (waiting,) = study.get_trials(states=(TrialState.WAITING,))
        assert waiting.system_attrs[FIXED] == {"alpha": 0.5}
        assert waiting.number == 2 + asks_after


def test_foreign_trials_that_cannot_be_read_are_put_aside_as_well(url: str, own: Own) -> None:
    mirror, study = own(url)
    sweeps(mirror, study)
    with plain_reader(url) as plain:
        optuna.load_study(storage=plain, study_name="digits").add_trial(create_trial(value=-9.0))
        poison = "UPDATE trial_values SET value = NULL WHERE value = -9"
        execute(plain, poison)
        mirror.flush()
        assert_same_trials(mirror, plain)
        assert ASIDE in optuna.get_all_study_names(plain)
