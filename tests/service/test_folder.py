"""Files by their plain names: no link, no pipe, no path, and no exchange while one looks."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from sweep.service.folder import LONGEST_NAME, is_name, names, open_file, put_copy


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "inner").mkdir(parents=True)
    (tmp_path / "secret").write_text("no")
    (folder / "a.csv").write_text("yes")
    (folder / "inner" / "b.csv").write_text("no")
    (folder / "link.csv").symlink_to("a.csv")
    (folder / "gone.csv").symlink_to("nowhere")
    os.mkfifo(folder / "pipe.csv")
    return folder


def test_a_plain_file_is_read(folder: Path) -> None:
    with open_file(folder, "a.csv") as file:
        assert file.read() == b"yes"
    assert names(folder) == ["a.csv"]
    assert names(folder / "nowhere") == []


@pytest.mark.parametrize(
    "name",
    ["link.csv", "gone.csv", "pipe.csv", "inner", "inner/b.csv", "../secret", "/etc/passwd", ".",
     "..", "", "a.csv/", "./a.csv", "a.csv\0", "a.csv\n", "\u212a.csv", "\ud800", "x" * 300],
)  # fmt: skip
def test_nothing_else_is(folder: Path, name: str) -> None:
    with pytest.raises(FileNotFoundError):
        open_file(folder, name)


def test_a_folder_that_is_a_link_is_the_owners_choice_but_a_file_is_none(folder: Path) -> None:
    (folder.parent / "same").symlink_to(folder)
    with open_file(folder.parent / "same", "a.csv") as file:
        assert file.read() == b"yes"
    with pytest.raises(FileNotFoundError):
        open_file(folder / "a.csv", "a.csv")


def test_a_name_has_letters_digits_and_a_few_signs() -> None:
    assert all(map(is_name, ["a", "A-1_b.csv", "a.b.c", "0", "x" * LONGEST_NAME]))
    for sign in " /\\:;*?\"'<>|\0\n\t%~$&(){}[]#!@^`=+,é．":
        assert not is_name(f"a{sign}b"), sign
    assert not any(map(is_name, ["", ".a", "a.", "a..b", "-a", "x" * (LONGEST_NAME + 1)]))


def test_a_copy_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    put_copy(io.BytesIO(b"rows"), tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == b"rows"

    class Torn(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError("torn")

    with pytest.raises(OSError, match="torn"):
        put_copy(Torn(), tmp_path / "b.csv")
    assert os.listdir(tmp_path) == ["a.csv"]
