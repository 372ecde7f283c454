"""Sparse files, which are made dense: svmlight's text, and matrices that scipy saved."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from sweep.data.files import read_file
from sweep.data.npy import read_beside
from sweep.data.refuse import refuse
from sweep.runtime import total_memory_bytes
from sweep.spec.data import DataSpec

SVMLIGHT = (".svm", ".svmlight", ".libsvm")
COPIES = 4  # of the rows, which reading and scaling make


def read_svmlight(path: Path) -> dict[str, Any]:
    """Read rows `target index:value …`, with `qid:` as the group: X (N, F), y and maybe groups.

    Raises:
        UsageError: in one line, when it cannot be read, or its rows are too many for the memory.
    """
    X, y, group = read_file(_read_svmlight, path)
    found = {"X": _dense(X, path), "y": y.astype(np.int64) if (y % 1 == 0).all() else y}
    return found | ({"groups": group} if np.any(group) else {})


def is_sparse(path: Path) -> bool:
    """Tell whether a file is what `scipy.sparse.save_npz` writes."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {"format.npy", "shape.npy", "data.npy"} <= {*archive.namelist()}
    except (OSError, ValueError, zipfile.BadZipFile):
        return False


def read_sparse(data: DataSpec, folder: Path) -> dict[str, Any]:
    """Read features that scipy saved, (N, F), and all that is beside them in .npy files.

    Raises:
        UsageError: in one line, when one cannot be read, or the rows do not fit in memory.
    """
    path = folder / data.source
    X = read_file(_read_scipy, path)
    beside = read_beside(data, folder, X.shape[0])
    return {"X": _dense(X, path), **beside}


def _read_svmlight(path: Path) -> tuple[Any, np.ndarray, np.ndarray]:
    from sklearn.datasets import load_svmlight_file

    X, y, group = load_svmlight_file(str(path), query_id=True)
    return X, y, group


def _read_scipy(path: Path) -> Any:
    from scipy.sparse import load_npz

    return load_npz(path)


def _dense(X: Any, path: Path) -> np.ndarray:
    rows, features = X.shape
    needed = 8 * rows * features
    if COPIES * needed > total_memory_bytes():
        refuse(
            f"its {rows:,} rows of {features:,} features must fit in memory when zeros are written"
            " out", f"{needed / 1e9:.3g} GB", path, "Leave out rare features",
        )  # fmt: skip
    dense: np.ndarray = X.toarray()
    return dense
