"""Features: an array of finite numbers, or a table whose columns are numbers or texts.

An array may lie in a file, of which rows are read when they are wanted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import numpy as np

from sweep.data.dates import days_of, orders
from sweep.data.file_rows import FileRows, block_rows
from sweep.data.guarded import describe
from sweep.data.notes import Note, key_for, missing_key
from sweep.data.numerals import numerals, readings
from sweep.data.refuse import LARGEST, refuse, refuse_first
from sweep.data.table_rows import TableRows
from sweep.data.variants import as_shown, variants
from sweep.errors import UsageError
from sweep.runtime import total_memory_bytes

# Arrays of numbers are read without pandas, which takes a while to import.
if TYPE_CHECKING:
    import pandas as pd

Held: TypeAlias = "np.ndarray | pd.DataFrame"  # rows in memory
Features: TypeAlias = "Held | FileRows | TableRows"

MANY = 50  # more different values than this are hardly the names of classes
FEW = 10  # texts that may all be different
_NESTED = (list, tuple, dict, np.ndarray)  # cells of a typed table that hold several values
_LOOKED_AT = 1000  # different texts, the most frequent first


def as_features(values: Any, name: str, where: str, notes: list[Note] | None = None) -> Features:
    """Turn what a source calls features into an array or a table that keeps the rules.

    Args:
        values: (N, *features) a data frame, rows of a file, or anything that makes an array.
        name: what messages call them.
        where: the source.
        notes: what is said of columns of texts is added here, and those that are hardly
            categories are refused. None: nothing is said, as of rows to test on.

    Returns:
        A finite float32 or float64 array, rows of a file that are; or a table of float64 columns
        (NaN is a missing cell) and object columns of texts (None is a missing cell).

    Raises:
        UsageError: in one line, naming the column and row at fault.
    """
    if isinstance(values, FileRows):
        _check_shape(values, name, where)
        return values  # its numbers are checked in the one pass that looks at all of them
    if isinstance(values, TableRows):
        return values  # its numbers were checked as they were decoded
    if isinstance(values, np.ndarray):
        return _array(values, name, where)
    import pandas as pd

    if not isinstance(values, pd.DataFrame):
        return _array(values, name, where)
    frame = values.rename(columns=str).reset_index(drop=True)
    if 0 in frame.shape:
        size = f"{frame.shape[0]} rows and {frame.shape[1]} columns"
        refuse(f"{name} must have rows and columns of features", size, where, "Add some")
    if not frame.columns.is_unique:
        double = frame.columns[frame.columns.duplicated()][0]
        refuse(f"{name} must have different column names", f"{double!r} twice", where, "Rename")
    return pd.DataFrame({column: _cells(frame[column], where, notes) for column in frame})


def take(X: Features, rows: np.ndarray) -> Features:
    """Return the rows (n,) of an array or a table, in that order; of a file they stay there."""
    if isinstance(X, FileRows | TableRows):
        return X.part(rows)
    return X[rows] if isinstance(X, np.ndarray) else X.iloc[rows].reset_index(drop=True)


def held(X: Features) -> Held:
    """Take rows for such in memory, which those of a source's own test set always are."""
    assert not isinstance(X, FileRows | TableRows)
    return X


def form(X: Features) -> Any:
    """Return what two features have in common where a network takes both: shape, or columns."""
    if isinstance(X, np.ndarray | FileRows):
        return X.shape[1:]
    if isinstance(X, TableRows):
        return {name: "text" if name in X.vocabularies else "number" for name in X.columns}
    return {name: "number" if kind == np.float64 else "text" for name, kind in X.dtypes.items()}


