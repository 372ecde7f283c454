"""Look for damage in a storage: one small function a check, each with its repair if there is one.

A check reads with one statement or a few, whatever the number of trials. A repair is data: the
statements to execute in the transaction in which the check has just read.
"""

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Literal, NamedTuple

from optuna.distributions import json_to_distribution
from optuna.storages._rdb import models
from optuna.study import StudyDirection
from optuna.trial import TrialState
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Executable,
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
from sqlalchemy.exc import DatabaseError

from sweep import lease, schema, stored
from sweep.faults import UNREADABLE
from sweep.schema import PARAMS, REPORTS, TRIALS, USER_ATTRS, VALUES

STUDIES: Table = models.StudyModel.__table__
DIRECTIONS: Table = models.StudyDirectionModel.__table__
HEARTBEATS: Table = models.TrialHeartbeatModel.__table__

OF_STUDY = (DIRECTIONS, schema.STUDY_USER_ATTRS, schema.STUDY_SYSTEM_ATTRS)
OF_TRIAL = (VALUES, REPORTS, PARAMS, USER_ATTRS, schema.SYSTEM_ATTRS, HEARTBEATS)
NEEDED = ("spec", "alpha_range", "alpha_max", "data_hash", "problem", "widenings")  # by a run
SHOWN = 5  # ids or names in a message

# Kind of finding -> what a repair does about it; nothing about those that are missing here.
DEEDS = {
    "lease": "deleted it",
    "placeholder": "deleted it",
    "orphan": "deleted them",
    "state": "set them to FAIL",
    "value": "deleted their values, and set those that were COMPLETE to FAIL",
    "intermediate_value": "marked them as NaN",
    "mark": "kept the marks",
    "param": "deleted them, and set their trials to FAIL",
    "attr": "deleted them",
    "number": "renumbered them",
    "direction": "set it to MINIMIZE",
    "wal": "emptied it",
}

_NUMBER = {  # table -> its float, and the mark that says how to read that
    VALUES: (VALUES.c.value, VALUES.c.value_type, models.TrialValueModel.TrialValueType),
    REPORTS: (
        REPORTS.c.intermediate_value,
        REPORTS.c.intermediate_value_type,
        models.TrialIntermediateValueModel.TrialIntermediateValueType,
    ),
}

Severity = Literal["damage", "note"]


@dataclass(frozen=True)
class Finding:
    """What one check found: in one study, or in the storage where `study` is None.

    `kind` is a short stable name, `message` one line. "damage" harms a reader or a run, now or
    later; a "note" says what a crash left that harms nobody.
    """

    kind: str
    study: str | None
    message: str
    mendable: bool
    severity: Severity = "damage"


Step = tuple[Executable, list[dict[str, Any]]]  # a statement, once for each of these parameters


class Problem(NamedTuple):
    """A finding with the id of its study and the steps that mend it."""

    finding: Finding
    study_id: int | None
    steps: list[Step]


class _Study(NamedTuple):
    id: int | None
    name: str | None


_NONE = _Study(None, None)
Problems = Iterator[Problem]


def diagnose(connection: Connection) -> list[Problem]:
    """Run every check; a file that SQLite itself finds broken is not looked into further.

    Raises SQLAlchemyError: the database refused to read.
    """
    problems = list(_broken_file(connection))
    if problems:
        return problems
    for check in CHECKS:
        problems += check(connection)
    damaged = {found.study_id for found in problems if found.finding.severity == "damage"}
    return problems + list(_unreadable(connection, damaged))


def _broken_file(connection: Connection) -> Problems:
    if connection.dialect.name != "sqlite":
        return
    try:
        lines = list(connection.exec_driver_sql("PRAGMA integrity_check(3)").scalars())
    except DatabaseError as error:
        lines = [str(error.orig)]
    if lines != ["ok"]:
        said = f"the file must be a whole SQLite database, got: {_line('; '.join(lines))}. "
        step = "Restore a backup, or save what is left with `sqlite3 FILE .recover`"
        yield _found("file", _NONE, said + step)


def _leases(connection: Connection) -> Problems:
    if not lease.has_table(connection):
        return
    names = _names(connection)
    for study_id in connection.execute(select(lease.LEASES.c.study_id)).scalars().all():
        held = lease.find(connection, study_id)
        if held is None or (held.alive and study_id in names):
            continue
        study = _Study(study_id, names.get(study_id))
        about = "" if study.name else f", of study id {study_id}, which does not exist,"
        message = f"the lease of pid {held.pid} on {held.host}{about} was never given back"
        steps = _deleting(lease.LEASES.c.study_id, [study_id])
        yield _found("lease", study, message, steps, "note")


