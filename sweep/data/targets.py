"""Targets: a value in every row, turned into class indices or into numbers; weights of rows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sweep.data.features import MANY, Features, as_array, take
from sweep.data.notes import Note, key_for
from sweep.data.refuse import LARGEST, refuse, refuse_first
from sweep.data.variants import as_shown, variants
from sweep.spec.tasks import TASKS

# Arrays of numbers are read without pandas, which takes a while to import.
if TYPE_CHECKING:
    import pandas as pd


class Column(NamedTuple):
    """A target or groups, with a value in every row.

    Attributes:
        name: what messages call it.
        values: (N,) numbers as an array; anything else as pandas keeps it. Several targets are
            an array of numbers (N, T).
        names: of several targets, where they have some.
    """

    name: str
    values: np.ndarray | pd.Series
    names: tuple[str, ...] = ()


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


def as_targets(
    values: Any, name: str, task: str, where: str, hint: str = "Mend or drop it"
) -> Column:
    """Turn targets into a column, or into several where the task may have them.

    Args:
        values: as of `as_column`; or (N, T), a data frame or anything that makes an array.
        name, where, hint: as of `as_column`.
        task: what is predicted.

    Raises:
        UsageError: in one line, naming the column and row at fault.
    """
    columns = getattr(values, "columns", None)
    if columns is not None and len(columns) == 1:
        return as_column(values.iloc[:, 0], name, where, hint)
    many = TASKS[task].has_many
    if columns is not None and many and len(columns):
        parts = [as_column(values[column], name, where, hint) for column in columns]
        names = tuple(map(str, columns))
    else:
        array = values if isinstance(values, np.ndarray) else None
        if array is None and columns is None and not hasattr(values, "iloc"):
            array = as_array(values, name, where)
        if array is None or array.ndim != 2 or array.shape[1] < 2 or not many:
            return as_column(values if array is None else array, name, where, hint)
        parts = [
            as_column(part, f"{name}, target {t},", where, hint) for t, part in enumerate(array.T)
        ]
        names = ()
    return Column(name, np.stack([_floats(part, task, where) for part in parts], 1), names)


def with_targets(
    X: Features, raw: dict[str, Any], notes: list[Note]
) -> tuple[Features, dict[str, Any]]:
    """Leave out rows of arrays without a target, or one of several, and say how many."""
    import pandas as pd

    missing = np.asarray(pd.isna(np.asarray(raw["y"], dtype=object)))
    missing = np.asarray(missing.any(1)) if missing.ndim == 2 else missing
    if missing.ndim != 1 or len(missing) != len(X) or not missing.any():
        return X, raw  # which is refused where it is wrong
    rows = np.flatnonzero(~missing)
    text = f"{missing.sum()} of {len(missing)} rows have no target and are left out"
    notes.append(Note("dropped", "", text))
    keys = ("y", "groups", "weight", "fold", "split", "time")
    given = [key for key in keys if raw.get(key) is not None]
    kept = {key: np.asarray(raw[key])[rows] for key in given}
    return take(X, rows), raw | kept


def read_weights(
    raw: dict[str, Any], X: Features, X_test: Features | None, where: str
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Read what the loss of each row counts.

    Args:
        raw: what the source holds; `weight` and `weight_test` of it are read.
        X, X_test: the rows.
        where: the source.

    Returns:
        (N,) and (T,) float64; None each where there are none.

    Raises:
        UsageError: in one line, when one is missing, below 0 or no number, or all are 0.
    """
    found: list[np.ndarray | None] = []
    for name, rows in (("weight", X), ("weight_test", X_test)):
        values = raw.get(name)
        if (values is None) != (raw.get("weight") is None) and rows is not None:
            missing = name if values is None else "weight"
            rule = "must hold weights of all rows or of none"
            refuse(rule, f"no {missing}", where, "Add the other")
        if values is None or rows is None:
            found.append(None)
            continue
        column = as_column(values, name, where)
        weight = _numbers(column, "must be numbers", "Use numbers", where)
        if len(weight) != len(rows):
            got = f"{len(weight)} of {len(rows)} rows"
            refuse(f"{name} must have a value in every row", got, where, "Mend it")
        wrong = (weight < 0) | (weight >= LARGEST)
        refuse_first(wrong, column.values, f"{column.name} must be 0 or more, below 1e30", where)
        if not weight.any():
            refuse(f"{name} must be above 0 somewhere", "only 0", where, "Name another column")
        found.append(weight)
    return found[0], found[1]


