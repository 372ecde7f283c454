"""The section of a study file on the search: how many trials, who proposes them, out of what."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from sweep.spec.sections import Auto, Count, Fraction, Positive, Section


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

    @model_validator(mode="after")
    def _check(self) -> Self:
        extra = self.model_extra or {}
        if "seed" in extra:
            raise ValueError(
                "seed: a study has one seed, at the top of its file, got one here."
                f" Write seed: {extra['seed']!r} beside study_name"
            )
        return self


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
