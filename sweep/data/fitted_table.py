"""What is learnt of the columns of a table by some of its rows.

Numbers: missing cells become the median, and are standardised. Texts: missing cells become the
most frequent text; each category is a feature, or a code.

| symbol | meaning |
|---|---|
| F | columns of numbers |
| V, K | different texts of a column in its file; in the search rows |
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sweep.data.features import Features, take
from sweep.data.file_rows import FileRows
from sweep.data.fitted_texts import FittedTexts
from sweep.data.table_rows import TableRows

# scikit-learn and pandas take most of a second to import: only functions that need them do.
if TYPE_CHECKING:
    import pandas as pd
    from sklearn.compose import ColumnTransformer


class FittedTable(NamedTuple):
    """What a table's preprocessing has learnt; the columns of numbers come first.

    Attributes:
        transformer: two pipelines: `numbers` (imputer, scaler), `texts` (imputer, then one-hot
            unless embedded).
        numbers: names of the columns of numbers.
        texts: of each column of texts.
        seen: (columns out,) 0 where a category is in none of the rows learnt from, else 1.
        embed: whether categories become codes.
    """

    transformer: ColumnTransformer
    numbers: list[str]
    texts: list[FittedTexts]
    seen: np.ndarray
    embed: bool

    @property
    def categories(self) -> dict[str, list[str]]:
        """The texts of each column of texts, in order."""
        return {column.name: column.texts for column in self.texts}


class FittedColumns(NamedTuple):
    """What is learnt of the columns of a table in a file: of some columns of numbers each."""

    numbers: list[FittedTable]
    texts: list[FittedTexts]


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
    fitted = transformer.fit_transform(coded(fit, categories))
    seen, part = np.ones(fitted.shape[1]), transformer.output_indices_["texts"]
    if embed:
        columns = zip(fitted[:, part].T, numbered, strict=True)
        known = [np.isin(places, column) for column, places in columns]
    else:
        seen[part] = fitted[:, part].any(0)
        ends = np.cumsum([len(places) for places in numbered])
        known = np.split(seen[part] > 0, ends[:-1])
    found = _texts(transformer, categories, known) if categories else []
    return FittedTable(transformer, names, found, seen, embed)


def _texts(
    transformer: ColumnTransformer, categories: dict[str, list[str]], known: Sequence[np.ndarray]
) -> list[FittedTexts]:
    imputer = transformer.named_transformers_["texts"].steps[0][1]
    columns = zip(categories.items(), imputer.statistics_, known, strict=True)
    return [
        FittedTexts(name, texts, int(fill) if fill >= 1 else 0, np.append(False, of_places))
        for (name, texts), fill, of_places in columns
    ]


def fit_columns(scale: str, search: TableRows, fits: Sequence[np.ndarray]) -> list[FittedColumns]:
    """Fit the preprocessing of a table's columns, some at a time, by several sets of rows.

    Arguments as of `preprocessors`.

    Returns:
        For each set of rows what is learnt.
    """
    found = [FittedColumns([], []) for _ in fits]
    for frame in search.frames():
        for columns, rows in zip(found, fits, strict=True):
            columns.numbers.append(fit_table(scale, frame, take(frame, rows)))
    for name, codes, places in search.codes():
        all_texts = search.vocabularies[name].texts
        texts = [all_texts[place] for place in places]
        for columns, rows in zip(found, fits, strict=True):
            counts = np.bincount(codes[rows] + 1, minlength=1 + len(all_texts))
            columns.texts.append(_fit_texts(name, texts, counts[1:][places]))
    return found


def _fit_texts(name: str, texts: list[str], counts: np.ndarray) -> FittedTexts:
    """Fit a column by how many rows have each of its texts, (K,): of equals the first fills."""
    known = np.append(False, counts > 0 if texts else False)
    return FittedTexts(name, texts, 1 + int(counts.argmax()) if counts.any() else 0, known)


def of_numbers(parts: Sequence[FittedTable]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what missing numbers become, mean and scale of tables' columns, (F,) each."""
    none = np.empty(0)
    found = [(none, none, none), *(_of_numbers(part) for part in parts if part.numbers)]
    fill, mean, scale = map(np.concatenate, zip(*found, strict=True))
    return fill, mean, scale


def _of_numbers(table: FittedTable) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    imputer, scaler = (step for _, step in table.transformer.named_transformers_["numbers"].steps)
    fill = np.nan_to_num(imputer.statistics_)
    if not hasattr(scaler, "mean_"):
        return fill, np.zeros(len(fill)), np.ones(len(fill))
    return fill, scaler.mean_, scaler.scale_


def coded(table: Features, categories: dict[str, list[str]]) -> pd.DataFrame:
    """Write each text as its place in the categories, from 1; 0 is none of them, NaN missing."""
    import pandas as pd

    assert isinstance(table, pd.DataFrame)
    found = table
    for name, names in categories.items():
        place = pd.Index(names).get_indexer(pd.Index(found[name])) + 1.0
        found = found.assign(**{name: np.where(found[name].isna(), np.nan, place)})
    return found


def texts_of(table: Features) -> dict[str, list[str]]:
    """Name the categories of each column of texts, in order; an array has no such column."""
    if isinstance(table, TableRows):
        return table.texts
    if isinstance(table, np.ndarray | FileRows):
        return {}
    from pandas.api.types import is_numeric_dtype

    columns = {name: column for name, column in table.items() if not is_numeric_dtype(column)}
    return {str(name): sorted(set(column.dropna())) for name, column in columns.items()}
