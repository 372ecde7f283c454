"""Dates in any order become the days since 1970-01-01, where they show their order."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep.data.dates import days, days_of, has_short_years, orders

EPOCH = date(1970, 1, 1)
WRITTEN = {
    "year-first": "%Y{0}%m{0}%d",
    "day-first": "%d{0}%m{0}%Y",
    "month-first": "%m{0}%d{0}%Y",
}
DATES = st.lists(st.dates(date(1000, 1, 1)), min_size=1, max_size=6)


@given(DATES, st.sampled_from([*WRITTEN]), st.sampled_from("-/."))
def test_dates_are_read_in_the_order_that_they_show(
    moments: list[date], order: str, mark: str
) -> None:
    texts = [moment.strftime(WRITTEN[order].format(mark)) for moment in moments]
    possible = orders(texts)
    wanted = [(moment - EPOCH) / timedelta(days=1) for moment in moments]
    assert wanted in [days(texts, each) for each in possible]
    if order == "year-first" or any(moment.day > 12 for moment in moments):
        assert possible == [order]
    else:
        assert possible == ["day-first", "month-first"]


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("1970-01-02T12:00", 1.5), ("1970-01-02 6:00:00", 1.25), ("1970-01-02T00:00:00Z", 1),
        ("1970-01-02T00:00+12:00", 0.5), ("1970-1-2", 1), ("1969-12-31", -1),
    ],
)  # fmt: skip
def test_times_of_day_are_parts_of_a_day(text: str, day: float) -> None:
    assert days([text], "year-first") == [day]


@pytest.mark.parametrize(
    "text",
    ["", "2024", "2024-13-01", "2024-02-30", "2024-01-01T25:00", "24-1-1-1", "1.2", "1/2/3"],
)
def test_what_is_no_date_has_no_order(text: str) -> None:
    assert orders([text]) == []


def test_years_of_two_digits_are_told() -> None:
    assert has_short_years(["31/12/1999", "31/12/99"]) and not has_short_years(["31/12/1999"])
    assert days(["31/12/99", "1/1/24"], "day-first") == [10956, 19723]


FAR = [datetime(9999, 12, 31, 6), datetime(1, 1, 1), None, datetime(2024, 2, 29, 1, 2, 3, 4567)]


@pytest.mark.parametrize("unit", ["s", "ms", "us"])
@pytest.mark.parametrize("zone", [None, "Asia/Tokyo"])
def test_moments_that_nanoseconds_cannot_count_to_are_days_as_well(
    unit: str, zone: str | None
) -> None:
    """A moment's days do not depend on what else the column has: it is read in parts."""
    found = pd.Series(np.array(FAR, dtype=f"datetime64[{unit}]"))
    moments = found.dt.tz_localize("UTC").dt.tz_convert(zone) if zone else found
    told = days_of(moments)
    assert told[0] == 2932896.25 and told[1] == -719162.0 and np.isnan(told[2])
    assert told[3] == days_of(moments[3:])[3] == pytest.approx(19782.0430903, abs=1e-6)


def test_dates_as_a_database_gives_them_may_be_far() -> None:
    dates = pd.Series([date(9999, 12, 31), None, date(2024, 1, 7)], dtype=object)
    assert days_of(dates).tolist()[::2] == [2932896.0, 19729.0]
