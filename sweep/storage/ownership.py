"""Own studies of a database: hold their leases, and write in transactions that renew these.

Nothing is written to a study that another process has taken over, that another program has
deleted, or whose file is gone. Trials that another program adds are put aside, or wait to be taken
over. While a connection is lost, it is tried again.
"""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NoReturn, TypeVar

from optuna.storages import RDBStorage
from optuna.storages._in_memory import _StudyInfo
from optuna.storages._rdb.models import StudyModel
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from sqlalchemy import URL, Connection, select
from sqlalchemy.exc import DBAPIError

from sweep.errors import StorageFailedError
from sweep.runtime import impatient
from sweep.storage import lease, trial_ids, writing
from sweep.storage.arrivals import Arrivals
from sweep.storage.engine import find_study
from sweep.storage.errors import legible, may_pass, one_line, storage_error
from sweep.storage.finding import Step, execute
from sweep.storage.lease import Lease
from sweep.storage.schema import TRIALS, check_key
from sweep.storage.sqlite import begin, file_of, reading
from sweep.storage.writing import Changes

BLOCK = 64  # trial ids reserved at a time
LOADS = 5  # of a study into which another program goes on writing
RETRY_S = 60.0  # for so long a lost connection is tried again
PATIENCE_S = 1.0  # a longer wait for an answer may never end

T = TypeVar("T")


