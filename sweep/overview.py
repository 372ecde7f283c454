"""What is in a storage: studies, trials per state, best values, owners."""

from __future__ import annotations

import difflib
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from sweep import lease
from sweep.database import open_storage
from sweep.errors import SweepError, UsageError
from sweep.search import is_result


def overview(url: str, study_name: str | None = None) -> list[dict[str, Any]]:
    """Describe the studies of a storage, or the one named.

    Raises:
        UsageError: the storage cannot be opened, or has no such study.
    """
    if _is_unborn(url):
        if study_name is not None:
            raise _no_such_study(url, study_name, [])
        return []
    storage = open_storage(url, read_only=True)
    names = optuna.study.get_all_study_names(storage=storage)
    if study_name is not None:
        if study_name not in names:
            raise _no_such_study(url, study_name, names)
        names = [study_name]
    # Ids first: they are looked up on another connection, which would wait for this one.
    ids = {name: storage.get_study_id_from_name(name) for name in names}
    with storage.engine.connect() as connection:
        owners = {name: lease.owner(connection, study_id) for name, study_id in ids.items()}
    return [_row(optuna.load_study(study_name=n, storage=storage), owners[n]) for n in names]


def load_study(url: str, study_name: str) -> optuna.Study:
    """Open a study of Optuna's as a reader.

    Raises:
        UsageError: the storage cannot be opened, or has no such study; names the nearest.
    """
    names: list[str] = []
    if not _is_unborn(url):
        storage = open_storage(url, create=False)
        names = optuna.study.get_all_study_names(storage=storage)
        if study_name in names:
            return optuna.load_study(study_name=study_name, storage=storage)
        storage.engine.dispose()
    raise _no_such_study(url, study_name, names)


def _no_such_study(url: str, study_name: str, names: list[str]) -> UsageError:
    close = difflib.get_close_matches(study_name, names, 1)
    hint = f"Did you mean {close[0]}?" if close else f"There are: {', '.join(names) or 'none'}"
    return UsageError(f"study: must be in the storage, got {study_name} ({url}). {hint}")


def note_fit(url: str, summary: dict[str, Any]) -> bool:
    """Keep what a refit came to with its study, for the report; return whether it was possible.

    It is not where the study is elsewhere, or somebody runs it: its owner alone writes then.
    """
    try:
        (row,) = overview(url, summary["study_name"])
        if row["owner"]:
            return False
        load_study(url, summary["study_name"]).set_user_attr("fit", summary)
    except SweepError:
        return False
    return True


def _is_unborn(url: str) -> bool:
    """Tell whether a storage is an SQLite file that no run has made: readers must not make it."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        return False  # opening it says what is wrong
    database = parsed.database or ":memory:"
    if parsed.get_backend_name() != "sqlite" or database.startswith((":memory:", "file:")):
        return False
    path = Path(database)
    return not path.exists() and all(parent.is_dir() for parent in path.parents if parent.exists())


def _wanted(study: optuna.Study) -> int | None:
    spec = study.user_attrs.get("spec")
    return spec["search"]["n_trials"] if spec else None


def _rate(study: optuna.Study, trials: list[FrozenTrial]) -> float | None:
    """Return results per second since the present run began, the share of running ones counted.

    None before there is anything to count. The clocks of the two machines should agree.
    """
    run, spec = study.user_attrs.get("run"), study.user_attrs.get("spec")
    if not run or not spec:
        return None
    epochs = spec["training"]["epochs"]
    done = sum(
        1.0 if is_result(trial) else max(trial.intermediate_values, default=0) / epochs
        for trial in trials
    )
    passed = datetime.now(UTC) - datetime.fromisoformat(run["began"])
    grown = done - run["n_results"]
    return grown / passed.total_seconds() if grown > 0 and passed.total_seconds() > 0 else None


def _row(study: optuna.Study, owner: lease.Lease | None) -> dict[str, Any]:
    trials = study.get_trials(deepcopy=False)
    complete = [t for t in trials if t.state == TrialState.COMPLETE and t.value is not None]
    best = min(complete, key=lambda t: t.value or 0.0, default=None)
    rate = _rate(study, trials) if owner else None
    n_trials, n_results = _wanted(study), sum(map(is_result, trials))
    return {
        "study": study.study_name,
        "trials": dict(Counter(trial.state.name for trial in trials)),
        "n_results": n_results,
        "n_trials": n_trials,
        "trials_per_s": rate,
        "eta_s": (n_trials - n_results) / rate if n_trials and rate else None,
        "best": best.value if best else None,
        "best_params": best.params if best else None,
        "verdict": study.user_attrs.get("verdict"),
        "owner": f"{owner.host}, process {owner.pid}" if owner else None,
    }
