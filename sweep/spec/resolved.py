"""What the owner of a run knows of its plan: plain data, without the tensors it is trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from sweep.spec.sections import SgdSpec
from sweep.spec.study import StudySpec


class Setting(NamedTuple):
    """What a trial may choose for its lanes, in the order of `Columns`."""

    strength: float
    lr: float
    l1_ratio: float = 0.0
    momentum: float = 0.0


@dataclass(frozen=True)
class Range:
    """The searched range of the strength, and the formulas that bound it.

    `alpha_max`: above it all weights are zero. `cap`: SGD's own step overshoots above it.
    """

    low: float
    high: float
    alpha_max: float | None = None
    cap: float | None = None

    @property
    def limit(self) -> float:
        """The largest strength that makes sense."""
        return min(self.alpha_max or float("inf"), self.cap or float("inf"))


@dataclass(frozen=True)
class Outline:
    """A study, resolved."""

    spec: StudySpec
    span: Range
    width: int  # lanes
    workers: int  # processes that share them
    task: str  # classification or regression
    data_hash: str  # of the rows
    about: dict[str, Any]  # what an exported config tells of the problem

    def setting(self, params: dict[str, float]) -> Setting:
        """Return what a trial with these params sets in its lanes."""
        training = self.spec.training
        momentum = training.momentum if isinstance(training, SgdSpec) else 0.0
        return Setting(
            params[self.spec.strength],
            params.get("lr", training.lr),
            params.get("l1_ratio", self.spec.penalty.ratio),
            params.get("momentum", momentum),
        )
