"""A refusal is one line: the rule, what was got and where, and what to do."""

from __future__ import annotations

import numpy as np
import pytest

from sweep.data.refuse import refuse, refuse_first
from sweep.errors import UsageError


def test_a_refusal_names_the_rule_the_source_and_the_next_step() -> None:
    cause = ValueError("no")
    with pytest.raises(UsageError) as caught:
        refuse("X must be green", "blue", "a.npz", "Paint it", cause)
    assert str(caught.value) == "data.source: X must be green, got blue (a.npz). Paint it"
    assert caught.value.__cause__ is cause


@pytest.mark.parametrize(
    ("wrong", "got"),
    [
        ([False, True, True], "11 in row 1"),
        ([[False, False], [False, True], [True, True]], "13 in row 1, feature 1"),
    ],
    ids=str,
)
def test_the_first_wrong_value_is_named_by_its_row_and_place(
    wrong: list[object], got: str
) -> None:
    mask = np.array(wrong)
    with pytest.raises(UsageError) as caught:
        refuse_first(mask, np.arange(10, 10 + mask.size).reshape(mask.shape), "rule", "t.csv")
    assert str(caught.value) == f"data.source: rule, got {got} (t.csv). Mend or drop it"


def test_nothing_is_refused_where_nothing_is_wrong() -> None:
    refuse_first(np.zeros((3, 2), dtype=bool), np.ones((3, 2)), "rule", "t.csv")
