"""Look for damage in a storage: run all checks, those of what belongs to what among them.

A check is one small function, with its repair if there is one. It reads with one statement or a
few, whatever the number of trials. A repair is data: the statements to execute in the transaction
in which the check has just read. `contents` has the checks of what the rows hold.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from optuna.study import StudyDirection
from optuna.trial import TrialState
from sqlalchemy import ColumnElement, Connection, and_, bindparam, func, select
from sqlalchemy.exc import DatabaseError

from sweep.errors import UsageError
from sweep.spec.attributes import SPEC
from sweep.spec.stored import check_stored, stored_spec
from sweep.storage import contents, lease, reading
from sweep.storage.aside import putting_aside
from sweep.storage.errors import UNREADABLE
from sweep.storage.finding import (
    NO_STUDY,
    Defect,
    Defects,
    Step,
    StudyKey,
    by_study,
    deleting,
    line,
    listed,
    of_studies,
    of_trials,
    some_ids,
)
from sweep.storage.foreign import Rule, left_out, waits
from sweep.storage.schema import (
    DIRECTIONS,
    HEARTBEATS,
    OF_STUDY,
    OF_TRIAL,
    STUDIES,
    STUDY_USER_ATTRS,
    TRIALS,
)

PARTS = (*OF_TRIAL, HEARTBEATS)  # of a trial, in tables of their own


def diagnose(connection: Connection) -> list[Defect]:
    """Run every check; a file that SQLite itself finds broken is not looked into further.

    Raises SQLAlchemyError: the database refused to read.
    """
    defects = list(_broken_file(connection))
    if defects:
        return defects
    for check in CHECKS:
        defects += check(connection)
    damaged = {one.study_id for one in defects if one.finding.severity == "damage"}
    return defects + list(_unreadable(connection, damaged))


def _broken_file(connection: Connection) -> Defects:
    if connection.dialect.name != "sqlite":
        return
    try:
        lines = list(connection.exec_driver_sql("PRAGMA integrity_check(3)").scalars())
    except DatabaseError as error:
        lines = [str(error.orig)]
    if lines != ["ok"]:
        said = f"the file must be a whole SQLite database, got: {line('; '.join(lines))}. "
        step = "Restore a backup, or save what is left with `sqlite3 FILE .recover`"
        yield Defect.of("file", NO_STUDY, said + step)


def _unreadable(connection: Connection, damaged: set[int | None]) -> Defects:
    """Read every other study as a run does, in case no check knows what is wrong."""
    for study_id, name in _names(connection).items():
        directions = select(DIRECTIONS).where(DIRECTIONS.c.study_id == study_id)
        try:
            if study_id not in damaged:
                reading.load_trials(connection, study_id)
                connection.execute(directions).all()
        except UNREADABLE as error:
            message = f"a row cannot be read ({line(repr(error)):.120}). Restore a backup"
            yield Defect.of("unreadable", StudyKey(study_id, name), message)


def _leases(connection: Connection) -> Defects:
    if not lease.has_table(connection):
        return
    names = _names(connection)
    for study_id in connection.execute(select(lease.LEASES.c.study_id)).scalars().all():
        held = lease.find(connection, study_id)
        if held is None or (held.alive and study_id in names):
            continue
        study = StudyKey(study_id, names.get(study_id))
        about = "" if study.name else f", of study id {study_id}, which does not exist,"
        message = f"the lease of pid {held.pid} on {held.host}{about} was never given back"
        steps = deleting(lease.LEASES.c.study_id, [study_id])
        yield Defect.of("lease", study, message, steps, "note")


def _placeholders(connection: Connection) -> Defects:
    names = _names(connection)
    query = select(TRIALS.c.trial_id, TRIALS.c.number).where(_is_placeholder())
    for trial_id, study_id in connection.execute(query).all():
        if lease.owner(connection, study_id) is None:
            study = StudyKey(study_id, names.get(study_id))
            message = (
                f"trial id {trial_id} reserves ids for study id {study_id}, which nobody runs"
            )
            steps = _deleting_trials([trial_id])
            yield Defect.of("placeholder", study, message, steps, "note")


def _lost_trials(connection: Connection) -> Defects:
    missing = ~select(STUDIES).where(STUDIES.c.study_id == TRIALS.c.study_id).exists()
    query = select(TRIALS.c.trial_id).where(missing, ~_is_placeholder())
    trial_ids = connection.execute(query.order_by(TRIALS.c.trial_id)).scalars().all()
    if trial_ids:
        message = f"{len(trial_ids)} trials belong to no study ({some_ids(trial_ids)})"
        yield Defect.of("orphan", NO_STUDY, message, _deleting_trials(trial_ids))


def _orphans(connection: Connection) -> Defects:
    parents = {**dict.fromkeys(OF_STUDY, STUDIES), **dict.fromkeys(PARTS, TRIALS)}
    for table, parent in parents.items():
        key = next(iter(parent.primary_key)).name
        missing = ~select(parent).where(parent.c[key] == table.c[key]).exists()
        count = connection.execute(select(func.count()).select_from(table).where(missing)).scalar()
        if count:
            message = f"{count} rows of {table.name} belong to no row of {parent.name}"
            yield Defect.of("orphan", NO_STUDY, message, [(table.delete().where(missing), [])])


def _numbers(connection: Connection) -> Defects:
    rank = func.row_number().over(partition_by=TRIALS.c.study_id, order_by=TRIALS.c.trial_id)
    ranked = select(TRIALS.c.trial_id, (rank - 1).label("rank")).subquery()
    query = of_trials(TRIALS.c.number, ranked.c.rank)
    query = query.join(ranked, ranked.c.trial_id == TRIALS.c.trial_id)
    wrong = TRIALS.c.number.is_distinct_from(ranked.c.rank)
    for study, rows in by_study(connection, query.where(wrong)):
        moves = listed(f"{old} → {new}" for _, old, new in rows)
        rule = "trial numbers must be 0, 1, 2, … in the order of trial ids"
        message = f"{rule}, and {len(rows)} are not ({moves})"
        step = TRIALS.update().where(TRIALS.c.trial_id == bindparam("one"))
        numbers = [{"one": trial_id, "new": new} for trial_id, _, new in rows]
        steps: list[Step] = [(step.values(number=bindparam("new")), numbers)]
        yield Defect.of("number", study, message, steps)


def _directions(connection: Connection) -> Defects:
    ours = _sweep_studies(connection)
    some = select(DIRECTIONS).where(DIRECTIONS.c.study_id == STUDIES.c.study_id).exists()
    for study, _ in by_study(connection, of_studies().where(~some)):
        direction = _direction(connection, study.id) if study.id in ours else None
        row = {"study_id": study.id, "objective": 0, "direction": direction}
        known = direction is not None
        message = "the study has no direction"
        message += "" if known else ", and only the program that made it knows which"
        steps: list[Step] = [(DIRECTIONS.insert(), [row])] if known else []
        yield Defect.of("direction", study, message, steps)


def _direction(connection: Connection, study_id: int | None) -> StudyDirection | None:
    """Tell which way is better by a study's spec; None where that cannot be read."""
    attrs = STUDY_USER_ATTRS.c
    query = select(attrs.value_json).where(attrs.study_id == study_id, attrs.key == SPEC)
    try:
        spec = stored_spec(json.loads(connection.execute(query).scalar_one()))
    except (TypeError, ValueError, UsageError):
        return None
    return StudyDirection[spec.objective.study_direction.upper()]


