"""Tables of cases, of which some run by default and all among the slow tests."""

from __future__ import annotations

from collections.abc import Container, Iterable
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


def slow_but(fast: Container[Any], cases: Iterable[Any]) -> list[Any]:
    """Leave the cases that `fast` holds as they are, and mark the others slow."""
    return [
        case if case in fast else _slow(case if isinstance(case, tuple) else (case,))
        for case in cases
    ]


def _slow(values: tuple[Any, ...]) -> Any:
    return pytest.param(*values, marks=pytest.mark.slow)
