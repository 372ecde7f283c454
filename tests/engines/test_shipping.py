"""What reaches actors: rows without a copy, and the user's files, no more and no fewer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sweep.data.dataset import Dataset, load_dataset
from sweep.engines import shipping
from sweep.engines.shipping import files_to_ship, package, packed, size_bytes, unpacked
from sweep.errors import UsageError
from sweep.spec.data import DataSpec
from sweep.spec.files import parse_spec
from sweep.spec.study import StudySpec

FILES = ("own.py", "beside.py", "rows.csv", "notes.txt", "net/__init__.py", "net/layers.py",
         "net/__pycache__/x.pyc", "net/.gitignore", "deep/own.py", "deep/more.py")  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def study_of(folder: Path, source: str, rows: str, **engine: Any) -> StudySpec:
    engine = {"kind": "ray", "address": "head:6379", **engine}
    model = {"source": source} if source else {}
    tree = {"study_name": "a", "engine": engine, "model": model, "data": {"source": rows}}
    return parse_spec(tree, "a.yaml", folder)


@pytest.mark.parametrize(
    ("source", "rows", "engine", "shipped"),
    [
        ("", "sklearn:digits", {}, set()),
        ("", "rows.csv", {}, {"rows.csv"}),
        ("", "/elsewhere/rows.csv", {}, set()),  # which all hosts have
        ("", "gone.csv", {}, set()),  # the plan says so
        ("python:own:f", "sklearn:digits", {}, {"own.py", "beside.py"}),
        ("python:own:f", "rows.csv", {}, {"own.py", "beside.py", "rows.csv"}),
        ("", "python:own:rows", {}, {"own.py", "beside.py"}),
        ("python:deep.own:f", "sklearn:digits", {}, {"deep/own.py", "deep/more.py"}),
        ("python:installed:f", "sklearn:digits", {}, set()),
        (
            "python:net:f", "sklearn:digits", {},
            {"net/__init__.py", "net/layers.py", "own.py", "beside.py"},
        ),
        ("python:own:f", "rows.csv", {"address": "local"}, set()),
        ("python:own:f", "rows.csv", {"ship": ["notes.txt"]}, {"notes.txt"}),
        ("", "rows.csv", {"ship": ["net"]}, {"net/__init__.py", "net/layers.py"}),
        ("", "rows.csv", {"address": "local", "ship": ["own.py"]}, {"own.py"}),
        ("python:own:f", "rows.csv", {"ship": []}, set()),
    ],
    ids=lambda one: str(sorted(one)) if isinstance(one, set) else str(one),
)  # fmt: skip
def test_the_files_that_actors_need_are_shipped(
    folder: Path, source: str, rows: str, engine: dict[str, Any], shipped: set[str]
) -> None:
    spec = study_of(folder, source, rows, **engine)
    assert set(map(str, files_to_ship(spec))) == shipped
    with package(spec) as copies:
        found = {str(p.relative_to(copies)) for p in copies.rglob("*") if p.is_file()} \
            if copies else set()  # fmt: skip
    assert found == shipped
    assert not copies or not copies.exists()  # Ray has it by then


@pytest.mark.parametrize("name", ["gone.py", "../own.py", "/etc/hostname"])
def test_what_is_shipped_lies_beside_the_study_file(folder: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"engine.ship: must be files beside the study file, got"):
        files_to_ship(study_of(folder, "", "rows.csv", ship=[name]))


def test_large_files_are_not_shipped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipping, "LARGEST_BYTES", 10)
    with pytest.raises(UsageError, match=r"engine.ship: must be at most 1e-05 MB together, got"):
        files_to_ship(study_of(folder, "python:own:f", "rows.csv"))


def same(a: Any, b: Any) -> bool:
    if isinstance(a, pd.DataFrame):
        return a.equals(b)
    return np.array_equal(a, b) if isinstance(a, np.ndarray) else bool(a == b)


def table_of(folder: Path) -> Dataset:
    rows = pd.DataFrame({"a": np.arange(40.0), "b": list("xy") * 20, "y": list("uv") * 20})
    rows.to_csv(folder / "rows.csv", index=False)
    return load_dataset(DataSpec(source="rows.csv", target="y"), folder, 0)


def test_rows_arrive_as_they_were_sent(tmp_path: Path) -> None:
    for dataset in (load_dataset(DataSpec(), tmp_path, 0), table_of(tmp_path)):
        parts = packed(dataset)
        for part in parts[1:]:
            part.flags.writeable = False  # as out of Ray's memory
        arrived = vars(unpacked(parts))
        assert all(same(value, arrived[name]) for name, value in vars(dataset).items())
        assert size_bytes(parts) >= sum(
            value.nbytes for value in vars(dataset).values() if isinstance(value, np.ndarray)
        )


def test_rows_that_arrive_are_not_copied() -> None:
    rows = np.arange(1000.0)
    parts = packed({"rows": rows})
    assert np.shares_memory(unpacked(parts)["rows"], rows)
    assert len(parts[0]) < 500
