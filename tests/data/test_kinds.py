"""What columns of a Parquet file are is read from its schema; what is refused is one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow.parquet import write_table

from sweep.data import file_rows, parquet, vocabulary
from sweep.data.dataset import load_dataset
from sweep.data.table_rows import TableRows
from sweep.errors import UsageError
from tests.data.test_vocabulary import N, parts, study, table

ROWS = np.arange(N)
TEXTS = [f"text {row}" for row in ROWS]
NOT_SAID = "columns of features must be numbers, texts, dates or true and false to be read in"
REFUSED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"a": [[1.0]] * N}, {}, f"{NOT_SAID} part, got list<element: double> in column 'a' (t.parq"),
    ({"a": pd.to_timedelta(ROWS, unit="h")}, {}, f"{NOT_SAID} part, got duration[us] in co"),
    ({}, {"columns": {"colour": "number"}}, "as they are, or categorical to be read in part, got "
     "other keys for column 'colour' (t.parquet). Set data.columns: {colour: drop}, or write"),
    ({}, {"columns": {"gaps": {"missing": ["red"]}}}, "as they are, or categorical to be read in"),
    ({}, {"columns": {"when": "day-first"}}, "as they are, or categorical to be read in part"),
    ({}, {"columns": {"size": {"missing": ["1"]}}}, "as they are, or categorical to be read in"),
    ({"a": ["true", "FALSE"] * (N // 2)}, {"columns": {"a": "categorical"}},
     "column 'a' must have True and False as such to be read in part, got 'true' (t.parquet). "
     "Write them so, or remove data.columns: {a: categorical}"),
]  # fmt: skip


@pytest.mark.parametrize(("columns", "data", "message"), REFUSED, ids=lambda v: str(v)[:40])
def test_what_cannot_be_read_in_part_is_refused_in_one_line(
    tmp_path: Path, columns: dict[str, Any], data: dict[str, Any], message: str
) -> None:
    table().assign(**columns).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(UsageError) as error:
        load_dataset(study(tmp_path, stream=True, **data).data, tmp_path, 0)
    assert message in str(error.value) and "\n" not in str(error.value)


ALIKE: list[tuple[dict[str, Any], str]] = [
    ({"a": TEXTS}, "column 'a' must be numbers or few texts, got 60 different texts in 60 rows"),
    ({"a": [None, *TEXTS[1:]]}, "got 59 different texts in 59 rows, such as 'text 1' (t.parquet)"),
    ({"a": np.where(ROWS % 43 == 7, "tall", ROWS.astype(str))}, "got 'tall' in row 7 (t.parquet)"),
    ({"a": [None] * N}, "column 'a' must have values, got only empty cells (t.parquet). Drop"),
    ({"a": pd.Series([None] * N, dtype="str")}, "column 'a' must have values, got only empty cel"),
    ({"a": ["z", "y", "z", *TEXTS[3:]], "number": np.where(ROWS, ROWS / 7, np.nan)},
     "got 59 different texts in 59 rows, such as 'y' (t.parquet)"),
    ({"a": [np.nan] * N, "colour": TEXTS}, "column 'colour' must be numbers or few texts, got 60"),
]  # fmt: skip


@pytest.mark.parametrize(("columns", "message"), ALIKE, ids=lambda v: str(v)[:40])
def test_columns_that_are_hardly_categories_are_refused_as_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: dict[str, Any], message: str
) -> None:
    monkeypatch.setattr(file_rows, "BLOCK", 200)
    table().assign(**columns).to_parquet(tmp_path / "t.parquet")
    lines = []
    for stream in (False, True):
        with pytest.raises(UsageError) as error:
            spec = study(
                tmp_path, stream=stream, target="number", task="regression",
                drop_missing_target=True,
            )  # fmt: skip
            load_dataset(spec.data, tmp_path, 0)
        lines.append(str(error.value))
    assert lines[0] == lines[1] and message in lines[0]


def test_more_texts_than_memory_should_hold_are_refused_unless_the_table_fits_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table().assign(a=TEXTS).to_parquet(tmp_path / "t.parquet")
    monkeypatch.setattr(vocabulary, "LARGEST_BYTES", 5 * 106)
    spec = study(tmp_path, stream=True, columns={"a": "categorical"}).data
    with pytest.raises(UsageError) as error:
        load_dataset(spec, tmp_path, 0)
    assert str(error.value) == (
        "data.source: column 'a' must have few different texts to be read in part, got more than"
        " 5, such as 'text 0' (t.parquet). Set data.columns: {a: drop}"
    )
    monkeypatch.setattr(parquet, "STREAMED_BYTES", 500)
    unsaid = spec.model_copy(update={"stream": None})
    assert isinstance(load_dataset(unsaid, tmp_path, 0).X, pd.DataFrame)


def test_whole_numbers_are_categories_where_the_file_counts_missing_cells(tmp_path: Path) -> None:
    table().to_parquet(tmp_path / "t.parquet", write_statistics=False)
    assert isinstance(
        load_dataset(study(tmp_path, stream=True).data, tmp_path, 0).X, TableRows
    )  # fmt: skip
    with pytest.raises(UsageError, match=r"say how many cells are missing .* got int64 in column"):
        spec = study(tmp_path, stream=True, columns={"code": "categorical"})
        load_dataset(spec.data, tmp_path, 0)


def test_columns_of_another_kind_in_another_file_are_refused(tmp_path: Path) -> None:
    parts(tmp_path, table())
    frame = table()[51:]
    changes: list[tuple[Any, str]] = [
        (
            {"when": frame["when"].astype("datetime64[s]")},
            "got timestamp[ms] and timestamp[us] in",
        ),
        ({"colour": 1.0}, "data.test: must have the columns of t.parquet, got numbers in column"),
        ({"more": 1.0}, "data.test: must have the columns of t.parquet, got another, 'more' (x.p"),
    ]
    for columns, message in changes:
        frame.assign(**columns).to_parquet(tmp_path / "x.parquet")
        with pytest.raises(UsageError) as error:
            load_dataset(study(tmp_path, stream=True, test="x.parquet").data, tmp_path, 0)
        assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("stream", [True, False])
def test_times_of_day_that_python_cannot_have_are_refused_in_one_line(
    tmp_path: Path, stream: bool
) -> None:
    frame = table()
    times = pa.array([1000 * row + 1 for row in range(len(frame))], pa.time64("ns"))
    write_table(pa.Table.from_pandas(frame).append_column("t", times), tmp_path / "t.parquet")
    with pytest.raises(UsageError) as error:
        load_dataset(study(tmp_path, stream=stream).data, tmp_path, 0)
    assert ("time64[ns] in column 't'" if stream else "nanoseconds") in str(error.value)
    assert "\n" not in str(error.value)
