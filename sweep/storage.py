"""Keep the study that a process owns in memory and mirror every change into Optuna's database.

Optuna's tools and the dashboard read that database as usual. An ask, report or tell costs
memory time; one transaction a `flush` carries all of them over, behind the study's lease.
"""

import copy
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import optuna
from optuna.distributions import BaseDistribution, check_distribution_compatibility
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import BaseStorage, InMemoryStorage, RDBStorage
from optuna.storages._rdb.models import StudyModel
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError

from sweep import changes, lease, schema, stored, trial_ids
from sweep.database import begin, find_study, open_storage, reading
from sweep.errors import StorageError, StorageFailedError
from sweep.faults import legible, may_pass, one_line, storage_error

BLOCK = 64  # trial ids reserved at a time
RETRY_S = 60.0  # how long a lost connection is tried again

T = TypeVar("T")


class MirroredStorage(InMemoryStorage):
    """Hold whole studies in memory, as their only owner, and their mirror in the database.

    What a call returns is what memory holds: a plain Optuna reader sees it after the next
    `flush`. Trial and study ids are the database's own. Calls may come from several threads.
    """

    def __init__(self, rdb: RDBStorage) -> None:
        """Start without studies; `open` and `create_new_study` bring them in."""
        super().__init__()
        self._rdb = rdb
        self._file = _file(rdb)
        self._changes = changes.Changes()
        self._leases: dict[int, lease.Lease] = {}
        self._reserved: dict[int, deque[int]] = {}
        self._last_seen: int | None = None
        self._whole_trial: int | None = None
        self._settled: dict[int, int] = {}
        self._flushing = threading.Lock()
        self._closed = False

    @classmethod
    def open(cls, url: str, study_name: str) -> "MirroredStorage":
        """Take the lease of a study, then load it; one that does not exist can be created later.

        Raises OwnedElsewhereError: another process runs it. StorageError: see open_storage, or
        the study is damaged.
        """
        mirror = cls(open_storage(url))
        try:
            mirror._adopt(study_name)
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
                "storage: must be open to be written, got a closed one. Open it again."
            )
        if not self._leases:
            return  # no study yet, so nothing has changed
        with self._flushing:
            unwritten = changes.Changes()
            try:  # from here on, an interrupt at any point loses no change
                with self._lock:
                    unwritten, self._changes = self._changes, unwritten
                self._transact(lambda connection: changes.write(connection, unwritten), durable)
            except BaseException:
                with self._lock:
                    self._changes = unwritten.then(self._changes)
                raise

    def reconcile(self, study_id: int, max_attempts: int = 3) -> None:
        """Put every trial that a crash left RUNNING back in the queue, and flush.

        It keeps its number and params and loses its intermediate values (a report of a step
        already stored would be ignored) and what a pruner noted of them. Its user attribute
        `attempts` counts the attempts cut off; at `max_attempts` it becomes FAIL with the
        attributes `outcome` and `reason`.
        """
        for trial in self.get_all_trials(study_id, False, (TrialState.RUNNING,)):
            attempts = trial.user_attrs.get("attempts", 0) + 1
            self.set_trial_user_attr(trial._trial_id, "attempts", attempts)
            if attempts < max_attempts:
                self.requeue_trial(trial._trial_id)
            else:
                self._give_up(trial._trial_id, f"cut off {attempts} times before its end")
        self.flush(durable=True)

    def requeue(self, study_id: int) -> None:
        """Put every RUNNING trial back in the queue without counting an attempt, and flush.

        For an owner that stops in good order: nobody's trial stays RUNNING.
        """
        for trial in self.get_all_trials(study_id, False, (TrialState.RUNNING,)):
            self.requeue_trial(trial._trial_id)
        self.flush(durable=True)

    def requeue_trial(self, trial_id: int) -> None:
        """Put one RUNNING trial back in the queue, its intermediate values deleted."""
        self._cut_curve(trial_id)
        self.set_trial_state_values(trial_id, TrialState.WAITING)

    def widen(self, study_id: int, name: str, distribution: BaseDistribution) -> None:
        """Give all trials of a study a wider distribution of a parameter.

        To samplers a parameter with two distributions is none that they could model.
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

    @contextmanager
    def showing(self, last_seen: int, whole: int | None = None) -> Iterator[None]:
        """Show results of trials 0…last_seen only, so that an ask depends on nothing later.

        Finished trials after `last_seen` look RUNNING, without values; running ones have no
        intermediate values, and none of them what pruners noted, but for trial number `whole`.
        It holds for all threads: one asks, at a time.
        """
        before, self._last_seen, self._whole_trial = self._last_seen, last_seen, whole
        try:
            yield
        finally:
            self._last_seen, self._whole_trial = before, None

    def close(self) -> None:
        """Flush durably, give the leases back and let the database go. Harmless when repeated.

        Raises OwnedElsewhereError, StorageError: see flush. The database is let go all the same.
        """
        if self._closed:
            return
        try:
            self.flush(durable=True)
            self._transact(lambda connection: self._let_go(connection, *self._leases))
        finally:
            self._closed = True
            self._rdb.engine.dispose()

    def __reduce__(self) -> tuple[Callable[[str], BaseStorage], tuple[str]]:
        """Pickle as a plain reader of the same database: there is one owner."""
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
        if study_name is not None:
            schema.check_key(study_name, "study_name")
        with self._lock, one_line(self._rdb.engine.url):
            try:
                study_id = self._rdb.create_new_study(directions, study_name)
            except DuplicatedStudyError:
                if study_name is not None and study_name not in self._study_name_to_id:
                    self._adopt(study_name)
                raise
            study_name = self._rdb.get_study_name_from_id(study_id)
            with self._rdb.engine.begin() as connection:
                self._leases[study_id] = lease.acquire(connection, study_id, study_name)
            return self._enter(study_id, study_name, directions)

    def delete_study(self, study_id: int) -> None:
        """Delete a study here and in the database, and give its lease back."""
        with self._flushing, self._lock:
            self._check_study_id(study_id)
            gone = [trial._trial_id for trial in self._studies[study_id].trials]
            self._transact(lambda connection: self._let_go(connection, study_id))
            with one_line(self._rdb.engine.url):
                self._rdb.delete_study(study_id)
            del self._leases[study_id], self._reserved[study_id]
            self._settled.pop(study_id, None)
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
            self._max_trial_id = self._next_trial_id(study_id) - 1
            trial_id = super().create_new_trial(study_id, template)
            trial = self._get_trial(trial_id)
            spaces.update(trial.distributions)  # memory alone would not learn a template's
            self._changes.add_whole_trial(study_id, trial)
            return trial_id

    def set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:
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
            if state == TrialState.WAITING:  # memory looks for waiting trials from here on only
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
        """Return a trial, as `showing` allows."""
        return self._shown(super().get_trial(trial_id))

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """Return the trials of a study, as `showing` allows."""
        if self._last_seen is None or states == (TrialState.WAITING,):
            return super().get_all_trials(study_id, deepcopy, states)
        with self._lock:
            whole = min(self._n_settled(study_id), max(0, self._last_seen + 1))
            trials = self._studies[study_id].trials
            trials = trials[:whole] + [self._shown(trial) for trial in trials[whole:]]
        if states is not None:
            trials = [trial for trial in trials if trial.state in states]
        return copy.deepcopy(trials) if deepcopy else trials

    def get_best_trial(self, study_id: int) -> FrozenTrial:
        """Return the COMPLETE trial with the best value, as `showing` allows."""
        best = super().get_best_trial(study_id)  # checks that there is one objective and a result
        if self._last_seen is None:
            return best
        trials = self.get_all_trials(study_id, False, (TrialState.COMPLETE,))
        if not trials:
            raise ValueError("No trials are completed yet.")
        up = self.get_study_directions(study_id)[0] == StudyDirection.MAXIMIZE
        return (max if up else min)(trials, key=lambda trial: trial.values[0])

    def _n_settled(self, study_id: int) -> int:
        """Count the trials before the first that has not ended: they stay as they are."""
        self._check_study_id(study_id)
        trials, count = self._studies[study_id].trials, self._settled.get(study_id, 0)
        while count < len(trials) and trials[count].state.is_finished():
            count += 1
        self._settled[study_id] = count
        return count

    def _shown(self, trial: FrozenTrial) -> FrozenTrial:
        if self._last_seen is None or trial.number == self._whole_trial:
            return trial
        late = trial.number > self._last_seen and trial.state.is_finished()
        under_way = trial.state == TrialState.RUNNING and trial.intermediate_values
        if not late and not under_way:
            return trial
        shown = copy.copy(trial)
        shown.state = TrialState.RUNNING
        shown.values = None
        shown.intermediate_values = {}
        shown.system_attrs = {}
        shown.datetime_complete = None
        return shown

    def _cut_curve(self, trial_id: int) -> None:
        with self._lock:
            trial = copy.copy(self._get_trial(trial_id))
            trial.intermediate_values = {}
            trial.system_attrs = {
                key: value
                for key, value in trial.system_attrs.items()
                if not key.startswith(schema.OF_PRUNERS)
            }
            self._set_trial(trial_id, trial)
            self._changes.cut_curves({trial_id})

    def _give_up(self, trial_id: int, reason: str) -> None:
        self.set_trial_user_attr(trial_id, "outcome", "failed")
        self.set_trial_user_attr(trial_id, "reason", reason)
        self.set_trial_state_values(trial_id, TrialState.FAIL)

    def _adopt(self, study_name: str) -> None:
        """Take the lease of a study if it exists, and only then load it."""
        engine = self._rdb.engine
        with one_line(engine.url):
            with engine.begin() as connection:
                study_id = find_study(connection, study_name)
                if study_id is None:
                    return
                held = lease.acquire(connection, study_id, study_name)
            try:
                with legible(self._rdb.url), reading(), engine.begin() as connection:
                    self._load(connection, study_id, study_name)
            except BaseException:
                with engine.begin() as connection:
                    lease.release(connection, held)
                raise
        self._leases[study_id] = held

    def _load(self, connection: Connection, study_id: int, study_name: str) -> None:
        loaded = stored.load_study(connection, study_id, study_name)
        with self._lock:
            self._enter(study_id, study_name, loaded.directions)
            study = self._studies[study_id]
            study.user_attrs, study.system_attrs = loaded.user_attrs, loaded.system_attrs
            study.trials = loaded.trials
            for trial in loaded.trials:
                trial_id = trial._trial_id
                self._trial_id_to_study_id_and_number[trial_id] = (study_id, trial.number)
                study.param_distribution.update(trial.distributions)
                self._update_cache(trial_id, study_id)

    def _enter(self, study_id: int, study_name: str, directions: Sequence[StudyDirection]) -> int:
        """Make room for a study under its id in the database, and return the id."""
        self._reserved[study_id] = deque()
        self._max_study_id = study_id - 1
        return super().create_new_study(directions, study_name)

    def _next_trial_id(self, study_id: int) -> int:
        ids = self._reserved[study_id]
        if not ids:
            last = self._last_trial_id(study_id)
            reserve = trial_ids.reserve
            ids.extend(
                self._transact(lambda connection: reserve(connection, study_id, last, BLOCK))
            )
        return ids.popleft()

    def _last_trial_id(self, study_id: int) -> int:
        trials = self._studies[study_id].trials
        return trials[-1]._trial_id if trials else 0

    def _let_go(self, connection: Connection, *study_ids: int) -> None:
        for study_id in study_ids:
            lease.release(connection, self._leases[study_id])
            trial_ids.remove_placeholders(connection, study_id)

    def _transact(self, work: Callable[[Connection], T], durable: bool = False) -> T:
        """Do work in one transaction behind the leases, again while the connection is lost."""
        deadline = time.monotonic() + RETRY_S
        pause_s = 0.05
        while True:
            try:
                return self._attempt(work, durable)
            except DBAPIError as error:
                if not may_pass(error) or time.monotonic() + pause_s > deadline:
                    failed = storage_error(self._rdb.engine.url, error)
                    raise StorageFailedError(str(failed)) from error
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, 2.0)

    def _attempt(self, work: Callable[[Connection], T], durable: bool) -> T:
        if _file(self._rdb) != self._file:  # SQLite would write on into what nobody can open
            raise StorageFailedError(
                f"storage {self._rdb.engine.url!r}: its file must stay while a study runs, but it "
                "was removed or replaced. Run again to go on with what is there now."
            )
        with begin(self._rdb.engine, durable) as connection:
            leases = {
                study_id: lease.renew(connection, held, self._studies[study_id].name)
                for study_id, held in list(self._leases.items())
            }
            for study_id, held in leases.items():
                self._check_alone(connection, study_id)
                if held.tick <= self._leases[study_id].tick:  # acknowledged commits are lost
                    whole = changes.whole_study(study_id, self._studies[study_id])
                    changes.write(connection, whole)
            done = work(connection)
        self._leases.update(leases)
        return done

    def _check_alone(self, connection: Connection, study_id: int) -> None:
        """Notice programs that write without asking for the lease."""
        last = self._last_trial_id(study_id)
        studies, trials = StudyModel.__table__, schema.TRIALS
        name = self._studies[study_id].name
        foreign = select(trials.c.trial_id).where(
            trials.c.study_id == study_id, trials.c.trial_id > last
        )
        known = select(studies.c.study_id, foreign.limit(1).scalar_subquery().label("foreign"))
        row = connection.execute(known.where(studies.c.study_id == study_id)).one_or_none()
        if row is None:
            raise StorageFailedError(
                f"study {name!r}: must not be deleted while it runs, but another program did so. "
                "Stop this run; a new one starts the study over."
            )
        if row.foreign is not None:
            raise StorageFailedError(
                f"study {name!r}: only its owner may add trials while it runs, but another "
                f"program added one (trial id {row.foreign}). Stop it, and run again to resume."
            )


def _file(rdb: RDBStorage) -> tuple[int, int] | None:
    """Tell an SQLite file from another one of its name; None for none, and for a server."""
    url = rdb.engine.url
    if url.get_backend_name() != "sqlite" or str(url.database).startswith("file:"):
        return None
    try:
        found = Path(str(url.database)).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _reader(url: str) -> BaseStorage:
    return optuna.storages.get_storage(open_storage(url))
