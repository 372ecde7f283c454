"""Keep the study that a process owns in memory and mirror every change into Optuna's database.

Optuna's tools and the dashboard read that database as usual. An ask, report or tell costs
only memory time. A `flush` writes all of them in one transaction, behind the study's lease.
"""

import copy
import json
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, check_distribution_compatibility
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import BaseStorage, InMemoryStorage, RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection

from sweep.errors import StorageError
from sweep.storage import reading, schema
from sweep.storage.engine import open_storage
from sweep.storage.finding import Step
from sweep.storage.lagged import View
from sweep.storage.ownership import Ownership
from sweep.storage.writing import Changes, without_curve


class MirroredStorage(InMemoryStorage):
    """Hold whole studies in memory, as their only owner, and mirror them into the database.

    Calls return what memory holds. A plain Optuna reader sees it after the next `flush`. Trial and
    study ids are the database's own. Calls may come from several threads.
    """

    def __init__(self, rdb: RDBStorage) -> None:
        """Start without studies; `open` and `create_new_study` bring them in."""
        super().__init__()
        self._rdb = rdb
        self._owned = Ownership(rdb, self._studies)
        self._changes = Changes()
        self.view = View()  # as an ask or a pruner sees the trials
        self._closed = False

    @classmethod
    def open(cls, url: str, study_name: str) -> "MirroredStorage":
        """Take the lease of a study, then load it; one that does not exist can be created later.

        Raises OwnedElsewhereError: another process runs it. StorageError: see open_storage, or
        the study is damaged.
        """
        mirror = cls(open_storage(url))
        try:
            mirror._owned.take(study_name, mirror._load)
        except BaseException:
            mirror._rdb.engine.dispose()
            raise
        return mirror

    def flush(self, *, durable: bool = False) -> None:
        """Write all changes in one transaction that first renews the leases.

        A durable flush survives a power loss (SQLite syncs its log; PostgreSQL always does).
        It may be called again after any failure, and then writes what the last one did not.

        Raises OwnedElsewhereError: a lease was taken over. StorageError: the database refused.
        """
        if self._closed:
            raise StorageError(
                "storage: must be open to be written, got a closed one. Open it again"
            )
        if not self._owned.leases:
            return  # no study yet, so nothing has changed
        with self._owned.alone():
            unwritten = Changes()
            try:  # from here on, an interrupt at any point loses no change
                with self._lock:
                    unwritten, self._changes = self._changes, unwritten
                self._owned.write(unwritten, durable)
            except BaseException:
                with self._lock:
                    self._changes = unwritten.then(self._changes)
                raise

    def requeue_trial(self, trial_id: int) -> None:
        """Put one RUNNING trial back in the queue, its intermediate values deleted."""
        with self._lock:
            self._set_trial(trial_id, without_curve(self._get_trial(trial_id)))
            self._changes.cut_curves({trial_id})
        self.set_trial_state_values(trial_id, TrialState.WAITING)

    def widen(self, study_id: int, name: str, distribution: BaseDistribution) -> None:
        """Give all trials of a study a wider distribution of a parameter.

        Samplers drop a parameter whose trials disagree on its distribution; so rewrite it in all
        trials.
        """
        with self._lock:
            self._check_study_id(study_id)
            study = self._studies[study_id]
            study.param_distribution[name] = distribution
            for trial in list(study.trials):
                if name in trial.params:
                    changed = copy.copy(trial)
                    changed.distributions = {**trial.distributions, name: distribution}
                    self._set_trial(trial._trial_id, changed)
                    value = distribution.to_internal_repr(trial.params[name])
                    self._changes.add_param(trial._trial_id, name, value, distribution)

    def enqueued(self, study_id: int) -> Iterator[FrozenTrial]:
        """Give the trials that users have enqueued in a study since, each once."""
        return self._owned.arrivals.enqueued(study_id)

    def has_enqueued(self, study_id: int) -> bool:
        """Tell whether `enqueued` would give any."""
        return self._owned.arrivals.has_enqueued(study_id)

    def take_over(self, study_id: int, template: FrozenTrial, old_id: int) -> None:
        """Create a trial instead of a user's, which the flush that writes the new one deletes."""
        with self._lock:
            self.create_new_trial(study_id, template)
            self._changes.gone.add(old_id)

    def close(self) -> None:
        """Flush durably, give the leases back and let the database go. Harmless when repeated.

        Raises OwnedElsewhereError, StorageError: see flush. The database is let go all the same.
        """
        if self._closed:
            return
        try:
            self.flush(durable=True)
            self._owned.give_back()
        finally:
            self._closed = True
            self._rdb.engine.dispose()

    def __reduce__(self) -> tuple[Callable[[str], BaseStorage], tuple[str]]:
        """Pickle as a plain reader of the same database, since there is only one owner."""
        if not self._closed:
            self.flush()
        return _reader, (self._rdb.url,)

    def create_new_study(
        self, directions: Sequence[StudyDirection], study_name: str | None = None
    ) -> int:
        """Create a study through Optuna's own call and take its lease.

        Raises DuplicatedStudyError: it exists; it is loaded then, unless another process owns it
        (OwnedElsewhereError).
        """
        with self._lock:
            try:
                study_id, study_name = self._owned.create(directions, study_name)
            except DuplicatedStudyError:
                if study_name is not None and study_name not in self._study_name_to_id:
                    self._owned.take(study_name, self._load)
                raise
            return self._enter(study_id, study_name, directions)

    def delete_study(self, study_id: int) -> None:
        """Delete a study here and in the database, and give its lease back."""
        with self._owned.alone(), self._lock:
            self._check_study_id(study_id)
            gone = [trial._trial_id for trial in self._studies[study_id].trials]
            self._owned.delete(study_id)
            self.view.forget(study_id)
            self._changes.forget(study_id, gone)
            super().delete_study(study_id)

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """Set a study's user attribute, as JSON gives it back."""
        text = schema.encode_attr(key, value)
        with self._lock:
            super().set_study_user_attr(study_id, key, json.loads(text))
            self._changes.rows[schema.STUDY_USER_ATTRS][(study_id, key)] = (text,)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Set a study's system attribute, as JSON gives it back."""
        text = schema.encode_attr(key, value)
        with self._lock:
            super().set_study_system_attr(study_id, key, json.loads(text))
            self._changes.rows[schema.STUDY_SYSTEM_ATTRS][(study_id, key)] = (text,)

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Create a trial under an id reserved in the database."""
        template = None if template_trial is None else schema.plain(template_trial)
        with self._lock:
            self._check_study_id(study_id)
            spaces = self._studies[study_id].param_distribution
            for name, space in template.distributions.items() if template else ():
                check_distribution_compatibility(spaces.get(name, space), space)
            self._max_trial_id = self._owned.next_trial_id(study_id) - 1
            trial_id = super().create_new_trial(study_id, template)
            trial = self._get_trial(trial_id)
            spaces.update(trial.distributions)  # Optuna does not take them from a template
            self._changes.add_whole_trial(study_id, trial)
            return trial_id

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:  # fmt: skip
        """Set a parameter, given in the distribution's internal representation."""
        schema.check_key(param_name, "parameter name")
        value = schema.check_number(param_value_internal, f"parameter {param_name}")
        with self._lock:
            super().set_trial_param(trial_id, param_name, value, distribution)
            self._changes.add_param(trial_id, param_name, value, distribution)

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Set a trial's state and, at its end, its values."""
        if values is not None:
            values = [schema.check_number(value, "objective value") for value in values]
        with self._lock:
            changed = super().set_trial_state_values(trial_id, state, values)
            study_id, number = self._trial_id_to_study_id_and_number[trial_id]
            if changed:
                self._changes.add_trial(study_id, self._get_trial(trial_id))
            if state == TrialState.WAITING:  # Optuna looks for waiting trials from here on only
                first = self._prev_waiting_trial_number
                first[study_id] = min(first[study_id], number)
            return changed

    def set_trial_intermediate_value(
        self, trial_id: int, step: int, intermediate_value: float
    ) -> None:
        """Report an intermediate value; NaN and infinities are allowed."""
        step, value = schema.check_step(step), float(intermediate_value)
        with self._lock:
            super().set_trial_intermediate_value(trial_id, step, value)
            self._changes.add_report(trial_id, step, value)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set a trial's user attribute, as JSON gives it back."""
        self.set_trial_user_attrs(trial_id, {key: value})

    def set_trial_user_attrs(self, trial_id: int, attrs: Mapping[str, Any]) -> None:
        """Set several user attributes of a trial in one go."""
        texts = {key: schema.encode_attr(key, value) for key, value in attrs.items()}
        with self._lock:
            trial = copy.copy(self._get_trial(trial_id))
            self.check_trial_is_updatable(trial_id, trial.state)
            plain = {key: json.loads(text) for key, text in texts.items()}
            trial.user_attrs = {**trial.user_attrs, **plain}
            self._set_trial(trial_id, trial)
            for key, text in texts.items():
                self._changes.rows[schema.USER_ATTRS][(trial_id, key)] = (text,)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set a trial's system attribute, as JSON gives it back."""
        text = schema.encode_attr(key, value)
        with self._lock:
            super().set_trial_system_attr(trial_id, key, json.loads(text))
            self._changes.rows[schema.SYSTEM_ATTRS][(trial_id, key)] = (text,)

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """Return a trial, as `view` shows."""
        return self.view.trial(super().get_trial(trial_id))

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return the trials of a study, as `view` shows."""
        if states == (TrialState.WAITING,):
            return self.view.waiting(super().get_all_trials(study_id, deepcopy, states))
        if self.view.shows_all:
            return super().get_all_trials(study_id, deepcopy, states)
        with self._lock:
            self._check_study_id(study_id)
            trials = self.view.trials(study_id, self._studies[study_id].trials)
        if states is not None:
            trials = [trial for trial in trials if trial.state in states]
        return copy.deepcopy(trials) if deepcopy else trials

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """Return which way is better, as `view` shows."""
        return self.view.directions(super().get_study_directions(study_id))

    def get_best_trial(self, study_id: int) -> FrozenTrial:
        """Return the COMPLETE trial with the best value, as `view` shows."""
        best = super().get_best_trial(study_id)  # checks that there is one objective and a result
        if self.view.shows_all:
            return best
        trials = self.get_all_trials(study_id, False, (TrialState.COMPLETE,))
        if not trials:
            raise ValueError("No trials are completed yet.")
        up = self.get_study_directions(study_id)[0] == StudyDirection.MAXIMIZE
        return (max if up else min)(trials, key=lambda trial: trial.values[0])

    def _load(self, connection: Connection, study_id: int, study_name: str) -> list[Step]:
        """Take a study into memory; or return what must be done to it before."""
        study = reading.load_study(connection, study_id, study_name)
        steps = self._owned.arrivals.sort_out(connection, study_id, study)
        if steps:
            return steps
        reading.check_numbers(study)
        for trial in study.trials:
            study.param_distribution.update(trial.distributions)
        with self._lock:
            self._enter(study_id, study_name, study.directions)
            self._studies[study_id] = study
            for trial in study.trials:
                self._trial_id_to_study_id_and_number[trial._trial_id] = (study_id, trial.number)
                self._update_cache(trial._trial_id, study_id)
        return []

    def _enter(self, study_id: int, study_name: str, directions: Sequence[StudyDirection]) -> int:
        """Make room for a study under its id in the database, and return the id."""
        self._max_study_id = study_id - 1
        return super().create_new_study(directions, study_name)


def _reader(url: str) -> BaseStorage:
    return optuna.storages.get_storage(open_storage(url))
