"""A resolved study as plain data, without tensors: what the owner of a run knows of the plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from sweep.spec.sections import SgdSpec
from sweep.spec.study import StudySpec


class Setting(NamedTuple):
    """The values that a trial sets in its lanes, in the order of `Columns`."""

    strength: float
    lr: float
    l1_ratio: float = 0.0
    momentum: float = 0.0


@dataclass(frozen=True)
class Range:
    """The searched range of the strength, and the formulas that bound it.

    Attributes:
        low, high: the ends.
        alpha_max: above it all weights are zero; None if no formula knows it.
        cap: above it the steps of SGD overshoot; None for other optimisers.
    """

    low: float
    high: float
    alpha_max: float | None = None
    cap: float | None = None

    @property
    def limit(self) -> float:
        """The largest strength worth trying."""
        return min(self.alpha_max or float("inf"), self.cap or float("inf"))


@dataclass(frozen=True)
class Outline:
    """A resolved study: each `auto` has become a number."""

    spec: StudySpec
    span: Range
    width: int  # lanes
    workers: int  # processes that share them
    data_hash: str  # of the rows
    about: dict[str, Any]  # facts of the problem for the exported config

    def setting(self, params: dict[str, float]) -> Setting:
        """Return the values that a trial with these params sets in its lanes."""
        training = self.spec.training
        momentum = training.momentum if isinstance(training, SgdSpec) else 0.0
        return Setting(
            params[self.spec.strength],
            params.get("lr", training.lr),
            params.get("l1_ratio", self.spec.penalty.ratio),
            params.get("momentum", momentum),
        )
