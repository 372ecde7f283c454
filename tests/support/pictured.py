"""Studies made by hand that have all that figures show."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState, create_trial

from sweep.search.by_epoch import stored
from tests.conftest import made_study

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)
LOSSES = (2.0, 1.4, 1.0, 3.0)
BEST = 2  # the number of the best trial, in the order of STRENGTHS


def pictured(
    strengths: Sequence[float] = STRENGTHS,
    losses: Sequence[float] = LOSSES,
    *,
    spec: Mapping[str, Any] | None = None,
    others: Sequence[Mapping[str, float]] | None = None,
    attrs: Mapping[str, Any] | None = None,
    storage: str | None = None,
    without: Sequence[str] = (),
) -> optuna.Study:
    """Make a study: the stronger the penalty, the smaller the norm and the more zeros.

    Args:
        strengths, losses: of the trials, in their order.
        spec: keys of the study file.
        others: further params of each trial.
        attrs: attributes of the study.
        storage: URL; in memory by default.
        without: attributes that trials and control lack, as those of older studies do.
    """
    study = made_study({}, [1.8, 2.2, 2.6], spec=spec, attrs=attrs, storage=storage)
    strength = "weight_decay" if "adamw" in str(spec) else "alpha"
    space = optuna.distributions.FloatDistribution(1e-9, 1e3, log=True)
    rows = zip(strengths, losses, others or [{}] * len(strengths), strict=True)
    for i, (at, loss, more) in enumerate(rows):
        params = {strength: at, **more}
        measures = {name: v for name, v in measured(at, loss, i).items() if name not in without}
        study.add_trial(
            create_trial(
                params=params, distributions=dict.fromkeys(params, space), value=loss,
                user_attrs=measures, intermediate_values={1: loss + 1, 2: loss + 0.5, 3: loss},
            )
        )  # fmt: skip
    control = {"params": {strength: 0.0}, "value": 2.2, **measured(0.0, 2.2, -1)}
    study.set_user_attr("baseline", {k: v for k, v in control.items() if k not in without})
    return study


def measured(at: float, loss: float, i: int) -> dict[str, Any]:
    """Return what a trial stores of itself."""
    counts = [0] * 20 + [10] * 20 + [20] + [10] * 20 + [0] * 20
    by_epoch = np.add.outer([loss + 1, loss + 0.5, loss], [-0.35, 0.0, 0.35])
    return {
        "value_se": 0.2, "replicate_values": [loss - 0.35, loss, loss + 0.35],
        "train_loss": loss / 2, "train_loss_clean": loss / 4, "val_accuracy": 0.5, "val_r2": 0.25,
        "norm": 100.0 / (i + 2), "penalty": at * 100.0 / (i + 2), "sparsity": max(0, i) / 42,
        "inputs_used": 9.0 - i, "weight_counts": counts, "outcome": "ok",
        "replicate_curves": stored(by_epoch, 3),
    }  # fmt: skip


def stop(study: optuna.Study, at: float, outcome: str, epoch: int) -> None:
    """Add a trial that was pruned, or that diverged."""
    space = optuna.distributions.FloatDistribution(1e-9, 1e3, log=True)
    study.add_trial(
        create_trial(
            state=TrialState.PRUNED, params={"alpha": at}, distributions={"alpha": space},
            intermediate_values={epoch: 9.0}, user_attrs={"outcome": outcome},
        )
    )  # fmt: skip
