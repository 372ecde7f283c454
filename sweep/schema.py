"""Turn changes of a study into rows of Optuna's tables, and rows back into trials.

Only plain values leave here (enums by name, times as UTC text), so that one encoding serves
SQLite and PostgreSQL. Schema: `optuna.storages._rdb.models`, alembic head v3.2.0.a.
"""

import json
import math
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from operator import index
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    distribution_to_json,
    json_to_distribution,
)
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import ColumnElement, Connection, Table, and_, bindparam, select
from sqlalchemy.dialects import postgresql

from sweep.errors import StorageError

HEAD = "v3.2.0.a"
OF_PRUNERS = "completed_rung_"  # system attributes that pruners derive from intermediate values
STEP_LIMIT = 2**31  # PostgreSQL's INTEGER

STUDY_USER_ATTRS: Table = models.StudyUserAttributeModel.__table__
STUDY_SYSTEM_ATTRS: Table = models.StudySystemAttributeModel.__table__
TRIALS: Table = models.TrialModel.__table__
VALUES: Table = models.TrialValueModel.__table__
REPORTS: Table = models.TrialIntermediateValueModel.__table__
PARAMS: Table = models.TrialParamModel.__table__
USER_ATTRS: Table = models.TrialUserAttributeModel.__table__
SYSTEM_ATTRS: Table = models.TrialSystemAttributeModel.__table__

# Table -> (key columns, other columns); a parent comes before its children.
COLUMNS: dict[Table, tuple[list[str], list[str]]] = {
    STUDY_USER_ATTRS: (["study_id", "key"], ["value_json"]),
    STUDY_SYSTEM_ATTRS: (["study_id", "key"], ["value_json"]),
    TRIALS: (
        ["trial_id"],
        ["number", "study_id", "state", "datetime_start", "datetime_complete"],
    ),
    VALUES: (["trial_id", "objective"], ["value", "value_type"]),
    REPORTS: (["trial_id", "step"], ["intermediate_value", "intermediate_value_type"]),
    PARAMS: (["trial_id", "param_name"], ["param_value", "distribution_json"]),
    USER_ATTRS: (["trial_id", "key"], ["value_json"]),
    SYSTEM_ATTRS: (["trial_id", "key"], ["value_json"]),
}

Row = tuple[Any, ...]
Rows = dict[Row, Row]  # key columns -> other columns


@dataclass
class Changes:
    """What the database lacks: whole rows by table and key, and curves to delete before them.

    Written twice, the same changes leave the same rows.
    """

    rows: dict[Table, Rows] = field(default_factory=lambda: {table: {} for table in COLUMNS})
    cut: set[int] = field(default_factory=set)

    def add_trial(self, study_id: int, trial: FrozenTrial) -> None:
        """Add a trial's own row and its values."""
        trial_id = trial._trial_id
        self.rows[TRIALS][(trial_id,)] = (
            trial.number,
            study_id,
            trial.state.name,
            _utc(trial.datetime_start),
            _utc(trial.datetime_complete),
        )
        for objective, value in enumerate(trial.values or ()):
            self.rows[VALUES][(trial_id, objective)] = _value(value)

    def add_whole_trial(self, study_id: int, trial: FrozenTrial) -> None:
        """Add everything that a trial holds."""
        self.add_trial(study_id, trial)
        for name, value in trial.params.items():
            distribution = trial.distributions[name]
            self.add_param(
                trial._trial_id, name, distribution.to_internal_repr(value), distribution
            )
        for step, value in trial.intermediate_values.items():
            self.add_report(trial._trial_id, step, value)
        for table, attrs in ((USER_ATTRS, trial.user_attrs), (SYSTEM_ATTRS, trial.system_attrs)):
            for key, value in attrs.items():
                self.rows[table][(trial._trial_id, key)] = (encode_attr(key, value),)

    def add_report(self, trial_id: int, step: int, value: float) -> None:
        """Add one intermediate value."""
        stored, kind = models.TrialIntermediateValueModel.intermediate_value_to_stored_repr(value)
        self.rows[REPORTS][(trial_id, step)] = (stored, kind.name)

    def add_param(self, trial_id: int, name: str, value: float, space: BaseDistribution) -> None:
        """Add one parameter, in its distribution's internal representation."""
        self.rows[PARAMS][(trial_id, name)] = (float(value), distribution_to_json(space))

    def cut_curves(self, trial_ids: Collection[int]) -> None:
        """Delete trials' intermediate values, and what follows from them, written or not."""
        self.cut.update(trial_ids)
        reports, attrs = self.rows[REPORTS], self.rows[SYSTEM_ATTRS]
        self.rows[REPORTS] = {key: row for key, row in reports.items() if key[0] not in trial_ids}
        self.rows[SYSTEM_ATTRS] = {
            key: row
            for key, row in attrs.items()
            if key[0] not in trial_ids or not key[1].startswith(OF_PRUNERS)
        }

    def forget(self, study_id: int, trial_ids: Collection[int]) -> None:
        """Drop everything on a study that was deleted."""
        self.cut -= set(trial_ids)
        for table, rows in self.rows.items():
            of_study = table in (STUDY_USER_ATTRS, STUDY_SYSTEM_ATTRS)
            gone = {study_id} if of_study else set(trial_ids)
            self.rows[table] = {key: row for key, row in rows.items() if key[0] not in gone}

    def then(self, later: "Changes") -> "Changes":
        """Join with the changes made after these."""
        joined = Changes({table: dict(rows) for table, rows in self.rows.items()}, set(self.cut))
        joined.cut_curves(later.cut)
        for table, rows in later.rows.items():
            joined.rows[table].update(rows)
        return joined


