"""Changes of a study: what is kept of them, and that written they are what plain Optuna reads."""

from collections.abc import Iterator

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.storages import InMemoryStorage, RDBStorage
from optuna.study import Study, StudyDirection
from optuna.trial import TrialState, create_trial

from sweep.storage.schema import (
    COLUMNS,
    REPORTS,
    STUDY_USER_ATTRS,
    SYSTEM_ATTRS,
    TRIALS,
    USER_ATTRS,
)
from sweep.storage.writing import Changes, whole_study, write
from tests.support.mirrors import ALPHA, plain_study

INF, NAN = float("inf"), float("nan")


@pytest.fixture
def database(url: str) -> Iterator[RDBStorage]:
    """A database with one study, "s", that has no trials."""
    storage = RDBStorage(url)
    storage.create_new_study([StudyDirection.MINIMIZE], "s")
    yield storage
    storage.remove_session()
    storage.engine.dispose()


def in_memory(storage: RDBStorage) -> tuple[InMemoryStorage, int]:
    """The same study with something of everything in it, which only memory holds."""
    memory = InMemoryStorage()
    memory._max_study_id = storage.get_study_id_from_name("s") - 1
    memory._max_trial_id = 6
    study = optuna.create_study(storage=memory, study_name="s")
    study.set_user_attr("kept", {"a": [1, None]})
    memory.set_study_system_attr(study._study_id, "own", "text")
    for value, curve in ((0.5, {1: NAN, 2: INF, 3: 0.25}), (-INF, {})):
        params = {"zeta": 0.5, "alpha": 0.125}
        study.add_trial(
            create_trial(
                value=value, params=params, distributions={name: ALPHA for name in params},
                intermediate_values=curve, user_attrs={"u": 1}, system_attrs={"s": "é"},
            )
        )  # fmt: skip
    study.enqueue_trial({"alpha": 0.5})
    Study("s", memory).ask()
    study.ask()
    return memory, study._study_id


def put(storage: RDBStorage, changes: Changes) -> None:
    with storage.engine.begin() as connection:
        write(connection, changes)


def test_a_whole_study_is_written_as_plain_optuna_reads_it_however_often(
    database: RDBStorage,
) -> None:
    memory, study_id = in_memory(database)
    for _ in range(2):
        put(database, whole_study(study_id, memory._studies[study_id]))
        assert plain_study(database, "s") == plain_study(memory, "s")


def test_a_later_change_of_a_row_replaces_the_earlier_one(database: RDBStorage) -> None:
    memory, study_id = in_memory(database)
    put(database, whole_study(study_id, memory._studies[study_id]))
    running = memory.get_all_trials(study_id)[-1]
    later = Changes()
    wider = FloatDistribution(1e-9, 1e3, log=True)
    for value in (0.5, 0.75):
        later.add_report(running._trial_id, 1, value)
        later.add_param(running._trial_id, "alpha", value, wider)
    put(database, later)
    (seen,) = database.get_all_trials(study_id, states=(TrialState.RUNNING,))[-1:]
    assert seen.intermediate_values == {1: 0.75}
    assert (seen.params, seen.distributions) == ({"alpha": 0.75}, {"alpha": wider})


def curves() -> Changes:
    """Two trials, each with a report, a pruner's note of it, and an attribute of its own."""
    changes = Changes()
    for trial_id in (1, 2):
        changes.add_report(trial_id, 0, 0.5)
        for key in ("completed_rung_0", "other"):
            changes.rows[SYSTEM_ATTRS][(trial_id, key)] = ("1",)
    return changes


def test_a_curve_that_is_cut_goes_with_what_follows_from_it() -> None:
    changes = curves()
    changes.cut_curves({1})
    assert changes.cut == {1}
    assert set(changes.rows[REPORTS]) == {(2, 0)}
    assert set(changes.rows[SYSTEM_ATTRS]) == {(1, "other"), (2, "completed_rung_0"), (2, "other")}


def test_joined_changes_are_those_of_both_and_leave_each_as_it_was() -> None:
    earlier, later = curves(), Changes()
    later.cut_curves({1})
    later.add_report(1, 0, 0.75)
    later.rows[SYSTEM_ATTRS][(2, "other")] = ("2",)
    joined = earlier.then(later)
    assert joined.cut == {1}
    assert {key: row[0] for key, row in joined.rows[REPORTS].items()} == {
        (1, 0): 0.75,
        (2, 0): 0.5,
    }
    assert joined.rows[SYSTEM_ATTRS][(2, "other")] == ("2",)
    assert (1, "completed_rung_0") not in joined.rows[SYSTEM_ATTRS]
    assert earlier == curves()


def test_a_study_that_is_forgotten_leaves_the_others_changes() -> None:
    changes = curves()
    changes.cut_curves({1, 2})
    for study_id in (1, 2):
        changes.rows[STUDY_USER_ATTRS][(study_id, "a")] = ("1",)
        changes.rows[USER_ATTRS][(study_id, "a")] = ("1",)
    changes.forget(2, [1])
    assert changes.cut == {2}
    assert set(changes.rows[STUDY_USER_ATTRS]) == {(1, "a")}
    assert set(changes.rows[USER_ATTRS]) == {(2, "a")}
    assert set(changes.rows[SYSTEM_ATTRS]) == {(2, "other")}


def test_rows_are_written_parents_first() -> None:
    order = list(Changes().rows)
    assert order == list(COLUMNS)
    for table in order:
        for key in table.foreign_keys:
            if key.column.table is TRIALS:
                assert order.index(TRIALS) < order.index(table)
