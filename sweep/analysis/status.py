"""What is in a storage: studies, trials per state, best values, owners."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from sweep.errors import SweepError, UsageError, did_you_mean, hide_passwords
from sweep.spec.attributes import CHOSEN, ENGINE, FIT, RUN, SPEC, TRANSFER, VERDICT
from sweep.storage.engine import open_storage
from sweep.storage.errors import legible
from sweep.storage.sqlite import reading
from sweep.storage.summary import Summary, study_names, summaries


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
    with legible(url), reading(), storage.engine.begin() as connection:
        if study_name is not None and study_name not in (names := study_names(connection)):
            raise _no_such_study(url, study_name, names)
        return [
            _row(one)
            for one in summaries(connection, (SPEC, RUN, VERDICT, CHOSEN, ENGINE), study_name)
        ]


def load_study(url: str, study_name: str, *, read_only: bool = True) -> optuna.Study:
    """Open any Optuna study for reading; a reader keeps nobody waiting.

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
        study.get_trials(deepcopy=False)  # a damaged row raises here; the others are cached
        return study


def _no_such_study(url: str, study_name: str, names: list[str]) -> UsageError:
    return UsageError(
        f"study: must be in the storage, got {study_name} ({hide_passwords(url)})."
        f" {did_you_mean(study_name, names)}"
    )


def note_fit(url: str, summary: dict[str, Any]) -> bool:
    """Store a refit's outcome with its study, for the report; return whether that was possible.

    It is not possible if the study is in another storage, or while a run owns it: only the owner
    writes.
    """
    return _note(url, summary["study_name"], FIT, summary)


def note_transfer(url: str, study_name: str, summary: dict[str, Any]) -> bool:
    """Store what smaller studies say of other sizes with a study; see `note_fit`."""
    return _note(url, study_name, TRANSFER, summary)


def _note(url: str, study_name: str, name: str, content: dict[str, Any]) -> bool:
    try:
        (row,) = overview(url, study_name)
        if row["owner"]:
            return False
        load_study(url, study_name, read_only=False).set_user_attr(name, content)
    except SweepError:
        return False
    return True


def _is_unborn(url: str) -> bool:
    """Tell whether a storage is an SQLite file that is yet to be made, which no reader does."""
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


def _spec(study: Summary) -> dict[str, Any] | None:
    """Return the spec of a study that sweep made; other programs may use this name too."""
    spec = study.attrs.get(SPEC)
    ours = isinstance(spec, dict) and {"search", "training"} <= spec.keys()
    return spec if ours else None


def _rate(study: Summary, done: float) -> float | None:
    """Return results per second since the present run began.

    None if there is no new result yet. The clocks of the two machines should agree.
    """
    run = study.attrs.get(RUN)
    if not isinstance(run, dict) or {"began", "n_results"} - run.keys():
        return None
    passed_s = (datetime.now(UTC) - datetime.fromisoformat(run["began"])).total_seconds()
    grown = done - run["n_results"]
    return grown / passed_s if grown > 0 and passed_s > 0 else None


def _best(study: Summary) -> tuple[float | None, dict[str, Any] | None]:
    """Return value and params of what the verdict calls best, else of the best trial."""
    chosen = study.attrs.get(CHOSEN)
    if isinstance(chosen, dict) and isinstance(chosen.get("params"), dict):
        value = chosen.get("value")
        return (value if isinstance(value, float) else None), chosen["params"]
    return study.best_value, study.best_params


def _row(study: Summary) -> dict[str, Any]:
    states, spec, owner = study.states, _spec(study), study.owner
    ended = (TrialState.COMPLETE, TrialState.PRUNED)
    n_results = sum(states.get(state, 0) for state in ended) + study.n_diverged
    # Of trials under way the share of their epochs that is stored.
    done = n_results + (sum(study.steps) / spec["training"]["epochs"] if spec else 0.0)
    rate = _rate(study, done) if owner else None
    n_trials = spec and spec["search"]["n_trials"]
    best, params = _best(study)
    return {
        "study": study.name,
        "trials": {state.name: count for state, count in states.items()},
        "n_results": n_results,
        "n_trials": n_trials,
        "trials_per_s": rate,
        "eta_s": max(0.0, n_trials - done) / rate if n_trials and rate else None,
        "n_foreign": study.n_foreign,
        "best": best if best is not None and math.isfinite(best) else None,
        "best_params": params,
        "verdict": study.attrs.get(VERDICT),
        "engine": study.attrs.get(ENGINE) or None,
        "owner": f"{owner.host}, process {owner.pid}" if owner else None,
    }
