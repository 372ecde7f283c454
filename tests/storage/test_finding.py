"""How a check says what it found, and in which studies."""

import optuna
import sqlalchemy
from sqlalchemy import Connection

from sweep.storage.engine import open_storage
from sweep.storage.finding import (
    NO_STUDY,
    Defect,
    Finding,
    StudyKey,
    by_study,
    deleting,
    line,
    listed,
    of_trials,
    some_of,
)
from sweep.storage.schema import TRIALS, VALUES


def filled(url: str) -> Connection:
    """Studies 1 `a` and 2 `b`, with trials 1 and 3, and 2."""
    storage = open_storage(url)
    a, b = (optuna.create_study(storage=storage, study_name=name) for name in "ab")
    for study in (a, b, a):
        study.tell(study.ask(), 0.0)
    storage.engine.dispose()
    return sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool).connect()


def test_rows_come_study_by_study_without_the_good_ones(url: str) -> None:
    with filled(url) as connection:
        numbers = of_trials(TRIALS.c.number)
        assert list(by_study(connection, numbers)) == [
            (StudyKey(1, "a"), [(1, 0), (3, 1)]),
            (StudyKey(2, "b"), [(2, 0)]),
        ]
        assert list(by_study(connection, numbers, lambda row: row.number > 0)) == [
            (StudyKey(1, "a"), [(3, 1)])
        ]


def test_rows_are_deleted_by_ids_of_any_number(url: str) -> None:
    with filled(url) as connection:
        for statement, rows in deleting(VALUES.c.trial_id, [1, 2, *range(4, 40_000)]):
            connection.execute(statement, rows)
        left = by_study(connection, of_trials().join(VALUES))
        assert list(left) == [(StudyKey(1, "a"), [(3,)])]


def test_a_problem_can_be_mended_if_it_has_steps() -> None:
    steps = deleting(TRIALS.c.trial_id, [1])
    mendable = Defect.of("state", StudyKey(3, "a"), "is wrong", steps)
    assert mendable == (Finding("state", "a", "is wrong", mendable=True), 3, steps)
    assert Defect.of("file", NO_STUDY, "is broken", severity="note") == (
        Finding("file", None, "is broken", mendable=False, severity="note"), None, []
    )  # fmt: skip


def test_a_message_names_the_first_few_in_one_line() -> None:
    assert listed("abcde") == "a, b, c, d, e"
    assert listed("abcdef") == "a, b, c, d, e, …"
    assert some_of([(7, "x"), (7, "y"), (9, "z")]) == "trial id 7, 9"
    assert line(" a\n\tb ") == "a b"