def _placeholders(connection: Connection) -> Problems:
    names = _names(connection)
    query = select(TRIALS.c.trial_id, TRIALS.c.number).where(_is_placeholder())
    for trial_id, study_id in connection.execute(query).all():
        if lease.owner(connection, study_id) is None:
            study = _Study(study_id, names.get(study_id))
            message = (
                f"trial id {trial_id} reserves ids for study id {study_id}, which nobody runs"
            )
            steps = _deleting_trials([trial_id])
            yield _found("placeholder", study, message, steps, "note")


def _lost_trials(connection: Connection) -> Problems:
    missing = ~select(STUDIES).where(STUDIES.c.study_id == TRIALS.c.study_id).exists()
    query = select(TRIALS.c.trial_id).where(missing, ~_is_placeholder())
    trial_ids = connection.execute(query.order_by(TRIALS.c.trial_id)).scalars().all()
    if trial_ids:
        message = f"{len(trial_ids)} trials belong to no study ({_some(trial_ids)})"
        yield _found("orphan", _NONE, message, _deleting_trials(trial_ids))


def _orphans(connection: Connection) -> Problems:
    parents = {**dict.fromkeys(OF_STUDY, STUDIES), **dict.fromkeys(OF_TRIAL, TRIALS)}
    for table, parent in parents.items():
        key = next(iter(parent.primary_key)).name
        missing = ~select(parent).where(parent.c[key] == table.c[key]).exists()
        count = connection.execute(select(func.count()).select_from(table).where(missing)).scalar()
        if count:
            message = f"{count} rows of {table.name} belong to no row of {parent.name}"
            yield _found("orphan", _NONE, message, [(table.delete().where(missing), [])])


def _states(connection: Connection) -> Problems:
    unknown = cast(TRIALS.c.state, String).not_in([state.name for state in TrialState])
    for study, rows in _grouped(connection, _of_trials().where(unknown)):
        message = f"{len(rows)} trials have a state unknown to Optuna ({_some_of(rows)})"
        yield _found("state", study, message, _failing(rows, "its stored state was unknown"))


def _values(connection: Connection) -> Problems:
    complete = TRIALS.c.state == TrialState.COMPLETE
    query = _of_trials(complete).join(VALUES).where(_is_poisoned(VALUES)).distinct()
    for study, rows in _grouped(connection, query):
        message = f"{len(rows)} trials have a value that is no number ({_some_of(rows)})"
        yield _found("value", study, message, _dropping_values(rows, "its value was no number"))


def _missing_values(connection: Connection) -> Problems:
    complete, stored = TRIALS.c.state == TrialState.COMPLETE, func.count(VALUES.c.trial_value_id)
    wanted = select(func.count()).where(DIRECTIONS.c.study_id == TRIALS.c.study_id)
    too_few = and_(complete, or_(stored == 0, stored < wanted.scalar_subquery()))
    gap = stored != func.max(VALUES.c.objective) + 1
    query = _of_trials(complete).outerjoin(VALUES).group_by(STUDIES.c.study_id, TRIALS.c.trial_id)
    for study, rows in _grouped(connection, query.having(or_(gap, too_few))):
        message = f"{len(rows)} trials lack a value for an objective ({_some_of(rows)})"
        yield _found("value", study, message, _dropping_values(rows, "it had not all its values"))


def _reports(connection: Connection) -> Problems:
    number, mark, marks = _NUMBER[REPORTS]
    query = _of_trials().join(REPORTS).where(_is_poisoned(REPORTS))
    for study, rows in _grouped(connection, query):
        message = f"{len(rows)} intermediate values are no numbers ({_some_of(rows)})"
        step = REPORTS.update().where(_is_poisoned(REPORTS))
        step = step.values({number: null(), mark: marks["NAN"]})
        yield _found("intermediate_value", study, message, [(step, [])])


def _marks(connection: Connection) -> Problems:
    for table, (number, mark, marks) in _NUMBER.items():
        both = and_(mark.in_([m for m in marks if m.name != "FINITE"]), number.is_not(None))
        for study, rows in _grouped(connection, _of_trials().join(table).where(both)):
            what = "marked infinite or NaN, and hold a number too"
            message = f"{len(rows)} rows of {table.name} are {what} ({_some_of(rows)})"
            step = table.update().where(both).values({number: null()})
            yield _found("mark", study, message, [(step, [])])


