"""Which α to take, how sure that is, and the sentence that says so.

Everything is read from the study alone: trials, the α = 0 control, attributes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import optuna
from optuna.trial import FrozenTrial, TrialState

from sweep.errors import SweepError, UsageError
from sweep.spec import StudySpec
from sweep.stats import paired_gain

EDGE_DECADES = 0.25
Selection = Literal["best", "1se"]


@dataclass(frozen=True)
class Choice:
    """One trial's strength, and what is known about it."""

    selection: Selection
    number: int
    params: dict[str, float]
    value: float
    value_se: float | None
    attrs: dict[str, Any]


@dataclass(frozen=True)
class Finished:
    """A study's trials that were trained to the end, with its control."""

    spec: StudySpec
    study_name: str
    trials: tuple[FrozenTrial, ...]
    baseline: dict[str, Any] | None
    alpha_range: tuple[float, float]
    alpha_max: float | None

    @classmethod
    def read(cls, study: optuna.Study) -> Finished:
        """Read a study of this program.

        Raises:
            UsageError: another program made the study.
            SweepError: no trial has ended yet.
        """
        attrs = study.user_attrs
        if "spec" not in attrs:
            raise UsageError(
                f"study: must be one of sweep's, got {study.study_name}, which has no spec."
                " Name another study"
            )
        trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if not trials:
            raise SweepError(
                f"study: must have a finished trial, got none in {study.study_name}."
                " Run it first, or see `sweep status`"
            )
        baseline = attrs.get("baseline")
        return cls(
            StudySpec.model_validate(_tuples(attrs["spec"])),
            study.study_name,
            tuple(trials),
            baseline if baseline and "value" in baseline else None,
            tuple(attrs["alpha_range"]),
            attrs["alpha_max"],
        )

    @property
    def n_folds(self) -> int:
        """Folds, the unit of every standard error."""
        return self.spec.replicates.n_folds

    def strength(self, trial: FrozenTrial) -> float:
        """Return a trial's alpha, or weight_decay."""
        return float(trial.params[self.spec.strength])

    def choose(self, selection: Selection) -> Choice:
        """Choose a trial.

        * best: the smallest value; of equal ones the largest strength.
        * 1se: the LARGEST strength whose value is at most the smallest value plus its standard
          error, as in glmnet (R/getOptcv.glmnet.R).

        Raises:
            UsageError: 1se with fewer than 3 folds, or with more params than the strength.
        """
        best = min(self.trials, key=lambda trial: (_value(trial), -self.strength(trial)))
        if selection == "best":
            return _choice(selection, best)
        if self.n_folds < 3:
            raise UsageError(
                f"selection: 1se must have 3 folds or more, got {self.n_folds}."
                " Use best, or set replicates.n_folds"
            )
        if len(best.params) > 1:
            raise UsageError(
                f"selection: 1se must have {self.spec.strength} as the only parameter, got "
                f"{', '.join(best.params)}. Use best"
            )
        limit = _value(best) + best.user_attrs["value_se"]
        return _choice(
            selection, max((t for t in self.trials if _value(t) <= limit), key=self.strength)
        )

    def gain(self, trial: FrozenTrial | Choice) -> tuple[float, float | None] | None:
        """Return how much a trial improves on no penalty, with the paired standard error."""
        if self.baseline is None:
            return None
        attrs = trial.attrs if isinstance(trial, Choice) else trial.user_attrs
        base, own = self.baseline["replicate_values"], attrs["replicate_values"]
        return paired_gain(base, own, self.n_folds)

    def at_edge(self, choice: Choice) -> Literal["low", "high"] | None:
        """Tell which end of the range the choice lies at, if any."""
        reach = 10**EDGE_DECADES
        low, high = self.alpha_range
        strength = choice.params[self.spec.strength]
        return "low" if strength < low * reach else "high" if strength > high / reach else None


def _value(trial: FrozenTrial) -> float:
    assert trial.value is not None
    return trial.value


def _choice(selection: Selection, trial: FrozenTrial) -> Choice:
    attrs = trial.user_attrs
    return Choice(selection, trial.number, trial.params, _value(trial), attrs["value_se"], attrs)


def _tuples(tree: Any) -> Any:
    """Turn the lists of JSON into the tuples that a strict spec has."""
    if isinstance(tree, dict):
        return {key: _tuples(value) for key, value in tree.items()}
    return tuple(map(_tuples, tree)) if isinstance(tree, list) else tree


def verdict(finished: Finished) -> str:
    """Say in words: what strength, how sure, how much it helps, was the range wide enough."""
    best = finished.choose("best")
    name = finished.spec.strength
    metric = finished.spec.objective.metric.replace("_", " ").replace("val", "validation")
    text = (
        f"{name} = {best.params[name]:.3g} is best: {metric} {_pm(best.value, best.value_se)}"
        f"{_others(best, name)}"
    )
    text += f"; {_help(finished, best)}."
    if edge := finished.at_edge(best):
        low, high = finished.alpha_range
        end = low if edge == "low" else high
        text += (
            f" It lies at the {edge} end of the range ({end:.3g}){_edge(finished, edge, best)}."
        )
    return text


def _pm(value: float, se: float | None) -> str:
    return f"{value:.4f}" if se is None else f"{value:.4f} ± {se:.4f}"


def _others(choice: Choice, strength: str) -> str:
    others = [f"{name} {value:.3g}" for name, value in choice.params.items() if name != strength]
    return f" (with {', '.join(others)})" if others else ""


def _help(finished: Finished, best: Choice) -> str:
    gain = finished.gain(best)
    if finished.baseline is None or gain is None:
        return f"without a penalty ({finished.spec.strength} = 0) training diverged"
    by, se = gain
    level = f"{finished.spec.strength} = 0 has {finished.baseline['value']:.4f}"
    if se is None:
        return f"{level}, a difference of {by:.4f} whose error one replicate cannot tell"
    if by > 2 * se:
        return f"it beats no penalty ({level}) by {by:.4f} ± {se:.4f} (paired)"
    return (
        f"that a penalty helps is not shown ({level}; paired gain {by:.4f} ± {se:.4f},"
        " less than two standard errors)"
    )


def _edge(finished: Finished, edge: str, best: Choice) -> str:
    if (
        edge == "high"
        and finished.alpha_max
        and finished.alpha_range[1] >= finished.alpha_max * 0.99
    ):
        return ", above which all weights are zero"
    gain = finished.gain(best)
    if edge == "low" and gain and (gain[1] is None or gain[0] <= gain[1]):
        return "; smaller is not told apart from no penalty"
    return f"; search further with --set search.space.{finished.spec.strength}.{edge}=…"


def choices(finished: Finished) -> Sequence[Choice]:
    """Return what can be chosen: best, and 1se where it is defined."""
    found = [finished.choose("best")]
    try:
        return [*found, finished.choose("1se")]
    except UsageError:
        return found
