"""A first study is guessed in a child process that is bounded."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from sweep.service import guessing
from sweep.service.guessing import guess_of
from sweep.service.problems import Problem

ROWS = "size,colour,label\n" + "".join(f"{i * 7 % 31},red,{i % 2}\n" for i in range(60))
MEMORY = 2**33


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rows.csv").write_text(ROWS)
    return tmp_path


def refused(name: str, target: str | None, folder: Path, memory: int = MEMORY) -> Problem:
    with pytest.raises(Problem) as caught:
        guess_of(name, target, [folder], memory)
    return caught.value


def test_an_uploaded_table_is_guessed(folder: Path) -> None:
    told = guess_of("rows.csv", None, [folder / "none", folder], MEMORY)
    assert (told["target"], told["task"], told["source"]) == (
        "label",
        "classification",
        "rows.csv",
    )
    assert [entry["name"] for entry in told["columns"]] == ["colour"]
    assert told["study"]["study_name"] == "rows"
    assert told["text"].startswith("# A first study") and "file://" not in told["text"]


def test_a_target_that_looks_like_an_option_is_a_name(folder: Path) -> None:
    problem = refused("rows.csv", "--help", folder)
    assert problem.status == 422
    assert problem.body["key"] == "--target"
    assert "must name a column, got '--help'" in problem.body["detail"]


def test_a_target_with_a_zero_byte_is_refused(folder: Path) -> None:
    problem = refused("rows.csv", "a\0b", folder)
    assert (problem.status, problem.body["key"]) == (422, "target")


def test_what_is_no_file_of_the_folder_is_not_found(folder: Path) -> None:
    (folder / "link.csv").symlink_to("/etc/passwd")
    for name in ("none.csv", "link.csv", "../rows.csv"):
        assert refused(name, None, folder / "x" if name[0] == "." else folder).status == 404


def test_a_file_that_cannot_be_read_is_one_line(folder: Path) -> None:
    (folder / "bad.csv").write_bytes(b"\xff\xfe\x00a,b")
    problem = refused("bad.csv", None, folder)
    assert problem.status == 422
    assert "\n" not in problem.body["detail"]


def test_memory_is_bounded(folder: Path) -> None:
    problem = refused("rows.csv", None, folder, 2**26)
    assert problem.status == 422


def test_time_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guessing, "GUESS_S", 0.05)
    assert refused("rows.csv", None, folder).status == 503


def test_nothing_is_left_behind(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    guess_of("rows.csv", None, [folder], MEMORY)
    assert os.listdir(place) == []
    assert sorted(os.listdir(folder)) == ["rows.csv"]
