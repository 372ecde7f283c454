"""Odd columns of a table: what is no feature, and what its cells leave in doubt.

Each gets an entry for `data.columns` of a study file, and the reason. An entry is sure where the
column would stop the study or give the answer away; else it is only a proposal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sweep.data.columns import read_feature
from sweep.data.features import MANY, as_features
from sweep.data.notes import Note
from sweep.data.parts import Table
from sweep.data.remarks import counting
from sweep.data.survey import ID
from sweep.data.tables import read_column
from sweep.errors import UsageError
from sweep.spec.columns import ColumnSpec

# pandas takes a while to import: only the functions that read tables do.
if TYPE_CHECKING:
    import pandas as pd

EMPTY = 0.95  # share of empty cells above which a column says hardly anything
GAPS = 0.5  # share above which it says little
ALIKE = 1 - 1e-9  # correlation with the target above which a column is the target
TELLS = 0.1  # share of the errors without a column below which it gives the answer away
FEW_NUMBERS = 20  # different values that may still be classes
LEAST_ERRORS = 10  # without a column; fewer may be told by chance
_FEW = 3  # stray texts among numbers that may mean a missing cell
_SUBJECTS = re.compile(
    r"(.*[^a-z])?(patient|subject|user|customer|client|person|session|site|hospital|household"
    r"|family|group|store|machine|device|driver|student|school)s?([^a-z].*)?", re.I,
)  # fmt: skip


class Entry(NamedTuple):
    """What a study file may say of a column.

    Attributes:
        name: of the column.
        value: the value of its key: a kind, or keys as plain data.
        why: in words, after the name of the column.
        sure: whether the study needs it; else it is a proposal.
    """

    name: str
    value: str | dict[str, Any]
    why: str
    sure: bool = True


class Settled(NamedTuple):
    """A column as the study would read it.

    Attributes:
        name: of the column.
        values: (N,) float64, NaN where missing; or texts, None where missing. None: no entry
            but `drop` makes it a feature.
        entry: what the study file must say of it, if anything.
        notes: what a user should know of it.
    """

    name: str
    values: pd.Series | None
    entry: Entry | None
    notes: tuple[Note, ...]

    @property
    def is_number(self) -> bool:
        """Whether its cells are numbers or dates."""
        return self.values is not None and self.values.dtype == np.float64

    @property
    def n_different(self) -> int:
        """How many different values it has."""
        return 0 if self.values is None else int(self.values.nunique())

    @property
    def gaps(self) -> float:
        """The share of its cells that are missing."""
        return 1.0 if self.values is None else float(self.values.isna().mean())

    @property
    def is_date(self) -> bool:
        """Whether its cells are dates."""
        return any(note.kind.startswith("dates") for note in self.notes)


def settled_columns(table: Table, where: str) -> list[Settled]:
    """Settle every column of a table, by an entry where its cells leave a doubt."""
    return [_settled(table, name, where) for name in map(str, table.frame)]


def odd_columns(columns: Iterable[Settled], target: Settled, groups: str | None) -> list[Entry]:
    """Return an entry for each odd column but the target and that of the groups."""
    rest = [column for column in columns if column.name not in (target.name, groups)]
    numbered = _numbered(rest)
    found = (_odd(column, target, numbered) for column in rest)
    return [entry for entry in found if entry is not None]


def group_candidates(columns: Iterable[Settled], target: str) -> list[Entry]:
    """Name columns that tell which rows belong together, by their names and repeated values."""
    found: list[Entry] = []
    for column in columns:
        named = ID.fullmatch(column.name) or _SUBJECTS.fullmatch(column.name)
        if column.name != target and named and _repeats(column):
            why = f"its {column.n_different} values repeat: rows of one stay in one fold"
            found.append(Entry(column.name, "groups", why, sure=not found))
    return found


def _repeats(column: Settled) -> bool:
    """Tell values of which there are many, each in few rows but mostly in several."""
    values, n = column.values, column.n_different
    if values is None or values.isna().any() or not 10 <= n <= len(values) / 2:
        return False
    return bool(values.value_counts().iloc[0] <= len(values) / 10)


# --- what a column is


def _settled(table: Table, name: str, where: str) -> Settled:
    """Read a column as the study would; where that is refused, find the entry that settles it."""
    column = table.frame[name]
    empty = (column == "") if table.in_texts else column.isna()
    if empty.all():
        return Settled(name, None, Entry(name, "drop", "has only empty cells"), ())
    try:
        return _read(table, name, {}, where)
    except UsageError as error:
        rule = _rule(str(error))
    for value, why in _ways(column):
        try:
            return _read(table, name, value, where)._replace(
                entry=Entry(name, value.get("kind", value), why)
            )
        except UsageError:
            continue
    return Settled(name, None, Entry(name, "drop", rule), ())


def _read(table: Table, name: str, value: Mapping[str, Any], where: str) -> Settled:
    import pandas as pd

    spec = ColumnSpec.model_validate_json(json.dumps(value))  # strict but for JSON
    read = read_column(table.frame[name], spec, where, read_feature, table.in_texts)
    notes = [*read.notes]
    features = as_features(pd.DataFrame({name: read.values}), name, where, notes)
    assert isinstance(features, pd.DataFrame)  # a table stays one
    return Settled(name, features[name], None, tuple(notes))


def _ways(column: pd.Series) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield what a column may be that is in doubt, and why the study file says so."""
    import pandas as pd

    yield {"thousands": ","}, "reads 1,234 as 1234"
    yield {"decimal": "."}, "reads 1.234 as a number a bit above 1"
    yield {"kind": "day-first"}, "may be day-first or month-first: check it"
    yield {"kind": "month-first"}, "is read month first"
    # As texts first: of lists and the like none could be told from another.
    different = pd.Series(column.dropna().astype(str).unique()).str.strip()
    strays = different[(different != "") & pd.to_numeric(different, errors="coerce").isna()]
    if 0 < len(strays) <= _FEW:
        texts = strays.tolist()
        yield {"missing": texts}, f"has {', '.join(map(repr, texts))} among its numbers"


