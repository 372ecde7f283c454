"""Features in a .npy file, what stands beside them, and what is refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweep.data import npy
from sweep.data.dataset import load_dataset
from sweep.data.file_rows import FileRows
from sweep.errors import UsageError
from sweep.plan.plan import make_plan
from sweep.spec.data import DataSpec
from sweep.spec.files import parse_spec
from sweep.spec.sources import sources_of

N = 40
BASE = {"source": "X.npy", "target": "y.npy"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    X, y = np.arange(2.0 * N).reshape(N, 2), np.arange(N) % 2
    of_rows = {
        "X": X, "y": y, "who": np.arange(N) // 4, "w": 1.0 + y, "fold": np.arange(N) % 3,
        "when": np.arange(N)[::-1],
        "part": np.array(["train", "validation", "test", "train"] * 10),
        "names": np.array(["cat", "dog"])[y], "gaps": np.where(np.arange(N) < 4, np.nan, y),
        "short": y[:-1], "cube": np.zeros((N, 2, 2)), "texts": X.astype(str),
        "F": np.asfortranarray(X), "one": X[:, 0], "bad": np.where(X == 7, np.nan, X),
    }  # fmt: skip
    for name, values in of_rows.items():
        np.save(tmp_path / f"{name}.npy", values)
    np.savez(tmp_path / "a.npz", X=X, y=y)
    np.save(tmp_path / "objects.npy", np.array([{}] * N), allow_pickle=True)
    (tmp_path / "torn.npy").write_bytes((tmp_path / "X.npy").read_bytes()[:-1])
    return tmp_path


def load(folder: Path, **data: Any) -> Any:
    return load_dataset(DataSpec(**{**BASE, **data}), folder, 0)


@pytest.mark.parametrize("stream", [None, True])
def test_what_stands_beside_the_features_is_read(folder: Path, stream: bool | None) -> None:
    rows = load(folder, stream=stream, target="names.npy", groups="who.npy", weight="w.npy")
    assert rows.classes == ("cat", "dog") and len(rows.group_names) == 10
    np.testing.assert_array_equal(rows.weight, 1.0 + rows.y)
    assert load(folder, stream=stream, split="part.npy").X_test.shape == (10, 2)
    assert set(load(folder, stream=stream, fold="fold.npy").folds) == {0, 1, 2}
    assert load(folder, stream=stream, time="when.npy").order.max() < N


def test_rows_without_a_target_are_left_out_of_all_that_is_beside(folder: Path) -> None:
    rows = load(folder, stream=True, target="gaps.npy", fold="fold.npy", test_fraction=0.0,
                drop_missing_target=True)  # fmt: skip
    np.testing.assert_array_equal(rows.X[:][:, 0], np.arange(8, 2 * N, 2))
    np.testing.assert_array_equal(rows.folds, np.arange(4, N) % 3)


def test_a_large_file_is_read_batch_by_batch_unless_the_study_says_otherwise(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(load(folder).X, np.ndarray)
    monkeypatch.setattr(npy, "STREAMED_BYTES", 500)
    rows = load(folder)
    assert isinstance(rows.X, FileRows)
    assert "rows are read from X.npy, 7.68e-07 GB, batch by batch" in rows.notes
    assert isinstance(load(folder, stream=False).X, np.ndarray)


def test_a_study_tells_which_files_stand_beside_its_features() -> None:
    spec = parse_spec({"study_name": "t", "data": {**BASE, "weight": "w.npy"}}, "", Path())
    assert sources_of(spec) == {
        "data.source": "X.npy", "data.target": "y.npy", "data.weight": "w.npy"
    }  # fmt: skip


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"target": None}, "data.target: must be a .npy file of one value or several a row, got null"),
    ({"target": "y"}, "data.target: must be a .npy file, got 'y'. Save the values of all rows"),
    ({"target": "yy.npy"}, "data.target: must be a file that exists"),
    ({"target": "short.npy"}, "must have a value in each of 40 rows, got shape (39,)"),
    ({"target": "cube.npy"}, "data.target: must have a value in each of 40 rows, got shape (40, "),
    ({"target": "objects.npy"}, "data.target: must be a readable .npy file, got"),
    ({"target": "torn.npy"}, "data.target: must be a readable .npy file, got ValueError: 767"),
    ({"weight": "short.npy"}, "data.weight: must have a value in each of 40 rows"),
    ({"groups": "nowhere.npy"}, "data.groups: must be a file that exists"),
    ({"columns": {"a": "drop"}}, "data.columns: only a .csv or .parquet table has it, got a"),
    ({"images": "a"}, "data.images: only a .csv or .parquet table has it, got a (X.npy)"),
    ({"source": "torn.npy"}, "data.source: must be a readable .npy file, got ValueError: 767"),
    ({"source": "objects.npy"}, "data.source: must be a readable .npy file, got"),
    ({"source": "none.npy"}, "data.source: must be a file that exists"),
    ({"source": "one.npy"}, "data.source: X must have rows and features, got shape (40,)"),
    ({"source": "one.npy", "stream": True}, "data.source: X must have rows and features, got"),
    ({"source": "bad.npy"}, "X must be finite and below 1e30, got nan in row 3, feature 1"),
    ({"source": "bad.npy", "stream": True}, "below 1e30, got nan in row 3, feature 1"),
    ({"source": "texts.npy", "stream": True}, "data.source: X must be numbers, got <U"),
    ({"source": "F.npy", "stream": True}, "one after another to be read in part, got Fortran"),
    ({"source": "a.npz", "target": None, "stream": True}, "data.stream: only the rows of a .npy"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "message"), REFUSED, ids=lambda value: str(value)[:40])
def test_files_that_break_a_rule_are_refused_in_one_line(
    folder: Path, data: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError) as error:
        load(folder, **data)
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"batch_size": "full"}, "training.batch_size: must be a number where rows are read from"),
        ({"cuda_graph": True}, "training.cuda_graph: must be false where"),
    ],
)
def test_what_takes_all_rows_at_once_is_refused(
    folder: Path, training: dict[str, Any], message: str
) -> None:
    tree = {"study_name": "t", "data": {**BASE, "stream": True}, "training": training}
    with pytest.raises(UsageError) as error:
        make_plan(parse_spec(tree, "t.yaml", folder))
    assert message in str(error.value) and "\n" not in str(error.value)
