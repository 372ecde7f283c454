"""What another program may write into a study of sweep's, through Optuna alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.samplers import RandomSampler
from optuna.storages import RDBStorage
from optuna.trial import TrialState, create_trial

ALPHA = FloatDistribution(1e-4, 1e-1, log=True)
Write = Callable[[optuna.Study], Any]


def _added(state: TrialState = TrialState.COMPLETE, **content: Any) -> Write:
    value = {"value": -9.0} if state == TrialState.COMPLETE else {}
    return lambda study: study.add_trial(create_trial(state=state, **{**value, **content}))


def alpha(value: float = 0.01) -> dict[str, Any]:
    return {"params": {"alpha": value}, "distributions": {"alpha": ALPHA}}


def _enqueued(**params: Any) -> Write:
    return lambda study: study.enqueue_trial(params)


def _asked(suggest: Callable[[optuna.Trial], Any]) -> Write:
    def write(study: optuna.Study) -> None:
        trial = study.ask()
        suggest(trial)
        trial.report(0.5, 1)

    return write


def _optimize(objective: Callable[[optuna.Trial], Any], n_trials: int = 3) -> Write:
    return lambda study: study.optimize(objective, n_trials, catch=ValueError)


def _copy_of_the_best(study: optuna.Study) -> None:
    study.add_trial(study.best_trial)


def _fails(trial: optuna.Trial) -> float:
    raise ValueError(trial.number)


WAITING = TrialState.WAITING
KINDS: dict[str, Write] = {
    "better than any": _added(**alpha()),
    "infinite": _added(value=-math.inf, **alpha()),
    "no params": _added(),
    "another param": _added(
        params={"beta": 0.5}, distributions={"beta": FloatDistribution(0.0, 1.0)}
    ),
    "a text": _added(
        params={"kind": "weak"}, distributions={"kind": CategoricalDistribution(["weak"])}
    ),
    "alpha and another param": _added(
        params={"alpha": 0.01, "beta": 0.5},
        distributions={"alpha": ALPHA, "beta": FloatDistribution(0.0, 1.0)},
    ),
    "some attributes of ours": _added(
        user_attrs={"replicate_values": [1], "norm": "x"}, **alpha()
    ),
    "a copy of the best": _copy_of_the_best,
    "pruned": _added(TrialState.PRUNED, intermediate_values={1: 0.1}, **alpha()),
    "failed": _added(TrialState.FAIL, **alpha()),
    "running": _added(TrialState.RUNNING, **alpha()),
    "asked for, without params": _asked(lambda trial: None),
    "asked for": _asked(lambda trial: trial.suggest_float("alpha", 1e-4, 1e-1, log=True)),
    "asked for with another param": _asked(lambda trial: trial.suggest_int("layers", 1, 3)),
    "waiting for nothing": _added(WAITING),
    "enqueued, another param": _enqueued(beta=1.0),
    "enqueued, one param too many": _enqueued(alpha=0.01, beta=1.0),
    "enqueued, out of range": _enqueued(alpha=7.0),
    "enqueued, zero": _enqueued(alpha=0.0),
    "enqueued, no number": _enqueued(alpha="strong"),
    "enqueued, not a number": _enqueued(alpha=math.nan),
    "enqueued, nothing": _enqueued(),
    "optimized": _optimize(lambda trial: trial.suggest_float("alpha", 1e-4, 1e-1, log=True)),
    "optimized elsewhere": _optimize(lambda trial: -trial.suggest_float("x", 0, 1)),
    "optimized in vain": _optimize(_fails),
}


def everything(study: optuna.Study) -> None:
    """Write all kinds."""
    for write in KINDS.values():
        write(study)


@contextmanager
def plain(url: str) -> Iterator[optuna.Study]:
    """Open the study as any program does."""
    storage = RDBStorage(url)
    yield optuna.load_study(storage=storage, study_name="tiny", sampler=RandomSampler(seed=0))
    storage.engine.dispose()


def write(url: str, kind: Write) -> None:
    with plain(url) as study:
        kind(study)
