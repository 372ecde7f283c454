"""Studies read back from their rows: whole, or refused."""

from collections.abc import Iterator
from contextlib import contextmanager

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState
from sqlalchemy import Connection

from sweep.errors import StorageError
from sweep.storage import reading
from sweep.storage.mirror import MirroredStorage
from sweep.storage.schema import TRIALS
from tests.support.mirrors import Own, ask, execute, plain_reader, run_trials


@contextmanager
def plain_study(url: str) -> Iterator[tuple[RDBStorage, int, Connection]]:
    """A study that plain Optuna made: its trials 1 and 3 of 4 lie behind another study's."""
    with plain_reader(url) as storage:
        study = optuna.create_study(
            storage=storage, study_name="s", directions=["minimize", "maximize"]
        )
        other = optuna.create_study(storage=storage, study_name="other")
        study.set_user_attr("kept", [1, None])
        storage.set_study_system_attr(study._study_id, "own", {"a": 1})
        for _ in range(2):
            study.tell(ask(study), [1.0, 2.0])
            run_trials(other, 1)
            study.tell(ask(study), state=TrialState.FAIL)
        with storage.engine.begin() as connection:
            yield storage, study._study_id, connection


def test_a_study_is_read_with_all_that_it_holds(url: str) -> None:
    with plain_study(url) as (storage, study_id, connection):
        study = reading.load_study(connection, study_id, "s")
        assert study.directions == [StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE]
        assert study.user_attrs == {"kept": [1, None]}
        assert study.system_attrs == {"own": {"a": 1}}
        assert study.trials == storage.get_all_trials(study_id)
        assert [trial.number for trial in study.trials] == [0, 1, 2, 3]


def test_only_the_trials_that_meet_a_condition_are_read(url: str) -> None:
    with plain_study(url) as (_, study_id, connection):
        first, *others = reading.load_trials(connection, study_id)
        after = TRIALS.c.trial_id > first._trial_id
        assert reading.load_trials(connection, study_id, after) == others
        failed = reading.load_trials(
            connection, study_id, after, TRIALS.c.state == TrialState.FAIL
        )
        assert [trial.number for trial in failed] == [1, 3]


def test_trials_that_are_misnumbered_are_refused(url: str) -> None:
    with plain_study(url) as (_, study_id, connection):
        connection.execute(TRIALS.update().where(TRIALS.c.number == 3).values(number=9))
        with pytest.raises(StorageError, match=r"'s': its trials must be numbered.*sweep doctor"):
            reading.check_numbers(reading.load_study(connection, study_id, "s"))


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE trials SET number = 7 WHERE number = 1",
        "DELETE FROM trials WHERE number = 1",
        "UPDATE trial_values SET value = NULL",
        "UPDATE trial_user_attributes SET value_json = '{'",
    ],
)
def test_a_damaged_study_is_refused_and_not_kept(sqlite_url: str, own: Own, damage: str) -> None:
    mirror, study = own(sqlite_url)
    run_trials(study, 3)
    ask(study).set_user_attr("a", 1)
    mirror.close()
    with plain_reader(sqlite_url) as plain:
        execute(plain, damage)
    for _ in range(2):  # the lease was given back
        with pytest.raises(StorageError, match="sweep doctor") as caught:
            MirroredStorage.open(sqlite_url, "digits")
        assert "\n" not in str(caught.value)