class Ownership:
    """Hold the right to some studies of a database, and write to them.

    `studies` is what their owner holds of them in memory, by id: it is only read here, and must
    have every study that is owned by the next call. `leases` has the studies owned. Calls may
    come from several threads.
    """

    def __init__(self, rdb: RDBStorage, studies: Mapping[int, _StudyInfo]) -> None:
        self.leases: dict[int, Lease] = {}
        self._rdb = rdb
        self._studies = studies
        self._file = _file(rdb.engine.url)
        self._down_since: float | None = None  # the first failure after the last success
        self._abandoned: KeyboardInterrupt | None = None
        self._writing = threading.Lock()
        self._reserved: defaultdict[int, deque[int]] = defaultdict(deque)
        self.arrivals = Arrivals()

    def take(self, study_name: str, load: Callable[[Connection, int, str], list[Step]]) -> None:
        """Take the lease of a study if it exists, and only then have it loaded.

        `load` gets a connection that reads, the study's id and its name; if it fails, the lease
        is given back. It may return statements to execute before it is called again.

        Raises OwnedElsewhereError: another process runs it. StorageError: the database refused,
        or the study cannot be read.
        """
        engine = self._rdb.engine
        with one_line(engine.url):
            with engine.begin() as connection:
                study_id = find_study(connection, study_name)
                if study_id is None:
                    return
                held = lease.acquire(connection, study_id, study_name)
            try:
                self._load(study_id, study_name, load)
            except BaseException:
                with engine.begin() as connection:
                    lease.release(connection, held)
                raise
        self.leases[study_id] = held

    def _load(
        self, study_id: int, study_name: str, load: Callable[[Connection, int, str], list[Step]]
    ) -> None:
        """Have a study loaded, as often as it takes until nothing has to be done before."""
        for _ in range(LOADS):
            with legible(self._rdb.url), reading(), self._rdb.engine.begin() as connection:
                steps = load(connection, study_id, study_name)
            if not steps:
                return
            with begin(self._rdb.engine, durable=True) as connection:
                execute(connection, steps)
        raise StorageFailedError(
            f"study {study_name!r}: only its owner may add trials, but another program goes on"
            " adding them. Stop it, and run again"
        )

    def create(
        self, directions: Sequence[StudyDirection], study_name: str | None
    ) -> tuple[int, str]:
        """Create a study through Optuna's own call and take its lease; return its id and name.

        Raises DuplicatedStudyError: it exists. OwnedElsewhereError: another process was faster.
        StorageError: the database refused, or could not hold the name.
        """
        if study_name is not None:
            check_key(study_name, "study_name")
        with one_line(self._rdb.engine.url):
            study_id = self._rdb.create_new_study(directions, study_name)
            study_name = self._rdb.get_study_name_from_id(study_id)
            with self._rdb.engine.begin() as connection:
                self.leases[study_id] = lease.acquire(connection, study_id, study_name)
        return study_id, study_name

    def delete(self, study_id: int) -> None:
        """Give a study's lease back and delete it.

        Raises OwnedElsewhereError, StorageError: see transact.
        """
        self.transact(lambda connection: self._let_go(connection, study_id))
        with one_line(self._rdb.engine.url):
            self._rdb.delete_study(study_id)
        del self.leases[study_id]
        self._reserved.pop(study_id, None)

    def give_back(self) -> None:
        """Give all leases back; later calls are refused, as after a take-over.

        Raises OwnedElsewhereError, StorageError: see transact.
        """
        self.transact(lambda connection: self._let_go(connection, *self.leases))

    def next_trial_id(self, study_id: int) -> int:
        """Return an id that no other trial has or will get.

        Raises OwnedElsewhereError, StorageError: see transact.
        """
        ids = self._reserved[study_id]
        if not ids:
            last, reserve = self._last_trial_id(study_id), trial_ids.reserve
            block = self.transact(lambda connection: reserve(connection, study_id, last, BLOCK))
            ids.extend(block)
        return ids.popleft()

    def write(self, unwritten: Changes, durable: bool) -> None:
        """Write changes of the studies that are owned here.

        Raises OwnedElsewhereError, StorageError: see transact.
        """
        self.transact(lambda connection: writing.write(connection, unwritten), durable)

    def transact(self, work: Callable[[Connection], T], durable: bool = False) -> T:
        """Do work in one transaction behind the leases, again while the connection is lost.

        A durable one survives a power loss.

        Raises OwnedElsewhereError: a lease was taken over. StorageFailedError: the database
        refused, or another program has changed a study that is owned here. KeyboardInterrupt: a
        stop was asked for while the database did not answer, now or before.
        """
        self._refuse_abandoned()
        began = time.monotonic()
        try:
            try:
                return self._attempt(work, durable)
            except DBAPIError as error:
                self._down_since = self._down_since or time.monotonic()
                return self._insist(work, durable, error)
        except KeyboardInterrupt:
            if self._down_since is not None or time.monotonic() - began > PATIENCE_S:
                self._abandon()
            raise

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other threads from writing; a stop ends the wait for one whose database hangs.

        Raises KeyboardInterrupt: as `transact`.
        """
        self._refuse_abandoned()
        if not self._writing.acquire(timeout=PATIENCE_S):
            try:
                with impatient():
                    self._writing.acquire()
            except KeyboardInterrupt:
                self._abandon()
        try:
            yield
        finally:
            self._writing.release()

    def _abandon(self) -> NoReturn:
        """Give up a database that does not answer: it is asked nothing more."""
        self._abandoned = KeyboardInterrupt(
            f"storage {self._rdb.engine.url!r}: must answer to be left in good order, and did"
            " not. Run again to resume: what was not saved is trained again"
        )
        raise self._abandoned

    def _refuse_abandoned(self) -> None:
        if self._abandoned:
            raise self._abandoned

    def _insist(self, work: Callable[[Connection], T], durable: bool, error: DBAPIError) -> T:
        """Try a failed piece of work again while the error may pass, for a limited time.

        Raises as `transact`.
        """
        deadline, pause_s = (self._down_since or 0.0) + RETRY_S, 0.05
        while may_pass(error) and time.monotonic() + pause_s <= deadline and not self._abandoned:
            with impatient():
                time.sleep(pause_s)
                try:
                    return self._attempt(work, durable)
                except DBAPIError as again:
                    error = again
            pause_s = min(2 * pause_s, 2.0)
        failed = storage_error(self._rdb.engine.url, error)
        raise StorageFailedError(str(failed)) from error

    def _attempt(self, work: Callable[[Connection], T], durable: bool) -> T:
        url = self._rdb.engine.url
        if _file(url) != self._file:  # SQLite would write on into a file without a name
            raise StorageFailedError(
                f"storage {url!r}: its file must stay while a study runs, but it "
                "was removed or replaced. Run again to go on with what is there now"
            )
        with begin(self._rdb.engine, durable) as connection:
            leases = {
                study_id: lease.renew(connection, held, self._studies[study_id].name)
                for study_id, held in list(self.leases.items())
            }
            arrived: dict[int, list[FrozenTrial]] = {}
            for study_id, held in leases.items():
                arrived[study_id] = self._receive(connection, study_id)
                if held.tick <= self.leases[study_id].tick:  # acknowledged commits are lost
                    whole = writing.whole_study(study_id, self._studies[study_id])
                    writing.write(connection, whole)
            done = work(connection)
        self.leases.update(leases)
        for study_id, trials in arrived.items():
            self.arrivals.expect(study_id, trials)
        self._down_since = None
        return done

    def _receive(self, connection: Connection, study_id: int) -> list[FrozenTrial]:
        """Notice programs that write without asking for the lease; return what they enqueued.

        Their other trials are put aside.
        """
        studies, study = StudyModel.__table__, self._studies[study_id]
        behind = self.arrivals.behind(study_id, self._last_trial_id(study_id))
        foreign = select(TRIALS.c.trial_id).where(behind).limit(1).scalar_subquery()
        known = select(studies.c.study_id, foreign.label("foreign"))
        row = connection.execute(known.where(studies.c.study_id == study_id)).one_or_none()
        if row is None:
            raise StorageFailedError(
                f"study {study.name!r}: must not be deleted while it runs, but another program did"
                " so. Stop this run; a new one starts the study over"
            )
        if row.foreign is None:
            return []
        return self.arrivals.receive(connection, study_id, study, behind)

    def _last_trial_id(self, study_id: int) -> int:
        trials = self._studies[study_id].trials
        return trials[-1]._trial_id if trials else 0

    def _let_go(self, connection: Connection, *study_ids: int) -> None:
        for study_id in study_ids:
            lease.release(connection, self.leases[study_id])
            trial_ids.remove_placeholders(connection, study_id)


def _file(url: URL) -> tuple[int, int] | None:
    """Return what identifies an SQLite file, whatever its name; None without a file."""
    path = file_of(url)
    try:
        found = path.stat() if path else None
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if found else None
