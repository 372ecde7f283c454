"""The section `search` of a study file: how many trials, who proposes them, and where."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from sweep.spec.base import Section
from sweep.spec.sections import Auto, Many, Positive
from sweep.spec.space import SpaceSpec

# Trials of the sampler `design`: spread over the range, then where most is expected of them.
DESIGN_GRID, DESIGN_REFINED = 8, 4


class SamplerSpec(Section):
    """The sampler; further keys are passed to Optuna's own."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow")

    type: Literal["tpe", "gp", "qmc", "random", "grid", "design"] = Field(
        "tpe",
        description="Who proposes trials. tpe, gp and design learn from results; qmc, random and"
        " grid do not. grid is spaced on a log scale. design places 13 trials of alpha (or"
        " weight_decay) alone by a model of the curve, which also chooses: write n_trials: 13.",
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
        " trials 0 to k - in_flight. auto: 12; as its waves need with"
        " sampler design; no limit where nothing looks at results.",
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
