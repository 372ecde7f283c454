"""What the columns of features in Parquet files are, by what the files say of themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sweep.data.notes import key_for
from sweep.data.vocabulary import Vocabulary
from sweep.spec.columns import ColumnSpec
from sweep.spec.data import DataSpec

# pandas and pyarrow take a while to import: only what reads tables has them.
if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

_SINGLE = ("halffloat", "float")


class Kinds(NamedTuple):
    """What columns of features are.

    Attributes:
        number: what all columns are kept as: float32 where all numbers are such, else float64.
        texts: the columns of texts, by name.
        days: names of columns of dates and moments.
    """

    number: str
    texts: dict[str, Vocabulary]
    days: frozenset[str]


class Lacking(NamedTuple):
    """Why columns cannot be read in part: the rule, what there is instead, and what to do."""

    rule: str
    got: str
    hint: str


class _Column(NamedTuple):
    """A column of all files.

    Attributes:
        name: of it.
        spec: what the study file says of it.
        types: of each file, by Arrow.
        files: the files.
        dtypes: of each file, as a table in memory has them.
    """

    name: str
    spec: ColumnSpec
    types: list[pa.DataType]
    files: Sequence[ParquetFile]
    dtypes: list[Any]

    @property
    def is_plain(self) -> bool:
        """Whether the study file says nothing of it."""
        return self.spec == ColumnSpec()

    @property
    def is_one_type(self) -> bool:
        """Whether it is of the same type in all files."""
        return len({*self.types}) == 1

    def are(self, *tests: Any) -> bool:
        """Tell whether its type passes one of the tests, in all files."""
        return all(any(test(kind) for test in tests) for kind in self.types)

    def lacks(self, rule: str, hint: str = "write numbers") -> Lacking:
        """Say why it cannot be read in part."""
        got = f"{self.types[0]} in column {self.name!r}"
        drop = key_for(self.name, "drop")
        return Lacking(f"columns of features must be {rule}", got, f"Set {drop}, or {hint}")


def kinds_of(
    files: Sequence[ParquetFile], frames: Sequence[pd.DataFrame], names: Sequence[str],
    data: DataSpec,
) -> Kinds | Lacking:  # fmt: skip
    """Find out what columns of features are, or why they cannot be read in part.

    Args:
        files: open ones, whose columns have different names.
        frames: of each file, without rows.
        names: of the columns.
        data: the study's data section.
    """
    schemas = [file.schema_arrow for file in files]
    specs = data.columns or {}
    texts: dict[str, Vocabulary] = {}
    days, number = set[str](), "<f4"
    for name in names:
        types = [schema.field(name).type for schema in schemas]
        dtypes = [frame[name].dtype for frame in frames]
        column = _Column(name, specs.get(name, ColumnSpec()), types, files, dtypes)
        if (found := _vocabulary(column, data.where)) is not None:
            if isinstance(found, Lacking):
                return found
            texts[name] = found
        elif _is_number(column):
            single = all(str(kind) in _SINGLE for kind in column.types)
            number = number if single else "<f8"
        elif _is_day(column):
            days.add(name)
            number = "<f8"
        else:
            return _lacking(column)
    return Kinds(number, texts, frozenset(days))


def _is_number(column: _Column) -> bool:
    from pyarrow import types

    if column.spec.kind not in (None, "number") or column.spec.missing:
        return False
    others = types.is_decimal, types.is_null
    is_other = column.is_plain and column.is_one_type and column.are(*others)
    return is_other or column.are(types.is_integer, types.is_floating)


def _is_day(column: _Column) -> bool:
    from pyarrow import types

    is_fit = column.is_plain and column.is_one_type
    return is_fit and column.are(types.is_date, types.is_timestamp)


def _vocabulary(column: _Column, where: str) -> Vocabulary | Lacking | None:
    """Make a vocabulary for a column of texts; None for another."""
    from pyarrow import types

    are, is_category = column.are, column.are(types.is_dictionary)
    if column.spec.kind == "categorical":
        if are(types.is_integer, types.is_floating):
            return _of_numbers(column, where)
        others = [types.is_date, types.is_timestamp, types.is_decimal]
    elif column.is_plain:
        others = []
    else:
        return None
    if are(_is_text) or (column.is_one_type and are(types.is_boolean, _is_time, *others)):
        return Vocabulary(column.name, column.spec, where, is_category=is_category)
    return None


def _of_numbers(column: _Column, where: str) -> Vocabulary | Lacking:
    """Make a vocabulary of numbers that are categories, as pandas would write them."""
    from pyarrow import types

    are_numpy = {isinstance(dtype, np.dtype) for dtype in column.dtypes}
    if not column.are(types.is_integer):
        if are_numpy != {True}:
            return column.lacks("categories as texts", "write texts")
        return Vocabulary(column.name, column.spec, where, as_floats=True)
    gaps = [_gaps(file, column.name) for file in column.files]
    if len(are_numpy) > 1 or not column.is_one_type or None in gaps:
        return column.lacks("such as say how many cells are missing", "write texts")
    as_floats = are_numpy == {True} and any(gaps)  # numpy has no whole number that is missing
    return Vocabulary(column.name, column.spec, where, as_floats=as_floats)


def _gaps(file: ParquetFile, name: str) -> int | None:
    """Count the missing cells of a column, if the file has counted them."""
    about = file.metadata
    place = [each.path for each in file.schema].index(name)
    parts = [about.row_group(n).column(place).statistics for n in range(about.num_row_groups)]
    if any(part is None or not part.has_null_count for part in parts):
        return None
    return sum(int(part.null_count) for part in parts)


def _is_text(kind: pa.DataType) -> bool:
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    return any(
        is_so(kind) for is_so in (types.is_string, types.is_large_string, types.is_string_view)
    )


def _is_time(kind: pa.DataType) -> bool:
    """Tell whether these are times of day as Python has them: of microseconds."""
    from pyarrow import types

    return types.is_time(kind) and str(kind) != "time64[ns]"


def _lacking(column: _Column) -> Lacking:
    if not column.is_one_type:
        rule, got = "of one kind in all files", f"{column.types[-1]} and {column.types[0]}"
        lacking = column.lacks(rule, "write them alike")
        return lacking._replace(got=f"{got} in column {column.name!r}")
    if column.is_plain:
        return column.lacks("numbers, texts, dates or true and false")
    got = f"other keys for column {column.name!r}"
    return column.lacks("as they are, or categorical")._replace(got=got)
