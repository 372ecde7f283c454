"""The section `search` of a study file: how many trials, who proposes them, and where."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, GetPydanticSchema, model_validator

from sweep.spec.base import Section
from sweep.spec.sections import Auto, Many, Positive
from sweep.spec.space import HYPERPARAMETERS, SpaceSpec

# Trials of the sampler `design`: spread over the range, then where most is expected of them. One
# more lies at the minimum of its model.
DESIGN_GRID, DESIGN_REFINED = 8, 4
DESIGN_TRIALS, OTHER_TRIALS = DESIGN_GRID + DESIGN_REFINED + 1, 48  # what `n_trials: auto` is

AUTO: Any = "auto"
# A file may say auto; readers meet a number, since the check of the section puts one in its place.
Trials = Annotated[int, GetPydanticSchema(lambda _, handler: handler(Many | Auto))]


class SamplerSpec(Section):
    """The sampler; further keys are passed to Optuna's own."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow")

    type: Literal["auto", "tpe", "gp", "qmc", "random", "grid", "design"] = Field(
        "auto",
        description="Who proposes trials. tpe, gp and design learn from results; qmc, random and"
        " grid do not. grid is spaced on a log scale. design places the trials of alpha (or"
        " weight_decay) alone by a model of the curve, which also chooses. auto: as the study was"
        " begun; a new one by design if nothing else is searched, nothing is pruned and no option"
        " of a sampler is given, else by tpe.",
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

    n_trials: Trials = Field(
        AUTO,
        description="Trials in total. Raise it and run again to go on. auto: 13 with sampler"
        " design, else 48.",
    )
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

    @model_validator(mode="after")
    def _settle(self) -> Self:
        """Put what they come to in place of `auto`; such keys are not in `model_fields_set`."""
        if self.sampler.type == "auto":
            options = self.sampler.model_extra or {}
            alone = not self.searched_too and self.pruner.type == "none" and not options
            made = SamplerSpec(type="design" if alone else "tpe", **options)
            object.__setattr__(self, "sampler", made)
            if not options:
                self.model_fields_set.discard("sampler")
        if self.n_trials == AUTO:
            many = DESIGN_TRIALS if self.sampler.type == "design" else OTHER_TRIALS
            object.__setattr__(self, "n_trials", many)
            self.model_fields_set.discard("n_trials")
        return self

    @property
    def searched_too(self) -> list[str]:
        """The hyperparameters that are searched beside the strength."""
        return [name for name in HYPERPARAMETERS if getattr(self.space, name)]

    def is_given(self, key: str) -> bool:
        """Whether a file gives a key, and not as auto."""
        return key in self.model_fields_set

    def going_on(self, begun: SearchSpec) -> SearchSpec:
        """Return the search of a study that goes on: its sampler is that with which it was begun.

        Unless a file names another one: then this is returned, and the study refuses it.
        """
        if self.is_given("sampler"):
            return self
        tree = self.model_dump(exclude_unset=True) | {"sampler": begun.sampler.model_dump()}
        return SearchSpec(**tree)