def _params(connection: Connection) -> Problems:
    decode = functools.cache(json_to_distribution)  # thousands of rows share a distribution

    def reads(value: float, text: str) -> bool:
        decode(text).to_external_repr(value)
        return value == value + 0.0  # not NaN, which PostgreSQL keeps, and not text

    columns = (PARAMS.c.param_id, PARAMS.c.param_name, PARAMS.c.param_value)
    query = _of_trials(*columns, PARAMS.c.distribution_json).join(PARAMS)
    for study, rows in _grouped(connection, query, lambda row: not _tried(reads, *row[-2:])):
        names = _listed(dict.fromkeys(_line(str(row[2])) for row in rows))
        message = f"{len(rows)} params cannot be read ({names}; {_some_of(rows)})"
        steps = _deleting(PARAMS.c.param_id, [row[1] for row in rows])
        steps += _failing(rows, f"a param could not be read: {names}")
        yield _found("param", study, message, steps)


def _attrs(connection: Connection) -> Problems:
    def reads(text: str) -> bool:
        json.loads(text)
        return True

    for table in (*OF_STUDY[1:], *OF_TRIAL[3:5]):
        primary = next(iter(table.primary_key))
        query = (_of_trials if table in OF_TRIAL else _of_studies)(
            table.c.key, primary, table.c.value_json
        )
        joined = query.join(table).order_by(primary)
        for study, rows in _grouped(connection, joined, lambda row: not _tried(reads, row[-1])):
            for needed in (False, True):
                found = [
                    row for row in rows if (table is OF_STUDY[1] and row[-3] in NEEDED) == needed
                ]
                if not found:
                    continue
                keys = _listed(dict.fromkeys(_line(str(row[-3])) for row in found))
                message = f"{len(found)} rows of {table.name} are not JSON (key {keys})"
                if needed:
                    yield _found("attr", study, f"{message}. Restore a backup", [])
                else:
                    yield _found(
                        "attr", study, message, _deleting(primary, [r[-2] for r in found])
                    )


def _numbers(connection: Connection) -> Problems:
    rank = func.row_number().over(partition_by=TRIALS.c.study_id, order_by=TRIALS.c.trial_id)
    ranked = select(TRIALS.c.trial_id, (rank - 1).label("rank")).subquery()
    query = _of_trials(TRIALS.c.number, ranked.c.rank)
    query = query.join(ranked, ranked.c.trial_id == TRIALS.c.trial_id)
    wrong = TRIALS.c.number.is_distinct_from(ranked.c.rank)
    for study, rows in _grouped(connection, query.where(wrong)):
        moves = _listed(f"{old} → {new}" for _, old, new in rows)
        rule = "trial numbers must be 0, 1, 2, … in the order of trial ids"
        step = TRIALS.update().where(TRIALS.c.trial_id == bindparam("one"))
        numbers = [{"one": trial_id, "new": new} for trial_id, _, new in rows]
        yield _found(
            "number",
            study,
            f"{rule}, and {len(rows)} are not ({moves})",
            [(step.values(number=bindparam("new")), numbers)],
        )


def _directions(connection: Connection) -> Problems:
    ours = _sweep_studies(connection)
    some = select(DIRECTIONS).where(DIRECTIONS.c.study_id == STUDIES.c.study_id).exists()
    for study, _ in _grouped(connection, _of_studies().where(~some)):
        row = {"study_id": study.id, "objective": 0, "direction": StudyDirection.MINIMIZE}
        known = study.id in ours
        message = "the study has no direction"
        message += "" if known else ", and only the program that made it knows which"
        yield _found("direction", study, message, [(DIRECTIONS.insert(), [row])] if known else [])


def _running(connection: Connection) -> Problems:
    ours = _sweep_studies(connection)
    query = _of_trials().where(TRIALS.c.state == TrialState.RUNNING)
    for study, rows in _grouped(connection, query):
        if study.id is not None and lease.owner(connection, study.id) is None:
            what = "the study is another program's, which may be at it"
            what = "the next `sweep run` trains them again" if study.id in ours else what
            message = f"{len(rows)} trials are RUNNING, and nobody holds the study's lease: {what}"
            yield _found("running", study, message, severity="note")


