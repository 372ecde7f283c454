"""Metrics of whole replicates, by scikit-learn's own functions, on the host in float64.

| symbol | meaning |
|---|---|
| L, G | lanes; places: lane s·G + g holds the replicate of place g |
| m, C | validation rows of a replicate, outputs |
"""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor

from sweep.data.user_code import OwnFunction, load_function
from sweep.errors import UsageError
from sweep.spec.objective import METRICS, ObjectiveSpec
from sweep.spec.tasks import TASKS, TaskName

Array = npt.NDArray[np.float64]


class Seen(NamedTuple):
    """What a network says of rows, and what is true of them.

    Attributes:
        outputs: its own, (m, C).
        predictions: probabilities (m, C) of classes or labels; or numbers (m,), of several
            targets (m, T), in the target's own units.
        targets: class indexes (m,), int64; or numbers (m,) or (m, T) in their own units.
    """

    outputs: Array
    predictions: Array
    targets: npt.NDArray[Any]


Measure = Callable[[Seen], float]


@dataclass(frozen=True)
class Scorer:
    """Measures networks by a metric that neither the loss nor the score is.

    Attributes:
        name: the metric's; `metric` where it is the user's own.
        task: what is predicted, as in the study file.
        measure: of all rows of a replicate at once.
        every_class, varies: what targets it takes; see `Metric`.
        file: where a function of the user's own is written.
    """

    name: str
    task: TaskName
    measure: Measure
    every_class: bool = False
    varies: bool = False
    file: Path | None = None

    @property
    def has_classes(self) -> bool:
        """Whether targets are classes."""
        return TASKS[self.task].has_classes

    def of_lanes(
        self, out: Tensor, target: Tensor, sizes: Tensor, units: tuple[Tensor, Tensor],
        lanes: Sequence[int],
    ) -> Array:  # fmt: skip
        """Measure some lanes, (L,): NaN of the others, and where it is not defined.

        Args:
            out: outputs of all lanes, (L, C, m).
            target: of the rows of each place, (G, m).
            sizes: rows of each place, (G,); the last ones are padding.
            units: scale and mean of the targets of each place, (G,) each.
            lanes: those to measure.
        """
        found = np.full(len(out), np.nan)
        outputs, y = out[list(lanes)].mT.double().cpu().numpy(), target.cpu().numpy()
        scale, mean = (of.double().cpu().numpy() for of in units)
        for lane, z in zip(lanes, outputs, strict=True):
            place = lane % len(y)
            n = int(sizes[place])
            found[lane] = self.of_rows(z[:n], y[place, :n], scale[place], mean[place])
        return found

    def of_rows(self, outputs: Array, targets: npt.NDArray[Any], scale: Any, mean: Any) -> float:
        """Measure outputs (m, C) by targets (m,) as scaled; NaN where it is not defined.

        The one logit of task binary is that of the second class beside 0 for the first. Several
        targets are (m, T), and `scale` and `mean` are (T,).
        """
        if self.task == "binary":
            outputs = np.concatenate([np.zeros_like(outputs), outputs], 1)
        if not np.isfinite(outputs).all() or self.lacks(targets, outputs.shape[1]):
            return math.nan
        if self.has_classes:
            return self.measure(Seen(outputs, _softmax(outputs), targets))
        said = _PREDICTIONS.get(self.task)
        predictions = said(outputs) if said else outputs
        if targets.ndim == 1 and self.task != "own":
            predictions = predictions[:, 0]
        y = targets.astype(np.float64) * scale + mean
        return self.measure(Seen(outputs, predictions * scale + mean, y))

    def lacks(self, targets: npt.NDArray[Any], n_outputs: int) -> str | None:
        """Say what targets (m,) lack to be measured by; None: nothing."""
        if self.every_class and len(np.unique(targets)) < max(2, n_outputs):
            return "rows of every class"
        if self.varies and (targets == targets[0]).all(0).any():
            return "targets that differ"
        return None


