"""A trial's value and attributes, from the measures of its lanes."""

from __future__ import annotations

from typing import Any

from sweep.search.samplers import Params
from sweep.spec.resolved import Outline
from sweep.stats import standard_error
from sweep.training.messages import Measures


def valued(plan: Outline, params: Params, result: Measures) -> tuple[float, dict[str, Any]]:
    """Return a trial's value and its attributes, both terms of the objective among them."""
    spec = plan.spec
    values = result.val_loss if spec.objective.metric == "val_loss" else 1 - result.val_score
    size = float(result.norm.mean())
    attrs = {
        "value_se": standard_error(values, spec.replicates.n_folds),
        "replicate_values": values.tolist(),
        "train_loss": float(result.train_loss.mean()),
        spec.task.score.attribute: float(result.val_score.mean()),
        "norm": size,
        "penalty": params[spec.strength] * size,
        "sparsity": float(result.sparsity.mean()),
        "inputs_used": float(result.inputs_used.mean()),
        "weight_counts": result.weight_counts.sum(0).astype(int).tolist(),
        "outcome": "collapsed" if (result.sparsity == 1).all() else "ok",
    }
    if spec.data.label_noise:
        attrs["train_loss_clean"] = float(result.train_loss_clean.mean())
    if spec.strength == "weight_decay":
        del attrs["penalty"]  # decoupled decay is no term of the loss
    return float(values.mean()), attrs
