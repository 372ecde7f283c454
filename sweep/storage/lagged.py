"""Show trials as they stood earlier, so that an ask or a pruner depends on nothing later."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from optuna.trial import FrozenTrial, TrialState


class View:
    """What may be seen of the trials of some studies: all of it, but inside `showing`.

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

        Finished trials after `last_seen` look RUNNING, without values, and so do those that wait
        with their params; running ones have no intermediate values, and none of them what pruners
        noted, but for trial number `whole`. Of trials that wait to be asked for, number `offered`
        is offered alone. It holds for all threads: one asks, at a time.
        """
        before = self.last_seen, self._whole_trial, self._offered
        self.last_seen, self._whole_trial, self._offered = last_seen, whole, offered
        try:
            yield
        finally:
            self.last_seen, self._whole_trial, self._offered = before

    def trial(self, trial: FrozenTrial) -> FrozenTrial:
        """Return one trial as it may be seen."""
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
        """Return all trials of a study, given by number, as they may be seen."""
        if self.last_seen is None:
            return [*trials]
        whole = min(self._n_settled(study_id, trials), max(0, self.last_seen + 1))
        return [*trials[:whole], *map(self.trial, trials[whole:])]

    def waiting(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Return those of the trials that wait which an ask may take."""
        if self._offered is None:
            return [*trials]
        return [trial for trial in trials if trial.number == self._offered]

    def forget(self, study_id: int) -> None:
        """Forget a study that was deleted: its id may come again."""
        self._settled.pop(study_id, None)

    def _n_settled(self, study_id: int, trials: Sequence[FrozenTrial]) -> int:
        """Count the trials before the first that has not ended: they stay as they are."""
        count = self._settled.get(study_id, 0)
        while count < len(trials) and trials[count].state.is_finished():
            count += 1
        self._settled[study_id] = count
        return count
