"""Tables of cases, of which some run by default and all among the slow tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def few_fast(cases: Iterable[Any], one_in: int) -> list[Any]:
    """Leave the first case of every so many as it is, and mark the others slow.

    Args:
        cases: what `parametrize` takes: values, or tuples of values.
        one_in: how many cases there are for each that stays fast.
    """
    return [
        case if number % one_in == 0 else _slow(case if isinstance(case, tuple) else (case,))
        for number, case in enumerate(cases)
    ]


def _slow(values: tuple[Any, ...]) -> Any:
    return pytest.param(*values, marks=pytest.mark.slow)
