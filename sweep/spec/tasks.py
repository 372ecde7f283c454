"""What a study predicts: the words and the score of each task, as plain data.

A task is an entry here and its loss, of the same name, in `sweep.training.losses`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

TaskName = Literal["classification", "regression"]  # as in the study file


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
        loss: the data loss in words.
        score: what networks are scored by.
        has_classes: whether targets are classes, so that rows are drawn by class and labels can be
            made wrong; else they are numbers.
    """

    loss: str
    score: Score
    has_classes: bool


TASKS: Mapping[str, Task] = {
    "classification": Task(
        "mean cross-entropy", Score("accuracy", "accuracy", ".1%"), has_classes=True
    ),
    "regression": Task(
        "mean squared error of the target as scaled", Score("r2", "R²", ".3f"), has_classes=False
    ),
}
