"""Preprocessing: features and targets made fit for training, by what the training rows say.

| symbol | meaning |
|---|---|
| N | search rows: all but the test rows |
| n | rows learnt from: the training rows of a replicate |
| B | rows preprocessed |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from sweep.data.coded import Coded
from sweep.data.features import Features, as_float32, blocks, take
from sweep.data.file_rows import FileRows
from sweep.data.fitted_table import (
    FittedColumns,
    FittedTable,
    coded,
    fit_columns,
    fit_table,
    of_numbers,
    texts_of,
)
from sweep.data.streamed import Scaled
from sweep.data.survey import Look, among, one_pass
from sweep.data.table_rows import TableRows
from sweep.data.vocabulary import Vocabulary

# scikit-learn takes most of a second to import: only functions that need it do.
if TYPE_CHECKING:
    from sklearn.preprocessing import StandardScaler

Transform: TypeAlias = Callable[[Features], "np.ndarray | Scaled"]


def preprocessors(
    scale: str, search: Features, fits: Sequence[np.ndarray], *looks: Look, embed: bool = False
) -> list[Transform]:
    """Fit the preprocessing of features by several sets of rows, in one pass over them.

    Args:
        scale, search, embed: as of `preprocessor`.
        fits: which of the rows of `search` to learn from, (n,) each, in order.
        looks: what rows are shown to where all of them are read one after another.

    Returns:
        For each a function of rows (B, *features) that returns them as (B, *features) float32, or
        rows of a file with what is to be done to them as they are read.
    """
    if isinstance(search, TableRows):
        columns = fit_columns(scale, search, fits)
        return [partial(_of_columns, each, search.vocabularies, embed) for each in columns]
    if not isinstance(search, np.ndarray | FileRows):
        return [
            _table_preprocessor(fit_table(scale, search, take(search, rows), embed=embed))
            for rows in fits
        ]
    if scale == "none":
        return [unscaled for _ in fits]
    return [partial(_scaled, scaler) for scaler in fit_scalers(search, fits, *looks)]


def preprocessor(scale: str, search: Features, fit: Features, *, embed: bool = False) -> Transform:
    """Fit the preprocessing of features.

    Numbers: missing cells become the median of `fit`, and are standardised by it where scale
    is `standard` (constant columns ÷ 1). Texts: missing cells become the most frequent text of
    `fit`, then one column a category, never scaled; a category that `fit` lacks is all zeros.
    Embedded, a column of texts stays one: of codes, see `FittedTable`.

    Args:
        scale: `standard` or `none`.
        search: (N, *features) all search rows. Only a table's categories are read from them,
            so that the width is the same whatever `fit` holds.
        fit: the rows to learn from: a replicate's training rows.
        embed: whether categories become codes.

    Returns:
        As one of `preprocessors`.
    """
    if isinstance(search, np.ndarray | FileRows):
        return preprocessors(scale, fit, [np.arange(len(fit))])[0]
    assert not isinstance(search, TableRows)  # whose rows are fitted by several sets at once
    return _table_preprocessor(fit_table(scale, search, fit, embed=embed))


def fit_scalers(
    X: np.ndarray | FileRows, fits: Sequence[np.ndarray], *looks: Look
) -> list[StandardScaler]:
    """Measure mean and deviation of each feature over several sets of rows, in one pass.

    Blocks of rows are combined as Chan, Golub and LeVeque do it, which scikit-learn has. Their
    size follows from X's shape alone: rows in memory and in a file come to the same bits.

    Args:
        X: (N, *features).
        fits: (n,) rows each, in order.
        looks: what the rows of X are shown to beside.
    """
    from sklearn.preprocessing import StandardScaler

    scalers = [StandardScaler() for _ in fits]

    def learn(start: int, block: np.ndarray) -> None:
        values = _flat(block)
        for scaler, rows in zip(scalers, fits, strict=True):
            among(rows, partial(_learn, scaler))(start, values)

    one_pass(blocks(X), learn, *looks)
    return scalers


def _learn(scaler: StandardScaler, _: int, values: np.ndarray) -> None:
    scaler.partial_fit(values)


def unscaled(rows: Features) -> np.ndarray | Scaled:
    """Take rows as they are, as float32."""
    rows = rows.rows if isinstance(rows, TableRows) else rows
    return Scaled(rows) if isinstance(rows, FileRows) else as_float32(rows)


def _scaled(scaler: StandardScaler, rows: Features) -> np.ndarray | Scaled:
    if isinstance(rows, FileRows):
        return Scaled(rows, scaler.mean_, scaler.scale_)
    return as_float32(scaler.transform(_flat(rows)).reshape(rows.shape))


def target_scale(scale: str, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and standard deviation to standardise float targets by.

    They are 0 and 1 where scale is `none`; the deviation of a constant target is 1.

    Args:
        scale: `standard` or `none`.
        y: (n,), or (n, T) of several targets.

    Returns:
        () each, or (T,).
    """
    if scale == "none":
        return np.zeros(y.shape[1:]), np.ones(y.shape[1:])
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(y.reshape(len(y), -1))
    return scaler.mean_.reshape(y.shape[1:]), scaler.scale_.reshape(y.shape[1:])


def fits_all(scale: str, X: Features) -> bool:
    """Say whether there is nothing to learn from training rows of X (N, *features)."""
    return scale == "none" and is_complete(X)


def is_complete(X: Features) -> bool:
    """Say whether each cell of X (N, *features) is a number: none is missing, none a text."""
    if isinstance(X, TableRows):
        return not (X.vocabularies or X.gaps.any())
    return isinstance(X, np.ndarray | FileRows) or not (texts_of(X) or X.isna().to_numpy().any())


def category_sizes(X: Features) -> tuple[int, ...]:
    """Return how many codes each column of texts has when embedded: 0 is of unknown ones."""
    return tuple(1 + len(texts) for texts in texts_of(X).values())


def _of_columns(
    columns: FittedColumns, vocabularies: Mapping[str, Vocabulary], embed: bool, rows: Features
) -> Scaled:
    assert isinstance(rows, TableRows)
    fill, mean, deviation = of_numbers(columns.numbers)
    texts = Coded.of(rows.columns, vocabularies, columns.texts, embed) if vocabularies else None
    return Scaled(rows.rows, mean, deviation, fill, texts)


def _table_preprocessor(table: FittedTable) -> Transform:
    def transform(rows: Features) -> np.ndarray:
        values = table.transformer.transform(coded(rows, table.categories))
        if not table.embed:
            return as_float32(values * table.seen)
        for place, column in enumerate(table.texts, len(table.numbers)):
            values[:, place] = column.codes[values[:, place].astype(int)]
        return as_float32(values)

    return transform


def _flat(X: Features) -> np.ndarray:
    return np.asarray(X, dtype=np.float64).reshape(len(X), -1)
