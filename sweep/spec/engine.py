"""The section `engine` of a study file: who trains. It may change between the runs of a study."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from sweep.spec.base import Section
from sweep.spec.sections import Auto, Many

LEAST_SHARE = 0.05  # of a GPU: actors with less may end up without one


Actors = Annotated[int, Field(ge=1, le=4096)]
Seconds = Annotated[float, Field(ge=1, le=1e6)]
Share = Annotated[float, Field(ge=0, le=1)]


class ActorsSpec(Section):
    """How many actors there are, at least and at most."""

    min: Actors = Field(1, description="Actors asked for at the beginning.")
    max: Actors = Field(description="Actors that join at most, where there is room for them.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.min > self.max:
            raise ValueError(
                f"min: must be at most max, got {self.min} with max {self.max}. Lower it"
            )
        return self


def _actors_kind(value: Any) -> str:
    return "from-to" if isinstance(value, dict | ActorsSpec) else "so-many"


class EngineSpec(Section):
    """Who trains: this machine's processes, or actors of a Ray cluster. Any run may choose."""

    kind: Literal["local", "ray"] = Field(
        "local",
        description="local: this process, or training.workers. ray: actors of a Ray cluster, each"
        " with lanes of its own; the trials are the same. All other keys are for ray; local does"
        " not read them.",
    )
    address: str = Field(
        "local",
        pattern=r"^(local|auto|[A-Za-z0-9._-]+:[0-9]{1,5}|\[[0-9A-Fa-f:.]+\]:[0-9]{1,5})$",
        description="local: a Ray of the run's own on this machine, gone with the run. auto: the"
        " cluster that RAY_ADDRESS names. HOST:PORT: that cluster.",
    )
    actors: Annotated[
        Annotated[Actors | Auto, Tag("so-many")] | Annotated[ActorsSpec, Tag("from-to")],
        Discriminator(_actors_kind),
    ] = Field(
        "auto",
        description="Processes that train. auto: as many as there is room for, also later on.",
    )
    cpus: Annotated[float, Field(gt=0, le=1024)] = Field(
        1, description="Cores that an actor keeps to itself; it trains on one."
    )
    gpus: Share | Auto = Field(
        "auto",
        description="Share of a GPU that an actor keeps to itself. auto: 1 with device cuda, else"
        " 0.",
    )
    lanes: Many | Auto = Field(
        "auto",
        description="Lanes of each actor. auto: as many as one process has. A study keeps those"
        " of its first run with Ray.",
    )
    ship: tuple[str, ...] | Auto = Field(
        "auto",
        description="Files and folders beside the study file that actors need. auto: your"
        " modules, their neighbours *.py, and the table; nothing with address local.",
    )
    start_timeout_s: Seconds = Field(
        120,
        description="Seconds without any actor that is ready to train, after which a run ends.",
    )
    silence_s: Seconds = Field(
        300,
        description="Seconds without a word of an actor that trains, after which it is given up;"
        " more than an epoch takes.",
    )
    max_lost: Annotated[int, Field(ge=1, le=100)] = Field(
        3,
        description="Actors that a trial may lose; then it has failed, as its state FAIL says.",
    )
    mixed: bool = Field(
        False,
        description="Let devices of several kinds train: a trial may differ in its last bits by"
        " where it was trained, so another run may bring other trials.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.gpus != "auto" and 0 < self.gpus < LEAST_SHARE:
            raise ValueError(
                f"gpus: must be 0, or {LEAST_SHARE} to 1, got {self.gpus}. Raise it, or remove it"
            )
        return self

    @property
    def bounds(self) -> tuple[int, float]:
        """Least and largest number of actors."""
        if isinstance(self.actors, ActorsSpec):
            return self.actors.min, self.actors.max
        return (1, float("inf")) if self.actors == "auto" else (self.actors,) * 2
