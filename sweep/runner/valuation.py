"""A trial's value and attributes, from the measures of its lanes."""

from __future__ import annotations

from typing import Any

import numpy as np

from sweep.search.by_epoch import stored
from sweep.search.samplers import Params
from sweep.spec.attributes import (
    BALANCED,
    COLLAPSED,
    INPUTS_USED,
    LAYER_NORMS,
    METRIC,
    METRIC_SE,
    NORM,
    OK,
    OUTCOME,
    PENALTY,
    REPLICATE_CURVES,
    REPLICATE_METRICS,
    REPLICATE_VALUES,
    SPARSITY,
    TRAIN_LOSS,
    TRAIN_LOSS_CLEAN,
    VAL_LOSS,
    VALUE_SE,
    WEIGHT_COUNTS,
)
from sweep.spec.loss_setting import alters_labels
from sweep.spec.objective import LOSS
from sweep.spec.resolved import Outline
from sweep.spec.study import StudySpec
from sweep.stats import standard_error
from sweep.training.messages import Array, Measures

SHRUNK = 1e-3  # squares never make a weight zero: under this share of its start it counts as that


def valued(
    plan: Outline, params: Params, result: Measures, losses: Array | None = None
) -> tuple[float, dict[str, Any]]:
    """Return a trial's value and its attributes, both terms of the objective among them.

    Args:
        plan: of the study.
        params: the trial's.
        result: what its lanes came to.
        losses: validation losses by epoch and replicate, (E, R), where they are known.
    """
    spec = plan.spec
    values = result.val_loss if spec.objective.beside else result.metric
    size = float(result.norm.mean())
    attrs = {
        VALUE_SE: standard_error(values, *spec.replicates.folds),
        REPLICATE_VALUES: values.tolist(),
        TRAIN_LOSS: float(result.train_loss.mean()),
        **_score(spec.task.score.attribute, result.val_score),
        **_others(spec, result),
        NORM: size,
        PENALTY: params[spec.strength] * size,
        SPARSITY: float(result.sparsity.mean()),
        INPUTS_USED: float(result.inputs_used.mean()),
        WEIGHT_COUNTS: result.weight_counts.sum(0).astype(int).tolist(),
        OUTCOME: COLLAPSED if ((result.sparsity == 1) | (result.kept < SHRUNK)).all() else OK,
    }
    if losses is not None:
        attrs[REPLICATE_CURVES] = stored(losses, *spec.replicates.folds)
    if plan.about.get(BALANCED):
        attrs[LAYER_NORMS] = result.layer_norms.mean(0).tolist()
    if alters_labels(spec):
        attrs[TRAIN_LOSS_CLEAN] = float(result.train_loss_clean.mean())
    if spec.strength == "weight_decay":
        del attrs[PENALTY]  # decoupled decay is no term of the loss
    return float(values.mean()), attrs


def _others(spec: StudySpec, result: Measures) -> dict[str, Any]:
    """Return the loss where the value is a metric, or the metric where the value is the loss."""
    if spec.objective.beside:
        return {
            METRIC: float(result.metric.mean()),
            METRIC_SE: standard_error(result.metric, *spec.replicates.folds),
            REPLICATE_METRICS: result.metric.tolist(),
        }
    # Studies of an error rate have never had it: their tables stay as they are.
    has_loss = spec.objective.value in (LOSS, "val_error")
    return {} if has_loss else {VAL_LOSS: float(result.val_loss.mean())}


def _score(name: str, scores: Array) -> dict[str, float]:
    """Average a score (R,) over the replicates that have one; leave it out where none has."""
    defined = scores[~np.isnan(scores)]
    return {name: float(defined.mean())} if len(defined) else {}
