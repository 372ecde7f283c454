"""Targets: a value in every row, turned into class indices or into numbers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sweep.data.features import LARGEST, MANY, as_array
from sweep.data.notes import key_for
from sweep.data.refuse import refuse, refuse_first
from sweep.data.variants import variants
from sweep.spec.tasks import TASKS

# Arrays of numbers are read without pandas, which takes a while to import.
if TYPE_CHECKING:
    import pandas as pd


class Column(NamedTuple):
    """A target or groups, with a value in every row.

    Attributes:
        name: what messages call it.
        values: (N,) numbers as an array; anything else as pandas keeps it.
    """

    name: str
    values: np.ndarray | pd.Series


Encode = Callable[[Column], np.ndarray]


def as_column(values: Any, name: str, where: str, hint: str = "Mend or drop it") -> Column:
    """Turn a target or groups into a column without missing values.

    Args:
        values: (N,) or (N, 1): a series, or anything that makes an array.
        name: what messages call it, unless the series has a name.
        where: the source.
        hint: what to do where a row has none.

    Raises:
        UsageError: in one line, naming the row at fault.
    """
    if not isinstance(values, np.ndarray):
        import pandas as pd

        if isinstance(values, pd.Series):
            label = name if values.name is None else f"column {values.name!r}"
            return _from_pandas(values.reset_index(drop=True), label, where, hint)
    array = as_array(values, name, where)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        got = f"shape {array.shape}"
        refuse(f"{name} must be one value a row", got, where, "Give it the shape (rows,)")
    if array.dtype.kind not in "iuf":
        import pandas as pd

        return _from_pandas(pd.Series(array), name, where, hint)
    rule = f"{name} must have a value in every row"
    refuse_first(np.isnan(array), array, rule, where, hint)
    refuse_first(np.isinf(array), array, rule, where)
    return Column(name, array)


def coding(y: Column, task: str, names: Any, where: str) -> tuple[Encode, tuple[str, ...]]:
    """Choose how targets become numbers, and name the classes.

    Args:
        y: the targets of all rows but those that the source itself holds out.
        task: what is predicted.
        names: of the classes, in their order; None names them as they are written.
        where: the source.

    Returns:
        A function of a column (B,) that returns int64 class indices or float64 targets (B,), and
        the names of the classes by index, () where targets are numbers.

    Raises:
        UsageError: in one line, when y are hardly classes, no numbers, or all the same; by the
            function, when it meets a target that is not one of the classes, or no number.
    """
    if not TASKS[task].has_classes:
        values = _floats(y, where)
        if (values == values[0]).all():
            got = f"{values[0]:g} in every row"
            refuse(f"{y.name} must vary", got, where, "Name another target")
        return partial(_floats, where=where), ()
    labels, counts = np.unique(_labels(y), return_counts=True)
    if labels.dtype.kind == "f" and len(labels) > MANY:
        got = f"{len(labels)} different numbers"
        refuse(f"{y.name} must be classes", got, where, "Did you mean task: regression?")
    classes = tuple(str(name) for name in (labels if names is None else names))
    if len(labels) < 2:
        got = f"only {classes[0]!r}"
        refuse(f"{y.name} must have 2 classes or more", got, where, "Add rows of another class")
    if counts.min() < 2:
        got = f"1 row of {classes[counts.argmin()]!r}"
        hint = "" if labels.dtype.kind == "U" else ", or set task: regression"
        rule = f"{y.name} must have 2 rows or more of each class"
        refuse(rule, got, where, f"Drop or merge the class{hint}")
    return partial(_index, labels=labels, where=where), classes


def _from_pandas(column: pd.Series, name: str, where: str, hint: str) -> Column:
    from pandas.api.types import is_bool_dtype, is_complex_dtype, is_numeric_dtype

    column = column.infer_objects()
    if is_complex_dtype(column.dtype):
        refuse(f"{name} must be numbers or texts", str(column.dtype), where, "Convert it")
    endless = np.isinf(column.to_numpy()) if column.dtype.kind == "f" else False
    rule = f"{name} must have a value in every row"
    refuse_first(column.isna(), column, rule, where, hint)
    refuse_first(endless, column, rule, where)
    if is_numeric_dtype(column) and not is_bool_dtype(column):
        return Column(name, column.to_numpy())
    if column.dtype != "category":
        _check_alike(column, name, where)
    return Column(name, column)


def _check_alike(column: pd.Series, name: str, where: str) -> None:
    """Refuse texts that differ only by blanks or case: they would be classes of their own."""
    if alike := variants(str(value) for value in column.unique()):
        apart = "number them"
        if not where.startswith("python:") and column.name is not None:
            apart = f"keep them apart with {key_for(str(column.name), 'categorical')}"
        got, hint = " and ".join(map(repr, alike)), f"Make them alike, or {apart}"
        refuse(f"{name} must have texts that differ by more than blanks or case", got, where, hint)


def _labels(y: Column) -> np.ndarray:
    """Turn classes into texts, whole numbers, or floats."""
    if not isinstance(y.values, np.ndarray):
        return y.values.astype(str).to_numpy(dtype=str)
    if y.values.dtype.kind in "iu":
        return y.values if y.values.dtype == np.uint64 else y.values.astype(np.int64)
    values = y.values.astype(np.float64)
    return values.astype(np.int64) if (values % 1 == 0).all() else values


def _index(y: Column, labels: np.ndarray, where: str) -> np.ndarray:
    places = {label: place for place, label in enumerate(labels.tolist())}
    index = np.array([places.get(label, -1) for label in _labels(y).tolist()], dtype=np.int64)
    refuse_first(index < 0, y.values, f"{y.name} must have only classes that y has", where)
    return index


def _floats(y: Column, where: str) -> np.ndarray:
    if isinstance(y.values, np.ndarray):
        values = y.values.astype(np.float64)
    else:
        values = _parsed(y.values, y.name, where)
    rule = f"{y.name} must be numbers for task regression"
    refuse_first(np.isnan(values), y.values, rule, where)
    rule = f"{y.name} must be finite and below 1e30"
    refuse_first(np.abs(values) >= LARGEST, y.values, rule, where)
    return values


def _parsed(column: pd.Series, name: str, where: str) -> np.ndarray:
    """Read texts as numbers, NaN where they are none."""
    import pandas as pd
    from pandas.api.types import is_bool_dtype

    if is_bool_dtype(column) or column.dtype.kind in "mM":
        hint = "Use numbers, or task: classification"
        refuse(f"{name} must be numbers for task regression", str(column.dtype), where, hint)
    return pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
