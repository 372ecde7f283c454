"""Numbers that are written as texts: all of a column's are read in one format.

| term | meaning |
|---|---|
| affix | a currency or %, before or after a number: `$` of `-$1,234.5` |
| digits | a number without sign and affix: `1,234.5` |
| format | which separator stands before decimals, and which between thousands |
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

SPACES = " \u00a0\u202f"  # plain, and the two that do not break
_CLASSES = {"": "", ",": ",", ".": r"\.", " ": f"[{SPACES}]", "'": "['’]"}
_NUMERAL = re.compile(
    r"(?P<sign>[-+−]?)\s*(?P<before>[$€£¥]?)\s*(?P<inner>[-+−]?)\s*"
    rf"(?P<digits>[.,]?\d[\d.,'’{SPACES}]*(?:[eE][-+]?\d+)?)\s*(?P<after>[$€£¥%]?)"
)


class Format(NamedTuple):
    """Which separators numbers have.

    Attributes:
        decimal: `.` or `,`.
        thousands: `,`, `.`, a space or an apostrophe; "" for none.
    """

    decimal: str
    thousands: str

    @property
    def pattern(self) -> re.Pattern[str]:
        """What the digits of a number in this format look like."""
        whole, between, decimal = r"\d+", _CLASSES[self.thousands], _CLASSES[self.decimal]
        if between:
            whole = rf"(?:[1-9]\d{{0,2}}(?:{between}\d{{3}})+|\d+)"
        return re.compile(rf"(?:{whole}(?:{decimal}\d*)?|{decimal}\d+)(?:[eE][-+]?\d+)?")

    def plain(self, digits: str) -> str:
        """Write digits as Python would."""
        if self.thousands:
            digits = re.sub(_CLASSES[self.thousands], "", digits)
        return digits.replace(self.decimal, ".")


FORMATS = tuple(
    Format(decimal, thousands)
    for decimal in ".,"
    for thousands in _CLASSES
    if decimal != thousands
)


class Numeral(NamedTuple):
    """A text that may be a number."""

    sign: str
    digits: str
    affix: str


def numerals(texts: Iterable[str]) -> list[Numeral] | None:
    """Take texts apart; None where one of them is no number in any format."""
    found = []
    for text in texts:
        match = _NUMERAL.fullmatch(text)
        if match is None or (match["sign"] and match["inner"]):
            return None
        sign = (match["sign"] or match["inner"]).replace("−", "-")
        affix = match["before"] + match["after"]
        if len(affix) > 1:
            return None
        found.append(Numeral(sign, match["digits"].rstrip(SPACES), affix))
    return found


def readings(
    found: Sequence[Numeral], formats: Iterable[Format] = FORMATS
) -> dict[Format, list[str]]:
    """Return each different way to read numerals, all in one format, as Python writes numbers.

    Args:
        found: the numerals of a column.
        formats: those that are possible.

    Returns:
        For one of the formats that lead to the same numbers, the numbers. Without an entry they
        are no numbers in one format; with two or more they are in doubt.
    """
    different: dict[Format, list[str]] = {}
    for form in formats:
        pattern = form.pattern
        if all(pattern.fullmatch(numeral.digits) for numeral in found):
            plain = [numeral.sign + form.plain(numeral.digits) for numeral in found]
            if plain not in different.values():
                different[form] = plain
    return different
