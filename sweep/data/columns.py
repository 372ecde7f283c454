"""What a column of texts is: numbers, dates or categories; nothing is guessed that is in doubt.

`data.columns` of the study file settles what a column is where its cells do not.

| cells | what they are |
|---|---|
| empty | missing |
| a mark, such as `NA` or `?` | missing among numbers and dates; among texts a text like others |
| numbers in one format | numbers; refused where two formats fit and differ (`1,234`) |
| numbers with leading zeros | codes: texts |
| dates in one order of year, month and day | days since 1970-01-01; refused where two fit |
| anything else | texts |
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import numpy as np

from sweep.data.cells import Cells
from sweep.data.dates import Order, days, has_short_years, orders
from sweep.data.notes import Note, missing_key
from sweep.data.numerals import FORMATS, Format, Numeral, numerals, readings
from sweep.spec.columns import ColumnSpec

# Arrays of numbers are read without pandas, which takes a while to import.
if TYPE_CHECKING:
    import pandas as pd

_MAYBE_CODE = re.compile(r"[-+\s]*0\d")
_FEW = 50  # cells that show whether all may have a dot before three digits
_CODE = re.compile(r"[-+]?0\d+")
_DOTTED = re.compile(r"[-+]?(0|[1-9]\d{0,2}(\.\d{3})*)")  # a dot before decimals or thousands


class Read(NamedTuple):
    """A column that is settled.

    Attributes:
        values: (N,) float64, NaN where missing; or texts, None where missing; of pandas' kind
            `category` where the study file says that they are categories.
        notes: what a user should know of it.
        commas: whether its numbers have decimal commas.
        doubt: a cell that would be another number if those of other columns had such.
    """

    values: pd.Series
    notes: list[Note]
    commas: bool = False
    doubt: str | None = None


def read_feature(column: pd.Series, spec: ColumnSpec, where: str) -> Read:
    """Settle what a feature is.

    Args:
        column: (N,) texts; an empty cell is an empty text.
        spec: what the study file says of it.
        where: the source.

    Raises:
        UsageError: in one line, where it is in doubt; it names the key that settles it.
    """
    if spec == ColumnSpec() and (numbers := _at_once(column)) is not None:
        return Read(numbers, [])
    cells = Cells.of(column, spec, where)
    if spec.kind == "categorical":
        return Read(cells.as_written().astype("category"), [])
    present = cells.present()
    found = _numbers(cells, present, codes=True) or _dates(cells, present)
    if found is None and spec.is_number:
        wrong = next((text for text in present if not numerals([text])), present[0])
        settled = cells.key(missing_key([wrong]).replace("{", "{kind: number, ", 1))
        cells.refuse("must be numbers in one format", wrong, f"Mend it, or set {settled}")
    return found or Read(cells.as_written(), [*_kept(cells), *_codes(cells, present)])


def read_number(column: pd.Series, spec: ColumnSpec, where: str) -> Read | None:
    """Read texts as numbers; None where they are none. Arguments as of `read_feature`."""
    cells = Cells.of(column, spec, where)
    return _numbers(cells, cells.present(), codes=False)


def read_labels(column: pd.Series, spec: ColumnSpec, where: str) -> Read:
    """Settle what the names of classes or of groups are: numbers, or texts.

    Numbers with leading zeros are codes and stay texts. Arguments as of `read_feature`.

    Raises:
        UsageError: in one line, where a mark such as `NA` may be a name, or mean that there is
            none.
    """
    cells = Cells.of(column, spec, where)
    texts = cells.as_written().where(lambda found: found.notna(), np.nan)
    if spec.kind == "categorical":
        return Read(texts.astype("category"), [])
    if marks := cells.marks():
        hint = f"Mend or drop it, or have it as a name: {cells.key('categorical')}"
        cells.refuse("must have a value in every row", marks[0].strip(), hint)
    present = cells.present()
    codes = [] if spec.is_number else _codes(cells, present)
    if codes or _plain(present) is None:
        return Read(texts, codes)
    import pandas as pd

    parsed = pd.to_numeric(texts)
    exact = parsed.dtype.kind != "f" or not (parsed.abs() >= 2**53).any()
    return Read(parsed if exact else texts, [])  # floats would merge the names of 20 digits


# --- numbers


def _at_once(column: pd.Series) -> pd.Series | None:
    """Parse a column of plain numbers and empty cells; None where there is more to look at.

    Most columns are such, and this is many times as fast as to go from text to text.
    """
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce").astype(np.float64)
    empty = (column == "").to_numpy()
    if (numbers.isna() & ~empty).any() or empty.all():
        return None
    whole = column.to_numpy(dtype=object)[(numbers % 1 == 0).to_numpy()]
    if any(map(_MAYBE_CODE.match, whole)):
        return None
    few = [text for text in column[:_FEW] if text]
    doubt = all(map(_DOTTED.fullmatch, few)) and any("." in text for text in few)
    return None if doubt else numbers


def _numbers(cells: Cells, present: list[str], codes: bool) -> Read | None:
    """Read a column whose cells are numbers or missing; None where they are not, or are codes."""
    spec = cells.spec
    if spec.order:
        return None
    plain = None if spec.decimal or spec.thousands else _plain(present)
    if plain is None:
        return _formatted(cells, present)
    if codes and not spec.is_number and any(map(_CODE.fullmatch, present)):
        return None
    dotted = not spec.is_number and all(map(_DOTTED.fullmatch, present))
    doubt = next((text for text in present if "." in text), None) if dotted else None
    return Read(cells.spread(present, plain), cells.missing(), doubt=doubt)


def _plain(texts: Sequence[str]) -> np.ndarray | None:
    """Parse numbers as programs write them; None where one is none."""
    import pandas as pd

    numbers = pd.to_numeric(pd.Series(texts, dtype=object), errors="coerce")
    return None if numbers.isna().any() else numbers.to_numpy(dtype=np.float64)


def _formatted(cells: Cells, present: list[str]) -> Read | None:
    """Read numbers with separators, currency or %; None where there is no format for all."""
    found = numerals(present)
    ways = readings(found, _formats(cells.spec)) if found else {}
    if not found or not ways:
        return None
    _check_affixes(cells, present, found)
    if len(ways) > 1:
        _refuse_doubt(cells, present, ways)
    ((form, written),) = ways.items()
    values = _plain(written)
    if values is None:
        return None
    longest = max(range(len(present)), key=lambda place: len(present[place]))
    text = f"{present[longest]!r} is read as {values[longest]:.15g}"
    note = Note(f"numbers with {found[0].affix}", cells.what, text)
    commas = form.decimal == "," and any("," in numeral.digits for numeral in found)
    return Read(cells.spread(present, values), [note, *cells.missing()], commas)


def _formats(spec: ColumnSpec) -> list[Format]:
    return [
        form
        for form in FORMATS
        if spec.decimal in (None, form.decimal) and spec.thousands in (None, form.thousands)
    ]


def _check_affixes(cells: Cells, present: list[str], found: list[Numeral]) -> None:
    """Refuse numbers of which some have a currency or %, and others another or none."""
    first = {numeral.affix: text for text, numeral in zip(present, found, strict=True)}
    if len(first) > 1 and not cells.spec.is_number:
        one, other, *_ = first.values()
        hint = f"Mend it, or have all read as bare numbers: {cells.key('number')}"
        rule = f"must have one currency or % in all rows, as {one!r}, or none"
        cells.refuse(rule, other, hint)


def _refuse_doubt(cells: Cells, present: list[str], ways: dict[Format, list[str]]) -> NoReturn:
    """Refuse numbers that two formats read differently."""
    (one, first), (other, second), *_ = ways.items()
    text, a, b = next(t for t in zip(present, first, second, strict=True) if t[1] != t[2])
    separator = one.thousands or other.thousands
    decimal = next(form.decimal for form in (one, other) if form.thousands != separator)
    settled = cells.key(f'{{decimal: "{decimal}"}}')
    hint = f'It is {float(a):g} or {float(b):g}: set {settled}, or {{thousands: "{separator}"}}'
    cells.refuse("must be numbers that can be read in one way", text, hint)


# --- dates


def _dates(cells: Cells, present: list[str]) -> Read | None:
    """Read a column whose cells are dates or missing; None where they are not."""
    asked = cells.spec.order
    if asked and days(present, asked) is None:
        wrong = next(text for text in present if days([text], asked) is None)
        cells.refuse(f"must be dates, {asked}", wrong, "Mend it, or name it in `missing`")
    possible: list[Order] = [asked] if asked else orders(present)
    if not possible or cells.spec.is_number:
        return None
    if not asked and (len(possible) > 1 or has_short_years(present)):
        hint = f"Set {cells.key('day-first')}, month-first, drop or categorical"
        cells.refuse("must be dates that can be read in one way", present[0], hint)
    found = np.array(days(present, possible[0]))
    text = f"dates ({possible[0]}) are read as days since 1970-01-01: {present[0]!r} is"
    note = Note(f"dates {possible[0]}", cells.what, f"{text} {found[0]:.10g}")
    return Read(cells.spread(present, found), [note, *cells.missing()])


# --- texts


def _kept(cells: Cells) -> list[Note]:
    """Say which marks stay texts."""
    marks = cells.marks()
    if not marks:
        return []
    does = "stays a text of its own" if len(marks) == 1 else "stay texts of their own"
    settled = cells.key(missing_key(mark.strip() for mark in marks))
    text = f"{cells.counted(marks)} {does}; only an empty cell is missing. To change it: {settled}"
    return [Note("kept", cells.what, text)]


def _codes(cells: Cells, present: list[str]) -> list[Note]:
    """Say that numbers with leading zeros stay texts."""
    code = next(filter(_CODE.fullmatch, present), None)
    if code is None or _plain(present) is None:
        return []
    text = f"codes such as {code!r} stay texts. To read numbers: {cells.key('number')}"
    return [Note("codes", cells.what, text)]
