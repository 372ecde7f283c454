"""Collect the changes that the database lacks, and write them as rows of Optuna's tables.

Only plain values leave here (enums by name, times as UTC text), so that one encoding serves
SQLite and PostgreSQL.
"""

import copy
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.storages._in_memory import _StudyInfo
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial
from sqlalchemy import Connection, Table, bindparam
from sqlalchemy.dialects import postgresql

from sweep.storage.schema import (
    COLUMNS,
    HEARTBEATS,
    OF_PRUNERS,
    OF_TRIAL,
    PARAMS,
    REPORTS,
    STUDY_SYSTEM_ATTRS,
    STUDY_USER_ATTRS,
    SYSTEM_ATTRS,
    TRIALS,
    USER_ATTRS,
    VALUES,
    encode_attr,
)

Row = tuple[Any, ...]
Rows = dict[Row, Row]  # key columns -> other columns


@dataclass
class Changes:
    """Changes that the database lacks: rows by table and key, curves and trials to delete first.

    Writing the same changes twice leaves the same rows.
    """

    rows: dict[Table, Rows] = field(default_factory=lambda: {table: {} for table in COLUMNS})
    cut: set[int] = field(default_factory=set)
    gone: set[int] = field(default_factory=set)  # trials to delete

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
        """Delete trials' intermediate values and the pruners' notes on them, written or not."""
        self.cut.update(trial_ids)
        reports, attrs = self.rows[REPORTS], self.rows[SYSTEM_ATTRS]
        self.rows[REPORTS] = {key: row for key, row in reports.items() if key[0] not in trial_ids}
        self.rows[SYSTEM_ATTRS] = {
            key: row
            for key, row in attrs.items()
            if key[0] not in trial_ids or not key[1].startswith(OF_PRUNERS)
        }

    def forget(self, study_id: int, trial_ids: Collection[int]) -> None:
        """Drop all changes of a deleted study."""
        self.cut -= set(trial_ids)
        for table, rows in self.rows.items():
            of_study = table in (STUDY_USER_ATTRS, STUDY_SYSTEM_ATTRS)
            gone = {study_id} if of_study else set(trial_ids)
            self.rows[table] = {key: row for key, row in rows.items() if key[0] not in gone}

    def then(self, later: "Changes") -> "Changes":
        """Add the changes that were made after these."""
        rows_before = {table: dict(rows) for table, rows in self.rows.items()}
        joined = Changes(rows_before, set(self.cut), self.gone | later.gone)
        joined.cut_curves(later.cut)
        for table, rows in later.rows.items():
            joined.rows[table].update(rows)
        return joined


def without_curve(trial: FrozenTrial) -> FrozenTrial:
    """Copy a trial without its intermediate values, and without the notes of pruners on them."""
    cut = copy.copy(trial)
    cut.intermediate_values = {}
    cut.system_attrs = {
        key: value for key, value in trial.system_attrs.items() if not key.startswith(OF_PRUNERS)
    }
    return cut


def whole_study(study_id: int, study: _StudyInfo) -> Changes:
    """Return a study with all its trials, as if the database lacked everything."""
    trials = list(study.trials)
    changes = Changes(cut={trial._trial_id for trial in trials})
    for trial in trials:
        changes.add_whole_trial(study_id, trial)
    for table, attrs in (
        (STUDY_USER_ATTRS, study.user_attrs),
        (STUDY_SYSTEM_ATTRS, study.system_attrs),
    ):
        for key, value in attrs.items():
            changes.rows[table][(study_id, key)] = (encode_attr(key, value),)
    return changes


def write(connection: Connection, changes: Changes) -> None:
    """Write changes: delete curves and trials, then insert or update row by row."""
    if changes.cut:
        cut = [{"cut": trial_id} for trial_id in changes.cut]
        connection.execute(REPORTS.delete().where(REPORTS.c.trial_id == bindparam("cut")), cut)
        noted = SYSTEM_ATTRS.c.key.startswith(OF_PRUNERS, autoescape=True)
        of_trial = SYSTEM_ATTRS.c.trial_id == bindparam("cut")
        connection.execute(SYSTEM_ATTRS.delete().where(of_trial, noted), cut)
    if changes.gone:
        gone = [{"gone": trial_id} for trial_id in changes.gone]
        for table in (*OF_TRIAL, HEARTBEATS, TRIALS):
            connection.execute(table.delete().where(table.c.trial_id == bindparam("gone")), gone)
    for table, rows in changes.rows.items():
        if rows:
            _upsert(connection, table, [key + row for key, row in rows.items()])


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


def _value(value: float) -> Row:
    stored, kind = models.TrialValueModel.value_to_stored_repr(value)
    return stored, kind.name


def _utc(local: datetime | None) -> str | None:
    """Encode a time as Optuna 5 does: naive UTC (before 5.0 it was naive local time)."""
    if local is None:
        return None
    return local.astimezone(UTC).replace(tzinfo=None).isoformat(" ", timespec="microseconds")
