"""Preprocessing is what a plain pipeline does that is fitted on the training rows alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sweep.data.dataset import load_dataset
from sweep.data.preprocessing import preprocessor
from sweep.data.problem import make_problem
from sweep.data.replicates import split_rows
from sweep.errors import UsageError
from sweep.spec.files import load_spec
from tests.support.datasets import parts

STUDIES = Path(__file__).parents[2] / "studies"


def test_a_column_constant_in_training_only_is_divided_by_one() -> None:
    transform = preprocessor("standard", np.zeros((3, 1)), np.array([[7.0], [7.0]]))
    np.testing.assert_array_equal(transform(np.array([[7.0], [9.0]])), [[0], [2]])


@pytest.mark.parametrize("scale", ["standard", "none"])
def test_tables_are_preprocessed_as_by_a_plain_pipeline(scale: str) -> None:
    spec = load_spec(STUDIES / "own-model.yaml", {"data.scale": scale})
    rows = load_dataset(spec.data, spec.folder, spec.seed)
    assert isinstance(rows.X, pd.DataFrame)
    texts = ["sex", "glucose"]
    raw = rows.X.where(rows.X.notna(), np.nan)
    train, val = split_rows(spec, rows)[1][2]
    oracle = ColumnTransformer(
        [
            (
                "numbers",
                make_pipeline(
                    SimpleImputer(strategy="median"),
                    StandardScaler() if scale == "standard" else "passthrough",
                ),
                list(raw.columns.drop(texts)),
            ),
            (
                "texts",
                make_pipeline(
                    SimpleImputer(strategy="most_frequent"), OneHotEncoder(sparse_output=False)
                ),
                texts,
            ),
        ]
    ).fit(raw.iloc[train])
    trains, vals = parts(make_problem(spec, rows), "X")
    np.testing.assert_array_equal(trains[2], oracle.transform(raw.iloc[train]).astype(np.float32))
    np.testing.assert_array_equal(vals[2], oracle.transform(raw.iloc[val]).astype(np.float32))
    transform = preprocessor(scale, rows.X, rows.X.iloc[train])
    test = rows.X_test.where(rows.X_test.notna(), np.nan)  # type: ignore[union-attr]
    np.testing.assert_array_equal(transform(rows.X_test), oracle.transform(test).astype("f4"))


def frame(*words: str | None) -> pd.DataFrame:
    return pd.DataFrame({"word": pd.Series(words, dtype=object)})


def test_a_category_that_the_training_rows_lack_is_all_zeros() -> None:
    search = frame("a", "b", "c", "a", None)
    transform = preprocessor("standard", search, frame("a", "c", "c", None))
    got = transform(frame("a", "b", "c", None, "unheard of"))
    np.testing.assert_array_equal(got, [[1, 0, 0], [0, 0, 0], [0, 0, 1], [0, 0, 1], [0, 0, 0]])


def test_columns_empty_in_the_training_rows_keep_their_width() -> None:
    search = pd.DataFrame({"n": [1.0, np.nan], "word": pd.Series(["a", None], dtype=object)})
    transform = preprocessor("standard", search, search.iloc[1:])
    np.testing.assert_array_equal(transform(search), [[1, 0], [0, 0]])
    nothing = pd.DataFrame({"word": pd.Series([None, None], dtype=object)})
    np.testing.assert_array_equal(
        preprocessor("none", nothing, nothing)(frame("a", None)), [[0], [0]]
    )


def test_features_beyond_float32_are_refused() -> None:
    fit = np.array([[0.0], [1e-20]])
    with pytest.raises(UsageError) as caught:
        preprocessor("standard", fit, fit)(np.array([[1e25]]))
    assert str(caught.value) == (
        "data.scale: must keep features within float32, got 2e+45 in a row unlike the training "
        "rows. Drop that feature, or use scale: none"
    )
