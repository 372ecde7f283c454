"""What is in a storage: studies, trials per state, best values, owners."""

from __future__ import annotations

from collections import Counter
from typing import Any

import optuna
from optuna.trial import TrialState

from sweep import lease
from sweep.storage import open_storage


def overview(url: str, study_name: str | None = None) -> list[dict[str, Any]]:
    """Describe the studies of a storage, or the one named.

    Raises:
        UsageError: the storage cannot be opened, or has no such study.
    """
    storage = open_storage(url)
    names = optuna.study.get_all_study_names(storage=storage)
    if study_name is not None:
        from sweep.result import load_study

        load_study(url, study_name)
        names = [study_name]
    with storage.engine.connect() as connection:
        owners = {
            name: lease.owner(connection, storage.get_study_id_from_name(name)) for name in names
        }
    return [_row(optuna.load_study(study_name=n, storage=storage), owners[n]) for n in names]


def _row(study: optuna.Study, owner: lease.Lease | None) -> dict[str, Any]:
    trials = study.get_trials(deepcopy=False)
    complete = [t for t in trials if t.state == TrialState.COMPLETE and t.value is not None]
    best = min(complete, key=lambda t: t.value or 0.0, default=None)
    return {
        "study": study.study_name,
        "trials": dict(Counter(trial.state.name for trial in trials)),
        "best": best.value if best else None,
        "best_params": best.params if best else None,
        "verdict": study.user_attrs.get("verdict"),
        "owner": f"{owner.host}, process {owner.pid}" if owner else None,
    }
