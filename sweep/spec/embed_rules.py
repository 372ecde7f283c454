"""What goes with `data.categorical: embed`."""

from __future__ import annotations

from sweep.spec.augment import Kind
from sweep.spec.data import DataSpec
from sweep.spec.sections import MlpSpec, OwnModelSpec, TrainingKeys

MIXING: tuple[Kind, ...] = ("noise", "mixup")  # which make codes of no category


def embed_problem(
    data: DataSpec, model: MlpSpec | OwnModelSpec, training: TrainingKeys
) -> str | None:
    """Say in one line what does not go with codes of categories, if anything."""
    if data.categorical is None:
        return None
    if isinstance(model, MlpSpec):
        return (
            "data.categorical: embed must have a network of your own, got the mlp, which would"
            " take codes for numbers. Set model.source, or remove it"
        )
    for change in training.augmentations:
        if change.type in MIXING:
            return (
                f"training.augment: must leave codes of categories as they are, got {change.type}"
                " with data.categorical embed. Remove one of them"
            )
    return None
