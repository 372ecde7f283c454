"""Dates that are written as texts, as days since 1970-01-01."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

# Dates in texts are read without pandas, which takes a while to import.
if TYPE_CHECKING:
    import pandas as pd

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Order = Literal["year-first", "day-first", "month-first"]

_TIME = (
    r"(?:[T ]\s*(?P<time>\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)\s*(?P<zone>Z|[+-]\d{2}:?\d{2})?)?"
)
_YEAR_FIRST = re.compile(r"(?P<a>\d{4})(?P<by>[-/.])(?P<b>\d{1,2})(?P=by)(?P<c>\d{1,2})" + _TIME)
_YEAR_LAST = re.compile(
    r"(?P<a>\d{1,2})(?P<by>[-/.])(?P<b>\d{1,2})(?P=by)(?P<c>\d{4}|\d{2})" + _TIME
)
_PLACES = {"year-first": "abc", "day-first": "cba", "month-first": "cab"}  # of year, month, day


def orders(texts: Sequence[str]) -> list[Order]:
    """Return the orders in which all texts are dates: one without doubt, two in doubt.

    A year of two digits counts as a doubt: no order is sure then.
    """
    possible: list[Order] = ["year-first", "day-first", "month-first"]
    return [order for order in possible if days(texts, order) is not None]


def days(texts: Sequence[str], order: Order) -> list[float] | None:
    """Return the days since 1970-01-01 of dates in this order; None where one is no such date.

    A time of day is a fraction of a day; without a zone it is taken for UTC.
    """
    pattern = _YEAR_FIRST if order == "year-first" else _YEAR_LAST
    found = []
    for text in texts:
        match = pattern.fullmatch(text)
        if match is None:
            return None
        year, month, day = (match[place] for place in _PLACES[order])
        try:
            found.append((_moment(year, month, day, match) - EPOCH) / timedelta(days=1))
        except ValueError:  # a 13th month, a 25th hour
            return None
    return found


def has_short_years(texts: Sequence[str]) -> bool:
    """Say whether a year has two digits: then any of its three numbers may be the year."""
    matches = (_YEAR_LAST.fullmatch(text) for text in texts)
    return any(match is not None and len(match["c"]) == 2 for match in matches)


def _moment(year: str, month: str, day: str, match: re.Match[str]) -> datetime:
    if len(year) == 2:
        year = f"{2000 + int(year) - 100 * (int(year) > 68)}"  # as POSIX does
    time = (match["time"] or "00:00").zfill(5)
    hour, rest = time.split(":", 1)
    zone = (match["zone"] or "Z").replace("Z", "+00:00")
    text = f"{year}-{int(month):02}-{int(day):02}T{hour.zfill(2)}:{rest}{zone}"
    return datetime.fromisoformat(text)


def days_of(moments: pd.Series) -> pd.Series:
    """Return the days since 1970-01-01 of dates or moments, NaN where one is missing.

    Those that nanoseconds cannot count from there, such as 9999-12-31, are counted in the unit
    that they come in.
    """
    import pandas as pd

    epoch, day = pd.Timestamp(0, tz="UTC"), pd.Timedelta(days=1)
    first, last = (pd.Timestamp(text, tz="UTC") for text in ("1677-09-22", "2262-04-11"))
    moments = pd.to_datetime(moments, utc=True)
    far = (moments < first) | (moments > last)
    near = (moments.mask(far) - epoch) / day
    if not far.any():
        return near
    return near.where(~far, (moments - epoch.as_unit(moments.dt.unit)) / day)
