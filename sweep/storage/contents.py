"""The checks of what the rows of a storage hold: states, values, reports, params, attributes.

A row that cannot be read is deleted or marked; a trial that is no longer what it says is failed.
"""

import functools
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from optuna.distributions import json_to_distribution
from optuna.storages._rdb import models
from optuna.trial import TrialState
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    String,
    Table,
    and_,
    bindparam,
    cast,
    func,
    null,
    or_,
    select,
)

from sweep.storage.errors import UNREADABLE
from sweep.storage.finding import (
    Defect,
    Defects,
    Step,
    by_study,
    deleting,
    line,
    listed,
    of_studies,
    of_trials,
    some_of,
)
from sweep.storage.schema import (
    DIRECTIONS,
    PARAMS,
    REPORTS,
    STUDIES,
    STUDY_SYSTEM_ATTRS,
    STUDY_USER_ATTRS,
    SYSTEM_ATTRS,
    TRIALS,
    USER_ATTRS,
    VALUES,
)

NEEDED = ("spec", "alpha_range", "alpha_max", "data_hash", "problem", "widenings")  # by a run

_NUMBER = {  # table -> its float, and the mark that says how to read that
    VALUES: (VALUES.c.value, VALUES.c.value_type, models.TrialValueModel.TrialValueType),
    REPORTS: (
        REPORTS.c.intermediate_value,
        REPORTS.c.intermediate_value_type,
        models.TrialIntermediateValueModel.TrialIntermediateValueType,
    ),
}


def _states(connection: Connection) -> Defects:
    unknown = cast(TRIALS.c.state, String).not_in([state.name for state in TrialState])
    for study, rows in by_study(connection, of_trials().where(unknown)):
        message = f"{len(rows)} trials have a state unknown to Optuna ({some_of(rows)})"
        yield Defect.of("state", study, message, _failing(rows, "its stored state was unknown"))


def _values(connection: Connection) -> Defects:
    complete = TRIALS.c.state == TrialState.COMPLETE
    query = of_trials(complete).join(VALUES).where(_is_poisoned(VALUES)).distinct()
    for study, rows in by_study(connection, query):
        message = f"{len(rows)} trials have a value that is no number ({some_of(rows)})"
        steps = _dropping_values(rows, "its value was no number")
        yield Defect.of("value", study, message, steps)


def _missing_values(connection: Connection) -> Defects:
    complete, stored = TRIALS.c.state == TrialState.COMPLETE, func.count(VALUES.c.trial_value_id)
    wanted = select(func.count()).where(DIRECTIONS.c.study_id == TRIALS.c.study_id)
    too_few = and_(complete, or_(stored == 0, stored < wanted.scalar_subquery()))
    gap = stored != func.max(VALUES.c.objective) + 1
    query = of_trials(complete).outerjoin(VALUES).group_by(STUDIES.c.study_id, TRIALS.c.trial_id)
    for study, rows in by_study(connection, query.having(or_(gap, too_few))):
        message = f"{len(rows)} trials lack a value for an objective ({some_of(rows)})"
        steps = _dropping_values(rows, "it had not all its values")
        yield Defect.of("value", study, message, steps)


def _reports(connection: Connection) -> Defects:
    number, mark, marks = _NUMBER[REPORTS]
    query = of_trials().join(REPORTS).where(_is_poisoned(REPORTS))
    for study, rows in by_study(connection, query):
        message = f"{len(rows)} intermediate values are no numbers ({some_of(rows)})"
        step = REPORTS.update().where(_is_poisoned(REPORTS))
        step = step.values({number: null(), mark: marks["NAN"]})
        yield Defect.of("intermediate_value", study, message, [(step, [])])


def _marks(connection: Connection) -> Defects:
    for table, (number, mark, marks) in _NUMBER.items():
        both = and_(mark.in_([m for m in marks if m.name != "FINITE"]), number.is_not(None))
        for study, rows in by_study(connection, of_trials().join(table).where(both)):
            what = "marked infinite or NaN, and hold a number too"
            message = f"{len(rows)} rows of {table.name} are {what} ({some_of(rows)})"
            step = table.update().where(both).values({number: null()})
            yield Defect.of("mark", study, message, [(step, [])])


