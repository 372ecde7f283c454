"""Sparse files become the arrays that they stand for, or one line says why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse as scipy_sparse
from sklearn.datasets import dump_svmlight_file

import sweep
from sweep.data import sparse
from sweep.data.dataset import Rows, read_rows
from sweep.data.guess import guess
from sweep.errors import UsageError
from sweep.spec.data import DataSpec
from sweep.spec.files import parse_spec

draw = np.random.default_rng(0)
X = draw.normal(size=(60, 7)) * (draw.random((60, 7)) < 0.3)
X[0, -1] = 1.0  # the last feature is in a row, so that the text tells their number
y = np.where(X.sum(1) > 0, 1, -1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    dump_svmlight_file(X, y, str(tmp_path / "rows.svm"), zero_based=False)
    dump_svmlight_file(X, y + 0.5, str(tmp_path / "n.libsvm"), zero_based=False,
                       query_id=np.arange(60) // 3)  # fmt: skip
    scipy_sparse.save_npz(tmp_path / "X.npz", scipy_sparse.csr_array(X))
    scipy_sparse.save_npz(tmp_path / "coo.npz", scipy_sparse.coo_array(X))
    np.save(tmp_path / "y.npy", y)
    np.save(tmp_path / "who.npy", np.arange(60) // 3)
    np.savez(tmp_path / "plain.npz", X=X, y=y)
    return tmp_path


def read(folder: Path, source: str, **keys: Any) -> Rows:
    return read_rows(DataSpec(source=source, **keys), folder)


def test_the_text_of_svmlight_is_read(folder: Path) -> None:
    rows = read(folder, "rows.svm")
    np.testing.assert_allclose(np.asarray(rows.X), X, rtol=1e-12)
    assert rows.classes == ("-1", "1") and (rows.y == (y > 0)).all()
    assert rows.groups is None


def test_a_query_of_svmlight_is_a_group(folder: Path) -> None:
    rows = read(folder, "n.libsvm", task="regression")
    np.testing.assert_allclose(rows.y, y + 0.5)
    assert len(rows.group_names) == 20


@pytest.mark.parametrize("source", ["X.npz", "coo.npz"])
def test_a_matrix_of_scipy_has_its_targets_beside_it(folder: Path, source: str) -> None:
    rows = read(folder, source, target="y.npy", groups="who.npy")
    np.testing.assert_array_equal(np.asarray(rows.X), X)
    assert (rows.y == (y > 0)).all() and len(rows.group_names) == 20


@pytest.mark.parametrize(
    ("source", "keys", "said"),
    [
        ("X.npz", {}, r"^data\.target: must be a \.npy file of one value .* got null \(X\.npz\)"),
        ("plain.npz", {"target": "y.npy"}, r"^data\.target: only a \.csv or \.parquet table"),
        ("rows.svm", {"target": "y"}, r"^data\.target: only a \.csv or \.parquet table"),
        ("no.svm", {}, r"^data\.source: must be a file that exists, got .*no\.svm"),
        ("torn.svm", {}, r"^data\.source: must be a readable \.svm file"),
        ("torn.npz", {"target": "y.npy"}, r"^data\.target: only a \.csv or"),
    ],
)
def test_what_cannot_be_read_is_one_line(
    folder: Path, source: str, keys: dict[str, Any], said: str
) -> None:
    (folder / "torn.svm").write_text("1 1:2 x\n")
    (folder / "torn.npz").write_bytes((folder / "X.npz").read_bytes()[:100])
    with pytest.raises(UsageError, match=said) as caught:
        read(folder, source, **keys)
    assert "\n" not in str(caught.value)


def test_rows_that_no_memory_holds_are_refused_with_their_size(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sparse, "total_memory_bytes", lambda: 10_000)
    said = r"60 rows of 7 features must fit in memory when zeros are written out, got 3\.36e-06 GB"
    for source, keys in (("rows.svm", {}), ("X.npz", {"target": "y.npy"})):
        with pytest.raises(UsageError, match=said):
            read(folder, source, **keys)


def test_a_study_of_a_sparse_file_is_that_of_the_same_rows_in_an_array(folder: Path) -> None:
    def trials(**data: str) -> Any:
        tree = {
            "study_name": data["source"], "device": "cpu", "data": data,
            "storage": f"sqlite:///{folder}/s.db", "model": {"hidden": [4]},
            "training": {"epochs": 2, "batch_size": 10}, "replicates": {"n_folds": 3},
            "search": {"n_trials": 3, "sampler": {"type": "random"}},
        }  # fmt: skip
        return sweep.run(parse_spec(tree, "x.yaml", folder)).trials["value"]

    want = trials(source="plain.npz")
    assert (trials(source="X.npz", target="y.npy") == want).all()
    assert (trials(source="rows.svm") - want).abs().max() < 1e-6  # the text has 16 digits
    assert guess("rows.svm", folder).task == "classification"
