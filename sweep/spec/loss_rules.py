"""What keys of `data` and `training` must not be given together, as to the loss."""

from __future__ import annotations

from sweep.errors import did_you_mean
from sweep.spec.data import DataSpec
from sweep.spec.losses import OWN, LossKeys
from sweep.spec.tasks import TASKS


def name_of(data: DataSpec, training: LossKeys) -> str:
    """Return the name of a loss, one of `sweep.spec.losses.LOSSES`."""
    if training.loss.startswith(OWN):
        return "own"
    return TASKS[data.task].losses[0] if training.loss == "auto" else training.loss


def loss_problem(data: DataSpec, training: LossKeys) -> str | None:
    """Say in one line what is wrong with a study's loss, or nothing."""
    task = data.task
    losses = TASKS[task].losses
    if not training.loss.startswith(OWN):
        if not losses:
            return (
                f"training.loss: must be python:module:function for task {task}, got"
                f" {training.loss}. Name a function of yours"
            )
        if training.loss not in ("auto", *losses):
            hint = did_you_mean(training.loss, losses, listed=False) or "Use auto"
            return (
                f"training.loss: must be one of auto, {', '.join(losses)} or a function of yours"
                f" for task {task}, got {training.loss!r:.60}. {hint}"
            )
    name = name_of(data, training)
    for key, value, owner in (
        ("huber_delta", training.huber_delta, "huber"),
        ("focal_gamma", training.focal_gamma, "focal"),
    ):
        if value is not None and name != owner:
            return f"training.{key}: only loss {owner} has one, got loss {name}. Remove it"
    if training.label_smoothing and name not in ("cross_entropy", "logistic"):
        return (
            "training.label_smoothing: must be 0 but for loss auto of classes or labels, got"
            f" {training.label_smoothing:g} with {name} loss. Remove it"
        )
    return None
