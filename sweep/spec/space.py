"""The search space: the strength, and the one table of hyperparameters that may join it.

A field of `SpaceSpec` with a `Hyperparameter` is a row of the table: its bounds, and where its
value stands when it is not searched. Search space, settings and columns follow from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sweep.spec.base import Section
from sweep.spec.sections import Auto, Fraction, Positive

CLOSEST = 1e-6  # share of the high end; a narrower range is none to search


class _Bounds(Section):
    @model_validator(mode="after")
    def _check(self) -> Self:
        low, high = getattr(self, "low", None), getattr(self, "high", None)
        if isinstance(low, float | int) and isinstance(high, float | int):
            if low >= high:
                raise ValueError(f"low: must be < high, got low {low}, high {high}. Swap them")
            if high - low < CLOSEST * high:
                raise ValueError(
                    f"low: must be clearly < high, got low {low}, high {high}. Widen the range"
                )
        return self


class AlphaRange(_Bounds):
    """The range of alpha, on a log scale."""

    low: Positive | Auto = Field(
        "auto", description="Least alpha. auto: 1e-4 * alpha_max, or 1e-6 where none is known."
    )
    high: Positive | Auto = Field(
        "auto",
        description="Largest alpha. auto: alpha_max, above which weights shrink to zero, or 0.1"
        " where none is known.",
    )


class LogRange(_Bounds):
    """The range of an optimiser's own weight_decay, on a log scale."""

    low: Positive = Field(1e-5, description="Least weight_decay.")
    high: Positive = Field(1.0, description="Largest weight_decay.")


class LrRange(_Bounds):
    """The range of the learning rate."""

    low: Positive = Field(1e-4, description="Least learning rate.")
    high: Positive = Field(1e-1, description="Largest learning rate.")
    log: bool = Field(True, description="Search it on a log scale.")


class UnitRange(_Bounds):
    """The range of momentum, inside [0, 1)."""

    low: Fraction = Field(description="Least momentum; above 0 with nesterov.")
    high: Fraction = Field(description="Largest momentum.")


class RatioRange(_Bounds):
    """The range of l1_ratio, inside [0, 1]."""

    low: Annotated[float, Field(ge=0, le=1)] = Field(description="Least share of l1.")
    high: Annotated[float, Field(ge=0, le=1)] = Field(description="Largest share of l1.")


@dataclass(frozen=True)
class Hyperparameter:
    """What lanes may differ in beside the strength: one value for all trials, or searched.

    Attributes:
        section: of the study file in which its one value stands. Optimisers have it whose section
            has the key.
        key: of that value there.
        norms: the penalties that have it; (): all.
    """

    section: Literal["training", "penalty"]
    key: str
    norms: tuple[str, ...] = ()


class SpaceSpec(Section):
    """What is searched: the penalty's strength and, if wished, hyperparameters."""

    alpha: AlphaRange = Field(
        AlphaRange(),
        description="The penalty's strength. Only with an optimizer other than adamw, lion, muon.",
    )
    weight_decay: LogRange | None = Field(
        None,
        description="The strength of optimisers that decay weights by themselves, searched instead"
        " of alpha. null: 1e-5 to 1. Only with optimizer adamw, lion or muon.",
    )
    lr: Annotated[LrRange | None, Hyperparameter("training", "lr")] = Field(
        None, description="Searches the learning rate too."
    )
    momentum: Annotated[UnitRange | None, Hyperparameter("training", "momentum")] = Field(
        None, description="Searches momentum too. Only with optimizer sgd, rmsprop or muon."
    )
    l1_ratio: Annotated[
        RatioRange | None, Hyperparameter("penalty", "ratio", norms=("elastic",))
    ] = Field(None, description="Searches the share of l1 too. Only with norm elastic.")


HYPERPARAMETERS: Mapping[str, Hyperparameter] = {
    name: entry
    for name, field in SpaceSpec.model_fields.items()
    for entry in field.metadata
    if isinstance(entry, Hyperparameter)
}
COLUMNS = ("strength", *HYPERPARAMETERS)  # of which each lane has a value