def _rule(line: str) -> str:
    """Take out of the line that refuses a column what was found in it."""
    got = line.partition(", got ")[2].rpartition(" (")[0]
    if "different texts" in got:
        return f"has {got.partition(' in ')[0]}: names or free text"
    if "all numbers or few texts" in line:
        return f"has numbers, and texts such as {got.rpartition(' in row ')[0]}: codes of rows"
    return f"has {got or line}"


# --- what is odd


def _numbered(columns: list[Settled]) -> list[str]:
    """Name columns that count the rows, as the study's own remarks do."""
    import pandas as pd

    numbers = {column.name: column.values for column in columns if column.is_number}
    return counting(pd.DataFrame(numbers)) if numbers else []


def _odd(column: Settled, target: Settled, numbered: list[str]) -> Entry | None:
    name, n = column.name, column.n_different
    if column.values is None:
        return column.entry
    if name in numbered and not column.is_date:
        return Entry(name, "drop", "counts the rows")
    if n == len(column.values) > MANY and _is_id(column):
        return Entry(name, "drop", "is another in every row: a name of rows")
    if column.gaps > EMPTY:
        return Entry(name, "drop", f"is empty in {column.gaps:.0%} of the rows")
    if n == 1 and not column.gaps:
        return Entry(name, "drop", f"is {_shown(column.values[0])} in every row")
    if (share := _gaps_tell(column, target)) is not None:
        tells = f"tells {target.name} of {share:.0%} of the rows by being empty or not"
        return Entry(name, "drop", f"{tells}: known too late?")
    if _is_target(column, target):
        return Entry(name, "drop", f"is {target.name} in other words: it gives the answer away")
    return column.entry or _doubtful(column)


def _doubtful(column: Settled) -> Entry | None:
    """Propose to drop a column that a study can read, but that may be of no use."""
    if column.gaps > GAPS:
        return Entry(column.name, "drop", f"is empty in {column.gaps:.0%} of the rows", sure=False)
    if column.is_date:
        why = "is a date, read as days since 1970: later rows may differ"
        return Entry(column.name, "drop", why, sure=False)
    if not column.is_number and column.n_different > MANY:
        why = f"becomes {column.n_different} features, one for each text"
        return Entry(column.name, "drop", why, sure=False)
    return None


def _is_id(column: Settled) -> bool:
    if not column.is_number:
        return bool(ID.fullmatch(column.name))
    return bool(ID.fullmatch(column.name)) and not np.any(np.asarray(column.values) % 1)


def _is_target(column: Settled, target: Settled) -> bool:
    """Tell a column whose every value goes with one value of the target, and the other way."""
    import pandas as pd

    a, b = column.values, target.values
    assert a is not None and b is not None
    both = a.notna() & b.notna()
    if both.mean() < GAPS:
        return False
    if column.is_number and target.is_number and target.n_different > 2:
        x, y = a[both].to_numpy(dtype=np.float64), b[both].to_numpy(dtype=np.float64)
        spread = x.std() * y.std()
        return bool(spread and abs(np.mean((x - x.mean()) * (y - y.mean()))) > ALIKE * spread)
    n = target.n_different
    if column.n_different != n or n > len(a) / 2:
        return False
    return len(pd.DataFrame({"a": a[both], "b": b[both]}).drop_duplicates()) == n


def _gaps_tell(column: Settled, target: Settled) -> float | None:
    """Return the share of rows whose class a column tells by being empty or not, if it is odd.

    It is where that errs in less than a tenth of the rows in which the most frequent class does.
    """
    import pandas as pd

    if not 0 < column.gaps < 1 or target.n_different > FEW_NUMBERS:
        return None
    assert column.values is not None and target.values is not None
    counts = pd.crosstab(column.values.isna(), target.values).to_numpy()
    n = int(counts.sum())
    if not n or (without := n - counts.sum(0).max()) < LEAST_ERRORS:
        return None
    errors = n - counts.max(1).sum()
    return float(1 - errors / n) if errors < TELLS * without else None


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else repr(value)
