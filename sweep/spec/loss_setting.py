"""The loss of a study: with its parameters, in words, and what else it changes."""

from __future__ import annotations

from sweep.spec.loss_rules import name_of
from sweep.spec.losses import DELTA, GAMMA, LOSSES, OWN, LossSetting, Words
from sweep.spec.study import StudySpec
from sweep.spec.tasks import TASKS


def loss_name(spec: StudySpec) -> str:
    """Return the name of a study's loss, one of `LOSSES`."""
    return name_of(spec.data, spec.training)


def loss_setting(spec: StudySpec) -> LossSetting:
    """Return a study's loss with its parameters."""
    training = spec.training
    is_own = training.loss.startswith(OWN)
    return LossSetting(
        "own" if is_own else training.loss,
        0.5 if spec.data.quantile is None else spec.data.quantile,
        training.huber_delta or DELTA,
        training.focal_gamma or GAMMA,
        training.label_smoothing,
        training.loss if is_own else "",
        training.fused,
    )


def loss_words(spec: StudySpec) -> Words:
    """Return what readers call a study's loss."""
    return LOSSES[loss_name(spec)]


def weights_words(spec: StudySpec) -> str:
    """Say in words, after those of the loss, what rows count and how labels are smoothed."""
    data, smoothing = spec.data, spec.training.label_smoothing
    by = [
        *([f"their {data.weight}"] if data.weight else []),
        *(["their class"] if data.class_weight else []),
    ]
    text = f", rows weighed by {' and '.join(by)}" if by else ""
    return text + (f", training labels smoothed by {smoothing:g}" if smoothing else "")


def alters_labels(spec: StudySpec) -> bool:
    """Say whether training reads other labels than validation."""
    return bool(spec.data.label_noise or spec.training.label_smoothing)


def is_plain(spec: StudySpec) -> bool:
    """Say whether the loss is its task's, and of rows that all count the same."""
    first = TASKS[spec.data.task].losses[:1]
    return first == (loss_name(spec),) and not weights_words(spec)