Metric = Scorer | Literal["val_loss", "val_error"]  # the last two: where loss or score tell it


def make_scorer(objective: ObjectiveSpec, task: TaskName, folder: Path) -> Metric:
    """Return what measures networks for a study: its name, where loss or score tell it.

    Raises:
        UsageError: in one line, when there is no such function.
    """
    if objective.is_own:
        function = load_function(objective.metric, folder, "objective.metric")
        return Scorer("metric", task, _own(function), file=Path(function.file))
    if objective.metric in ("val_loss", "val_error"):
        return "val_loss" if objective.metric == "val_loss" else "val_error"
    name, metric = objective.metric, METRICS[objective.metric]
    return Scorer(name, task, MEASURES[name], metric.every_class, metric.varies)


def _own(function: OwnFunction) -> Measure:
    """Call it with predictions and targets; with outputs, where it has an argument so called."""

    def measure(seen: Seen) -> float:
        names = function.parameters
        first = "outputs" if "outputs" in names and "predictions" not in names else "predictions"
        value = function(**{first: getattr(seen, first), "targets": seen.targets})
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise UsageError(
                f"{function.key}: the function must return a float, got"
                f" {type(value).__name__} ({function.source}). Return one number for all rows"
            )
        return float(value)

    return measure


# What outputs say, where they are not the targets as scaled.
_PREDICTIONS: Mapping[TaskName, Callable[[Array], Array]] = {
    "multilabel": lambda outputs: np.asarray(1 / (1 + np.exp(-outputs))),
    "count": lambda outputs: np.asarray(np.exp(outputs)),
}


def _softmax(outputs: Array) -> Array:
    shares = np.exp(outputs - outputs.max(1, keepdims=True))
    return np.asarray(shares / shares.sum(1, keepdims=True))


# --- scikit-learn's, each imported when it is first called


def _auc(seen: Seen) -> float:
    from sklearn.metrics import roc_auc_score

    p, n_classes = seen.predictions, seen.predictions.shape[1]
    if n_classes == 2:
        return float(roc_auc_score(seen.targets, p[:, 1]))
    labels = np.arange(n_classes)
    return float(roc_auc_score(seen.targets, p, multi_class="ovr", labels=labels))


def _average_precision(seen: Seen) -> float:
    from sklearn.metrics import average_precision_score

    p, n_classes = seen.predictions, seen.predictions.shape[1]
    if n_classes == 2:
        return float(average_precision_score(seen.targets, p[:, 1]))
    return float(average_precision_score(np.eye(n_classes)[seen.targets], p))


def _f1(seen: Seen) -> float:
    from sklearn.metrics import f1_score

    average = "binary" if seen.outputs.shape[1] == 2 else "macro"
    return float(f1_score(seen.targets, seen.outputs.argmax(1), average=average, zero_division=0))


def _balanced_accuracy(seen: Seen) -> float:
    from sklearn.metrics import balanced_accuracy_score

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes that are predicted and in no row
        return float(balanced_accuracy_score(seen.targets, seen.outputs.argmax(1)))


def _log_loss(seen: Seen) -> float:
    from sklearn.metrics import log_loss

    return float(log_loss(seen.targets, seen.predictions, labels=np.arange(seen.outputs.shape[1])))


def _r2(seen: Seen) -> float:
    from sklearn.metrics import r2_score

    return float(r2_score(seen.targets, seen.predictions))


def _mae(seen: Seen) -> float:
    from sklearn.metrics import mean_absolute_error

    return float(mean_absolute_error(seen.targets, seen.predictions))


def _rmse(seen: Seen) -> float:
    from sklearn.metrics import root_mean_squared_error

    return float(root_mean_squared_error(seen.targets, seen.predictions))


MEASURES: Mapping[str, Measure] = {
    "auc": _auc, "average_precision": _average_precision, "f1": _f1,
    "balanced_accuracy": _balanced_accuracy, "log_loss": _log_loss, "r2": _r2, "mae": _mae,
    "rmse": _rmse,
}  # fmt: skip
