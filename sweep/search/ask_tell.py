"""Ask and tell: Optuna's samplers and pruners on the owner's study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from sweep.search.samplers import QMC, Params, Space, make_design, make_sampler, reseed
from sweep.spec.attributes import DIVERGED, ENQUEUED, FAILED, OUTCOME, REASON
from sweep.spec.seeds import derive
from sweep.spec.study import StudySpec
from sweep.storage.foreign import ASKED, FIXED, given
from sweep.storage.mirror import MirroredStorage

MAX_REPORTS = 100


class Search:
    """Propose trials and take their results, on one study that this process owns.

    Ask k, and whether trial k is pruned, depend on (study seed, k) and on the results of trials
    0…k − in_flight alone (see `StudySpec.last_seen`), whatever else has finished. So the table of
    trials does not depend on how many are trained at once, and survives a restart.
    """

    def __init__(self, storage: MirroredStorage, study: optuna.Study, spec: StudySpec,
                 space: Space, epochs: int):  # fmt: skip
        self._storage, self.study, self._spec, self._space = storage, study, spec, space
        # What samplers and pruners see: less is better, as it always is of the losses by epoch.
        self._shown = _minimized(study, storage) if spec.objective.maximizes else study
        self._design = dict(enumerate(make_design(spec, space)))
        self._stride = -(-epochs // MAX_REPORTS)
        self._epochs = epochs
        self._trials: dict[int, Trial] = {}
        self._waiting = [t.number for t in self._all((TrialState.WAITING,))]
        finished = self._all()
        self._n = len(finished)
        self._finished = {t.number for t in finished if t.state.is_finished()}
        self._n_settled = 0  # trials before the first that has not finished
        self.n_results = sum(is_result(trial) for trial in finished)
        self._note_asked(self._n)

    def _all(self, states: Sequence[TrialState] | None = None) -> list[FrozenTrial]:
        return self.study.get_trials(
            deepcopy=False, states=None if states is None else tuple(states)
        )

    @property
    def wanted(self) -> bool:
        """Whether n_trials is more than the results and the trials in training together."""
        return self.n_results + len(self._trials) < self._spec.search.n_trials

    @property
    def ready(self) -> bool:
        """Whether another trial is wanted and its ask has all the results it depends on."""
        return self.wanted and self._has_results_for(self._next)

    def ready_ahead(self, n_waiting: int) -> bool:
        """Whether fewer than so many trials wait, and the next new one could be asked for."""
        asked = self.n_results + len(self._trials) + len(self._waiting)
        wanted = asked < self._spec.search.n_trials and len(self._waiting) < n_waiting
        return wanted and self._has_results_for(self._n)

    def _has_results_for(self, number: int) -> bool:
        while self._n_settled in self._finished:
            self._n_settled += 1
        last = self._spec.last_seen(number)
        return last is None or last < self._n_settled

    @property
    def _next(self) -> int:
        return self._waiting[0] if self._waiting else self._n

    @property
    def new(self) -> int:
        """The number that the next new trial will get."""
        return self._n

    @property
    def has_waiting(self) -> bool:
        """Whether a trial waits that was asked for before, or enqueued; `ask` returns it first."""
        return bool(self._waiting)

    def known_to(self, number: int) -> list[FrozenTrial]:
        """Return the trials whose results an ask may depend on."""
        return self._all()[: max(0, self._seen_by(number) + 1)]

    def widen(self, space: Space, first: Mapping[int, Params]) -> None:
        """Go on in a wider space; `first` holds the params of trials that no sampler chooses."""
        self._space = space
        self._design |= first
        for name, distribution in space.items():
            self._storage.widen(self.study._study_id, name, distribution)
        # A sampler remembers the space that it has seen so far.
        self._shown.sampler = make_sampler(self._spec.search.sampler, self._spec.seed)

    def take_enqueued(self) -> None:
        """Let the trials wait that users have enqueued since: they are asked for next."""
        for theirs in self._storage.enqueued(self.study._study_id):
            self._note_asked(self._n + 1)
            template = create_trial(
                state=TrialState.WAITING,
                system_attrs={FIXED: given(theirs)},
                user_attrs={ENQUEUED: True},
            )
            self._storage.take_over(self.study._study_id, template, theirs._trial_id)
            self._waiting.append(self._n)
            self._n += 1

    def _note_asked(self, count: int) -> None:
        """Note how many trials are the study's own, before the last of them is there."""
        self._storage.set_study_system_attr(self.study._study_id, ASKED, count)

    def ask(self) -> tuple[int, Params]:
        """Return the next trial's number and params; waiting trials come first."""
        number = self._next
        if self._waiting:
            self._waiting.pop(0)
        trial = self._trials[number] = self._proposed(number)
        return number, {name: float(value) for name, value in trial.params.items()}

    def ask_ahead(self) -> None:
        """Ask for the next new trial before its turn: it waits, with its params, for `ask`."""
        number = self._n
        self._trials[number] = self._proposed(number)
        self.give_back(number)

    def _proposed(self, number: int) -> Trial:
        if self._spec.search.sampler.type == "gp":  # it would start from its last fit
            self._shown.sampler = make_sampler(self._spec.search.sampler, self._spec.seed)
        reseed(self._shown.sampler, derive(self._spec.seed, "ask", number) % 2**32)
        if isinstance(self._shown.sampler, QMC):
            self._shown.sampler.number = number
        if number == self._n:
            self._n += 1
            self._note_asked(self._n)
            if number in self._design:
                self.study.enqueue_trial(self._design[number])
        elif number in self._design:
            self._fix_again(number)
        view = self._storage.view
        with self._seeing(number), view.offering(number):
            trial = self._shown.ask(self._space)  # type: ignore[arg-type]
        assert trial.number == number, "another process asks this study"
        return trial

    def _fix_again(self, number: int) -> None:
        """Give a waiting trial that lost its params those that it was designed with."""
        trial = self._all()[number]
        if not given(trial):
            self._storage.set_trial_system_attr(trial._trial_id, FIXED, self._design[number])

    def report(self, number: int, epoch: int, loss: float) -> bool:
        """Store an intermediate value; return whether the pruner ends the trial."""
        if epoch % self._stride and epoch != self._epochs:
            return False
        trial = self._trials[number]
        trial.report(loss, epoch)
        if self._spec.search.pruner.type == "none":
            return False
        with self._seeing(number), self._storage.view.showing_whole(number):
            return trial.should_prune()

    @contextmanager
    def _seeing(self, number: int) -> Iterator[None]:
        """Show what may matter to a trial."""
        view, negated = self._storage.view, self._shown is not self.study
        with view.showing(self._seen_by(number)), view.negating() if negated else nullcontext():
            yield

    def _seen_by(self, number: int) -> int:
        """Return the last trial whose result may matter to trial `number`."""
        last = self._spec.last_seen(number)
        return number if last is None else last

    def tell(
        self, number: int, state: TrialState, value: float | None, attrs: Mapping[str, Any]
    ) -> None:
        """End a trial; attributes first, since a finished trial is frozen."""
        trial = self._trials.pop(number)
        self._storage.set_trial_user_attrs(trial._trial_id, attrs)
        self.study.tell(number, value, state)
        self._finished.add(number)
        self.n_results += attrs.get(OUTCOME) != FAILED

    def give_back(self, number: int) -> None:
        """Put a trial back in the queue; the next ask returns it under its own number."""
        trial = self._trials.pop(number)
        self._storage.requeue_trial(trial._trial_id)
        self._waiting = sorted([*self._waiting, number])

    def tell_diverged(self, number: int, reason: str) -> None:
        """End a trial at its last finite loss, so that samplers learn to stay away."""
        curve = self._all()[number].intermediate_values
        state = TrialState.PRUNED if curve else TrialState.FAIL
        self.tell(number, state, None, {OUTCOME: DIVERGED, REASON: reason})

    def tell_failed(self, number: int, reason: str) -> None:
        """End a trial that cannot be trained; it is no result, and another one is asked for."""
        self.tell(number, TrialState.FAIL, None, {OUTCOME: FAILED, REASON: reason})


def _minimized(study: optuna.Study, storage: MirroredStorage) -> optuna.Study:
    """Return a study over the same trials whose values are negated: less is better."""
    with storage.view.negating():
        return optuna.load_study(
            study_name=study.study_name, storage=storage, sampler=study.sampler,
            pruner=study.pruner,
        )  # fmt: skip


def is_result(trial: FrozenTrial) -> bool:
    """Tell whether a trial counts towards n_trials: its training came to an end."""
    if trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
        return True
    return trial.state == TrialState.FAIL and trial.user_attrs.get(OUTCOME) == DIVERGED
