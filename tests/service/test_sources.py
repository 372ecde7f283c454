"""A study's rows and functions come into the folder of its job, from where they may and whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweep.data.sources import read_source
from sweep.errors import UsageError
from sweep.service.sources import functions, place
from sweep.spec.files import parse_spec
from sweep.spec.study import StudySpec

ROWS = "a,b\n" + "1,2\n" * 5


def study(folder: Path, **sections: object) -> StudySpec:
    return parse_spec({"study_name": "x", **sections}, "test", folder)


@pytest.fixture
def premises(tmp_path: Path) -> Path:
    for name in ("uploads", "data", "modules", "job"):
        (tmp_path / name).mkdir()
    (tmp_path / "modules" / "mine.py").write_text(
        "import numpy as np\ndef rows(): return np.zeros((4, 2)), np.arange(4)\n"
        "class Net: ...\nasync def later(): ...\n_hidden = 1\n"
    )
    return tmp_path


def test_a_job_reads_a_copy_of_its_rows(premises: Path) -> None:
    job, folders = premises / "job", (premises / "uploads", premises / "data")
    spec = study(job, data={"source": "t.csv", "target": "b"})
    (premises / "data" / "t.csv").write_text("a,b\n0,0\n")
    (premises / "uploads" / "t.csv").write_text(ROWS)
    place(spec, job, folders, None)
    assert (job / "t.csv").read_text() == ROWS  # the first folder wins
    (premises / "uploads" / "t.csv").unlink()
    place(spec, job, folders, None)
    assert (job / "t.csv").read_text() == ROWS  # a study goes on with what it began with
    assert len(read_source(spec.data, spec.folder)["X"]) == 5


def test_a_job_calls_a_copy_of_the_module(premises: Path) -> None:
    job = premises / "job"
    spec = study(job, data={"source": "python:mine:rows"}, model={"source": "python:mine:Net"})
    place(spec, job, (), premises / "modules")
    assert sorted(path.name for path in job.iterdir()) == ["mine.py"]
    assert read_source(spec.data, spec.folder)["X"].shape == (4, 2)


def test_packaged_rows_need_no_file(premises: Path) -> None:
    place(study(premises / "job"), premises / "job", (), None)
    assert not list((premises / "job").iterdir())


def test_what_is_gone_is_said(premises: Path) -> None:
    for data in ({"source": "t.csv"}, {"source": "python:other:rows"}):
        spec = study(premises / "job", data=data)
        with pytest.raises(UsageError, match=r"data\.source: must be a file of the service, got"):
            place(spec, premises / "job", (premises / "data",), premises / "modules")


def test_a_link_of_another_is_not_followed_by_the_job(premises: Path) -> None:
    (premises / "data" / "t.csv").symlink_to("/etc/passwd")
    spec = study(premises / "job", data={"source": "t.csv"})
    with pytest.raises(UsageError, match=r"which is gone\. Put"):  # without its folder
        place(spec, premises / "job", (premises / "data",), None)
    assert not list((premises / "job").iterdir())


def test_functions_are_read_not_imported(premises: Path) -> None:
    modules = premises / "modules"
    (modules / "loud.py").write_text("raise SystemExit\ndef rows(): ...\n")
    (modules / "wrong.py").write_text("def rows(:\n")
    (modules / "zero.py").write_bytes(b"def rows(): ...\0")
    assert functions(modules, "mine") == ["rows", "Net"]
    assert functions(modules, "loud") == ["rows"]
    assert functions(modules, "wrong") == functions(modules, "zero") == []
    assert functions(modules, "../modules/mine") == functions(modules, "none") == []
