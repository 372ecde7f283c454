"""Rows that are read from a file train as those in memory do, to the last bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import sweep
from sweep.data import file_rows, streamed
from sweep.data.dataset import Dataset, load_dataset
from sweep.data.file_rows import FileRows
from sweep.data.holdout import describe_preprocessing, make_refit_problem
from sweep.data.problem import Problem, make_problem
from sweep.engines.shipping import packed, size_bytes, unpacked
from sweep.errors import UsageError
from sweep.spec.files import parse_spec
from sweep.spec.study import StudySpec
from sweep.training.draws import Orders

SHAPE = (90, 2, 3)


@pytest.fixture(params=[1 << 22, 64])
def _in_blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All rows in one block, and in blocks of ten."""
    monkeypatch.setattr(file_rows, "BLOCK", request.param)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    draw = np.random.default_rng(0)
    X = draw.normal(3, 2, SHAPE).astype(np.float32) * 10.0 ** np.arange(3)
    X[:, 0, 0] = 5
    X[40, 0, 0] = 6
    X[7], X[:, 1, 1] = X[8], 4
    y = np.arange(90) % 3
    y[7] = y[8]
    np.save(tmp_path / "X.npy", X.astype(np.float32))
    np.save(tmp_path / "y.npy", y)
    np.save(tmp_path / "r.npy", draw.normal(size=(90, 2)))
    np.save(tmp_path / "g.npy", np.arange(90) // 5)
    np.save(tmp_path / "w.npy", draw.uniform(1, 2, 90))
    return tmp_path


def study(folder: Path, *, stream: bool, **data: Any) -> StudySpec:
    source = {"source": "X.npy", "target": "y.npy", "stream": stream}
    tree = {"study_name": "t", "data": source | data, "replicates": {"n_folds": 3}}
    return parse_spec(tree, "t.yaml", folder)


def both(folder: Path, **data: Any) -> list[tuple[StudySpec, Dataset]]:
    specs = [study(folder, stream=stream, **data) for stream in (False, True)]
    return [(spec, load_dataset(spec.data, folder, spec.seed)) for spec in specs]


def assert_alike(memory: Problem, file: Problem) -> None:
    assert memory.streamed is None and file.streamed is not None and not len(file.X)
    assert memory.feature_shape == file.feature_shape
    for places in (memory.train, memory.val, memory.train[0, :4]):
        assert torch.equal(memory.rows(places), file.rows(places))
    for name, value in vars(memory).items():
        if isinstance(value, torch.Tensor) and name != "X":
            assert torch.equal(value, getattr(file, name)), name


CASES: list[dict[str, Any]] = [
    {}, {"scale": "none"}, {"train_rows": 30}, {"test_fraction": 0.0}, {"weight": "w.npy"},
    {"task": "regression", "target": "r.npy"}, {"label_noise": 0.3, "groups": "g.npy"},
]  # fmt: skip


@pytest.mark.usefixtures("_in_blocks")
@pytest.mark.parametrize("data", CASES, ids=str)
def test_problems_have_the_same_rows(folder: Path, data: dict[str, Any]) -> None:
    (spec, memory), (_, file) = both(folder, **data)
    assert isinstance(file.X, FileRows) and isinstance(memory.X, np.ndarray)
    assert file.content_hash == memory.content_hash
    assert [note for note in file.notes if "batch by batch" not in note] == [*memory.notes]
    assert_alike(make_problem(spec, memory), make_problem(spec, file))
    if len(memory.y_test):
        refits = (make_refit_problem(spec, dataset, 2) for dataset in (memory, file))
        assert_alike(*refits)
    rows = np.arange(20)
    assert describe_preprocessing(spec, memory, rows) == describe_preprocessing(spec, file, rows)


@pytest.mark.usefixtures("_in_blocks")
def test_notes_on_rows_are_the_same(folder: Path) -> None:
    (_, memory), (_, file) = both(folder)
    assert any("it is 5 but in 1 of 90 rows (6 in row 40)" in note for note in memory.notes)
    assert any("rows 7 and 8" in note for note in memory.notes)
    assert {*memory.notes} < {*file.notes}


def test_lanes_with_the_same_rows_share_what_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (spec, _), (_, file) = both(folder)
    problem, read, before = make_problem(spec, file), list[int](), FileRows.__getitem__
    places = problem.train[[0, 1, 0, 0, 1], :8]
    wanted = problem.rows(places)

    def counted(rows: FileRows, wanted: Any) -> np.ndarray:
        read.append(len(wanted))
        return before(rows, wanted)

    monkeypatch.setattr(FileRows, "__getitem__", counted)
    assert torch.equal(problem.rows(places), wanted) and sum(read) == 16


@pytest.mark.parametrize(("ahead", "n_reads"), [(1 << 22, 3), (2 * 3 * 16 * 6, 6)])
def test_rows_of_several_batches_are_read_at_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, ahead: int, n_reads: int
) -> None:
    (spec, _), (_, file) = both(folder)
    problem, read, before = make_problem(spec, file), list[int](), FileRows.__getitem__
    places = problem.train[[0, 1, 0, 2, 1]]
    batches = places.split(16, 1)
    wanted = [problem.rows(batch) for batch in batches]

    def counted(rows: FileRows, wanted: Any) -> np.ndarray:
        read.append(len(wanted))
        return before(rows, wanted)

    monkeypatch.setattr(streamed, "AHEAD", ahead)
    monkeypatch.setattr(FileRows, "__getitem__", counted)
    for (at, x), batch, rows in zip(problem.row_batches(batches), batches, wanted, strict=True):
        assert torch.equal(at, batch) and torch.equal(x, rows)
    assert len(read) == n_reads and sum(read) == 3 * places.shape[1]


