"""Show trials as they were earlier, so that an ask or a pruner depends on no later result."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState


class Sight(NamedTuple):
    """What a view shows at present."""

    last_seen: int | None = None  # None: everything is shown
    whole: int | None = None
    offered: int | None = None  # None: all that wait are
    negated: bool = False


class View:
    """A view of the trials of some studies: complete, except inside `showing`.

    The trials belong to the caller and are not changed. The caller keeps others from changing
    them during a call. What is set here holds for all threads: only one asks at a time.
    """

    def __init__(self) -> None:
        self._sight = Sight()
        self._settled: dict[int, int] = {}
        self._negatives: dict[int, tuple[FrozenTrial, FrozenTrial]] = {}  # of trials, by id

    @property
    def shows_all(self) -> bool:
        """Whether trials are shown as they are."""
        return self._sight.last_seen is None

    def showing(self, last_seen: int) -> AbstractContextManager[None]:
        """Show results of trials 0…last_seen only.

        Finished trials after `last_seen` look RUNNING and have no values; so do waiting trials
        that have params. Running trials show no intermediate values and no notes of pruners.
        """
        return self._seeing(self._sight._replace(last_seen=last_seen))

    def showing_whole(self, number: int) -> AbstractContextManager[None]:
        """Show one trial as it is, to its pruner, whatever `showing` hides of the others."""
        return self._seeing(self._sight._replace(whole=number))

    def offering(self, number: int) -> AbstractContextManager[None]:
        """Offer an ask one trial only of those that wait to be asked for."""
        return self._seeing(self._sight._replace(offered=number))

    def negating(self) -> AbstractContextManager[None]:
        """Show values times -1, in studies that minimise.

        So a study of which more is better is to samplers and pruners what its negative is. Its
        intermediate values, which are losses, are shown as they are.
        """
        return self._seeing(self._sight._replace(negated=True))

    def directions(self, directions: list[StudyDirection]) -> list[StudyDirection]:
        """Return the directions of a study, as the view shows them."""
        return [StudyDirection.MINIMIZE] if self._sight.negated else directions

    @contextmanager
    def _seeing(self, sight: Sight) -> Iterator[None]:
        before, self._sight = self._sight, sight
        try:
            yield
        finally:
            self._sight = before

    def trial(self, trial: FrozenTrial) -> FrozenTrial:
        """Return one trial, as the view shows it."""
        return self._signed(self._timely(trial))

    def _timely(self, trial: FrozenTrial) -> FrozenTrial:
        last_seen, whole = self._sight.last_seen, self._sight.whole
        if last_seen is None or trial.number == whole:
            return trial
        late = trial.number > last_seen and trial.state.is_finished()
        under_way = trial.state == TrialState.RUNNING and trial.intermediate_values
        queued = trial.state == TrialState.WAITING and trial.params
        if not late and not under_way and not queued:
            return trial
        shown = copy.copy(trial)
        shown.state = TrialState.RUNNING
        shown.values = None
        shown.intermediate_values = {}
        shown.system_attrs = {}
        shown.datetime_complete = None
        return shown

    def trials(self, study_id: int, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Return all trials of a study, given by number, as the view shows them."""
        last_seen = self._sight.last_seen
        if last_seen is None:
            return [*trials]
        n_same = min(self._n_settled(study_id, trials), max(0, last_seen + 1))
        same = trials[:n_same]
        if self._sight.negated:
            same = [self._signed(trial) for trial in same]
        return [*same, *map(self.trial, trials[n_same:])]

    def _signed(self, trial: FrozenTrial) -> FrozenTrial:
        """Negate the values of a COMPLETE trial, if asked for; the same object each time."""
        if not self._sight.negated or trial.state != TrialState.COMPLETE:
            return trial
        known = self._negatives.get(trial._trial_id)
        if known is None or known[0] is not trial:
            negative = copy.copy(trial)
            negative.values = [-value for value in trial.values or ()]
            known = self._negatives[trial._trial_id] = (trial, negative)
        return known[1]

    def waiting(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Return the waiting trials that an ask may take."""
        offered = self._sight.offered
        return [trial for trial in trials if offered is None or trial.number == offered]

    def forget(self, study_id: int) -> None:
        """Forget a deleted study: its id may be used again."""
        self._settled.pop(study_id, None)

    def _n_settled(self, study_id: int, trials: Sequence[FrozenTrial]) -> int:
        """Count the trials before the first that has not ended: they will not change."""
        count = self._settled.get(study_id, 0)
        while count < len(trials) and trials[count].state.is_finished():
            count += 1
        self._settled[study_id] = count
        return count