def check_key(key: str, what: str) -> str:
    """Return a name that both databases can hold.

    Raises StorageError: not text, over 512 characters, with NUL, or not encodable as UTF-8.
    """
    longest = models.MAX_INDEXED_STRING_LENGTH
    good = isinstance(key, str) and len(key) <= longest and "\0" not in key
    if not good or key.encode("utf-8", "replace").decode() != key:
        raise StorageError(
            f"{what}: must be at most {longest} characters of UTF-8 without NUL, "
            f"got {key!r:.60}. Give it a shorter or plainer name."
        )
    return key


def encode_attr(key: str, value: Any) -> str:
    """Encode an attribute's value as JSON.

    Raises TypeError: not JSON (as Optuna's own storages do). StorageError: see check_key.
    """
    check_key(key, "attribute name")
    return json.dumps(value)


def check_number(value: float, what: str) -> float:
    """Return a float that is not NaN, which no reader could decode again.

    Raises StorageError: it is NaN.
    """
    number = float(value)
    if math.isnan(number):
        raise StorageError(f"{what}: must be a number or infinite, got nan. Tell FAIL or PRUNED.")
    return number


def check_step(step: int) -> int:
    """Return a plain int that fits the column.

    Raises TypeError: not an integer. StorageError: too large.
    """
    step = index(step)
    if not -STEP_LIMIT <= step < STEP_LIMIT:
        raise StorageError(f"step: must be below 2**31, got {step}. Count epochs instead.")
    return step


def plain(trial: FrozenTrial) -> FrozenTrial:
    """Copy a template trial as it would come back from the database.

    Raises StorageError, TypeError: it holds something that the database cannot.
    """
    for name in trial.params:
        check_key(name, "parameter name")
    return FrozenTrial(
        number=trial.number,
        state=trial.state,
        value=None,
        values=trial.values and [check_number(value, "objective value") for value in trial.values],
        datetime_start=trial.datetime_start,
        datetime_complete=trial.datetime_complete,
        params=dict(trial.params),
        distributions=dict(trial.distributions),
        user_attrs=_plain_attrs(trial.user_attrs),
        system_attrs=_plain_attrs(trial.system_attrs),
        intermediate_values={
            check_step(step): float(value) for step, value in trial.intermediate_values.items()
        },
        trial_id=trial._trial_id,
    )


def write(connection: Connection, changes: Changes) -> None:
    """Write changes: delete curves, then insert or update row by row."""
    if changes.cut:
        cut = [{"cut": trial_id} for trial_id in changes.cut]
        connection.execute(REPORTS.delete().where(REPORTS.c.trial_id == bindparam("cut")), cut)
        noted = SYSTEM_ATTRS.c.key.startswith(OF_PRUNERS, autoescape=True)
        of_trial = SYSTEM_ATTRS.c.trial_id == bindparam("cut")
        connection.execute(SYSTEM_ATTRS.delete().where(of_trial, noted), cut)
    for table, rows in changes.rows.items():
        if rows:
            _upsert(connection, table, [key + row for key, row in rows.items()])


