"""A resolved study as plain data, without tensors: what the owner of a run knows of the plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sweep.spec.attributes import NOTES
from sweep.spec.remarks import Remark, sentences
from sweep.spec.study import StudySpec

Setting = dict[str, float]  # a trial's value of each of COLUMNS, for all its lanes


@dataclass(frozen=True)
class Range:
    """The searched range of the strength, and the formulas that bound it.

    Attributes:
        low, high: the ends.
        alpha_max: above it weights shrink to zero; None if no formula knows it.
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
    remarks: tuple[Remark, ...] = field(default=(), kw_only=True)  # on the network

    @property
    def notes(self) -> list[str]:
        """What a user should know of rows, network and objective, each without its full stop."""
        of_network = sentences(self.remarks, self.spec.strength)
        return [*self.about.get(NOTES, ()), *of_network, *self.spec.objective.notes]

    def setting(self, params: Mapping[str, float]) -> Setting:
        """Return the values that a trial with these params sets in its lanes."""
        return {"strength": params[self.spec.strength], **self.spec.values(params)}
