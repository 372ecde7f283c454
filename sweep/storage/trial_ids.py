"""Reserve blocks of ids for trials; no program will get one of these ids again."""

from optuna.trial import TrialState
from sqlalchemy import Connection

from sweep.storage.schema import TRIALS


def reserve(connection: Connection, study_id: int, above: int, count: int) -> list[int]:
    """Reserve ids for `count` trials, all larger than `above`; nobody else will get them.

    PostgreSQL takes them from the sequence. SQLite gives out the largest id plus one, so a
    placeholder row (no study, numbered by the study's id) stands behind the block.
    """
    if connection.dialect.name != "sqlite":
        return _reserve_from_sequence(connection, above, count)
    top = connection.exec_driver_sql("SELECT max(trial_id) FROM trials").scalar() or 0
    first = max(top, above) + 1
    remove_placeholders(connection, study_id)
    connection.execute(
        TRIALS.insert().values(trial_id=first + count, number=study_id, state=TrialState.FAIL)
    )
    return list(range(first, first + count))


def remove_placeholders(connection: Connection, study_id: int) -> None:
    """Delete the placeholder of a study's block of trial ids, if there is one."""
    connection.execute(
        TRIALS.delete().where(TRIALS.c.study_id.is_(None), TRIALS.c.number == study_id)
    )


def _reserve_from_sequence(connection: Connection, above: int, count: int) -> list[int]:
    query = (
        "SELECT nextval(pg_get_serial_sequence('trials', 'trial_id')) "
        f"FROM generate_series(1, {count})"
    )
    ids: list[int] = []
    while not ids:  # a sequence that lost commits in a crash may repeat ids that we handed out
        ids = [i for i in connection.exec_driver_sql(query).scalars() if i > above]
    return ids
