"""Losses as torch.nn.functional has them, and a problem of each: the truth for ours.

Nothing here comes from `sweep.training`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from sweep.data.problem import Problem
from sweep.spec.losses import LossSetting
from tests.support.problems import generator, made_up


def rows_of(problem: Problem, out: Tensor, y: Tensor, *, training: bool = True) -> Tensor:
    """Return the loss of every row: outputs (n, C) and targets (n,) or (n, T) to (n,)."""
    return plain_rows(problem.task, problem.loss, out, y, training=training)


def plain_rows(
    task: str, setting: LossSetting, out: Tensor, y: Tensor, *, training: bool = False
) -> Tensor:
    """Return the loss of every row; arguments as of `rows_of`."""
    name = NAMES[task] if setting.name == "auto" else setting.name
    share = setting.smoothing if training else 0.0
    if name == "cross_entropy":
        return F.cross_entropy(out, y, reduction="none", label_smoothing=share)
    if name == "focal" and task == "classification":
        p = out.softmax(1)[torch.arange(len(y)), y]
        return -((1 - p) ** setting.gamma) * p.log()
    target = (y if y.ndim == 2 else y[:, None]).to(out)
    if name == "logistic":
        smoothed = target * (1 - share) + 0.5 * share
        losses = F.binary_cross_entropy_with_logits(out, smoothed, reduction="none")
    elif name == "focal":
        p = torch.where(target > 0, out.sigmoid(), (-out).sigmoid())
        losses = -((1 - p) ** setting.gamma) * p.log()
    elif name == "squared":
        losses = F.mse_loss(out, target, reduction="none")
    elif name == "huber":
        losses = F.huber_loss(out, target, reduction="none", delta=setting.delta)
    elif name == "mae":
        losses = F.l1_loss(out, target, reduction="none")
    elif name == "poisson":
        least = target - torch.xlogy(target, target)
        losses = F.poisson_nll_loss(out, target, log_input=True, reduction="none") - least
    else:
        assert name == "pinball"
        below = target - out
        losses = torch.maximum(setting.quantile * below, (setting.quantile - 1) * below)
    return losses.mean(1)


NAMES = {
    "classification": "cross_entropy", "binary": "logistic", "multilabel": "logistic",
    "regression": "squared", "count": "poisson", "quantile": "pinball",
}  # fmt: skip


class Case(NamedTuple):
    """A task with a loss.

    Attributes:
        task: as in the study file.
        setting: of the loss.
        n_targets: T; 1 is (n,).
    """

    task: str
    setting: LossSetting = LossSetting("auto")
    n_targets: int = 1

    def problem(self, *, weighted: bool = False, **made: Any) -> Problem:
        """Draw a problem; arguments as of `made_up`."""
        task = self.task
        if task in ("classification", "binary"):
            classes = {} if task == "classification" else {"n_outputs": 2}
            problem = made_up("classification", **{**made, **classes})
        else:
            problem = _with_targets(made_up("regression", **made), self.n_targets)
        if task == "binary":
            problem = replace(problem, n_outputs=1)
        elif task == "multilabel":
            problem = self._mapped(problem, lambda y: (y > 0.2).to(y))
        elif task == "count":
            problem = self._mapped(problem, lambda y: y.exp().round())
        weights: dict[str, Any] = _weights(problem) if weighted else {}
        return replace(problem, task=task, loss=self.setting, **weights)

    @staticmethod
    def _mapped(problem: Problem, change: Any) -> Problem:
        return replace(problem, y=change(problem.y), y_clean=change(problem.y_clean))


def _with_targets(problem: Problem, n: int) -> Problem:
    """Make further targets of the features."""
    if n == 1:
        return problem
    more = problem.X.flatten(1)[:, : n - 1].cos()
    y, y_clean = (
        torch.cat([target[:, None], more + 0.3 * target[:, None]], 1)
        for target in (problem.y, problem.y_clean)
    )
    return replace(problem, y=y, y_clean=y_clean, n_outputs=n)


def _weights(problem: Problem) -> dict[str, Tensor]:
    draw = torch.rand(2, len(problem.X), generator=generator(5), dtype=torch.float64)
    trained, clean = (3 * (draw - 0.1).clamp_min(0)).to(problem.X)  # of a tenth it is 0
    return {"weight": trained, "weight_clean": clean}


CASES: Mapping[str, Case] = {
    "classification": Case("classification"),
    "classification smoothed": Case("classification", LossSetting("auto", smoothing=0.2)),
    "classification focal": Case("classification", LossSetting("focal", gamma=2.0)),
    "binary": Case("binary"),
    "binary smoothed": Case("binary", LossSetting("auto", smoothing=0.2)),
    "binary focal": Case("binary", LossSetting("focal", gamma=1.5)),
    "multilabel": Case("multilabel", n_targets=3),
    "multilabel smoothed": Case("multilabel", LossSetting("auto", smoothing=0.1), 3),
    "multilabel focal": Case("multilabel", LossSetting("focal"), 3),
    "one label": Case("multilabel"),
    "regression": Case("regression"),
    "two targets": Case("regression", n_targets=2),
    "huber": Case("regression", LossSetting("huber", delta=0.7)),
    "huber of two targets": Case("regression", LossSetting("huber", delta=0.7), 2),
    "mae": Case("regression", LossSetting("mae")),
    "count": Case("count"),
    "two counts": Case("count", n_targets=2),
    "quantile": Case("quantile", LossSetting("auto", quantile=0.8)),
    "median of two targets": Case("quantile", LossSetting("auto", quantile=0.5), 2),
}
