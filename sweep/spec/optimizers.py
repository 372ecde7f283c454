"""The section `training` of every optimiser: who takes the steps."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import Discriminator, Field, Tag, model_validator

from sweep.spec.sections import Beta, Positive, TrainingKeys

_BETAS = "Decay rates of the running means of the gradient and of its square."
_EPS = "Added to the root of the mean square before the step is divided by it."
_MOMENTUM = "Share of the last step that is kept."

Betas = tuple[Beta, Beta]
Share = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, le=1e30, allow_inf_nan=False)]


class SgdSpec(TrainingKeys):
    """torch.optim.SGD."""

    optimizer: Literal["sgd"] = Field(description="Stochastic gradient descent.")
    momentum: Share = Field(0.0, description=_MOMENTUM)
    dampening: Share = Field(
        0.0, description="Share of the gradient that is left out of the momentum."
    )
    nesterov: bool = Field(
        False, description="Nesterov's momentum. Only with momentum > 0 and dampening 0."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.nesterov and (self.momentum == 0 or self.dampening != 0):
            raise ValueError(
                f"nesterov: needs momentum > 0 and dampening 0, got momentum {self.momentum}, "
                f"dampening {self.dampening}. Set them so, or nesterov: false"
            )
        return self


class AdamSpec(TrainingKeys):
    """torch.optim.Adam."""

    optimizer: Literal["adam"] = Field(
        "adam", description="Adam; the penalty is a term of the loss."
    )
    betas: Betas = Field((0.9, 0.999), description=_BETAS)
    eps: Positive = Field(1e-8, description=_EPS)


class RMSpropSpec(TrainingKeys):
    """torch.optim.RMSprop."""

    optimizer: Literal["rmsprop"] = Field(description="RMSprop, as torch has it.")
    momentum: Share = Field(0.0, description=_MOMENTUM)
    smoothing: Beta = Field(
        0.99, description="Decay rate of the running mean of the square; torch calls it alpha."
    )
    eps: Positive = Field(1e-8, description=_EPS)
    centered: bool = Field(
        False, description="Divide by the gradient's deviation, not by its root mean square."
    )

    @property
    def no_l1(self) -> str:
        """See `TrainingKeys`."""
        return _CENTERED if self.centered else ""


class AdagradSpec(TrainingKeys):
    """torch.optim.Adagrad."""

    optimizer: Literal["adagrad"] = Field(description="Adagrad, as torch has it.")
    lr_decay: NotNegative = Field(
        0.0, description="The rate at step t is lr / (1 + (t - 1) * lr_decay)."
    )
    initial_accumulator: NotNegative = Field(
        0.0, description="What the sum of squares begins with; torch's initial_accumulator_value."
    )
    eps: Positive = Field(1e-10, description=_EPS)


class NAdamSpec(TrainingKeys):
    """torch.optim.NAdam."""

    optimizer: Literal["nadam"] = Field(description="Adam with Nesterov's momentum.")
    betas: Betas = Field((0.9, 0.999), description=_BETAS)
    eps: Positive = Field(1e-8, description=_EPS)
    momentum_decay: NotNegative = Field(
        4e-3, description="How fast the momentum nears betas[0], as torch has it."
    )


class RAdamSpec(TrainingKeys):
    """torch.optim.RAdam."""

    optimizer: Literal["radam"] = Field(
        description="Adam whose first steps go by the mean gradient alone."
    )
    betas: Betas = Field((0.9, 0.999), description=_BETAS)
    eps: Positive = Field(1e-8, description=_EPS)


class _Decoupled(TrainingKeys):
    """What optimisers share that decay weights by themselves, searched as `weight_decay`."""

    strength: ClassVar[str] = "weight_decay"
    decay: ClassVar[float] = 1.0

    @property
    def no_l1(self) -> str:
        """See `TrainingKeys`."""
        return "it decays weights by itself"


class AdamWSpec(_Decoupled):
    """torch.optim.AdamW: decoupled weight decay."""

    optimizer: Literal["adamw"] = Field(
        description="Adam with decoupled weight decay, which is no term of the loss."
    )
    betas: Betas = Field((0.9, 0.999), description=_BETAS)
    eps: Positive = Field(1e-8, description=_EPS)


class LionSpec(_Decoupled):
    """Lion, of its paper; torch has none."""

    optimizer: Literal["lion"] = Field(
        description="Steps of lr by the sign of the mean gradient, with decoupled weight decay; lr"
        " is a third to a tenth of Adam's."
    )
    betas: Betas = Field((0.9, 0.99), description=_BETAS)


class MuonSpec(_Decoupled):
    """torch.optim.Muon for hidden matrices, torch.optim.AdamW for the rest."""

    optimizer: Literal["muon"] = Field(
        description="Muon trains the hidden matrices: those of two dimensions, but embeddings and"
        " the last one. AdamW trains the rest, with the same lr. Weight decay is decoupled."
    )
    momentum: Share = Field(0.95, description=_MOMENTUM)
    nesterov: bool = Field(True, description="Nesterov's momentum.")
    adjust_lr: Literal["match_rms_adamw", "original"] = Field(
        "match_rms_adamw",
        description="What lr is multiplied by for a matrix (out, in). match_rms_adamw: 0.2 *"
        " sqrt(max(out, in)), which makes steps as large as AdamW's. original: sqrt(max(1, out /"
        " in)).",
    )
    betas: Betas = Field((0.9, 0.999), description=_BETAS)
    eps: Positive = Field(1e-8, description=_EPS)


_CENTERED = (
    "with centered the gradient is divided by its deviation, which nears 0 where the l1 part"
    " holds it at a constant"
)


def _optimizer(value: Any) -> Any:
    if isinstance(value, dict):
        return value.get("optimizer", "adam")
    return getattr(value, "optimizer", "adam")


TrainingSpec = Annotated[
    Annotated[SgdSpec, Tag("sgd")]
    | Annotated[AdamSpec, Tag("adam")]
    | Annotated[AdamWSpec, Tag("adamw")]
    | Annotated[RMSpropSpec, Tag("rmsprop")]
    | Annotated[AdagradSpec, Tag("adagrad")]
    | Annotated[NAdamSpec, Tag("nadam")]
    | Annotated[RAdamSpec, Tag("radam")]
    | Annotated[LionSpec, Tag("lion")]
    | Annotated[MuonSpec, Tag("muon")],
    Discriminator(_optimizer),
]
OPTIMIZERS: dict[str, type[TrainingKeys]] = {
    tag.tag: spec for spec, tag in map(get_args, get_args(get_args(TrainingSpec)[0]))
}
DECOUPLED = tuple(n for n, spec in OPTIMIZERS.items() if spec.strength == "weight_decay")
