"""Show trials as they were earlier, so that an ask or a pruner depends on no later result."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from optuna.trial import FrozenTrial, TrialState


class View:
    """A view of the trials of some studies: complete, except inside `showing`.

    The trials belong to the caller and are not changed. The caller keeps others from changing
    them during a call.
    """

    def __init__(self) -> None:
        self.last_seen: int | None = None  # None: everything is shown
        self._whole_trial: int | None = None
        self._offered: int | None = None
        self._settled: dict[int, int] = {}

    @contextmanager
    def showing(
        self, last_seen: int, whole: int | None = None, offered: int | None = None
    ) -> Iterator[None]:
        """Show results of trials 0…last_seen only.

        Finished trials after `last_seen` look RUNNING and have no values; so do waiting trials
        that have params. Running trials show no intermediate values and no notes of pruners,
        except trial `whole`. Of the trials that wait to be asked for, an ask is offered number
        `offered` only. This holds for all threads: only one asks at a time.
        """
        before = self.last_seen, self._whole_trial, self._offered
        self.last_seen, self._whole_trial, self._offered = last_seen, whole, offered
        try:
            yield
        finally:
            self.last_seen, self._whole_trial, self._offered = before

    def trial(self, trial: FrozenTrial) -> FrozenTrial:
        """Return one trial, as the view shows it."""
        if self.last_seen is None or trial.number == self._whole_trial:
            return trial
        late = trial.number > self.last_seen and trial.state.is_finished()
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
        if self.last_seen is None:
            return [*trials]
        whole = min(self._n_settled(study_id, trials), max(0, self.last_seen + 1))
        return [*trials[:whole], *map(self.trial, trials[whole:])]

    def waiting(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Return the waiting trials that an ask may take."""
        if self._offered is None:
            return [*trials]
        return [trial for trial in trials if trial.number == self._offered]

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
