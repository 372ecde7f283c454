"""Mirrors and plain readers of one study, for tests that compare what the two hold."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import optuna
import sqlalchemy
from optuna.distributions import FloatDistribution
from optuna.storages import BaseStorage, RDBStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy import Engine

from sweep.storage import lease
from sweep.storage.engine import open_storage
from sweep.storage.mirror import MirroredStorage

ALPHA = FloatDistribution(1e-6, 1.0, log=True)
ENDS = [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]
Owner = tuple[MirroredStorage, Study]
Own = Callable[..., Owner]

optuna.logging.set_verbosity(optuna.logging.ERROR)


def plain_trial(trial: FrozenTrial) -> str:
    """Everything a trial holds, as text: NaN equals itself there."""
    return repr(
        (
            (trial.number, trial._trial_id, trial.state, trial.values),
            (trial.datetime_start, trial.datetime_complete),
            (list(trial.params.items()), list(trial.distributions.items())),  # their order counts
            sorted(trial.intermediate_values.items()),
            (sorted(trial.user_attrs.items()), sorted(trial.system_attrs.items())),
        )
    )


def plain_study(storage: BaseStorage, name: str) -> list[Any]:
    study_id = storage.get_study_id_from_name(name)
    return [
        study_id,
        repr(storage.get_study_directions(study_id)),
        repr(sorted(storage.get_study_user_attrs(study_id).items())),
        repr(sorted(storage.get_study_system_attrs(study_id).items())),
        *(plain_trial(trial) for trial in storage.get_all_trials(study_id, deepcopy=False)),
    ]


def assert_mirrored(mirror: MirroredStorage, *readers: BaseStorage) -> None:
    for study in mirror.get_all_studies():
        held = plain_study(mirror, study.study_name)
        for reader in readers:
            assert plain_study(reader, study.study_name) == held


@contextmanager
def plain_reader(url: str) -> Iterator[RDBStorage]:
    """Optuna's own storage with nothing of ours."""
    reader = RDBStorage(url)
    try:
        yield reader
    finally:
        reader.remove_session()
        reader.engine.dispose()


def abandon(mirror: MirroredStorage) -> None:
    """Leave a mirror as a killed process does: nothing flushed, its lease held by a dead pid."""
    with mirror._rdb.engine.begin() as connection:
        connection.execute(lease.LEASES.update().values(started="", pid=2**30, expires=0.0))
    mirror._rdb.engine.dispose()


def ask(study: Study) -> Trial:
    trial = study.ask()
    trial.suggest_float("alpha", 1e-6, 1.0, log=True)
    return trial


def run_trials(study: Study, n_trials: int) -> None:
    for _ in range(n_trials):
        trial = ask(study)
        trial.report(0.5, 1)
        study.tell(trial, trial.params["alpha"])


@contextmanager
def on_engines(name: str, listener: Callable[..., None]) -> Iterator[None]:
    sqlalchemy.event.listen(Engine, name, listener)
    yield
    sqlalchemy.event.remove(Engine, name, listener)


def execute(storage: RDBStorage, *statements: str) -> None:
    with storage.engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


@contextmanager
def opened(url: str, **how: bool) -> Iterator[RDBStorage]:
    storage = open_storage(url, **how)
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()
