"""Files of rows are read whole; one that cannot be read is refused in a line."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from sweep.errors import UsageError
from tests.support.sources import (
    TABLE,
    Case,
    X,
    Y,
    changed,
    csv,
    named,
    npz,
    read,
    refusal,
    says,
    text,
)


def test_arrays_of_a_file_are_read(tmp_path: Path) -> None:
    images = X.reshape(8, 1, 3).astype(np.float32)
    np.savez(tmp_path / "a.npz", X=images, y=Y, groups=Y, X_test=images[:2], y_test=Y[:2])
    rows = read(tmp_path, "a.npz")
    assert isinstance(rows.X, np.ndarray) and rows.X.dtype == np.float32
    assert rows.X.shape == (8, 1, 3) and rows.X_test is not None and len(rows.X_test) == 2
    assert rows.groups is not None and rows.y_test is not None and list(rows.y_test) == [0, 1]


REFUSED: dict[str, Case] = {
    "no_file": (
        named("no.csv"),
        {"target": "y"},
        "data.source: must be a file that exists, got {folder}/no.csv. "
        "Relative paths start at the study file",
    ),
    "misspelt_file": (
        lambda folder: csv(y=[1])(folder) and "tt.csv",
        {"target": "y"},
        "data.source: must be a file that exists, got {folder}/tt.csv; did you mean t.csv?",
    ),
    "empty_file": (
        text("t.csv", ""),
        {"target": "y"},
        "data.source: must be a readable .csv file, got EmptyDataError: No columns to parse from "
        "file ({folder}/t.csv). Write it anew",
    ),
    "not_text": (
        text("t.csv", b"a,b\n\xff\xfe,1\n"),
        {"target": "b"},
        "data.source: must be a readable .csv file, got UnicodeDecodeError: 'utf-8' codec can't "
        "decode byte 0xff in position 0: invalid start byte ({folder}/t.csv). Save it as UTF-8",
    ),
    "not_parquet": (
        text("t.parquet", b"PAR?"),
        {"target": "y"},
        "data.source: must be a readable .parquet file, got ArrowInvalid: *"
        " ({folder}/t.parquet). Write it anew",
    ),
    "not_npz": (
        text("a.npz", b"PK\x03\x04rubbish"),
        {},
        "data.source: must be a readable .npz file, got BadZipFile: File is not a zip file "
        "({folder}/a.npz). Write it anew",
    ),
    "pickled_npz": (
        npz(X=changed("a", (0, 0)), y=Y),
        {},
        "data.source: must be a readable .npz file, got ValueError: Object arrays cannot be "
        "loaded when allow_pickle=False ({folder}/a.npz). Write it anew",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_files_that_cannot_be_read_are_refused_in_one_line(tmp_path: Path, case: str) -> None:
    write, options, message = REFUSED[case]
    got = refusal(tmp_path, write(tmp_path), **options)
    assert says(got, message.format(folder=tmp_path)), got


def test_parquet_without_its_package_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    TABLE.to_parquet(tmp_path / "t.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "fastparquet", None)
    with pytest.raises(UsageError, match=r"Run pip install pyarrow$"):
        read(tmp_path, "t.parquet", target="kind")


def test_a_lone_array_is_not_a_source(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", X)
    (tmp_path / "a.npy").rename(tmp_path / "a.npz")
    with pytest.raises(UsageError, match="got ValueError: a single array without a name"):
        read(tmp_path, "a.npz")
