"""What is in a storage: studies, trials per state, best values, owners."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from sweep.errors import SweepError, UsageError, did_you_mean, hide_passwords
from sweep.search.ask_tell import is_result
from sweep.storage import lease
from sweep.storage.engine import open_storage
from sweep.storage.errors import legible


def overview(url: str, study_name: str | None = None) -> list[dict[str, Any]]:
    """Describe the studies of a storage, or the one named.

    Raises:
        UsageError: the storage cannot be opened or read, or has no such study.
    """
    if _is_unborn(url):
        if study_name is not None:
            raise _no_such_study(url, study_name, [])
        return []
    storage = open_storage(url, read_only=True)
    with legible(url):
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


def load_study(url: str, study_name: str, *, read_only: bool = True) -> optuna.Study:
    """Open a study of Optuna's as a reader, whom nobody waits for.

    Raises:
        UsageError: the storage cannot be opened or read, or has no such study; names the nearest.
    """
    if _is_unborn(url):
        raise _no_such_study(url, study_name, [])
    storage = open_storage(url, create=False, read_only=read_only)
    with legible(url):
        names = optuna.study.get_all_study_names(storage=storage)
        if study_name not in names:
            raise _no_such_study(url, study_name, names)
        study = optuna.load_study(
            study_name=study_name, storage=optuna.storages.get_storage(storage)
        )
        study.get_trials(deepcopy=False)  # what is damaged is met here; the storage keeps the rest
        return study


def _no_such_study(url: str, study_name: str, names: list[str]) -> UsageError:
    return UsageError(
        f"study: must be in the storage, got {study_name} ({hide_passwords(url)})."
        f" {did_you_mean(study_name, names)}"
    )


def note_fit(url: str, summary: dict[str, Any]) -> bool:
    """Keep what a refit came to with its study, for the report; return whether it was possible.

    It is not where the study is elsewhere, or somebody runs it: its owner alone writes then.
    """
    try:
        (row,) = overview(url, summary["study_name"])
        if row["owner"]:
            return False
        study = load_study(url, summary["study_name"], read_only=False)
        study.set_user_attr("fit", summary)
    except SweepError:
        return False
    return True


def _is_unborn(url: str) -> bool:
    """Tell whether a storage is an SQLite file that no run has made: readers must not make it."""
    try:
        parsed = make_url(url)
        database = parsed.database or ":memory:"
        if parsed.get_backend_name() != "sqlite" or database.startswith((":memory:", "file:")):
            return False
        path = Path(database)
        made = [parent for parent in path.parents if parent.exists()]
        return not path.exists() and all(parent.is_dir() for parent in made)
    except (ArgumentError, ValueError, OSError):
        return False  # opening it says what is wrong


def _spec(study: optuna.Study) -> dict[str, Any] | None:
    """Return the spec of a study of ours; another program may use the attribute's name too."""
    spec = study.user_attrs.get("spec")
    ours = isinstance(spec, dict) and {"search", "training"} <= spec.keys()
    return spec if ours else None


def _done(spec: dict[str, Any] | None, trials: list[FrozenTrial]) -> float:
    """Count results, of trials under way the share of their epochs that is stored."""
    if spec is None:
        return float(sum(map(is_result, trials)))
    epochs, running = spec["training"]["epochs"], (TrialState.RUNNING, TrialState.WAITING)
    shares = (max(t.intermediate_values, default=0) / epochs for t in trials if t.state in running)
    return float(sum(map(is_result, trials)) + sum(shares))


def _rate(study: optuna.Study, done: float) -> float | None:
    """Return results per second since the present run began.

    None before there is anything to count. The clocks of the two machines should agree.
    """
    run = study.user_attrs.get("run")
    if not isinstance(run, dict) or {"began", "n_results"} - run.keys():
        return None
    passed_s = (datetime.now(UTC) - datetime.fromisoformat(run["began"])).total_seconds()
    grown = done - run["n_results"]
    return grown / passed_s if grown > 0 and passed_s > 0 else None


def _best(study: optuna.Study, trials: list[FrozenTrial]) -> FrozenTrial | None:
    """Return the best trial of a study with one objective."""
    if len(study.directions) > 1:
        return None
    complete = [t for t in trials if t.state == TrialState.COMPLETE and t.values is not None]
    up = study.direction == StudyDirection.MAXIMIZE
    return (max if up else min)(complete, key=lambda t: t.values[0], default=None)


def _row(study: optuna.Study, owner: lease.Lease | None) -> dict[str, Any]:
    trials, spec = study.get_trials(deepcopy=False), _spec(study)
    best, done = _best(study, trials), _done(spec, trials)
    rate = _rate(study, done) if owner else None
    n_trials, n_results = spec and spec["search"]["n_trials"], sum(map(is_result, trials))
    return {
        "study": study.study_name,
        "trials": dict(Counter(trial.state.name for trial in trials)),
        "n_results": n_results,
        "n_trials": n_trials,
        "trials_per_s": rate,
        "eta_s": max(0.0, n_trials - done) / rate if n_trials and rate else None,
        "best": best.values[0] if best and math.isfinite(best.values[0]) else None,
        "best_params": best.params if best else None,
        "verdict": study.user_attrs.get("verdict"),
        "owner": f"{owner.host}, process {owner.pid}" if owner else None,
    }
