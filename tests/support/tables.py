"""What a finished study comes to, as plain Optuna reads it: for comparing two runs bit for bit."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial

from sweep.spec.attributes import (
    ALPHA_MAX,
    ALPHA_RANGE,
    ATTEMPTS,
    BASELINE,
    CONFIRMATION,
    CONTROLS,
    DATA_HASH,
    LINE,
    SPEC_HASH,
    VERDICT,
    WIDENINGS,
)

SAME = (
    ALPHA_MAX, ALPHA_RANGE, BASELINE, CONFIRMATION, CONTROLS, DATA_HASH, LINE, SPEC_HASH, VERDICT,
    WIDENINGS,
)  # fmt: skip


class Table(NamedTuple):
    """All that must not depend on who trained a study."""

    trials: list[dict[str, str]]
    study: dict[str, str]


def table(database: Path, name: str = "tiny") -> Table:
    """Read a study from an SQLite file."""
    reader = RDBStorage(f"sqlite:///{database}")
    try:
        study_id = reader.get_study_id_from_name(name)
        attrs = reader.get_study_user_attrs(study_id)
        trials = [_row(trial) for trial in reader.get_all_trials(study_id)]
        return Table(trials, {key: json.dumps(attrs.get(key), sort_keys=True) for key in SAME})
    finally:
        reader.remove_session()
        reader.engine.dispose()


def n_ended(database: Path) -> int:
    """Count the trials that have ended; 0 before there is a study."""
    query = "select count(*) from trials where state in ('COMPLETE', 'PRUNED', 'FAIL')"
    if not database.exists():
        return 0
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as connection:
        try:
            return int(connection.execute(query).fetchone()[0])
        except sqlite3.OperationalError:  # no tables yet
            return 0


def _row(trial: FrozenTrial) -> dict[str, str]:
    attrs = {key: value for key, value in trial.user_attrs.items() if key != ATTEMPTS}
    parts = {
        "number": trial.number, "state": trial.state.name, "params": trial.params,
        "distributions": trial.distributions, "values": trial.values,
        "intermediate": sorted(trial.intermediate_values.items()),
        "attrs": sorted(attrs.items()), "system": sorted(trial.system_attrs.items()),
    }  # fmt: skip
    return {name: part if name == "state" else repr(part) for name, part in parts.items()}
