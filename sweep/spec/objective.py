"""The section `objective` of a study file, and the metrics it may name: which way is better.

Nothing else in the package knows whether less or more of a metric is better. Values are compared
by their cost: `sign` times the value, of which less is always better.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal, NamedTuple, Self, get_args

from pydantic import Field, model_validator

from sweep.spec.base import Section
from sweep.spec.tasks import TaskName

LOSS: Final = "val_loss"
OWN = "python:"

MetricName = Literal[
    "val_loss", "val_error", "auc", "average_precision", "f1", "balanced_accuracy", "log_loss",
    "r2", "mae", "rmse",
]  # fmt: skip
OwnMetric = Annotated[str, Field(pattern=r"^python:[\w.]+:\w+$")]


class Metric(NamedTuple):
    """What a trial may be worth.

    Attributes:
        words: what readers call it, after `validation` or `test`.
        tasks: those that it is defined for; None: all.
        more_is_better: else less is.
        steps: whether it moves in steps of a row, so that many strengths come to the same.
        every_class: whether it takes validation rows of every class.
        varies: whether it takes validation rows whose targets differ.
    """

    words: str
    tasks: tuple[TaskName, ...] | None = None
    more_is_better: bool = False
    steps: bool = False
    every_class: bool = False
    varies: bool = False


_CLASSES: tuple[TaskName, ...] = ("classification", "binary")
_NUMBERS: tuple[TaskName, ...] = ("regression",)

METRICS: Mapping[str, Metric] = {
    "val_loss": Metric("loss"),
    "val_error": Metric("error", _CLASSES, steps=True),
    "auc": Metric("AUC", _CLASSES, more_is_better=True, every_class=True),
    "average_precision": Metric(
        "average precision", _CLASSES, more_is_better=True, every_class=True
    ),
    "f1": Metric("F1", _CLASSES, more_is_better=True, steps=True),
    "balanced_accuracy": Metric("balanced accuracy", _CLASSES, more_is_better=True, steps=True),
    "log_loss": Metric("log loss", _CLASSES),
    "r2": Metric("R²", _NUMBERS, more_is_better=True, varies=True),
    "mae": Metric("mean absolute error", _NUMBERS),
    "rmse": Metric("root mean squared error", _NUMBERS),
}
assert METRICS.keys() == {*get_args(MetricName)}


class ObjectiveSpec(Section):
    """What a trial's value is, at the end of training."""

    metric: MetricName | OwnMetric = Field(
        LOSS,
        description="What networks are measured by on the validation rows, all rows of a"
        " replicate at once. val_loss: mean loss. val_error: 1 - accuracy. auc,"
        " average_precision, f1, balanced_accuracy, log_loss: of classes. r2, mae, rmse: of"
        " numbers, in the target's own units. python:module:function: a function of yours,"
        " f(predictions, targets) -> float.",
    )
    direction: Literal["minimize", "maximize"] | None = Field(
        None,
        description="Which way is better. null: as the metric has it. A function of yours has to"
        " be given one.",
    )
    choose: Literal["loss", "metric"] | None = Field(
        None,
        description="What a trial's value is, by which the search goes and strengths are chosen;"
        " the other one is measured beside it. null: loss for f1 and balanced_accuracy, which"
        " move in steps; else metric.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.is_own and self.direction is None:
            raise ValueError(
                f"direction: must be minimize or maximize where the metric is a function, got none"
                f" with {self.metric}. Say which way is better"
            )
        metric = METRICS.get(self.metric)
        if metric and self.direction not in (None, _direction(metric.more_is_better)):
            raise ValueError(
                f"direction: must be {_direction(metric.more_is_better)} for {self.metric}, got"
                f" {self.direction}. Remove it"
            )
        if self.metric == LOSS and self.choose == "metric":
            raise ValueError("choose: must be loss for val_loss, got metric. Remove it")
        return self

    @property
    def is_own(self) -> bool:
        """Whether the metric is a function of the user's own."""
        return self.metric.startswith(OWN)

    @property
    def value(self) -> str:
        """The name of what a trial's value is: the metric, or `val_loss`."""
        if self.choose is not None:
            return self.metric if self.choose == "metric" else LOSS
        # val_error has been the value since before there were others.
        in_steps = self.metric != "val_error" and self.metric in METRICS
        return LOSS if in_steps and METRICS[self.metric].steps else self.metric

    @property
    def beside(self) -> str | None:
        """The metric, where a trial's value is the loss instead; None where it is the value."""
        return None if self.value == self.metric else self.metric

    @property
    def maximizes(self) -> bool:
        """Whether more of a trial's value is better."""
        return self.value == self.metric and self._more_is_better

    @property
    def study_direction(self) -> Literal["minimize", "maximize"]:
        """The direction of the study, as Optuna calls it."""
        return _direction(self.maximizes)

    @property
    def sign(self) -> float:
        """What a trial's value is multiplied by, so that less is better: 1, or -1."""
        return -1.0 if self.maximizes else 1.0

    @property
    def sign_beside(self) -> float:
        """The same for the metric that is measured beside the loss."""
        return -1.0 if self._more_is_better else 1.0

    @property
    def words(self) -> str:
        """What readers call a trial's value, after `validation`."""
        return words_of(self.value)

    @property
    def moves_in_steps(self) -> bool:
        """Whether a trial's value moves in steps of a row."""
        return self.value in METRICS and METRICS[self.value].steps

    @property
    def _more_is_better(self) -> bool:
        if self.is_own:
            return self.direction == "maximize"
        return METRICS[self.metric].more_is_better

    def problem(self, task: TaskName) -> str | None:
        """Say in one line why the metric is not defined for a task, if so."""
        metric = METRICS.get(self.metric)
        if metric is None or metric.tasks is None or task in metric.tasks:
            return None
        fit = [name for name, m in METRICS.items() if m.tasks is None or task in m.tasks]
        listed = f"one of {', '.join(fit)}" if len(fit) > 1 else fit[0]
        return (
            f"objective.metric: must be {listed} for {task}, got {self.metric}. Use {LOSS}, or a"
            " function of yours"
        )

    @property
    def notes(self) -> list[str]:
        """Say that the loss chooses although another metric is wanted, if so."""
        if self.beside is None:
            return []
        words = words_of(self.beside)
        if self.choose == "loss":
            return [f"the validation loss chooses, and {words} is measured beside it"]
        return [
            f"{words} moves in steps of a row, so the validation loss chooses, and {words} is"
            " measured beside it; objective.choose: metric makes it the value"
        ]


def words_of(metric: str) -> str:
    """Return what readers call a metric, after `validation` or `test`."""
    return METRICS[metric].words if metric in METRICS else metric.rpartition(":")[2]


def _direction(more_is_better: bool) -> Literal["minimize", "maximize"]:
    return "maximize" if more_is_better else "minimize"
