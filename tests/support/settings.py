"""What trials set in their lanes, for tests."""

from __future__ import annotations

from sweep.spec.resolved import Setting
from sweep.spec.space import COLUMNS


def setting_of(
    strength: float, lr: float, l1_ratio: float = 0.0, momentum: float = 0.0
) -> Setting:
    """Make a setting; hyperparameters that are not named are 0."""
    given = {"strength": strength, "lr": lr, "l1_ratio": l1_ratio, "momentum": momentum}
    return {**dict.fromkeys(COLUMNS, 0.0), **given}
