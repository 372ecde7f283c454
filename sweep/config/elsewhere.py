"""What a chosen strength is in other programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sweep.config.chosen import Chosen
from sweep.config.decays import decays
from sweep.config.solvers import elastic_net, logistic, solvers
from sweep.spec.loss_setting import is_plain


def elsewhere(chosen: Chosen) -> dict[str, Any]:
    """Return the equivalents that raw data are fitted with, each with the code that uses it.

    Only what gives the same network is in it.

    Returns:
        `symbols`: what stands in formulas. And by program: its arguments by their names there;
        `formula` of each, for other rows; `use`, code with `data` before it, where it is there;
        `holds_for`, in words. Empty for a study that sweep 0.1 stored and none has run since.
    """
    if "refit" not in chosen.about:
        return {}
    return {"symbols": chosen.symbols, **solvers(chosen), **decays(chosen)}


def equivalents(chosen: Chosen) -> dict[str, float]:
    """Return the equivalents for data as the study scales them and the rows of its search.

    `torch_weight_decay` for l2, by the optimiser's own `decay`; `sklearn_*` for linear models;
    `keras_l1`, `keras_l2` for all.
    """
    alpha, ratio = chosen.strength, chosen.ratio
    decay = {"torch_weight_decay": chosen.spec.training.decay * alpha}
    if chosen.is_decoupled:  # lion and muon are not torch's
        return decay if chosen.spec.training.optimizer == "adamw" else {}
    found = decay if ratio == 0 else {}
    if not chosen.spec.penalty.include:
        parts = {"keras_l1": alpha * ratio, "keras_l2": alpha * (1 - ratio)}
        found |= {name: part for name, part in parts.items() if part}
    plain = is_plain(chosen.spec) and not chosen.spec.training.augment
    if chosen.is_linear and alpha > 0 and plain:
        found |= _LINEAR[task](chosen) if (task := chosen.spec.data.task) in _LINEAR else {}
    return found


def hold_for(chosen: Chosen) -> str:
    """Say for which data `equivalents` hold."""
    others = chosen.is_scaled and "refit" in chosen.about and not chosen.all_numbers
    features = "numbers (not texts)" if others else "features"
    both = f"{features} and target" if chosen.scales_target else features
    scaled = f"{both} of mean 0 and deviation 1" if chosen.is_scaled else f"{both} as they are"
    return f"{scaled}, {chosen.about['n_rows']} rows (n_rows); for raw data see elsewhere"


def _classes(chosen: Chosen) -> dict[str, float]:
    if chosen.ratio not in (0, 1):
        return {}
    rows, outputs = chosen.about["n_rows"], chosen.n_outputs
    return {"sklearn_C": logistic(chosen.strength, chosen.ratio, rows, outputs)[0]}


def _numbers(chosen: Chosen) -> dict[str, float]:
    alpha, ratio = chosen.strength, chosen.ratio
    if ratio == 0:
        return {"sklearn_ridge_alpha": alpha * chosen.about["n_rows"] * chosen.n_outputs}
    if chosen.n_outputs > 1:
        return {}
    a, l1_ratio = elastic_net(alpha, ratio, 1.0)
    if ratio == 1:
        return {"sklearn_lasso_alpha": a}
    return {"sklearn_elasticnet_alpha": a, "sklearn_elasticnet_l1_ratio": l1_ratio}


def _count(chosen: Chosen) -> dict[str, float]:
    single = chosen.n_outputs == 1 and chosen.ratio == 0
    return {"sklearn_poisson_alpha": 2 * chosen.strength} if single else {}


def _quantile(chosen: Chosen) -> dict[str, float]:
    single = chosen.n_outputs == 1 and chosen.ratio == 1
    return {"sklearn_quantile_alpha": chosen.strength} if single else {}


_LINEAR: Mapping[str, Callable[[Chosen], dict[str, float]]] = {
    "classification": _classes,
    "binary": _classes,
    "regression": _numbers,
    "count": _count,
    "quantile": _quantile,
}
