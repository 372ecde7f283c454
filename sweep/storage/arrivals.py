"""Trials that other programs add to a study while it is owned here, or added before.

What users enqueue is kept for the next asks; everything else is put aside.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import replace

from optuna.storages._in_memory import _StudyInfo
from optuna.trial import FrozenTrial
from sqlalchemy import ColumnElement, Connection, and_, select

from sweep.errors import StorageFailedError
from sweep.storage.aside import putting_aside
from sweep.storage.errors import UNREADABLE
from sweep.storage.finding import Step, execute
from sweep.storage.foreign import Rule
from sweep.storage.reading import load_trials
from sweep.storage.schema import TRIALS


class Arrivals:
    """What users have enqueued in the studies that are owned here, by the study's id."""

    def __init__(self) -> None:
        self._enqueued: defaultdict[int, deque[FrozenTrial]] = defaultdict(deque)
        self._expected: set[int] = set()  # their ids, also when they were given

    def enqueued(self, study_id: int) -> Iterator[FrozenTrial]:
        """Give the trials that users have enqueued in a study, each once."""
        while self._enqueued[study_id]:
            yield self._enqueued[study_id].popleft()

    def has_enqueued(self, study_id: int) -> bool:
        """Tell whether `enqueued` would give any."""
        return bool(self._enqueued.get(study_id))

    def expect(self, study_id: int, trials: Iterable[FrozenTrial]) -> None:
        """Keep trials that users have enqueued; their rows stay until they are taken over."""
        for trial in trials:
            self._enqueued[study_id].append(trial)
            self._expected.add(trial._trial_id)

    def sort_out(self, connection: Connection, study_id: int, study: _StudyInfo) -> list[Step]:
        """Keep the own trials alone in a study that was read; or say what must be done before.

        Returns:
            Statements that put foreign trials aside; the study is to be read again after them.
        """
        rule = Rule.of(study.user_attrs, study.system_attrs)
        if rule is None:
            return []
        found = rule.sort(study.trials)
        if found.foreign:
            last = found.own[-1]._trial_id if found.own else 0
            reasons = rule.reasons(found.foreign)
            return putting_aside(connection, study_id, study.name, reasons, last)
        study.trials = found.own
        self.expect(study_id, found.enqueued)
        return []

    def behind(self, study_id: int, last: int) -> ColumnElement[bool]:
        """Match trials of a study behind its last own one that are not known yet."""
        t, known = TRIALS.c, [trial_id for trial_id in self._expected if trial_id > last]
        return and_(t.study_id == study_id, t.trial_id > last, t.trial_id.not_in(known))

    def receive(
        self, connection: Connection, study_id: int, study: _StudyInfo, new: ColumnElement[bool]
    ) -> list[FrozenTrial]:
        """Put the new trials aside but for those that were enqueued by the user: return these.

        Raises StorageFailedError: the study is none of sweep's, so nobody knows whose they are.
        """
        rule = Rule.of(study.user_attrs, study.system_attrs)
        if rule is None:
            raise StorageFailedError(
                f"study {study.name!r}: only its owner may add trials while it runs, but another "
                "program added one. Stop it, and run again to resume"
            )
        try:
            found = replace(rule, asked=0).sort(load_trials(connection, study_id, new))
        except UNREADABLE:
            ids = connection.execute(select(TRIALS.c.trial_id).where(new)).scalars()
            reasons, enqueued = dict.fromkeys(ids, "it cannot be read"), list[FrozenTrial]()
        else:
            reasons, enqueued = rule.reasons(found.foreign), found.enqueued
        if reasons:  # all are behind the last own trial
            execute(connection, putting_aside(connection, study_id, study.name, reasons, last=0))
        return enqueued
