"""A Parquet file whose rows are decoded into a file trains as a table in memory, bit for bit."""

from __future__ import annotations

import gc
import os
import pickle
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow.parquet import write_table

import sweep
from sweep.data import file_rows, origin, parquet
from sweep.data.dataset import Dataset, load_dataset
from sweep.data.holdout import about_refit, describe_preprocessing, make_refit_problem
from sweep.data.problem import make_problem
from sweep.data.table_rows import TableRows
from sweep.errors import UsageError
from sweep.spec.files import parse_spec
from sweep.spec.study import StudySpec
from tests.data.test_streamed import assert_alike

N = 90


@pytest.fixture
def _in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read some rows at a time, or one column."""
    monkeypatch.setattr(file_rows, "BLOCK", 64)
    monkeypatch.setattr(origin, "BLOCK", 64)


def table() -> pd.DataFrame:
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(
        draw.normal(3, 2, (N, 3)) * 10.0 ** np.arange(3), columns=["a", "b.c", "d"]
    )
    frame["row"], frame["whole"] = np.arange(N), draw.integers(-9, 9, N)
    frame["usual"] = np.where(np.arange(N) == 40, 6.0, 5.0)
    frame["gaps"] = np.where(np.arange(N) % 7, draw.normal(size=N), np.nan)
    frame["few"] = pd.array([None if n % 5 else n for n in range(N)], dtype="Int64")
    frame["empty"] = np.where(np.arange(N) == 50, 1.5, np.nan)
    frame["name"] = np.array(["cat", "dog", "eel"])[np.arange(N) % 3]
    frame["number"] = draw.normal(size=N)
    frame["who"], frame["part"] = np.arange(N) // 5, np.arange(N) % 3
    frame["weigh"] = draw.uniform(1, 2, N)
    frame["lacks"] = np.where(np.arange(N) < 9, np.nan, frame["number"])
    frame["when"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(N)[::-1], unit="D")
    copied = frame.iloc[[*range(7), 8, *range(8, N)]].reset_index(drop=True)
    return copied.assign(row=np.arange(N))


GAPS = ["gaps", "few", "empty"]
OTHERS = ["name", "number", "who", "part", "weigh", "lacks", "when"]


def study(folder: Path, *, stream: bool, **data: Any) -> StudySpec:
    source = {"source": "t.parquet", "target": "name", "stream": stream} | data
    kept = {value for value in source.values() if isinstance(value, str)}
    dropped = {name: "drop" for name in OTHERS if name not in kept}
    source["columns"] = dropped | data.get("columns", {})
    folds = {"n_folds": 3} | ({"scheme": "time"} if "time" in data else {})
    tree = {"study_name": "t", "data": source, "replicates": folds}
    return parse_spec(tree, "t.yaml", folder)


def both(folder: Path, frame: pd.DataFrame, **data: Any) -> list[tuple[StudySpec, Dataset]]:
    frame.to_parquet(folder / "t.parquet", row_group_size=17)
    specs = [study(folder, stream=stream, **data) for stream in (False, True)]
    return [(spec, load_dataset(spec.data, folder, spec.seed)) for spec in specs]


CASES: list[dict[str, Any]] = [
    {}, {"scale": "none"}, {"train_rows": 30, "test_fraction": 0.0},
    {"task": "regression", "target": "number", "fold": "part"},
    {"weight": "weigh", "groups": "who"},
    {"task": "regression", "target": "lacks", "drop_missing_target": True}, {"time": "when"},
]  # fmt: skip


@pytest.mark.usefixtures("_in_blocks")
@pytest.mark.parametrize(
    ("data", "gaps"), [*((data, True) for data in CASES), *((data, False) for data in CASES[:2])]
)
def test_problems_have_the_same_rows(tmp_path: Path, data: dict[str, Any], gaps: bool) -> None:
    frame = table() if gaps else table().drop(columns=GAPS)
    (spec, memory), (_, file) = both(tmp_path, frame, **data)
    assert isinstance(file.X, TableRows) and isinstance(memory.X, pd.DataFrame)
    assert file.content_hash == memory.content_hash
    assert [note for note in file.notes if "batch by batch" not in note] == [*memory.notes]
    assert_alike(make_problem(spec, memory), make_problem(spec, file))
    if len(memory.y_test):
        assert_alike(*(make_refit_problem(spec, dataset, 2) for dataset in (memory, file)))
    rows = np.arange(20)
    assert describe_preprocessing(spec, memory, rows) == describe_preprocessing(spec, file, rows)
    assert about_refit(spec, memory) == about_refit(spec, file)


def test_notes_on_rows_are_the_same(tmp_path: Path) -> None:
    (_, memory), (_, file) = both(tmp_path, table())
    for said in ("column 'row': it counts", "it is 5 but in 1 of 90 rows (6 in row 40)", "rows 7"):
        assert any(said in note for note in file.notes), said
    assert {*memory.notes} < {*file.notes}


@pytest.mark.parametrize("index", [["name"], ["a"], ["a", "name"], [], None])
def test_an_index_with_names_is_columns_of_the_file(
    tmp_path: Path, index: list[str] | None
) -> None:
    """Not one that counts the rows, nor, for None here, one of numbers without a name."""
    frame = table().set_index(index) if index else table()
    if index is None:
        frame.index = frame.index[::-1]
    (_, memory), (_, file) = both(tmp_path, frame)
    assert isinstance(file.X, TableRows) and isinstance(memory.X, pd.DataFrame)
    assert {*memory.X} == {*file.X.columns} == {*table()} - {*OTHERS}
    assert file.content_hash == memory.content_hash and (file.y == memory.y).all()


def test_single_floats_are_kept_as_such(tmp_path: Path) -> None:
    frame = table().drop(columns=GAPS)
    numbers = [name for name in frame if name not in OTHERS]
    frame = frame.astype(dict.fromkeys(numbers, np.float32))
    (spec, memory), (_, file) = both(tmp_path, frame)
    assert isinstance(file.X, TableRows) and file.X.rows.header.kind == np.float32
    assert file.content_hash == memory.content_hash
    assert_alike(make_problem(spec, memory), make_problem(spec, file))


@pytest.mark.parametrize(
    "data", [{}, {"validation": "v.parquet"}, {"target": "few"}, {"columns": {"name": "number"}}],
    ids=str,
)  # fmt: skip
def test_a_large_file_is_read_in_part_unless_the_study_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: dict[str, Any]
) -> None:
    frame = table()[["a", "d", "name", "few"]].assign(few=np.arange(N) % 2)
    if "columns" in data:  # texts that are numbers
        frame["name"] = frame["few"].astype(str)
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_parquet(tmp_path / "v.parquet")
    spec = {"source": "t.parquet", "target": "few" if "columns" in data else "name", **data}

    def X(**more: Any) -> Any:
        tree = {"study_name": "t", "data": spec | more, "replicates": {"n_folds": 1}}
        return load_dataset(parse_spec(tree, "t.yaml", tmp_path).data, tmp_path, 0).X

    assert isinstance(X(), pd.DataFrame)
    monkeypatch.setattr(parquet, "STREAMED_BYTES", 500)
    assert isinstance(X(), pd.DataFrame if "columns" in data else TableRows)
    assert isinstance(X(stream=False), pd.DataFrame)


def rows_in_part(folder: Path, frame: pd.DataFrame | None = None, **data: Any) -> Any:
    (table() if frame is None else frame).to_parquet(folder / "t.parquet")
    spec = study(folder, stream=True, **data)
    return load_dataset(spec.data, folder, 0)


REFUSED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"a": [1e31] * N}, {}, "column 'a' must be finite and below 1e30, got 1e+31 in row 0 (t.p"),
    ({"a": [np.nan] * N}, {}, "column 'a' must have values, got only empty cells (t.parquet). Dr"),
    ({"d": [1.0] * 89 + [np.inf]}, {}, "column 'd' must be finite and below 1e30, got inf in row"),
    ({}, {"images": "when"}, "must lie in one file to be read in part, got data.images (t.parq"),
    ({}, {"target": "nobody"}, "data.target: must name a column, got 'nobody' (t.parquet)"),
    ({}, {"groups": "name"}, "data.groups: must be another column than the target"),
]  # fmt: skip


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("names", "rows", "message"),
    [
        (["a", "b", "a", "name"], 9, "must be a readable .parquet file, got Val.*2 columns"),
        (["a", "b", "name"], 0, "shape|rows"),
        (["name"], 9, "feature"),
    ],
)  # fmt: skip
def test_files_without_columns_or_rows_to_train_on_are_refused_alike(
    tmp_path: Path, names: list[str], rows: int, message: str, stream: bool
) -> None:
    columns = [pa.array([*"cde"] * (rows // 3) if n == "name" else np.ones(rows)) for n in names]
    write_table(pa.Table.from_arrays(columns, names), tmp_path / "t.parquet")
    data = {"source": "t.parquet", "target": "name", "stream": stream}
    spec = parse_spec({"study_name": "t", "data": data}, "t.yaml", tmp_path)
    with pytest.raises(UsageError, match=message) as error:
        load_dataset(spec.data, tmp_path, 0)
    assert "\n" not in str(error.value) and "room" not in str(error.value)


@pytest.mark.parametrize(("columns", "data", "message"), REFUSED, ids=lambda v: str(v)[:40])
def test_what_cannot_be_read_in_part_is_refused_in_one_line(
    tmp_path: Path, columns: dict[str, Any], data: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError) as error:
        rows_in_part(tmp_path, table().assign(**columns), **data)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_texts_of_numbers_in_a_file_larger_than_memory_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table().assign(a="1").to_parquet(tmp_path / "t.parquet")
    monkeypatch.setattr(parquet, "STREAMED_BYTES", 500)
    monkeypatch.setattr(parquet, "total_memory_bytes", lambda: 600)
    spec = study(tmp_path, stream=True, columns={"a": "number"}).data
    spec = spec.model_copy(update={"stream": None})
    with pytest.raises(
        UsageError, match=r"other keys for column 'a' \(t\.parquet\)\. Set data\.c"
    ):
        load_dataset(spec, tmp_path, 0)


@pytest.fixture
def _little_room() -> Iterator[None]:
    """Let no file be larger than ten kilobytes, as a disk that is full does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_said_in_one_line_unless_the_memory_will_do(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    pd.concat([table()] * 9, ignore_index=True).to_parquet(tmp_path / "t.parquet")
    request.getfixturevalue("_little_room")
    spec = study(tmp_path, stream=True).data
    monkeypatch.setattr(parquet, "STREAMED_BYTES", 500)
    unsaid = spec.model_copy(update={"stream": None})
    assert isinstance(load_dataset(unsaid, tmp_path, 0).X, pd.DataFrame)
    with pytest.raises(UsageError) as error:
        load_dataset(spec, tmp_path, 0)
    assert "data.source: must have room on a disk for its rows decoded, got" in str(error.value)
    assert "\n" not in str(error.value)


def test_the_file_has_no_name_and_goes_with_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    spec, dataset = both(tmp_path, table())[1]
    assert [path.name for path in tmp_path.iterdir()] == ["t.parquet"]
    problem = make_problem(spec, dataset)
    assert isinstance(dataset.X, TableRows)
    path = dataset.X.rows.path
    del dataset
    gc.collect()
    assert path.exists() and len(problem.rows(problem.train))
    del problem
    gc.collect()
    assert not path.exists()


READ = """
import pickle, sys
rows = pickle.load(open(sys.argv[1], "rb"))
print(rows.rows.path.stat().st_ino, *map(repr, rows[8:9][0].tolist()))
"""


def test_another_process_reads_the_same_file_and_another_machine_decodes_its_own(
    tmp_path: Path,
) -> None:
    dataset = rows_in_part(tmp_path)
    wanted, inode = dataset.X[:], dataset.X.rows.path.stat().st_ino
    packed = pickle.dumps(dataset.X.part(np.arange(9)))
    (tmp_path / "rows.pickle").write_bytes(packed)
    told = subprocess.run(
        [sys.executable, "-c", READ, "rows.pickle"], cwd=tmp_path, capture_output=True, text=True,
        check=True,
    ).stdout.split()  # fmt: skip
    assert told == [str(inode), *map(repr, wanted[8].tolist())]
    del dataset
    gc.collect()
    os.utime(tmp_path / "t.parquet", ns=(1, 1))  # as a copy of the file may be
    far = pickle.loads(packed)
    np.testing.assert_array_equal(far[:], wanted[:9])
    assert len([*far.frames()]) == 1
    del far
    gc.collect()
    table()[:50].to_parquet(tmp_path / "t.parquet")
    with pytest.raises(
        UsageError, match=r"must be the same file .* another file \(.*t\.parquet\)"
    ):
        pickle.loads(packed)


def test_a_file_that_is_written_to_is_refused_where_its_columns_are_read(tmp_path: Path) -> None:
    dataset = rows_in_part(tmp_path)
    os.utime(tmp_path / "t.parquet", ns=(1, 1))
    with pytest.raises(UsageError, match=r"must be the same file .* written to \(.*t\.parquet\)"):
        next(dataset.X.frames())


@pytest.mark.parametrize("workers", [1, 2])
def test_the_trial_table_is_that_of_the_table_in_memory(tmp_path: Path, workers: int) -> None:
    table().to_parquet(tmp_path / "t.parquet", row_group_size=20)
    tables = [trained(study(tmp_path, stream=stream), workers) for stream in (False, True)]
    assert tables[0].count("COMPLETE") == 4 and tables[0] == tables[1]


def trained(spec: StudySpec, workers: int) -> str:
    """Train a small study of rows; return all its trials but the times."""
    data, folder = spec.data, spec.folder
    own = {"source": "python:nets:Net"}
    tree = {
        "study_name": f"s{data.stream}",
        "data": data.model_dump(exclude_defaults=True, mode="json"),
        "storage": f"sqlite:///{folder / 't.db'}",
        "model": own if data.categorical else {"hidden": [4]},
        "training": {"epochs": 2, "batch_size": 16, "workers": workers},
        "search": {"n_trials": 4, "sampler": {"type": "random"}}, "replicates": {"n_folds": 3},
    }  # fmt: skip
    trials = sweep.run(parse_spec(tree, "t.yaml", folder)).trials
    times = [name for name in map(str, trials) if "time" in name or "duration" in name]
    return trials.drop(columns=times).to_csv(float_format="%.17g")
