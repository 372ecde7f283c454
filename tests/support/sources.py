"""Sources that tests write, and the lines that refuse them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pytest

from sweep.data.dataset import Rows, read_rows
from sweep.errors import UsageError
from sweep.spec.data import DataSpec

X = np.arange(24.0).reshape(8, 3)
Y = np.array([0, 1] * 4)
AB = ["a", "b"] * 3
TABLE = pd.DataFrame(
    {
        "size": [1.5, np.nan, 3, 4, 5, 6],
        "colour": ["red", "blue", None, "red", "blue", "red"],
        "new": [True, False, True, True, False, True],
        "who": ["u", "u", "v", "v", "w", "w"],
        "kind": ["cat", "dog", "cat", "dog", "cat", "dog"],
    }
)
PLACE = "(python:own:rows)"  # how a message names what `own` writes

Write: TypeAlias = Callable[[Path], str]  # writes into a folder, returns data.source
Case: TypeAlias = tuple[Write, dict[str, Any], str]  # options of data, the line that refuses it


def read(folder: Path, source: str, **options: Any) -> Rows:
    return read_rows(DataSpec(source=source, **options), folder)


def returning(folder: Path, **values: Any) -> str:
    """Write a module whose function returns these arrays as a dict."""
    np.save(folder / "values.npy", np.array(values, dtype=object), allow_pickle=True)
    (folder / "own.py").write_text(
        "from pathlib import Path\nimport numpy as np\n"
        "def rows():\n    path = Path(__file__).with_name('values.npy')\n"
        "    return np.load(path, allow_pickle=True).item()\n"
    )
    return "python:own:rows"


def refusal(folder: Path, source: str, **options: Any) -> str:
    """Return the line that refuses a source."""
    with pytest.raises(UsageError) as caught:
        read(folder, source, **options)
    return str(caught.value)


def says(got: str, message: str) -> bool:
    """Say whether a line is the wanted one, where * stands for a library's own words."""
    start, star, end = message.partition("*")
    if not star:
        return got == message
    return got.startswith(start) and got.endswith(end) and "\n" not in got


def csv(**columns: Any) -> Write:
    def write(folder: Path) -> str:
        pd.DataFrame(columns).to_csv(folder / "t.csv", index=False)
        return "t.csv"

    return write


def parquet(**columns: Any) -> Write:
    def write(folder: Path) -> str:
        pd.DataFrame(columns).to_parquet(folder / "t.parquet")
        return "t.parquet"

    return write


def npz(**arrays: Any) -> Write:
    def write(folder: Path) -> str:
        np.savez(folder / "a.npz", **arrays)
        return "a.npz"

    return write


def own(**values: Any) -> Write:
    return lambda folder: returning(folder, **values)


def text(name: str, content: str | bytes) -> Write:
    def write(folder: Path) -> str:
        data = content.encode() if isinstance(content, str) else content
        (folder / name).write_bytes(data)
        return name

    return write


def named(source: str) -> Write:
    return lambda folder: source


def changed(value: Any, at: Any, array: Any = X) -> np.ndarray:
    changed_array: np.ndarray = np.array(array, dtype=object if isinstance(value, str) else None)
    changed_array[at] = value
    return changed_array
