"""The section `search` of a study file: how many trials, who proposes them, and where."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from sweep.spec.sections import Auto, Fraction, Many, Positive, Section

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
        description="Largest alpha. auto: alpha_max, above which all weights are zero, or 0.1"
        " where none is known.",
    )


class LogRange(_Bounds):
    """The range of adamw's weight_decay, on a log scale."""

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


class SpaceSpec(Section):
    """What is searched: the penalty's strength and, if wished, per-lane parameters."""

    alpha: AlphaRange = Field(
        AlphaRange(), description="The penalty's strength. Only with optimizer sgd or adam."
    )
    weight_decay: LogRange | None = Field(
        None,
        description="The strength of adamw, searched instead of alpha. null: 1e-5 to 1. Only with"
        " optimizer adamw.",
    )
    lr: LrRange | None = Field(None, description="Searches the learning rate too.")
    momentum: UnitRange | None = Field(
        None, description="Searches momentum too. Only with optimizer sgd."
    )
    l1_ratio: RatioRange | None = Field(
        None, description="Searches the share of l1 too. Only with norm elastic."
    )


class SamplerSpec(Section):
    """The sampler; further keys are passed to Optuna's own."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow")

    type: Literal["tpe", "gp", "qmc", "random", "grid"] = Field(
        "tpe",
        description="Who proposes trials. tpe and gp learn from results; qmc, random and grid do"
        " not. grid is spaced on a log scale.",
    )

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

    type: Literal["none", "median", "hyperband"] = Field(
        "none",
        description="Who ends bad trials early. A trial that diverges ends by itself.",
    )


class SearchSpec(Section):
    """How many trials, who proposes them, and where."""

    n_trials: Many = Field(48, description="Trials in total. Raise it and run again to go on.")
    in_flight: Many | Auto = Field(
        "auto",
        description="How far proposals run ahead of results: proposal k has seen the results of"
        " trials 0 to k - in_flight. auto: 12, or no limit where nothing looks at results.",
    )
    timeout_s: Positive | None = Field(
        None,
        description="Seconds after which a run starts no more trials; those in training are"
        " finished. null: never.",
    )
    widenings: Annotated[int, Field(ge=0, le=100)] = Field(
        3,
        description="How often an end of the range may move by a decade when the best trial is"
        " at it. 0: never.",
    )
    sampler: SamplerSpec = Field(
        SamplerSpec(), description="Its type, and any option of Optuna's sampler of that type."
    )
    pruner: PrunerSpec = Field(
        PrunerSpec(), description="Its type, and any option of Optuna's pruner of that type."
    )
    space: SpaceSpec = Field(SpaceSpec(), description="What is searched, and between which ends.")