def _params(connection: Connection) -> Defects:
    decode = functools.cache(json_to_distribution)  # thousands of rows share a distribution

    def reads(value: float, text: str) -> bool:
        decode(text).to_external_repr(value)
        return value == value + 0.0  # not NaN, which PostgreSQL keeps, and not text

    columns = (PARAMS.c.param_id, PARAMS.c.param_name, PARAMS.c.param_value)
    query = of_trials(*columns, PARAMS.c.distribution_json).join(PARAMS)
    for study, rows in by_study(connection, query, lambda row: not _tried(reads, *row[-2:])):
        names = listed(dict.fromkeys(line(str(row[2])) for row in rows))
        message = f"{len(rows)} params cannot be read ({names}; {some_of(rows)})"
        steps = deleting(PARAMS.c.param_id, [row[1] for row in rows])
        steps += _failing(rows, f"a param could not be read: {names}")
        yield Defect.of("param", study, message, steps)


def _attrs(connection: Connection) -> Defects:
    for table in (STUDY_USER_ATTRS, STUDY_SYSTEM_ATTRS, USER_ATTRS, SYSTEM_ATTRS):
        for study, rows in by_study(connection, _rows_of(table), _is_no_json):
            needed = [row for row in rows if _is_needed(table, row)]
            others = [row for row in rows if not _is_needed(table, row)]
            if others:
                steps = deleting(next(iter(table.primary_key)), [row[-2] for row in others])
                yield Defect.of("attr", study, _no_json(table, others), steps)
            if needed:
                message = f"{_no_json(table, needed)}. Restore a backup"
                yield Defect.of("attr", study, message)


# Values that are no numbers go before those that are left are counted.
CHECKS: tuple[Callable[[Connection], Defects], ...] = (
    _states, _values, _missing_values, _reports, _marks, _params, _attrs,
)  # fmt: skip


def _is_poisoned(table: Table) -> ColumnElement[bool]:
    """Match numbers that are none: SQLite turns NaN into NULL, PostgreSQL keeps it."""
    number, mark, marks = _NUMBER[table]
    none = or_(number.is_(None), number == float("nan"))
    unknown = cast(mark, String).not_in([known.name for known in marks])
    return or_(unknown, and_(mark == marks["FINITE"], none))


def _rows_of(table: Table) -> Select[Any]:
    """Select a table of attributes; each row ends with its key, its id and its text."""
    of_owners = of_trials if "trial_id" in table.c else of_studies
    primary = next(iter(table.primary_key))
    query = of_owners(table.c.key, primary, table.c.value_json)
    return query.join(table).order_by(primary)


def _is_no_json(row: Any) -> bool:
    def reads(text: str) -> bool:
        json.loads(text)
        return True

    return not _tried(reads, row[-1])


def _is_needed(table: Table, row: Any) -> bool:
    return table is STUDY_USER_ATTRS and row[-3] in NEEDED


def _no_json(table: Table, rows: list[Any]) -> str:
    keys = listed(dict.fromkeys(line(str(row[-3])) for row in rows))
    return f"{len(rows)} rows of {table.name} are not JSON (key {keys})"


def _tried(reads: Callable[..., bool], *stored: Any) -> bool:
    try:
        return reads(*stored)
    except UNREADABLE:
        return False


def _dropping_values(rows: list[Any], reason: str) -> list[Step]:
    """Delete the values of trials, and fail those that say that they are COMPLETE."""
    failing = [row for row in rows if row[1]]
    steps = deleting(VALUES.c.trial_id, [row[0] for row in rows])
    return steps + (_failing(failing, reason) if failing else [])


def _failing(rows: list[Any], reason: str) -> list[Step]:
    """Make trials what Optuna accepts as FAIL: with both times, and without values."""
    ids = list(dict.fromkeys(row[0] for row in rows))
    now = datetime.now(UTC).replace(tzinfo=None)
    times = (TRIALS.c.datetime_start, TRIALS.c.datetime_complete)
    content = {TRIALS.c.state: TrialState.FAIL, **{t: func.coalesce(t, now) for t in times}}
    fail = TRIALS.update().where(TRIALS.c.trial_id == bindparam("one")).values(content)
    attrs = {"outcome": "failed", "reason": f"sweep doctor: {reason}"}
    said = or_(*(USER_ATTRS.c.key == key for key in attrs))
    forget = USER_ATTRS.delete().where(USER_ATTRS.c.trial_id == bindparam("one"), said)
    stored = [
        {"trial_id": i, "key": key, "value_json": json.dumps(text)}
        for i in ids
        for key, text in attrs.items()
    ]
    each = [{"one": i} for i in ids]
    return [
        (fail, each),
        *deleting(VALUES.c.trial_id, ids),
        (forget, each),
        (USER_ATTRS.insert(), stored),
    ]
