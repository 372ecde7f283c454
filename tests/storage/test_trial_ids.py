"""Ids for trials: no program gets one a second time, and nothing stays behind."""

from collections.abc import Iterator

import optuna
import pytest
from sqlalchemy import Connection

from sweep.storage import trial_ids
from sweep.storage.engine import open_storage
from tests.support.mirrors import Own, abandon, assert_mirrored, execute, plain_reader, run_trials


@pytest.fixture
def connection(url: str) -> Iterator[Connection]:
    storage = open_storage(url)
    with storage.engine.begin() as connection:
        yield connection
    storage.engine.dispose()


def count(connection: Connection) -> int:
    return int(connection.exec_driver_sql("SELECT count(*) FROM trials").scalar_one())


def test_blocks_of_ids_rise_and_share_none(connection: Connection) -> None:
    blocks = [trial_ids.reserve(connection, study, 0, 5) for study in (1, 2, 1)]
    ids = [i for block in blocks for i in block]
    assert ids == sorted(set(ids))
    assert len(ids) == 15


def test_ids_lie_above_the_last_one_that_is_known(connection: Connection) -> None:
    ids = trial_ids.reserve(connection, 1, 100, 3)
    assert min(ids) > 100
    assert min(trial_ids.reserve(connection, 1, ids[-1], 3)) > ids[-1]


def test_a_study_has_one_placeholder_and_leaves_none(connection: Connection) -> None:
    for study in (1, 1, 2):
        trial_ids.reserve(connection, study, 0, 5)
    assert count(connection) == (2 if connection.dialect.name == "sqlite" else 0)
    trial_ids.remove_placeholders(connection, 1)
    assert count(connection) == (1 if connection.dialect.name == "sqlite" else 0)
    trial_ids.remove_placeholders(connection, 1)  # harmless
    trial_ids.remove_placeholders(connection, 2)
    assert count(connection) == 0


def test_programs_that_share_a_database_never_get_the_same_trial_id(url: str, own: Own) -> None:
    one, ones = own(url, "one")
    two, twos = own(url, "two")
    with plain_reader(url) as plain:
        others = optuna.create_study(storage=plain, study_name="plain")
        for _ in range(70):
            ones.ask()
            twos.ask()
        others.ask()
        one.flush()
        others.ask()
        two.flush()
        ids = [t._trial_id for s in (ones, twos, others) for t in s.get_trials(deepcopy=False)]
        assert len(set(ids)) == 70 + 70 + 2
        assert_mirrored(one, plain)
        assert_mirrored(two, plain)


def test_no_trial_id_is_given_twice_when_the_database_forgets_what_was_reserved(
    url: str, own: Own
) -> None:
    mirror, study = own(url)
    for _ in range(40):
        study.ask()
    with plain_reader(url) as reader:
        if reader.engine.name == "sqlite":
            execute(reader, "DELETE FROM trials WHERE study_id IS NULL")
        else:  # as after a crash of the server: sequences are logged 32 numbers at a time
            execute(reader, "SELECT setval('trials_trial_id_seq', 1, false)")
        for _ in range(100):
            study.ask()
        mirror.flush()
        ids = [trial._trial_id for trial in study.get_trials(deepcopy=False)]
        assert ids == sorted(set(ids))
        assert_mirrored(mirror, reader)


def test_nothing_but_the_study_stays_behind(url: str, own: Own) -> None:
    mirror, study = own(url)
    run_trials(study, 2)
    abandon(mirror)
    mirror, study = own(url)
    run_trials(study, 2)
    mirror.close()
    with plain_reader(url) as plain, plain.engine.connect() as connection:
        counts = [
            connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one()
            for table in ("trials", "sweep_leases", "trial_heartbeats")
        ]
    assert counts == [2, 0, 0]
