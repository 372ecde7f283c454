"""Preprocessing: features and targets made fit for training, by what the training rows say.

| symbol | meaning |
|---|---|
| N | search rows: all but the test rows |
| n | rows learnt from: the training rows of a replicate |
| B | rows preprocessed |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from sweep.data.features import Features, as_float32, blocks, take
from sweep.data.file_rows import FileRows
from sweep.data.streamed import Scaled
from sweep.data.survey import Look, among, one_pass
from sweep.data.table_rows import TableRows

# scikit-learn and pandas take most of a second to import: only functions that need them do.
if TYPE_CHECKING:
    import pandas as pd
    from sklearn.compose import ColumnTransformer
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
        return [_columns_scaled(parts) for parts in fit_columns(scale, search, fits)]
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
    if isinstance(search, np.ndarray | FileRows | TableRows):
        return preprocessors(scale, fit, [np.arange(len(fit))])[0]
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
        return not X.gaps.any()
    return isinstance(X, np.ndarray | FileRows) or not (texts_of(X) or X.isna().to_numpy().any())


class FittedTable(NamedTuple):
    """What a table's preprocessing has learnt; the columns of numbers come first.

    Attributes:
        transformer: two pipelines: `numbers` (imputer, scaler), `texts` (imputer, then one-hot
            unless embedded).
        numbers: names of the columns of numbers.
        categories: name of each column of texts, and its texts in order.
        seen: (columns out,) 0 where a category is in none of the rows learnt from, else 1.
        codes: where texts are embedded, for each column of them (1 + categories,): the code of
            each place, counted from 1; 0 where no row learnt from has it. Else ().
    """

    transformer: ColumnTransformer
    numbers: list[str]
    categories: dict[str, list[str]]
    seen: np.ndarray
    codes: tuple[np.ndarray, ...] = ()


def category_sizes(X: Features) -> tuple[int, ...]:
    """Return how many codes each column of texts has when embedded: 0 is of unknown ones."""
    return tuple(1 + len(texts) for texts in texts_of(X).values())


def fit_table(
    scale: str, search: pd.DataFrame, fit: Features, *, embed: bool = False
) -> FittedTable:
    """Fit the preprocessing of a table; arguments as of `preprocessor`."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    categories = texts_of(search)
    names = [str(name) for name in search if name not in categories]
    numbered = [np.arange(1.0, 1 + max(1, len(texts))) for texts in categories.values()]
    numbers = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True),
        StandardScaler() if scale == "standard" else "passthrough",
    )
    texts = make_pipeline(
        SimpleImputer(strategy="most_frequent", keep_empty_features=True),
        "passthrough"
        if embed
        else OneHotEncoder(categories=numbered, handle_unknown="ignore", sparse_output=False),
    )
    transformer = ColumnTransformer(
        [("numbers", numbers, names), ("texts", texts, list(categories))]
    )
    fitted = transformer.fit_transform(_coded(fit, categories))
    seen, part = np.ones(fitted.shape[1]), transformer.output_indices_["texts"]
    if embed:
        codes = [
            np.where(np.isin(places, fitted[:, column]), places, 0.0)
            for column, places in zip(
                range(fitted.shape[1])[part], [np.append(0, n) for n in numbered], strict=True
            )
        ]
        return FittedTable(transformer, names, categories, seen, tuple(codes))
    seen[part] = fitted[:, part].any(0)
    return FittedTable(transformer, names, categories, seen)


def fit_columns(
    scale: str, search: TableRows, fits: Sequence[np.ndarray]
) -> list[list[FittedTable]]:
    """Fit the preprocessing of a table's columns, some at a time, by several sets of rows.

    Arguments as of `preprocessors`.

    Returns:
        For each set of rows what is learnt, of some columns each.
    """
    found: list[list[FittedTable]] = [[] for _ in fits]
    for frame in search.frames():
        for parts, rows in zip(found, fits, strict=True):
            parts.append(fit_table(scale, frame, take(frame, rows)))
    return found


def of_numbers(table: FittedTable) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what missing numbers become, mean and scale of a table's columns, (F,) each."""
    imputer, scaler = (step for _, step in table.transformer.named_transformers_["numbers"].steps)
    fill = np.nan_to_num(imputer.statistics_)
    if not hasattr(scaler, "mean_"):
        return fill, np.zeros(len(fill)), np.ones(len(fill))
    return fill, scaler.mean_, scaler.scale_


def _columns_scaled(parts: list[FittedTable]) -> Transform:
    fill, mean, scale = map(np.concatenate, zip(*map(of_numbers, parts), strict=True))

    def transform(rows: Features) -> Scaled:
        assert isinstance(rows, TableRows)
        return Scaled(rows.rows, mean, scale, fill)

    return transform


def _table_preprocessor(table: FittedTable) -> Transform:
    def transform(rows: Features) -> np.ndarray:
        values = table.transformer.transform(_coded(rows, table.categories))
        for place, codes in enumerate(table.codes, len(table.numbers)):
            values[:, place] = codes[values[:, place].astype(int)]
        return as_float32(values if table.codes else values * table.seen)

    return transform


def _coded(table: Features, categories: dict[str, list[str]]) -> pd.DataFrame:
    """Write each text as its place in the categories, from 1; 0 is none of them, NaN missing."""
    import pandas as pd

    assert isinstance(table, pd.DataFrame)
    coded = table
    for name, names in categories.items():
        place = pd.Index(names).get_indexer(pd.Index(coded[name])) + 1.0
        coded = coded.assign(**{name: np.where(coded[name].isna(), np.nan, place)})
    return coded


def texts_of(table: Features) -> dict[str, list[str]]:
    """Name the categories of each column of texts, in order; an array has no such column."""
    if isinstance(table, np.ndarray | FileRows | TableRows):
        return {}
    from pandas.api.types import is_numeric_dtype

    columns = {name: column for name, column in table.items() if not is_numeric_dtype(column)}
    return {str(name): sorted(set(column.dropna())) for name, column in columns.items()}


def _flat(X: Features) -> np.ndarray:
    return np.asarray(X, dtype=np.float64).reshape(len(X), -1)