def coding(y: Column, task: str, names: Any, where: str) -> tuple[Encode, tuple[str, ...]]:
    """Choose how targets become numbers, and name the classes.

    Args:
        y: the targets of all rows but those that the source itself holds out.
        task: what is predicted.
        names: of the classes, in their order; None names them as they are written.
        where: the source.

    Returns:
        A function of a column (B,) that returns int64 class indices or float64 targets, (B,) or
        (B, T), and the names of the classes by index, () where targets are numbers.

    Raises:
        UsageError: in one line, when y are hardly classes, no numbers, or all the same; by the
            function, when it meets a target that is not one of the classes, or no number.
    """
    if not TASKS[task].has_classes:
        values = _floats(y, task, where)
        for place, target in enumerate(values.reshape(len(values), -1).T):
            if (target == target[0]).all():
                name = y.names[place] if y.names else f"target {place}"
                which = f" ({name})" if values.ndim == 2 else ""
                got = f"{target[0]:g} in every row{which}"
                refuse(f"{y.name} must vary", got, where, "Name another target")
        return partial(_floats, task=task, where=where, shape=values.shape[1:]), ()
    labels, counts = np.unique(_labels(y), return_counts=True)
    if labels.dtype.kind == "f" and len(labels) > MANY:
        got = f"{len(labels)} different numbers"
        refuse(f"{y.name} must be classes", got, where, "Did you mean task: regression?")
    classes = tuple(str(name) for name in (labels if names is None else names))
    if task == "binary" and len(labels) > 2:
        got = f"{len(labels)}, such as {classes[2]!r}"
        rule = f"{y.name} must have 2 classes for task binary"
        refuse(rule, got, where, "Use task: classification")
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
        got, hint = as_shown(alike), f"Make them alike, or {apart}"
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


def _floats(y: Column, task: str, where: str, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Read targets as numbers that the task allows, (B,) or (B, T)."""
    labels = TASKS[task].has_labels
    hint = "Use numbers, or task: classification"
    values = _numbers(y, f"must be numbers for task {task}", hint, where, booleans=labels)
    if shape is not None and values.shape[1:] != shape:
        got = f"shape {values.shape}"
        refuse(f"{y.name} must have the targets of y", got, where, "Make them alike")
    rule = f"{y.name} must be finite and below 1e30"
    refuse_first(np.abs(values) >= LARGEST, y.values, rule, where)
    if labels:
        rule = f"{y.name} must be 0 or 1 for task {task}"
        refuse_first((values != 0) & (values != 1), y.values, rule, where)
    if task == "count":
        refuse_first(values < 0, y.values, f"{y.name} must be 0 or more for task count", where)
    return values


def _numbers(y: Column, rule: str, hint: str, where: str, *, booleans: bool = False) -> np.ndarray:
    if isinstance(y.values, np.ndarray):
        values = y.values.astype(np.float64)
    else:
        values = _parsed(y.values, y.name, rule, hint, where, booleans)
    refuse_first(np.isnan(values), y.values, f"{y.name} {rule}", where)
    return values


def _parsed(
    column: pd.Series, name: str, rule: str, hint: str, where: str, booleans: bool
) -> np.ndarray:
    """Read texts as numbers, NaN where they are none."""
    import pandas as pd
    from pandas.api.types import is_bool_dtype

    if booleans and is_bool_dtype(column):
        return column.astype(np.float64).to_numpy()
    if booleans and column.isin(["True", "False", "true", "false"]).all():
        return column.isin(["True", "true"]).to_numpy(dtype=np.float64)
    if is_bool_dtype(column) or column.dtype.kind in "mM":
        refuse(f"{name} {rule}", str(column.dtype), where, hint)
    return pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