def _foreign(connection: Connection) -> Defects:
    names = _names(connection)
    for study_id in sorted(_sweep_studies(connection) & names.keys()):
        study = StudyKey(study_id, names[study_id])
        try:
            held = reading.load_study(connection, study_id, names[study_id])
        except UNREADABLE:
            continue  # which other checks name
        rule = Rule.of(held.user_attrs, held.system_attrs)
        found = rule.sort(held.trials) if rule else None
        if rule is None or found is None:
            continue
        if found.foreign:
            last = found.own[-1]._trial_id if found.own else 0
            reasons = rule.reasons(found.foreign)
            yield Defect.of(
                "foreign", study, left_out(found.foreign),
                putting_aside(connection, study_id, names[study_id], reasons, last),
            )  # fmt: skip
        if found.enqueued:
            yield Defect.of("enqueued", study, waits(found.enqueued), severity="note")


def _running(connection: Connection) -> Defects:
    ours = _sweep_studies(connection)
    query = of_trials().where(TRIALS.c.state == TrialState.RUNNING)
    for study, rows in by_study(connection, query):
        if study.id is not None and lease.owner(connection, study.id) is None:
            what = "the study is another program's, which may be at it"
            what = "the next `sweep run` trains them again" if study.id in ours else what
            message = f"{len(rows)} trials are RUNNING, and nobody holds the study's lease: {what}"
            yield Defect.of("running", study, message, severity="note")


def _overwritten(connection: Connection) -> Defects:
    """Find attributes of sweep's studies that are not what sweep stored."""
    ours, attrs = _sweep_studies(connection), defaultdict[StudyKey, dict[str, Any]](dict)
    query = of_studies(STUDY_USER_ATTRS.c.key, STUDY_USER_ATTRS.c.value_json)
    for study_id, name, key, text in connection.execute(query.join(STUDY_USER_ATTRS)):
        with suppress(TypeError, ValueError):  # no JSON: `contents` says so
            if study_id in ours:
                attrs[StudyKey(study_id, name)][key] = json.loads(text)
    for study, found in attrs.items():
        try:
            check_stored(study.name or "", found)
        except UsageError as error:
            yield Defect.of("attribute", study, str(error).partition(": ")[2])


# Notes on owners come first: to repair a study its lease is taken. What belongs to nobody goes
# next, and contents before what counts rows; trials of other programs before numbers.
CHECKS: tuple[Callable[[Connection], Defects], ...] = (
    _leases, _placeholders, _lost_trials, _orphans, *contents.CHECKS, _foreign, _numbers,
    _directions, _running, _overwritten,
)  # fmt: skip


def _names(connection: Connection) -> Mapping[int, str]:
    query = select(STUDIES.c.study_id, STUDIES.c.study_name)
    return {study_id: name for study_id, name in connection.execute(query)}


def _sweep_studies(connection: Connection) -> set[int]:
    key, study_id = STUDY_USER_ATTRS.c.key, STUDY_USER_ATTRS.c.study_id
    return set(connection.execute(select(study_id).where(key == "spec")).scalars())


def _is_placeholder() -> ColumnElement[bool]:
    """Match what trial_ids.reserve leaves behind a block of ids."""
    failed = TRIALS.c.state == TrialState.FAIL
    return and_(TRIALS.c.study_id.is_(None), failed, TRIALS.c.number.is_not(None))


def _deleting_trials(ids: Iterable[int]) -> list[Step]:
    return [step for t in (*PARTS, TRIALS) for step in deleting(t.c.trial_id, ids)]