def _unreadable(connection: Connection, damaged: set[int | None]) -> Problems:
    """Read every other study as a run does, in case no check knows what is wrong."""
    for study_id, name in _names(connection).items():
        directions = select(DIRECTIONS).where(DIRECTIONS.c.study_id == study_id)
        try:
            if study_id not in damaged:
                stored.load_trials(connection, study_id)
                connection.execute(directions).all()
        except UNREADABLE as error:
            message = f"a row cannot be read ({_line(repr(error)):.120}). Restore a backup"
            yield _found("unreadable", _Study(study_id, name), message)


# Notes on owners come first: to repair a study its lease is taken. What belongs to nobody goes
# next, and values before what counts them.
CHECKS: tuple[Callable[[Connection], Problems], ...] = (
    _leases, _placeholders, _lost_trials, _orphans, _states, _values, _missing_values, _reports,
    _marks, _params, _attrs, _numbers, _directions, _running,
)  # fmt: skip


def _found(
    kind: str,
    study: _Study,
    message: str,
    steps: list[Step] | None = None,
    severity: Severity = "damage",
) -> Problem:
    return Problem(
        Finding(kind, study.name, message, bool(steps), severity), study.id, steps or []
    )


def _names(connection: Connection) -> Mapping[int, str]:
    query = select(STUDIES.c.study_id, STUDIES.c.study_name)
    return {study_id: name for study_id, name in connection.execute(query)}


def _sweep_studies(connection: Connection) -> set[int]:
    attrs = schema.STUDY_USER_ATTRS
    return set(connection.execute(select(attrs.c.study_id).where(attrs.c.key == "spec")).scalars())


def _of_studies(*columns: ColumnElement[Any]) -> Select[Any]:
    query = select(STUDIES.c.study_id, STUDIES.c.study_name, *columns).select_from(STUDIES)
    return query.order_by(STUDIES.c.study_id)


def _of_trials(*columns: ColumnElement[Any]) -> Select[Any]:
    return _of_studies(TRIALS.c.trial_id, *columns).join(TRIALS).order_by(TRIALS.c.trial_id)


def _grouped(
    connection: Connection, query: Select[Any], bad: Callable[[Any], bool] = bool
) -> Iterator[tuple[_Study, list[Any]]]:
    """Read rows that begin with a study's id and name; give the rest of the bad ones by study."""
    rows = [row for row in connection.execute(query) if bad(row)]
    for study, group in groupby(rows, key=lambda row: _Study(*row[:2])):
        yield study, [row[2:] for row in group]


def _is_placeholder() -> ColumnElement[bool]:
    """Match what trial_ids.reserve leaves behind a block of ids."""
    failed = TRIALS.c.state == TrialState.FAIL
    return and_(TRIALS.c.study_id.is_(None), failed, TRIALS.c.number.is_not(None))


def _is_poisoned(table: Table) -> ColumnElement[bool]:
    """Match numbers that are none: SQLite turns NaN into NULL, PostgreSQL keeps it."""
    number, mark, marks = _NUMBER[table]
    none = or_(number.is_(None), number == float("nan"))
    unknown = cast(mark, String).not_in([known.name for known in marks])
    return or_(unknown, and_(mark == marks["FINITE"], none))


def _tried(reads: Callable[..., bool], *stored: Any) -> bool:
    try:
        return reads(*stored)
    except UNREADABLE:
        return False


def _deleting(column: Column[Any], ids: Iterable[int]) -> list[Step]:
    # One statement, run for each id: a list of ids in it would have a limit.
    return [(column.table.delete().where(column == bindparam("one")), [{"one": i} for i in ids])]


def _deleting_trials(ids: Iterable[int]) -> list[Step]:
    return [step for t in (*OF_TRIAL, TRIALS) for step in _deleting(t.c.trial_id, ids)]


def _dropping_values(rows: list[Any], reason: str) -> list[Step]:
    """Delete the values of trials, and fail those that say that they are COMPLETE."""
    failing = [row for row in rows if row[1]]
    steps = _deleting(VALUES.c.trial_id, [row[0] for row in rows])
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
        *_deleting(VALUES.c.trial_id, ids),
        (forget, each),
        (USER_ATTRS.insert(), stored),
    ]


def _some_of(rows: list[Any]) -> str:
    return _some(dict.fromkeys(row[0] for row in rows))


def _some(trial_ids: Iterable[int]) -> str:
    return f"trial id {_listed(map(str, trial_ids))}"


def _listed(texts: Iterable[str]) -> str:
    texts = list(texts)
    return ", ".join(texts[:SHOWN]) + (", …" if len(texts) > SHOWN else "")


def _line(text: str) -> str:
    return " ".join(text.split())
