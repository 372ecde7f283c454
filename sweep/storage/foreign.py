"""Tell a study's own trials from those that another program wrote into it.

Own is what the search has asked for: the study's owner notes how many that are (`ASKED`), and its
trials end with an outcome. A trial that waits with params of the search's space was enqueued by
the user, and the next ask takes it. All others are foreign: no reader counts them, and the owner
puts them aside (`sweep.storage.aside`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import optuna
from optuna.trial import FrozenTrial, TrialState

from sweep.errors import UsageError
from sweep.spec.attributes import ALPHA_RANGE, OUTCOME, SPEC
from sweep.spec.stored import stored_spec

ASKED = "sweep:asked"  # system attribute of a study: how many trials its search has asked for
FIXED = "fixed_params"  # Optuna's system attribute of a trial that was enqueued
SHOWN = 5  # numbers in a line


class Sorted(NamedTuple):
    """A study's trials by whose they are, each part in the order of their ids."""

    own: list[FrozenTrial]
    enqueued: list[FrozenTrial]  # by the user: to be trained
    foreign: list[FrozenTrial]


@dataclass(frozen=True)
class Rule:
    """What makes a trial one of a study's own.

    Attributes:
        ranges: the ends of every searched param.
        epochs: of a training; a trial that reported the last one is the search's.
        asked: trials that the search has asked for; None in studies of earlier versions.
    """

    ranges: Mapping[str, tuple[float, float]]
    epochs: int
    asked: int | None

    @classmethod
    def of(cls, attrs: Mapping[str, Any], system_attrs: Mapping[str, Any]) -> Self | None:
        """Return the rule of a study with these attributes; None where sweep did not make it."""
        try:
            spec = stored_spec(attrs[SPEC])
            low, high = attrs[ALPHA_RANGE]
        except (KeyError, TypeError, ValueError, UsageError):
            return None
        ranges = {spec.strength: (low, high)}
        searched = spec.search.searched_too
        asked = system_attrs.get(ASKED)
        asked = asked if isinstance(asked, int) else None
        ranges |= {name: spec.ends(name) for name in searched}
        return cls(ranges, spec.training.epochs, asked)

    def sort(self, trials: Iterable[FrozenTrial]) -> Sorted:
        """Sort trials, given in the order of their ids."""
        found, numbers = Sorted([], [], []), set[int]()
        for trial in trials:
            # Of two with one number the later id is another program's.
            if trial.number not in numbers and self._is_own(trial):
                found.own.append(trial)
                numbers.add(trial.number)
            elif trial.state == TrialState.WAITING and self.what_is_wrong(trial) is None:
                found.enqueued.append(trial)
            else:
                found.foreign.append(trial)
        return found

    def _is_own(self, trial: FrozenTrial) -> bool:
        if self.asked is not None and trial.number >= self.asked:
            return False
        if trial.state.is_finished():
            # One that lost its attributes was trained all the same: a reader says what is lost.
            trained = max(trial.intermediate_values, default=0) == self.epochs
            searched = trial.params.keys() <= self.ranges.keys()
            return searched and (trained or OUTCOME in trial.user_attrs)
        return not given(trial) or self.what_is_wrong(trial) is None

    def what_is_wrong(self, trial: FrozenTrial) -> str | None:
        """Say why the params that a trial waits with cannot be trained, if so."""
        params = given(trial)
        if not params:
            return "it fixes no parameter"
        for name, value in params.items():
            if name not in self.ranges:
                return f"{name} is not searched"
            if not isinstance(value, int | float) or isinstance(value, bool):
                return f"{name} = {value!r:.40} is no number"
            low, high = self.ranges[name]
            if not low <= value <= high:
                return f"{name} = {value:g} lies outside {low:.3g} to {high:.3g}"
        return None

    def reasons(self, trials: Iterable[FrozenTrial]) -> dict[int, str]:
        """Say why foreign trials are not the study's own, by their ids."""
        return {trial._trial_id: self._reason(trial) for trial in trials}

    def _reason(self, trial: FrozenTrial) -> str:
        if trial.state == TrialState.WAITING:
            return self.what_is_wrong(trial) or "the search has not asked for it"
        return "another program asked for it"


def given(trial: FrozenTrial) -> dict[str, Any]:
    """Return the params that an ask of a waiting trial has to take."""
    fixed = trial.system_attrs.get(FIXED)
    return {**(fixed if isinstance(fixed, dict) else {}), **trial.params}


def sort_study(study: optuna.Study) -> Sorted:
    """Sort the trials of a study that is read; all are its own where sweep did not make it."""
    trials = study.get_trials(deepcopy=False)
    system_attrs = study._storage.get_study_system_attrs(study._study_id)
    rule = Rule.of(study.user_attrs, system_attrs)
    return rule.sort(trials) if rule else Sorted(trials, [], [])


def own_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials of a study without those that another program wrote into it."""
    return sort_study(study).own


def left_out(trials: Sequence[FrozenTrial]) -> str:
    """Say that foreign trials are not counted."""
    return f"{counted(trials)} written by another program and left out"


def waits(trials: Sequence[FrozenTrial]) -> str:
    """Say that enqueued trials are there to be trained."""
    room = "`sweep run` trains as many as search.n_trials leaves room for"
    return f"{counted(trials)} enqueued; {room}"


def counted(trials: Sequence[FrozenTrial]) -> str:
    """Begin a sentence about trials with their numbers, of the first few."""
    numbers = ", ".join(f"#{trial.number}" for trial in trials[:SHOWN])
    if len(trials) == 1:
        return f"trial {numbers} was"
    return f"{len(trials)} trials ({numbers}{', …' * (len(trials) > SHOWN)}) were"