def blocks(X: np.ndarray | FileRows) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the rows of an array in order, as the place of the first and some rows (B, …)."""
    if isinstance(X, FileRows):
        yield from X.blocks()
        return
    size = block_rows(X.shape)
    for start in range(0, len(X), size):
        yield start, X[start : start + size]


def check_numbers(array: np.ndarray, name: str, where: str, first: int = 0) -> None:
    """Refuse numbers that training cannot take; `first` is the row that the array begins with.

    Raises:
        UsageError: naming the first of them.
    """
    wrong = ~(np.abs(array) < LARGEST)
    refuse_first(wrong, array, f"{name} must be finite and below 1e30", where, first=first)


def refuse_empty(column: str, where: str) -> NoReturn:
    """Refuse a column without a value."""
    refuse(f"column {column!r} must have values", "only empty cells", where, "Drop the column")


def as_float32(X: Features) -> np.ndarray:
    """Copy X as float32; a number beyond its range is refused."""
    with np.errstate(over="ignore"):
        values = np.asarray(X).astype(np.float32)
    if not np.isfinite(values).all():
        raise UsageError(
            f"data.scale: must keep features within float32, got {np.abs(np.asarray(X)).max():g} "
            "in a row unlike the training rows. Drop that feature, or use scale: none"
        )
    return values


def as_array(values: Any, name: str, where: str) -> np.ndarray:
    """Turn values into an array of any kind; rows of unequal shapes are refused, and too many."""
    try:
        array = np.asarray(_of_tensor(values))
    except (ValueError, TypeError, RuntimeError) as error:
        refuse(f"{name} must be an array", describe(error), where, "Give its rows one shape")
    if (
        array.size * 8 > total_memory_bytes()
    ):  # an array may repeat what it has, and take no memory
        refuse(f"{name} must fit in memory", f"shape {array.shape}", where, "Give fewer rows")
    return array


def _of_tensor(values: Any) -> Any:
    """Take a torch tensor off its device and its graph; numpy takes no other, and no bfloat16."""
    torch = sys.modules.get("torch")  # imported by whoever made one
    if torch is None or not isinstance(values, torch.Tensor):
        return values
    values = values.detach().cpu()
    return values.float() if values.dtype == torch.bfloat16 else values


def _array(values: Any, name: str, where: str) -> np.ndarray:
    array = as_array(values, name, where)
    _check_shape(array, name, where)
    if array.dtype.kind not in "biuf":
        numbers = [
            isinstance(value, int | float | np.integer | np.floating | None)
            for value in array.flat
        ]
        refuse_first(~np.reshape(numbers, array.shape), array, f"{name} must be numbers", where)
    array = array.astype(np.float32 if array.dtype == np.float32 else np.float64)
    check_numbers(array, name, where)
    return array


def _check_shape(array: np.ndarray | FileRows, name: str, where: str) -> None:
    if array.ndim < 2 or 0 in array.shape:
        hint = "Give it the shape (rows, features)"
        refuse(f"{name} must have rows and features", f"shape {array.shape}", where, hint)


def _cells(column: pd.Series, where: str, notes: list[Note] | None) -> pd.Series:
    """Turn a column into float64 or into texts; a missing cell is NaN or None."""
    import pandas as pd
    from pandas.api.types import is_bool_dtype, is_complex_dtype, is_numeric_dtype

    what = f"column {column.name!r}"
    if column.isna().all():
        refuse_empty(str(column.name), where)
    if column.dtype == object and isinstance(first := column.dropna().iloc[0], _NESTED):
        got, settled = f"cells of {type(first).__name__}", key_for(str(column.name), "drop")
        refuse(f"{what} must be numbers or texts", got, where, f"Set {settled}, or unfold it")
    column = _typed(column)
    kind = column.dtype
    if is_complex_dtype(kind) or kind.kind == "m":
        refuse(f"{what} must be numbers or texts", str(kind), where, "Drop or convert it")
    if kind.kind == "M":
        return _days(column, notes)
    if is_bool_dtype(kind) or not is_numeric_dtype(kind):
        texts = _texts(column)
        if notes is not None and not isinstance(kind, pd.CategoricalDtype):
            rows = texts.to_numpy()
            notes += judged(
                texts.value_counts(), str(column.name), where,
                lambda text: int(np.flatnonzero(rows == text)[0]),
            )  # fmt: skip
        return texts
    numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
    refuse_first(
        np.abs(numbers) >= LARGEST, numbers, f"{what} must be finite and below 1e30", where
    )
    return pd.Series(numbers)


def _typed(column: pd.Series) -> pd.Series:
    """Find the kind of a column of objects: a database's numbers and dates may come as such."""
    import pandas as pd

    if column.dtype != object:
        return column
    kind = pd.api.types.infer_dtype(column, skipna=True)
    if kind in ("decimal", "integer", "floating", "mixed-integer-float"):
        return column.astype(np.float64)
    return (
        pd.to_datetime(column, utc=True) if kind in ("date", "datetime", "datetime64") else column
    )


