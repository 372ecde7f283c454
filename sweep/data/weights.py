"""How much the loss of each row counts: by its own weight, by its class, or both."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sweep.data.dataset import Dataset
from sweep.errors import UsageError, did_you_mean
from sweep.spec.study import StudySpec


class RowWeights(NamedTuple):
    """Weights of search rows (N,), or None: all count the same.

    Attributes:
        trained: by the class that training reads.
        clean: by the true class.
    """

    trained: np.ndarray | None
    clean: np.ndarray | None

    @classmethod
    def of(cls, spec: StudySpec, dataset: Dataset, noisy: np.ndarray) -> RowWeights:
        """Weigh the search rows.

        Args:
            spec: the study.
            dataset: its rows.
            noisy: (N,) the targets that training reads.
        """
        by_class = class_weights(spec, dataset)
        return cls(*(weighed(dataset.weight, by_class, y) for y in (noisy, dataset.y)))

    def part(self, rows: np.ndarray) -> RowWeights:
        """Return those of some rows (n,)."""
        return RowWeights(*(None if of is None else of[rows] for of in self))


UNWEIGHTED = RowWeights(None, None)


def weighed(
    weight: np.ndarray | None, by_class: np.ndarray | None, y: np.ndarray
) -> np.ndarray | None:
    """Multiply the weights of rows (B,) by those of their classes y (B,)."""
    if by_class is None:
        return weight
    of_class = np.asarray(by_class[y])
    return of_class if weight is None else weight * of_class


def class_weights(spec: StudySpec, dataset: Dataset) -> np.ndarray | None:
    """Return the weight of each class by index, (C,), or None: all count the same.

    Balanced is N / (C · rows of the class) over the N search rows, as in scikit-learn: all
    classes together count as much as without weights.

    Raises:
        UsageError: a class that there is not has a weight.
    """
    wanted, classes = spec.data.class_weight, dataset.classes
    if wanted is None:
        return None
    if wanted == "balanced":
        counts = np.bincount(dataset.y, minlength=len(classes))
        return np.array(len(dataset.y) / (len(classes) * counts))
    for name in wanted:
        if name not in classes:
            hint = did_you_mean(name, classes)
            raise UsageError(
                f"data.class_weight: must name classes, got {name!r} ({spec.data.source}). {hint}"
            )
    return np.array([wanted.get(name, 1.0) for name in classes])
