"""What a study predicts: the words, the losses and the score of each task, as plain data.

A task is an entry here; its losses have theirs in `sweep.spec.losses` and, of the same name, in
`sweep.training.losses`; its score in `sweep.training.scores`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

TaskName = Literal[
    "classification", "binary", "multilabel", "regression", "count", "quantile", "own"
]  # as in the study file


class Score(NamedTuple):
    """What networks are scored by beside their loss; more is better, 1 is perfect.

    Attributes:
        name: its key among a refit's metrics; a trial's attribute has `val_` before it.
        words: what readers call it.
        form: how a number of it is written.
    """

    name: str
    words: str
    form: str

    @property
    def attribute(self) -> str:
        """The attribute of a trial that holds it."""
        return f"val_{self.name}"


class Task(NamedTuple):
    """What is predicted.

    Attributes:
        losses: names of the losses it may have; the first is meant by auto. A loss of the user's
            own may be had by all.
        score: what networks are scored by; a task without one has a name for it that no trial
            has.
        has_classes: whether targets are classes, so that rows are drawn by class and labels can be
            made wrong.
        has_labels: whether targets are 0 or 1.
        is_scaled: whether targets are standardised with `data.scale: standard`.
        has_many: whether a row may have several targets.
        answers: what a network of it tells of a row, in words.
    """

    losses: tuple[str, ...]
    score: Score
    has_classes: bool = False
    has_labels: bool = False
    is_scaled: bool = False
    has_many: bool = True
    answers: str = "The target of each row, in its own units."


_ACCURACY = Score("accuracy", "accuracy", ".1%")
_CLASS = "The class of each row."

TASKS: Mapping[str, Task] = {
    "classification": Task(
        ("cross_entropy", "focal"), _ACCURACY, has_classes=True, has_many=False, answers=_CLASS
    ),
    "binary": Task(
        ("logistic", "focal"), _ACCURACY, has_classes=True, has_many=False, answers=_CLASS
    ),
    "multilabel": Task(
        ("logistic", "focal"), Score("label_accuracy", "label accuracy", ".1%"), has_labels=True,
        answers="For each row and label whether it holds.",
    ),
    "regression": Task(
        ("squared", "huber", "mae"), Score("r2", "R²", ".3f"), is_scaled=True
    ),
    "count": Task(
        ("poisson",), Score("d2", "explained deviance (D²)", ".3f"),
        answers="The expected count of each row.",
    ),
    "quantile": Task(
        ("pinball",), Score("d2_pinball", "explained pinball loss (D²)", ".3f"), is_scaled=True,
        answers="The quantile of each row's target, in its own units.",
    ),
    "own": Task((), Score("own", "score", ".3f"), answers="The outputs of each row."),
}  # fmt: skip
