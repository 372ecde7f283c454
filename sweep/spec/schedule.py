"""The key `training.schedule`: how the learning rate moves during a training."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from sweep.spec.base import Section

Kind = Literal["constant", "cosine", "linear", "step", "one_cycle"]
CYCLE_WARMUP = 0.3  # torch's default


class ScheduleSpec(Section):
    """The learning rate's way: its kind, its warm-up, its drops."""

    type: Kind = Field(
        description="constant: stays. cosine, linear: falls to 0. step: drops now and then."
        " one_cycle: climbs from lr / 25 to lr and falls to lr / 250,000 along cosines, as torch's"
        " OneCycleLR; momentum stays."
    )
    warmup: Annotated[float, Field(ge=0, le=10**8, allow_inf_nan=False)] | None = Field(
        None,
        description="Share of all steps, or number of steps, in which the rate climbs to lr first."
        " null: 0, and 0.3 for one_cycle.",
    )
    every: Annotated[int, Field(ge=1, le=10**8)] | None = Field(
        None, description="Epochs between drops. null: a third of all. Only with type step."
    )
    factor: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None,
        description="What a drop multiplies the rate by. null: 0.1. Only with type step.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.warmup and self.warmup >= 1 and not self.warmup.is_integer():
            raise ValueError(
                f"warmup: must be a share below 1 or a whole number of steps, got {self.warmup:g}."
                f" Use {int(self.warmup)}"
            )
        for name in ("every", "factor"):
            if self.type != "step" and (value := getattr(self, name)) is not None:
                raise ValueError(
                    f"{name}: only type step has it, got {value} with {self.type}."
                    " Remove it, or use type step"
                )
        return self

    @property
    def is_constant(self) -> bool:
        """Whether every step has the same rate."""
        return self.type == "constant" and not self.warmup

    @property
    def ends_anywhere(self) -> bool:
        """Whether no step's rate depends on how many epochs there are."""
        from_start = self.type == "constant" or (self.type == "step" and self.every is not None)
        return from_start and (not self.warmup or self.warmup >= 1)

    @property
    def moves_by_step(self) -> bool:
        """Whether the rate changes at every step, not only between epochs."""
        return self.type == "one_cycle" or bool(self.warmup)

    def warmup_steps(self, steps: int) -> float:
        """Return the warm-up's steps, of all those of a training; part of one for one_cycle."""
        usual = CYCLE_WARMUP if self.type == "one_cycle" else 0.0
        warmup = usual if self.warmup is None else self.warmup
        warmup = warmup * steps if warmup < 1 else warmup
        return warmup if self.type == "one_cycle" else int(warmup + 0.5)

    @property
    def words(self) -> str:
        """The way of the rate as a phrase; empty where it is constant."""
        drops = f", times {self.factor or 0.1:g} every {self.every or 'third of the'} epochs"
        said = {
            "constant": "", "cosine": "lr along a cosine", "linear": "lr falling to 0 on a line",
            "step": f"lr{drops[1:]}", "one_cycle": "lr along one cycle",
        }[self.type]  # fmt: skip
        if not self.warmup:
            return said
        how = f"{self.warmup:g} of the" if self.warmup < 1 else f"{self.warmup:g}"
        return f"{said or 'lr'} after a warm-up of {how} steps"


def _form(value: Any) -> str:
    return "in keys" if isinstance(value, dict | ScheduleSpec) else "in a word"


Schedule = Annotated[
    Annotated[Kind, Tag("in a word")] | Annotated[ScheduleSpec, Tag("in keys")],
    Discriminator(_form),
]


def schedule_of(value: Kind | ScheduleSpec) -> ScheduleSpec:
    """Return a schedule, given in a word or in keys, in keys."""
    return value if isinstance(value, ScheduleSpec) else ScheduleSpec(type=value)
