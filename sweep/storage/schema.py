"""Name Optuna's tables and their columns, and check what these can hold, in both databases.

Schema: `optuna.storages._rdb.models`, alembic head v3.2.0.a.
"""

import json
import math
from collections.abc import Mapping
from operator import index
from typing import Any

from optuna.storages._rdb import models
from optuna.trial import FrozenTrial
from sqlalchemy import Connection, Table, inspect

from sweep.errors import StorageError

HEAD = "v3.2.0.a"
OF_PRUNERS = "completed_rung_"  # system attributes that pruners derive from intermediate values
STEP_LIMIT = 2**31  # PostgreSQL's INTEGER

STUDIES: Table = models.StudyModel.__table__
DIRECTIONS: Table = models.StudyDirectionModel.__table__
STUDY_USER_ATTRS: Table = models.StudyUserAttributeModel.__table__
STUDY_SYSTEM_ATTRS: Table = models.StudySystemAttributeModel.__table__
TRIALS: Table = models.TrialModel.__table__
VALUES: Table = models.TrialValueModel.__table__
REPORTS: Table = models.TrialIntermediateValueModel.__table__
PARAMS: Table = models.TrialParamModel.__table__
USER_ATTRS: Table = models.TrialUserAttributeModel.__table__
SYSTEM_ATTRS: Table = models.TrialSystemAttributeModel.__table__
HEARTBEATS: Table = models.TrialHeartbeatModel.__table__

# Table of what a run changes -> (key columns, other columns); parents before their children.
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

OF_TRIAL = (VALUES, REPORTS, PARAMS, USER_ATTRS, SYSTEM_ATTRS)
OF_STUDY = (DIRECTIONS, STUDY_USER_ATTRS, STUDY_SYSTEM_ATTRS)


def check_tables(connection: Connection) -> None:
    """Refuse a database with some of Optuna's tables only: a run would make the others, empty.

    Raises StorageError: it has lost a table.
    """
    there = set(inspect(connection).get_table_names())
    needed = [table.name for table in (STUDIES, TRIALS, *OF_STUDY, *OF_TRIAL)]
    missing = [name for name in needed if name not in there]
    if missing and len(missing) < len(needed):
        raise StorageError(
            f"storage {connection.engine.url!r}: must have all of Optuna's tables, got none named"
            f" {', '.join(missing)}. Restore a backup: what it held is lost"
        )


def check_key(key: str, what: str) -> str:
    """Return a name that both databases can hold.

    Raises StorageError: not text, over 512 characters, with NUL, or not encodable as UTF-8.
    """
    longest = models.MAX_INDEXED_STRING_LENGTH
    good = isinstance(key, str) and len(key) <= longest and "\0" not in key
    if not good or key.encode("utf-8", "replace").decode() != key:
        raise StorageError(
            f"{what}: must be at most {longest} characters of UTF-8 without NUL, "
            f"got {key!r:.60}. Give it a shorter or plainer name"
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
        raise StorageError(f"{what}: must be a number or infinite, got nan. Tell FAIL or PRUNED")
    return number


def check_step(step: int) -> int:
    """Return a plain int that fits the column.

    Raises TypeError: not an integer. StorageError: too large.
    """
    step = index(step)
    if not -STEP_LIMIT <= step < STEP_LIMIT:
        raise StorageError(f"step: must be below 2**31, got {step}. Count epochs instead")
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


def _plain_attrs(attrs: Mapping[str, Any]) -> dict[str, Any]:
    return {key: json.loads(encode_attr(key, value)) for key, value in attrs.items()}