def test_the_order_of_rows_is_that_of_rows_in_memory(folder: Path) -> None:
    (spec, memory), (_, file) = both(folder)
    at = torch.tensor([0, 2, 0, 1]), torch.tensor([4, 0, 1, 1])
    a, b = (
        [*Orders.of(make_problem(spec, dataset), 5, 6).batches(*at, 7)]
        for dataset in (memory, file)
    )
    assert all(map(torch.equal, a, b)) and len(a) == len(b) > 1


def test_a_dataset_goes_to_another_process_without_its_rows(folder: Path) -> None:
    np.save(folder / "X.npy", np.random.default_rng(0).normal(size=(90, 5000)))
    (spec, memory), (_, file) = both(folder)
    assert size_bytes(packed(file)) < 20_000 < size_bytes(packed(memory))
    assert_alike(make_problem(spec, memory), make_problem(spec, unpacked(packed(file))))


def test_a_number_beyond_float32_is_refused_where_it_is_read(folder: Path) -> None:
    X = np.full((90, 1), 1e-20)
    X[:, 0] += 1e-20 * np.arange(90)
    X[-1] = 1e25
    np.save(folder / "X.npy", X)
    spec = study(folder, stream=True, test_fraction=0.0)
    problem = make_problem(spec, load_dataset(spec.data, folder, 0))
    with pytest.raises(UsageError, match=r"must keep features within float32, got 3\.9"):
        problem.rows(problem.val)


def test_the_trial_table_is_that_of_an_npz_file_bit_for_bit(folder: Path) -> None:
    arrays = {"X": np.load(folder / "X.npy"), "y": np.load(folder / "y.npy")}
    np.savez(folder / "a.npz", **arrays)
    npy = {"source": "X.npy", "target": "y.npy"}
    sources: list[dict[str, Any]] = [{"source": "a.npz"}, npy, {**npy, "stream": True}]
    tables = [trained(folder, data, f"s{number}") for number, data in enumerate(sources)]
    assert tables[0].count("COMPLETE") == 4
    assert tables[0] == tables[1] == tables[2]


NET = """
from torch import nn

class Net(nn.Module):
    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.first, self.last = nn.LSTM(3, 4, batch_first=True), nn.Linear(4, n_outputs)
    def forward(self, x):
        return self.last(self.first(x)[0][:, -1])
"""


@pytest.mark.slow
@pytest.mark.parametrize("model", [{"hidden": [4]}, {"source": "python:nets:Net"}], ids=str)
def test_two_workers_and_own_networks_come_to_the_same_bits_from_a_file(
    folder: Path, model: dict[str, Any]
) -> None:
    (folder / "nets.py").write_text(NET)
    npy = {"source": "X.npy", "target": "y.npy"}
    memory = trained(folder, npy, "m", model=model)
    file = trained(folder, {**npy, "stream": True}, "f", model=model)
    shared = trained(folder, {**npy, "stream": True}, "w", model=model, workers=2)
    assert memory.count("COMPLETE") == 4 and memory == file == shared


def trained(
    folder: Path, data: dict[str, Any], name: str, *, model: Any = None, workers: int = 1
) -> str:
    """Train a small study; return all its trials but the times."""
    tree = {
        "study_name": name, "data": data, "storage": f"sqlite:///{folder / 't.db'}",
        "model": model or {"hidden": [4]},
        "training": {"epochs": 2, "batch_size": 16, "workers": workers, "width": 6},
        "search": {"n_trials": 4, "sampler": {"type": "random"}}, "replicates": {"n_folds": 3},
    }  # fmt: skip
    trials = sweep.run(parse_spec(tree, "t.yaml", folder)).trials
    times = [name for name in map(str, trials) if "time" in name or "duration" in name]
    return trials.drop(columns=times).to_csv(float_format="%.17g")
