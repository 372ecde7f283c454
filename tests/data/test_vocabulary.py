"""Texts, dates and categories in a Parquet file train batch by batch as in memory, bit for bit."""

from __future__ import annotations

import datetime
import gc
import os
import pickle
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from sweep.data import file_rows, origin, problem
from sweep.data.dataset import Dataset, load_dataset
from sweep.data.holdout import about_refit, describe_preprocessing, make_refit_problem
from sweep.data.problem import make_problem
from sweep.data.table_rows import TableRows
from sweep.data.vocabulary import Vocabulary
from sweep.errors import UsageError
from sweep.plan import alpha_max
from sweep.plan.plan import make_plan
from sweep.spec.columns import ColumnSpec
from sweep.spec.files import parse_spec
from sweep.spec.study import StudySpec
from tests.data.test_embedding import NET
from tests.data.test_parquet import trained
from tests.data.test_streamed import assert_alike

N = 60


def table() -> pd.DataFrame:
    """Columns of each kind, with and without missing cells, in rows of three classes."""
    rows, draw = np.arange(N), np.random.default_rng(0)
    colour = draw.choice(["red", "blue", "grün"], N).astype(object)
    colour[55] = "white"  # in one row alone
    gaps = pd.Series(colour).where(rows % 4 != 0, None)
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(rows * 5 % 17, unit="h")
    dates = [datetime.date(2024, 1, 1) + datetime.timedelta(int(row)) for row in rows % 9]
    frame = pd.DataFrame({
        "colour": colour, "size": draw.normal(3, 2, N), "gaps": gaps, "code": rows % 4,
        "mostly": np.where(rows == 30, "odd", "even"),
        "dull": [None if n == 20 else "all" for n in rows],
        "kind": pd.Categorical(gaps, ["unused", "red", "white", "blue", "grün"]),
        "yes": rows % 3 == 0, "perhaps": [None if n % 5 == 0 else n % 2 == 0 for n in rows],
        "maybe": pd.array([None if n % 6 == 0 else n % 2 == 0 for n in rows], dtype="boolean"),
        "when": day, "date": [None if n % 7 == 0 else date for n, date in enumerate(dates)],
        "zone": pd.Series(day.tz_localize("Asia/Tokyo")).mask(rows == 3),
        "price": [None if n == 9 else Decimal(int(n)) / 8 for n in rows],
        "few": pd.array([None if n % 5 else n for n in rows], dtype="Int64"),
        "hour": [datetime.time(n % 3) for n in rows],
        "holes": np.where(rows % 6, rows % 3, np.nan), "blank": np.array(["", " ", "x"])[rows % 3],
    })  # fmt: skip
    return frame.assign(
        name=np.array(["eel", "cat", "dog"])[rows % 3], number=draw.normal(size=N),
        part=rows % 3, who=rows // 4,
    )  # fmt: skip


OTHERS = ["name", "number", "part", "who"]


def study(folder: Path, *, stream: bool, **data: Any) -> StudySpec:
    source = {"source": "t.parquet", "target": "name", "stream": stream} | data
    used = {value for value in source.values() if isinstance(value, str)}
    dropped = {name: "drop" for name in OTHERS if name not in used}
    source["columns"] = dropped | data.get("columns", {})
    folds = 1 if "validation" in data else 3
    tree = {"study_name": "t", "data": source, "replicates": {"n_folds": folds}}
    if data.get("categorical"):
        tree["model"] = {"source": "python:nets:Net"}
    return parse_spec(tree, "t.yaml", folder)


def both(folder: Path, **data: Any) -> list[tuple[StudySpec, Dataset]]:
    specs = [study(folder, stream=stream, **data) for stream in (False, True)]
    return [(spec, load_dataset(spec.data, folder, spec.seed)) for spec in specs]


