"""The loss of a study: the keys of the study file that choose it, and its words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, NamedTuple

from pydantic import Field

from sweep.spec.base import Section

OWN = "python:"
DELTA, GAMMA = 1.0, 2.0  # where the study file says none


class Words(NamedTuple):
    """What readers call a loss.

    Attributes:
        loss: its mean over rows.
        constant: what a network predicts that has learned nothing.
    """

    loss: str
    constant: str


_SHARES = "the shares of the classes"
LOSSES: Mapping[str, Words] = {
    "cross_entropy": Words("mean cross-entropy", _SHARES),
    "logistic": Words("mean logistic loss (binary cross-entropy)", _SHARES),
    "focal": Words("mean focal loss", _SHARES),
    "squared": Words("mean squared error of the target as scaled", "the mean"),
    "huber": Words("mean Huber loss of the target as scaled", "one number"),
    "mae": Words("mean absolute error of the target as scaled", "the median"),
    "poisson": Words("mean half Poisson deviance", "the mean"),
    "pinball": Words("mean pinball loss of the target as scaled", "the quantile of all rows"),
    "own": Words("mean of the study's own loss", "a constant"),
}


class LossSetting(NamedTuple):
    """A loss with its parameters.

    Attributes:
        name: one of `LOSSES`, or auto.
        quantile: that a pinball loss asks for.
        delta: where a Huber loss turns from squared to absolute.
        gamma: power of a focal loss.
        smoothing: share of every label that is spread over all classes.
        source: of the function that an own loss is.
        fused: whether the lanes are trained as one.
    """

    name: str
    quantile: float = 0.5
    delta: float = DELTA
    gamma: float = GAMMA
    smoothing: float = 0.0
    source: str = ""
    fused: bool = True


AUTO = LossSetting("auto")  # that of the task


class LossKeys(Section):
    """The keys of the section `training` that choose the loss."""

    loss: str = Field(
        "auto",
        description="auto: the loss of the task. regression: also huber, mae. classification,"
        " binary and multilabel: also focal. python:module:function: a function of yours,"
        " f(outputs (B, C), targets (B,) or (B, T)) -> one loss a row (B,). The module is looked"
        " for beside the study file first.",
    )
    huber_delta: Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)] | None = Field(
        None,
        description="Where the Huber loss turns from squared to absolute, in units of the target"
        " as scaled. null: 1.0. Only with loss huber.",
    )
    focal_gamma: Annotated[float, Field(ge=1, le=10, allow_inf_nan=False)] | None = Field(
        None,
        description="Power by which rows that are right count less. null: 2.0. Only with loss"
        " focal.",
    )
    label_smoothing: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = Field(
        0.0,
        description="Share of every training label that is spread over all classes; validation"
        " and test take labels as they are. Only with loss auto of classes or labels.",
    )
