"""The data of a study: all its rows on the host, the test rows held out.

| symbol | meaning |
|---|---|
| N | search rows: all but the test rows |
| C | classes |
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sweep.data.features import Features, take
from sweep.data.folds import draw_share, strata
from sweep.data.rows import Rows, read_rows
from sweep.errors import UsageError
from sweep.spec.sections import DataSpec
from sweep.spec.seeds import derive


@dataclass(frozen=True, eq=False)
class Dataset:
    """All rows on the host, the test rows held out.

    Attributes:
        X: (N, *features) search rows. Arrays are finite; a table has float64 columns (NaN is a
            missing cell) and object columns of texts (None is a missing cell).
        y: (N,) int64 class index in 0..C-1, or float64 target.
        groups: (N,) int64; rows of one group stay in one fold. None: no groups.
        X_test, y_test: the held-out rows, of the same kinds; the search never sees them.
        classes: names of the classes by index, () for regression.
        content_hash: 16 hex digits of a hash of all the rows, search and test.
    """

    X: Features
    y: np.ndarray
    groups: np.ndarray | None
    X_test: Features
    y_test: np.ndarray
    classes: tuple[str, ...]
    content_hash: str


def load_dataset(data: DataSpec, folder: Path, seed: int) -> Dataset:
    """Read a source and hold its test rows out.

    Test rows are those that the source itself brings, or else a share of `test_fraction`:
    stratified for classification, whole groups where there are groups.

    Args:
        data: the study's data section.
        folder: the study file's folder.
        seed: the study's seed.

    Raises:
        UsageError: in one line, when the rows break a rule.
    """
    rows = read_rows(data, folder)
    content_hash, labels = _content_hash(rows), strata(rows.y, rows.classes)
    X, y, groups, X_test, y_test = rows.X, rows.y, rows.groups, rows.X_test, rows.y_test
    if X_test is None or y_test is None:
        test = draw_share(labels, groups, data.test_fraction, derive(seed, "test"))
        search = np.setdiff1d(np.arange(len(y)), test)
        X, X_test, y, y_test = take(X, search), take(X, test), y[search], y[test]
        groups = None if groups is None else groups[search]
    lost = np.setdiff1d(labels, strata(y, rows.classes))
    if len(lost):
        raise UsageError(
            f"data.test_fraction: must leave rows of every class, got {data.test_fraction:g}, "
            f"which leaves none of {rows.classes[lost[0]]!r} ({data.source}). Lower it"
        )
    return Dataset(X, y, groups, X_test, y_test, rows.classes, content_hash)


def noisy_labels(dataset: Dataset, share: float, study_seed: int) -> np.ndarray:
    """Copy y (N,), a share of it moved to one of the other classes, each as likely as the next.

    The copy depends on the study's seed and the row alone, never on split or replicate.
    """
    if not share:
        return dataset.y
    generator = np.random.default_rng(derive(study_seed, "noise"))
    n_classes = len(dataset.classes)
    wrong = generator.random(len(dataset.y)) < share
    moves = generator.integers(1, n_classes, len(dataset.y))
    return np.where(wrong, (dataset.y + moves) % n_classes, dataset.y)


def _content_hash(rows: Rows) -> str:
    digest = hashlib.sha256(json.dumps(rows.classes).encode())
    for part in (rows.X, rows.y, rows.groups, rows.X_test, rows.y_test):
        if part is not None and not isinstance(part, np.ndarray):
            import pandas as pd

            digest.update(json.dumps(list(part.columns)).encode())
            part = pd.util.hash_pandas_object(part, index=False).to_numpy()
        if part is not None:
            digest.update(f"{part.dtype.str}{part.shape}".encode() + part.tobytes())
        digest.update(b";")
    return digest.hexdigest()[:16]
