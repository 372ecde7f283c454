"""How much one strength improves on another, and what may be claimed of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Gain:
    """How much one strength improves on another, paired over the same folds and seeds.

    Attributes:
        by: how much better its value is: lower, or higher where more is better.
        se: the standard error of that over folds; None where nothing varies but the seeds.
        reach: standard errors that tell a difference from 0 (two-sided 95 %).
        fresh: whether the folds chose neither of them.
    """

    by: float
    se: float | None
    reach: float
    fresh: bool

    @property
    def told(self) -> Literal["better", "worse"] | None:
        """What may be claimed: nothing on the folds that chose, or where no error is known."""
        if not self.fresh or not self.se or abs(self.by) <= self.reach * self.se:
            return None
        return "better" if self.by > 0 else "worse"
