"""The sections of a study file, each checked by itself.

Those of the optimisers are in optimizers.py, the section `search` in search.py.

Each key has a description. Editors show it by the JSON Schema, and docs/study-file.md is made
from it: its last sentence may begin with "Only with" and names who may use the key.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from sweep.spec.augment import Augment, AugmentSpec, augmentations_of
from sweep.spec.base import Section
from sweep.spec.losses import LossKeys
from sweep.spec.schedule import Schedule, ScheduleSpec, schedule_of


def _in_float32(value: float) -> float:
    if not 1e-30 <= value <= 1e30:  # nor does the logarithm of a subnormal number say anything
        raise PydanticCustomError("range", "Input should be 1e-30 to 1e30")
    return value


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False), AfterValidator(_in_float32)]
Fraction = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Beta = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=10**8)]
Many = Annotated[int, Field(ge=1, le=10**6)]  # of what each takes memory or time at once
Units = Annotated[int, Field(ge=1, le=10**12)]  # the plan tells how many the machine holds
Auto = Literal["auto"]


class MlpSpec(Section):
    """A multilayer perceptron; no hidden layer is a linear model."""

    kind: Literal["mlp"] = Field("mlp", description="A multilayer perceptron.")
    hidden: tuple[Units, ...] = Field(
        (32,), max_length=100, description="Units of each hidden layer. []: a linear model."
    )
    activation: Literal["relu", "tanh", "gelu", "silu", "elu"] = Field(
        "relu", description="What follows each hidden layer."
    )


class OwnModelSpec(Section):
    """A factory of the user's own: f(n_features, n_outputs) -> nn.Module.

    With `data.categorical: embed` it takes `categories` too.
    """

    source: str = Field(
        pattern=r"^python:[\w.]+:\w+$",
        description="python:module:function, a function of yours: f(n_features, n_outputs) ->"
        " nn.Module. The module is looked for beside the study file first.",
    )
    output: str | None = Field(
        None,
        description="Where forward() returns a dict: the key of the outputs (rows, n_outputs).",
    )


class TrainingKeys(LossKeys):
    """What all optimisers share.

    Attributes:
        strength: what a trial's strength is called: `alpha` of a penalty, a term of the loss; or
            `weight_decay`, where the optimiser decays weights by itself.
        decay: weight_decay of the torch optimiser for a strength of 1. For alpha it is 2: torch
            adds weight_decay * w to the gradient, and the gradient of w ** 2 is 2 * w.
    """

    strength: ClassVar[str] = "alpha"
    decay: ClassVar[float] = 2.0

    lr: Positive = Field(2e-2, description="Learning rate, the same for all trials.")
    batch_size: Count | Literal["full"] = Field(
        50, description="Rows of a step. full: all training rows in one step."
    )
    epochs: Count = Field(
        60, description="Passes over the training rows. The value is taken after the last one."
    )
    schedule: Schedule = Field(
        "constant",
        description="The way of the learning rate: a word, or keys. It changes between epochs, and"
        " at every step with a warm-up and in one_cycle.",
    )
    clip_norm: Positive | None = Field(
        None,
        description="Largest norm of the whole gradient of the data loss; a longer one is scaled"
        " down, before the penalty's term joins it. null: no limit.",
    )
    augment: Augment | None = Field(
        None,
        description="Changes of the training rows at every step, each a word or keys, in this"
        " order. Rows that validate or test stay as they are.",
    )
    precision: Literal["float32", "tf32", "bfloat16"] = Field(
        "float32",
        description="What products of a step are made in; weights, optimiser and validation are in"
        " float32. bfloat16: as torch.autocast. tf32: 10 bits of each factor. tf32 only with a"
        " GPU.",
    )
    fused: bool = Field(
        True,
        description="true: train many lanes as one model. false: one lane at a time, for a model"
        " that vmap cannot batch.",
    )
    compile: bool = Field(False, description="Pass the training step to torch.compile.")
    cuda_graph: bool = Field(
        False,
        description="Replay each epoch as a CUDA graph; its speed is not yet measured. Only with"
        " a GPU.",
    )
    width: Many | Auto = Field(
        "auto", description="Lanes trained at once. auto: as many as the caches of a core hold."
    )
    workers: Annotated[int, Field(ge=1, le=1024)] | Auto = Field(
        1,
        description="Processes that share the lanes, on idle cores. auto: one a core. Only with"
        " a CPU.",
    )

    @property
    def no_l1(self) -> str:
        """Why the norm can only be l2; empty where it can be any."""
        return ""

    @property
    def ends_anywhere(self) -> bool:
        """Whether each epoch is the end of a shorter training: no step knows how many follow."""
        return self.rate.ends_anywhere

    @property
    def rate(self) -> ScheduleSpec:
        """The schedule of the learning rate, in keys."""
        return schedule_of(self.schedule)

    @property
    def extras(self) -> list[str]:
        """What its steps do beside stepping at a constant rate, in words."""
        changes = ", ".join(change.type for change in self.augmentations)
        said = {
            self.rate.words: self.rate.words,
            f"the loss's gradient clipped to norm {self.clip_norm or 0:g} first": self.clip_norm,
            f"products in {self.precision}": self.precision != "float32",
            f"rows changed at every step by {changes} (training.augment)": changes,
        }
        return [words for words, is_so in said.items() if is_so]

    @property
    def augmentations(self) -> tuple[AugmentSpec, ...]:
        """The changes of training rows, in keys."""
        return augmentations_of(self.augment)


class PenaltySpec(Section):
    """Which norm is penalised and which tensors are spared."""

    norm: Literal["l2", "l1", "elastic"] = Field(
        "l2",
        description="What alpha multiplies. l2: the sum of squared weights. l1: the sum of"
        " absolute weights, with exact zeros. elastic: r * l1 + (1 - r) * l2, r = l1_ratio."
        " adamw, lion and muon take l2 only.",
    )
    l1_ratio: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None, description="Share of l1 in the norm. null: 0.5. Only with norm elastic."
    )
    exempt: tuple[str, ...] = Field(
        (),
        description="Shell patterns of the names of tensors that are not penalised. Biases,"
        " torch's norm layers, and scales and shifts are not, unless `include` names them.",
    )
    include: tuple[str, ...] = Field(
        (),
        description="Shell patterns of the names of tensors that are penalised whatever they are.",
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