def assert_same(folder: Path, **data: Any) -> list[str]:
    """Compare all that is made of a file read whole and batch by batch; return the notes."""
    (spec, memory), (_, file) = both(folder, **data)
    assert isinstance(file.X, TableRows) and isinstance(memory.X, pd.DataFrame)
    assert file.content_hash == memory.content_hash
    notes = [note for note in file.notes if "batch by batch" not in note]
    assert notes == [*memory.notes]
    a, b = make_problem(spec, memory), make_problem(spec, file)
    assert_alike(a, b)
    assert a.categories == b.categories and memory.classes == file.classes
    if len(memory.y_test):
        assert_alike(*(make_refit_problem(spec, dataset, 2) for dataset in (memory, file)))
    rows = np.arange(len(memory.y) // 2)
    assert describe_preprocessing(spec, memory, rows) == describe_preprocessing(spec, file, rows)
    assert about_refit(spec, memory) == about_refit(spec, file)
    return notes


@pytest.fixture
def _in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read some rows at a time, or one column."""
    monkeypatch.setattr(file_rows, "BLOCK", 200)
    monkeypatch.setattr(origin, "BLOCK", 64)


CATEGORICAL: dict[str, Any] = dict.fromkeys(
    ("code", "few", "holes", "when", "date", "yes", "gaps", "kind", "price"), "categorical"
)
CASES: list[dict[str, Any]] = [
    {}, {"scale": "none"}, {"train_rows": 30, "test_fraction": 0.0}, {"groups": "who"},
    {"task": "regression", "target": "number", "fold": "part"}, {"categorical": "embed"},
    {"columns": CATEGORICAL}, {"columns": CATEGORICAL, "categorical": "embed"},
    {"columns": {"gaps": {"kind": "categorical", "missing": ["red"]}}}, {"target": "colour"},
    {"target": "kind", "drop_missing_target": True}, {"target": "yes", "task": "binary"},
    {"columns": {"blank": "categorical"}},
]  # fmt: skip


@pytest.mark.usefixtures("_in_blocks")
@pytest.mark.parametrize("data", CASES, ids=str)
def test_a_table_is_the_same_batch_by_batch(tmp_path: Path, data: dict[str, Any]) -> None:
    frame = table()
    if data.get("target") == "colour":
        frame["colour"] = frame["colour"].replace("white", "red")
    elif data.get("target") == "kind":
        frame["kind"] = frame["kind"].where(frame["kind"] != "white", "red")
    frame.to_parquet(tmp_path / "t.parquet", row_group_size=17)
    assert_same(tmp_path, **data)


@pytest.mark.usefixtures("_in_blocks")
@pytest.mark.parametrize("data", [{}, {"scale": "none"}, {"categorical": "embed"}], ids=str)
@pytest.mark.parametrize("names", [["colour", "size"], ["yes", "colour"], ["dull"]], ids=str)
def test_a_table_of_a_few_columns_is_the_same_batch_by_batch(
    tmp_path: Path, names: list[str], data: dict[str, Any]
) -> None:
    table()[[*names, *OTHERS]].to_parquet(tmp_path / "t.parquet", row_group_size=17)
    assert_same(tmp_path, **data)


@pytest.mark.usefixtures("_in_blocks")
@pytest.mark.parametrize("encoding", ["DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"])
def test_texts_that_are_kept_as_differences_are_the_same_batch_by_batch(
    tmp_path: Path, encoding: str
) -> None:
    rows = pa.Table.from_pandas(table()[["colour", "gaps", "size", *OTHERS]])
    texts = dict.fromkeys(["colour", "gaps"], encoding)
    parquet.write_table(rows, tmp_path / "t.parquet", use_dictionary=False, column_encoding=texts)
    assert_same(tmp_path)


def test_a_part_of_a_dropped_column_may_have_the_name_of_another(tmp_path: Path) -> None:
    frame = table()[["colour", "size", *OTHERS]]
    rows = pa.Table.from_pandas(frame.rename(columns={"colour": "user.id"}))
    parts_of_it = pa.array([{"id": n} for n in range(N)])
    parquet.write_table(rows.add_column(0, "user", parts_of_it), tmp_path / "t.parquet")
    assert_same(tmp_path, columns={"user": "drop"})


def test_a_code_beyond_the_texts_of_a_damaged_file_is_an_error() -> None:
    column = Vocabulary("colour", ColumnSpec(), "t.parquet")
    column.begin_file()
    damaged = pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 2]), ["a", "b"], safe=False)
    with pytest.raises(IndexError, match="text 2 of 2 in column 'colour'"):
        column.codes(damaged)


def test_a_page_that_cannot_be_decoded_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    table()[["colour", "size", *OTHERS]].to_parquet(path, compression=None)
    about = parquet.ParquetFile(path).metadata.row_group(0).column(0)
    content, start = bytearray(path.read_bytes()), about.dictionary_page_offset
    content[start : start + about.total_compressed_size] = b"\xff" * about.total_compressed_size
    path.write_bytes(content)
    for stream in (True, False):
        with pytest.raises(UsageError, match=r"must be a readable \.parquet file, got") as error:
            load_dataset(study(tmp_path, stream=stream).data, tmp_path, 0)
        assert "\n" not in str(error.value) and "room" not in str(error.value)


@pytest.mark.usefixtures("_in_blocks")
def test_dates_without_an_end_are_the_same_batch_by_batch(tmp_path: Path) -> None:
    frame, rows = table()[["size", "date", "when", *OTHERS]], np.arange(N)
    frame["date"] = frame["date"].where(rows % 5 != 0, datetime.date(9999, 12, 31))
    moments = frame["when"].astype("datetime64[us]") + pd.to_timedelta(rows, unit="us")
    frame["when"] = moments.where(rows % 6 != 0, pd.Timestamp("9999-12-31T01:02:03.456789"))
    frame.to_parquet(tmp_path / "t.parquet", row_group_size=17)
    assert_same(tmp_path)


@pytest.mark.usefixtures("_in_blocks")
@pytest.mark.parametrize("kind", [None, "categorical"])
def test_files_of_other_programs_are_the_same_batch_by_batch(
    tmp_path: Path, kind: str | None
) -> None:
    rows = np.arange(N)
    some = [None if n % 7 == 0 else n % 5 for n in range(N)]
    columns = {
        "whole": pa.array(rows % 5, pa.int16()), "gaps": pa.array(some, pa.int64()),
        "single": pa.array(rows % 5 / 10, pa.float32()), "text": pa.array(rows % 5).cast("string"),
        "large": pa.array(some).cast(pa.large_string()),
        "names": pa.array(some).cast("string").dictionary_encode(),
        "day": pa.array(some, pa.date32()), "moment": pa.array(some, pa.timestamp("ms")),
        "hour": pa.array(some, pa.time32("s")), "price": pa.array(some).cast(pa.decimal128(21, 2)),
        "yes": pa.array([None if n is None else n > 2 for n in some]),
    }  # fmt: skip
    others = {name: pa.array(table()[name]) for name in OTHERS}
    parquet.write_table(pa.table(columns | others), tmp_path / "t.parquet", row_group_size=13)
    said = [name for name in columns if kind and name != "hour"]
    assert_same(tmp_path, columns=dict.fromkeys(said, kind))


TEXTS = ["a", "b", "A ", "B", "", "1", "2.5", "2024-01-01", "ä", "None"]


@settings(max_examples=30)
@given(
    cells=st.lists(st.sampled_from([*TEXTS, None]), min_size=24, max_size=60),
    numbers=st.lists(st.sampled_from([0.0, 1.5, -3.0, None]), min_size=60, max_size=60),
    without=st.sets(st.integers(0, 59), max_size=9), group=st.integers(3, 70),
    spec=st.sampled_from([None, "categorical", {"kind": "categorical", "missing": ["1", "a"]}]),
    is_category=st.booleans(), embed=st.booleans(),
)  # fmt: skip
def test_any_column_of_texts_is_the_same_batch_by_batch(
    tmp_path_factory: pytest.TempPathFactory, cells: list[str | None],
    numbers: list[float | None], without: set[int], group: int, spec: Any, is_category: bool,
    embed: bool,
) -> None:  # fmt: skip
    n, folder = len(cells), tmp_path_factory.mktemp("texts")
    frame = pd.DataFrame({"t": pd.Series(cells, dtype=object), "number": numbers[:n]})
    if is_category:
        frame["t"] = frame["t"].astype("category")
    target = [np.nan if row in without else row % 7 * 1.0 for row in range(n)]
    frame.assign(b=frame["t"], y=target).to_parquet(folder / "t.parquet", row_group_size=group)
    data = {
        "target": "y", "task": "regression", "drop_missing_target": True,
        "columns": {"t": spec, "number": {}} if spec else {"number": {}},
    } | ({"categorical": "embed"} if embed else {})  # fmt: skip
    found: list[Dataset | str] = []
    for stream in (False, True):
        try:
            found.append(load_dataset(study(folder, stream=stream, **data).data, folder, 0))
        except UsageError as error:
            found.append(str(error))
    if isinstance(found[0], str) or isinstance(found[1], str):
        assert found[0] == found[1]
    else:
        assert_same(folder, **data)


FILES = {"source": "t.parquet", "validation": "v.parquet", "test": "x.parquet"}


def parts(folder: Path, frame: pd.DataFrame, n: int = 40) -> None:
    """Write rows into three files; the last has texts that no other has."""
    frame.iloc[:n].to_parquet(folder / "t.parquet", row_group_size=17)
    frame.iloc[n : n + 11, ::-1].to_parquet(folder / "v.parquet")
    frame.iloc[n + 11 :].to_parquet(folder / "x.parquet", row_group_size=5)


@pytest.mark.usefixtures("_in_blocks")
@pytest.mark.parametrize("files", [["test"], ["validation"], ["validation", "test"]], ids=str)
@pytest.mark.parametrize(
    "data", [{}, {"categorical": "embed"}, {"columns": CATEGORICAL}, {"scale": "none"}], ids=str
)
def test_rows_in_files_of_their_own_are_the_same_batch_by_batch(
    tmp_path: Path, files: list[str], data: dict[str, Any]
) -> None:
    parts(tmp_path, table())
    assert_same(tmp_path, **{key: FILES[key] for key in files}, **data)


def test_a_text_of_the_test_rows_alone_is_no_feature(tmp_path: Path) -> None:
    parts(tmp_path, table())
    (spec, _), (_, file) = both(tmp_path, test="x.parquet", categorical="embed")
    assert isinstance(file.X, TableRows)
    assert file.X.texts["colour"] == ["blue", "grün", "red"]
    assert "white" in file.X.vocabularies["colour"].texts
    problem = make_refit_problem(spec, file, 1)
    names = [*file.X.vocabularies]
    codes = problem.rows(problem.val)[0, :, names.index("colour") - len(names)]
    assert codes.min() == 0 and codes[55 - 51] == 0


@pytest.mark.parametrize(("more", "said"), [([], False), (["other"], True)])
def test_files_whose_categories_differ_have_their_texts_looked_at(
    tmp_path: Path, more: list[str], said: bool
) -> None:
    frame, names = table(), ["red", "Red", "blue"]
    kinds = pd.Categorical(np.array(names)[np.arange(N) % 3], names)
    frame.assign(kind=kinds)[:51].to_parquet(tmp_path / "t.parquet")
    frame.assign(kind=kinds.add_categories(more))[51:].to_parquet(tmp_path / "x.parquet")
    notes = assert_same(tmp_path, test="x.parquet")
    assert any("column 'kind'" in note for note in notes) == said


@pytest.mark.parametrize("embed", [False, True])
def test_planning_decodes_texts_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, embed: bool
) -> None:
    (tmp_path / "nets.py").write_text(NET)
    table().to_parquet(tmp_path / "t.parquet")
    read, before = Counter[str](), Vocabulary.codes

    def counted(vocabulary: Vocabulary, cells: Any) -> np.ndarray:
        read[vocabulary.name] += len(cells)
        return before(vocabulary, cells)

    monkeypatch.setattr(Vocabulary, "codes", counted)
    plan = make_plan(study(tmp_path, stream=True, **({"categorical": "embed"} if embed else {})))
    assert plan.problem.streamed and {*read.values()} == {2 * N} and len(read) == 10


def test_the_range_is_that_of_the_table_in_memory_whatever_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table().to_parquet(tmp_path / "t.parquet")
    monkeypatch.setattr(alpha_max, "STEPS", 5)
    spans = [make_plan(study(tmp_path, stream=False)).span]
    for kept in (0, 8 * 18 * 45, 1 << 29):  # nothing, about the rows of one fold, all
        monkeypatch.setattr(problem, "KEPT_BYTES", kept)
        spans.append(make_plan(study(tmp_path, stream=True)).span)
    assert spans[0].alpha_max and len({*spans}) == 1


def test_a_network_with_too_few_codes_is_refused_before_anything_trains(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(NET)
    draw, rows = np.random.default_rng(0), np.arange(N)
    frame = pd.DataFrame({"colour": draw.choice(["a", "b"], N), "size": draw.normal(size=N)})
    frame.loc[N // 2, "colour"] = "z"  # the last code, in none of the first rows
    frame.assign(y=rows % 2).to_parquet(tmp_path / "t.parquet")
    tree = {
        "study_name": "t", "model": {"source": "python:nets:small"}, "device": "cpu",
        "data": {"source": "t.parquet", "target": "y", "stream": True, "categorical": "embed",
                 "test_fraction": 0.0},
        "replicates": {"n_folds": 3},
    }  # fmt: skip
    with pytest.raises(UsageError, match=r"^model: must accept rows .*index out of range"):
        make_plan(parse_spec(tree, "t.yaml", tmp_path))


def test_another_machine_gives_texts_the_same_codes(tmp_path: Path) -> None:
    def write(name: str) -> None:
        frame = table().sort_values("number")
        frame.assign(colour=frame["colour"].replace("white", name)).to_parquet(
            tmp_path / "t.parquet", compression=None, use_dictionary=False
        )
        os.utime(tmp_path / "t.parquet", ns=(1, 1))  # as a copy of the file may be

    write("white")
    dataset = load_dataset(study(tmp_path, stream=True).data, tmp_path, 0)
    wanted, packed = np.asarray(dataset.X), pickle.dumps(dataset.X)
    del dataset
    gc.collect()
    write("white")
    far = pickle.loads(packed)
    np.testing.assert_array_equal(np.asarray(far), wanted)
    del far
    gc.collect()
    write("whyte")
    with pytest.raises(
        UsageError, match=r"must be the same file .* got 'whyte' in column 'colour'"
    ):
        pickle.loads(packed)


@pytest.mark.parametrize(
    ("data", "workers"),
    [({}, 1), ({"test": "x.parquet"}, 2), ({"categorical": "embed", "test": "x.parquet"}, 1)],
    ids=str,
)
def test_the_trial_table_is_that_of_the_table_in_memory(
    tmp_path: Path, data: dict[str, Any], workers: int
) -> None:
    (tmp_path / "nets.py").write_text(NET)
    parts(tmp_path, table())
    tables = [trained(study(tmp_path, stream=stream, **data), workers) for stream in (False, True)]
    assert tables[0].count("COMPLETE") == 4 and tables[0] == tables[1]
