"""Read studies back from the rows of Optuna's tables."""

import json
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.storages._in_memory import _StudyInfo
from optuna.storages._rdb import models
from optuna.storages._rdb.models import StudyDirectionModel
from optuna.trial import FrozenTrial
from sqlalchemy import ColumnElement, Connection, Table, and_, select

from sweep.errors import StorageError
from sweep.storage.schema import (
    COLUMNS,
    PARAMS,
    REPORTS,
    STUDY_SYSTEM_ATTRS,
    STUDY_USER_ATTRS,
    SYSTEM_ATTRS,
    TRIALS,
    USER_ATTRS,
    VALUES,
)


def load_study(connection: Connection, study_id: int, study_name: str) -> _StudyInfo:
    """Read a study as Optuna's memory holds it, but for its distributions and its best trial.

    Raises AssertionError, ValueError: see load_trials.
    """
    table = StudyDirectionModel.__table__
    query = select(table.c.direction).where(table.c.study_id == study_id)
    directions = list(connection.execute(query.order_by(table.c.objective)).scalars())
    study = _StudyInfo(study_name, directions)
    study.trials = load_trials(connection, study_id)
    study.user_attrs = _study_attrs(connection, study_id, STUDY_USER_ATTRS)
    study.system_attrs = _study_attrs(connection, study_id, STUDY_SYSTEM_ATTRS)
    return study


def check_numbers(study: _StudyInfo) -> None:
    """Refuse a study whose trials are not numbered as Optuna numbers them.

    Raises StorageError: they are not.
    """
    if [trial.number for trial in study.trials] != list(range(len(study.trials))):
        raise StorageError(
            f"study {study.name!r}: its trials must be numbered 0, 1, 2, … in the order of their "
            "ids, and are not. Run `sweep doctor`"
        )


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


def _study_attrs(connection: Connection, study_id: int, table: Table) -> dict[str, Any]:
    query = select(table.c.key, table.c.value_json).where(table.c.study_id == study_id)
    return {key: json.loads(text) for key, text in connection.execute(query)}


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


def _local(utc: datetime | None) -> datetime | None:
    return None if utc is None else utc.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)
