"""Files of rows: .csv, .parquet and .npz, read whole, or refused in one line."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sweep.data.refuse import refuse
from sweep.data.user_code import describe, did_you_mean
from sweep.errors import UsageError

# Arrays of numbers are read without pandas, which takes a while to import.
if TYPE_CHECKING:
    import pandas as pd


def read_file(read: Callable[[Path], Any], path: Path) -> Any:
    """Read a file, or say in one line why that cannot be done.

    Args:
        read: one of the functions below, or a like one of another library.
        path: the file.

    Raises:
        UsageError: there is no such file, or `read` cannot read it.
    """
    if not path.is_file():
        beside = [p.name for p in sorted(path.parent.glob(f"*{path.suffix}"))]
        hint = did_you_mean(path.name, beside) or ". Relative paths start at the study file"
        raise UsageError(f"data.source: must be a file that exists, got {path}{hint}")
    try:
        return read(path)
    except (OSError, ValueError, EOFError, ImportError, zipfile.BadZipFile) as error:
        hints = {ImportError: "Run pip install pyarrow", UnicodeDecodeError: "Save it as UTF-8"}
        hint = next((h for kind, h in hints.items() if isinstance(error, kind)), "Write it anew")
        refuse(f"must be a readable {path.suffix} file", describe(error), path, hint, error)


def read_csv(path: Path, **options: Any) -> pd.DataFrame:
    """Read a table; options as of pandas."""
    import pandas as pd

    frame: pd.DataFrame = pd.read_csv(path, low_memory=False, **options)
    return frame


def read_parquet(path: Path) -> pd.DataFrame:
    """Read a table that keeps its kinds of columns."""
    import pandas as pd

    return pd.read_parquet(path)


def read_npz(path: Path) -> dict[str, Any]:
    """Read arrays by name; none of them may run code, as a pickled one would."""
    with path.open("rb") as file:
        arrays = np.load(file, allow_pickle=False)
        if isinstance(arrays, np.ndarray):
            raise ValueError("a single array without a name")
        return dict(arrays)
