"""Numbers written with separators, currencies and % are read to the same numbers, or in doubt."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sweep.data.columns import read_feature
from sweep.data.numerals import FORMATS, Format, numerals, readings
from sweep.errors import UsageError
from sweep.spec.columns import ColumnSpec

CENTS = st.lists(st.integers(-(10**11), 10**11), min_size=1, max_size=8)
AFFIXES = ("{}", "${}", "{} €", "€ {}", "{}%", "£{}")


def written(cents: int, places: int, form: Format, affix: str) -> str:
    """Write a number of hundredths as people do."""
    text = f"{abs(cents) / 100:,.{places}f}"
    text = text.translate({ord(","): form.thousands, ord("."): form.decimal})
    return ("-" if cents < 0 else "") + affix.format(text)


def settles(text: str, form: Format) -> bool:
    """Say whether a text shows which separator is which: by its own digits alone."""
    digits = re.sub(r"[^\d.,' ]", "", text).strip()
    marks = re.findall(r"[.,' ]", digits)
    last = digits.rpartition(marks[-1])[2] if marks else ""
    return bool(marks) and marks[-1] == form.decimal and (len(last) != 3 or len(set(marks)) > 1)


@given(CENTS, st.sampled_from(FORMATS), st.sampled_from(AFFIXES), st.sampled_from([1, 2, 3]))
def test_numbers_in_any_format_are_read_if_their_cells_show_it(
    numbers: list[int], form: Format, affix: str, places: int
) -> None:
    texts = [written(number, places, form, affix) for number in numbers]
    assume(any(settles(text, form) for text in texts))
    column = pd.Series(texts, name="x", dtype=object)
    read = read_feature(column, ColumnSpec(), "t.csv").values
    assert read.tolist() == [float(f"{number / 100:.{places}f}") for number in numbers]


@given(CENTS, st.sampled_from(FORMATS), st.sampled_from([0, 1, 2, 3]))
def test_numbers_are_read_as_they_were_written_or_refused(
    numbers: list[int], form: Format, places: int
) -> None:
    texts = [written(number, places, form, "${}") for number in numbers]
    column = pd.Series(texts, name="x", dtype=object)
    try:
        read = read_feature(column, ColumnSpec(), "t.csv").values
    except UsageError as error:
        assert "can be read in one way" in str(error)
    else:
        assert read.tolist() == [float(f"{number / 100:.{places}f}") for number in numbers]


@given(CENTS, st.sampled_from(FORMATS), st.sampled_from([0, 1, 2, 3]))
def test_a_format_that_the_study_file_names_is_never_in_doubt(
    numbers: list[int], form: Format, places: int
) -> None:
    texts = [written(number, places, form, "{}") for number in numbers]
    keys = {"decimal": form.decimal} | ({"thousands": form.thousands} if form.thousands else {})
    column = pd.Series(texts, name="x", dtype=object)
    read = read_feature(column, ColumnSpec.model_validate(keys), "t.csv").values
    assert read.tolist() == [float(f"{number / 100:.{places}f}") for number in numbers]


NO_NUMBERS = ("", "x1", "--1", "-$-1", "$1%", "1.2.3", "1,23,456", "1 2", "5 kg", "1-2", "(1)")


@pytest.mark.parametrize("text", [*NO_NUMBERS, "1e", "0,123,456"])
def test_what_is_no_number_in_any_format_is_none(text: str) -> None:
    found = numerals([text])
    assert not found or not readings(found)


def test_one_cell_settles_what_the_others_leave_in_doubt() -> None:
    found = numerals(["1,234", "1,234,567"])
    assert found is not None
    assert [*readings(found).values()] == [["1234", "1234567"]]