def load_trials(
    connection: Connection, study_id: int, *only: ColumnElement[bool]
) -> list[FrozenTrial]:
    """Read a study's trials, only those of some conditions on TRIALS, in the order of their ids.

    Raises AssertionError, ValueError: rows that Optuna could not read either.
    """
    chosen = and_(TRIALS.c.study_id == study_id, *only)
    values = _children(connection, chosen, VALUES, models.TrialValueModel.stored_repr_to_value)
    reports = _children(
        connection,
        chosen,
        REPORTS,
        models.TrialIntermediateValueModel.stored_repr_to_intermediate_value,
    )
    params = _children(connection, chosen, PARAMS, _param())
    user_attrs = _children(connection, chosen, USER_ATTRS, json.loads)
    system_attrs = _children(connection, chosen, SYSTEM_ATTRS, json.loads)
    query = select(TRIALS).where(chosen).order_by(TRIALS.c.trial_id)
    return [
        FrozenTrial(
            number=row.number,
            state=row.state,
            value=None,
            values=[value for _, value in sorted(values[row.trial_id].items())] or None,
            datetime_start=_local(row.datetime_start),
            datetime_complete=_local(row.datetime_complete),
            params={name: value for name, (value, _) in params[row.trial_id].items()},
            distributions={name: space for name, (_, space) in params[row.trial_id].items()},
            user_attrs=user_attrs[row.trial_id],
            system_attrs=system_attrs[row.trial_id],
            intermediate_values=reports[row.trial_id],
            trial_id=row.trial_id,
        )
        for row in connection.execute(query)
    ]


def load_study_attrs(connection: Connection, study_id: int, table: Table) -> dict[str, Any]:
    """Read the user or the system attributes of a study."""
    query = select(table.c.key, table.c.value_json).where(table.c.study_id == study_id)
    return {key: json.loads(text) for key, text in connection.execute(query)}


def reserve_trial_ids(connection: Connection, study_id: int, above: int, count: int) -> list[int]:
    """Reserve ids for `count` trials, all larger than `above`, that nobody else will be given.

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


def _upsert(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    # Raw statements: Core's handling of parameters takes three times as long as the insert.
    statement = _upsert_statement(table, connection.dialect.name)
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(statement, list(rows))
    else:
        connection.exec_driver_sql(statement, tuple(map(list, zip(*rows, strict=True))))


@cache
def _upsert_statement(table: Table, dialect: str) -> str:
    keys, others = COLUMNS[table]
    columns = keys + others
    if dialect == "sqlite":
        source = f"VALUES ({', '.join('?' * len(columns))})"
    else:  # one array a column: 2.5 times as fast as executemany
        types = [table.c[name].type.compile(postgresql.dialect()) for name in columns]  # type: ignore[no-untyped-call]
        source = f"SELECT * FROM unnest({', '.join(f'CAST(%s AS {kind}[])' for kind in types)})"
    return (
        f"INSERT INTO {table.name} ({_quoted(columns)}) {source} "
        f"ON CONFLICT ({_quoted(keys)}) DO UPDATE SET "
        + ", ".join(f'"{name}" = excluded."{name}"' for name in others)
    )


def _quoted(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _children(
    connection: Connection, chosen: ColumnElement[bool], table: Table, decode: Callable[..., Any]
) -> defaultdict[int, dict[Any, Any]]:
    """Read a table of trials' parts: trial id -> key -> part, in order of insertion."""
    (_, key), others = COLUMNS[table]
    primary = next(iter(table.primary_key))
    query = (
        select(table.c.trial_id, table.c[key], *(table.c[name] for name in others))
        .join_from(table, TRIALS)
        .where(chosen)
        .order_by(primary)
    )
    parts: defaultdict[int, dict[Any, Any]] = defaultdict(dict)
    for trial_id, key_value, *stored in connection.execute(query):
        parts[trial_id][key_value] = decode(*stored)
    return parts


def _param() -> Callable[[float, str], tuple[Any, BaseDistribution]]:
    decode = cache(json_to_distribution)  # a study has few distributions, and thousands of rows

    def param(stored: float, text: str) -> tuple[Any, BaseDistribution]:
        return decode(text).to_external_repr(stored), decode(text)

    return param


def _value(value: float) -> Row:
    stored, kind = models.TrialValueModel.value_to_stored_repr(value)
    return stored, kind.name


def _plain_attrs(attrs: Mapping[str, Any]) -> dict[str, Any]:
    return {key: json.loads(encode_attr(key, value)) for key, value in attrs.items()}


def _utc(local: datetime | None) -> str | None:
    """Encode a time as Optuna 5 does: naive UTC (before 5.0 it was naive local time)."""
    if local is None:
        return None
    return local.astimezone(UTC).replace(tzinfo=None).isoformat(" ", timespec="microseconds")


def _local(utc: datetime | None) -> datetime | None:
    return None if utc is None else utc.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)