def _days(column: pd.Series, notes: list[Note] | None) -> pd.Series:
    """Turn moments into days since 1970-01-01."""
    if notes is not None:
        notes.append(dates_read(str(column.name)))
    return days_of(column)


def dates_read(name: str) -> Note:
    """Say that the dates of a column are read as days."""
    return Note("dates", f"column {name!r}", "dates are read as days since 1970-01-01")


def _texts(column: pd.Series) -> pd.Series:
    import pandas as pd

    present = column.notna().to_numpy()
    texts = np.full(len(column), None, dtype=object)
    texts[present] = [str(value) for value in column[present]]
    return pd.Series(texts, dtype=object)


def judged(
    counts: pd.Series, name: str, where: str, first_row: Callable[[str], int]
) -> list[Note]:
    """Refuse texts that are hardly categories; say what may be amiss with those that are.

    Args:
        counts: of rows, by text, the most frequent first, else as they come.
        name: of the column.
        where: the source.
        first_row: returns the first row that has a text.
    """
    what = f"column {name!r}"
    n, n_different, often = int(counts.sum()), len(counts), counts[:_LOOKED_AT]
    own = where.startswith("python:")
    quantities = np.array([_is_quantity(text) for text in often.index])
    others = often.index[~quantities].tolist()
    mostly = 2 * often.to_numpy()[quantities].sum() > often.sum()
    # Numbers with a stray "tall" among them would otherwise become hundreds of categories.
    too_many = max(FEW, n / 2)
    if mostly and others and n_different > min(MANY, too_many):
        row = first_row(others[0])
        settled = key_for(name, missing_key(others[:1]))
        hint = "Mend or drop it" if own else f"Mend it, or have it read as missing: {settled}"
        rule = f"{what} must be all numbers or few texts"
        refuse(rule, f"{others[0]!r} in row {row}", where, hint)
    if n_different > too_many:
        got = f"{n_different} different texts in {n} rows, such as {often.index[0]!r}"
        hint = f"Set {key_for(name, 'drop')}, or categorical to have a feature for each"
        own_hint = "Drop it, or convert it to numbers or to pandas' category"
        refuse(f"{what} must be numbers or few texts", got, where, own_hint if own else hint)
    return [*_doubtful(what, counts, others if mostly else None)]


def _doubtful(what: str, counts: pd.Series, others: list[str] | None) -> Iterator[Note]:
    """Say what may be amiss with categories.

    Args:
        what: the column.
        counts: of rows, by text.
        others: those that are neither numbers nor dates, where most are; else None.
    """
    if len(counts) > MANY:
        yield Note("many", what, f"{len(counts)} different texts become as many features or codes")
    if others:
        text = f"{others[0]!r} stands among numbers or dates, so all of them are categories"
        yield Note("mixed", what, text)
    if others == [] and not _are_plain(counts.index):
        text = "numbers or dates that are not written in one way: all of them are categories"
        yield Note("formats", what, text)
    if alike := variants(counts.index):
        yield Note("variants", what, f"{as_shown(alike)} are different categories")


def _are_plain(texts: Iterable[str]) -> bool:
    """Tell codes, or numbers that a typed table or the study file has as texts."""
    return all(text.strip().lstrip("+-").replace(".", "", 1).isdecimal() for text in texts)


def _is_quantity(text: str) -> bool:
    """Tell a number or a date, in whatever way it is written."""
    found = numerals([text.strip()])
    return bool(found and readings(found)) or bool(orders([text.strip()]))
