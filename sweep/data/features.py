"""Features: an array of finite numbers, or a table whose columns are numbers or texts."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from sweep.data.guarded import describe
from sweep.data.refuse import refuse, refuse_first
from sweep.runtime import total_memory_bytes

# Arrays of numbers are read without pandas, which takes a while to import.
if TYPE_CHECKING:
    import pandas as pd

Features: TypeAlias = "np.ndarray | pd.DataFrame"

LARGEST = 1e30  # far inside float32, so that what training makes of it can stay finite
MANY = 50  # more different values than this are hardly the names of classes


def as_features(values: Any, name: str, where: str) -> Features:
    """Turn what a source calls features into an array or a table that keeps the rules.

    Args:
        values: (N, *features) a data frame, or anything that makes an array.
        name: what messages call them.
        where: the source.

    Returns:
        A finite float32 or float64 array; or a table of float64 columns (NaN is a missing cell)
        and object columns of texts (None is a missing cell).

    Raises:
        UsageError: in one line, naming the column and row at fault.
    """
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
    return pd.DataFrame({column: _cells(frame[column], where) for column in frame})


def take(X: Features, rows: np.ndarray) -> Features:
    """Return the rows (n,) of an array or a table, in that order."""
    return X[rows] if isinstance(X, np.ndarray) else X.iloc[rows].reset_index(drop=True)


def form(X: Features) -> Any:
    """Return what two features have in common where a network takes both: shape, or columns."""
    if isinstance(X, np.ndarray):
        return X.shape[1:]
    return {name: "number" if kind == np.float64 else "text" for name, kind in X.dtypes.items()}


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
    if array.ndim < 2 or 0 in array.shape:
        hint = "Give it the shape (rows, features)"
        refuse(f"{name} must have rows and features", f"shape {array.shape}", where, hint)
    if array.dtype.kind not in "biuf":
        numbers = [
            isinstance(value, int | float | np.integer | np.floating | None)
            for value in array.flat
        ]
        refuse_first(~np.reshape(numbers, array.shape), array, f"{name} must be numbers", where)
    array = array.astype(np.float32 if array.dtype == np.float32 else np.float64)
    rule = f"{name} must be finite and below 1e30"
    refuse_first(~(np.abs(array) < LARGEST), array, rule, where)
    return array


def _cells(column: pd.Series, where: str) -> pd.Series:
    """Turn a column into float64 or into texts; a missing cell is NaN or None."""
    import pandas as pd
    from pandas.api.types import is_bool_dtype, is_complex_dtype, is_numeric_dtype

    what, kind = f"column {column.name!r}", column.dtype
    if column.isna().all():
        refuse(f"{what} must have values", "only empty cells", where, "Drop the column")
    if is_complex_dtype(kind) or kind.kind in "mM":
        refuse(f"{what} must be numbers or texts", str(kind), where, "Drop or convert it")
    if is_bool_dtype(kind) or not is_numeric_dtype(kind):
        return _texts(column, what, where)
    numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
    refuse_first(
        np.abs(numbers) >= LARGEST, numbers, f"{what} must be finite and below 1e30", where
    )
    return pd.Series(numbers)


def _texts(column: pd.Series, what: str, where: str) -> pd.Series:
    import pandas as pd

    present = column.notna().to_numpy()
    texts = np.full(len(column), None, dtype=object)
    texts[present] = [str(value) for value in column[present]]
    numbers = pd.to_numeric(pd.Series(texts), errors="coerce").notna().to_numpy()
    # Numbers with a stray "?" among them would otherwise become hundreds of categories.
    if pd.Series(texts).nunique() > MANY and 2 * numbers.sum() > present.sum():
        refuse_first(present & ~numbers, texts, f"{what} must be all numbers or few texts", where)
    return pd.Series(texts, dtype=object)
