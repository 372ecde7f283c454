"""What a strength came to: the one record of a trial that was trained to its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optuna.trial import FrozenTrial

from sweep.errors import UsageError
from sweep.spec.attributes import REPLICATE_VALUES, VALUE_SE
from sweep.spec.study import StudySpec


@dataclass(frozen=True)
class Point:
    """One strength, and what training with it came to.

    Attributes:
        number: the trial's; None for what is trained beside trials: the control, the line.
        at: the strength.
        params: all params, the strength among them.
        value: the objective.
        attrs: what was measured.
        epochs: mean validation loss by epoch; of trials alone.
        sign: of the objective: times it, less of a value is better; see `ObjectiveSpec.sign`.
    """

    number: int | None
    at: float
    params: Mapping[str, float]
    value: float
    attrs: Mapping[str, Any] = field(repr=False)
    epochs: Mapping[int, float] = field(default_factory=dict, repr=False)
    sign: float = 1.0

    @classmethod
    def of(cls, trial: FrozenTrial, spec: StudySpec) -> Point:
        """Return the point of a COMPLETE trial.

        Raises:
            UsageError: the storage has lost its strength or its value.
        """
        params, strength = trial.params, spec.strength
        if strength not in params or not trial.values:
            raise _lost(f"{strength} and value", trial.number)
        return cls(
            trial.number, params[strength], params, trial.values[0], trial.user_attrs,
            trial.intermediate_values, spec.objective.sign,
        )  # fmt: skip

    @classmethod
    def stored(cls, content: Mapping[str, Any], spec: StudySpec) -> Point:
        """Return the point of what was trained beside the trials, as the study stores it."""
        params = content["params"]
        at, sign = params[spec.strength], spec.objective.sign
        return cls(None, at, params, content["value"], content, sign=sign)

    @property
    def value_se(self) -> float | None:
        """The value's standard error over folds; None where nothing varies."""
        return self.attrs.get(VALUE_SE)

    @property
    def replicate_values(self) -> list[float]:
        """The objective of each replicate, (R,).

        Raises:
            UsageError: the storage has lost them.
        """
        if REPLICATE_VALUES not in self.attrs:
            raise _lost(REPLICATE_VALUES, self.number)
        return self.attrs[REPLICATE_VALUES]  # type: ignore[no-any-return]

    @property
    def cost(self) -> float:
        """The value, times -1 where more of it is better: less is always better."""
        return self.sign * self.value

    @property
    def replicate_costs(self) -> list[float]:
        """The cost of each replicate, (R,).

        Raises:
            UsageError: the storage has lost their values.
        """
        return [self.sign * value for value in self.replicate_values]

    @property
    def rank(self) -> tuple[float, float]:
        """What points are ordered by, the best first: of equal values the strongest."""
        return self.cost, -self.at


def one_se(points: Sequence[Point]) -> Point:
    """Choose by the rule of one standard error, as in glmnet (R/getOptcv.glmnet.R).

    The LARGEST strength whose value is within the standard error of the best value.
    """
    best = min(points, key=lambda point: point.rank)
    if best.value_se is None:
        raise _lost("value_se", best.number)
    limit = best.cost + best.value_se
    return max((point for point in points if point.cost <= limit), key=lambda point: point.at)


def _lost(what: str, number: int | None) -> UsageError:
    where = "the control" if number is None else f"trial {number}"
    return UsageError(
        f"study: must have {what} of every trial, got {where} without."
        " Restore a backup, or start over with --fresh"
    )
