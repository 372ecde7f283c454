"""Files appear whole, or not at all; plain data are YAML that reads back the same."""

from __future__ import annotations

import os
import resource
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from sweep.errors import UsageError
from sweep.files import to_yaml, write_new, write_together, write_whole


def test_a_file_is_written_with_its_folder_and_readable_by_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "x.txt"
    write_whole(path, "α\n")
    assert path.read_bytes() == "α\n".encode()
    assert path.stat().st_mode & 0o777 == 0o644
    assert [*path.parent.iterdir()] == [path]


@pytest.mark.parametrize("broken", [0, 1])
def test_where_one_of_several_cannot_be_written_none_is(tmp_path: Path, broken: int) -> None:
    paths = [tmp_path / "a", tmp_path / "b"]
    paths[broken].mkdir()
    paths[1 - broken].write_text("old")
    with pytest.raises(UsageError) as caught:
        write_together(dict.fromkeys(paths, b"new"))
    assert str(caught.value) == (
        f"--output: must be a file that can be written, got {paths[broken]}: Is a directory."
        " Name another with -o"
    )
    assert paths[1 - broken].read_text() == "old"
    assert sorted(tmp_path.iterdir()) == paths


@pytest.mark.parametrize("step", ["chmod", "replace"])
@pytest.mark.parametrize(
    ("stop", "said"),
    [(KeyboardInterrupt(), "^$"), (OSError(28, "No space left"), "x.txt: No space left. Name")],
    ids=["interrupted", "full disk"],
)
def test_what_is_cut_off_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, stop: BaseException, said: str
) -> None:
    path = tmp_path / "x.txt"
    path.write_text("old")

    def cut_off(*_: object) -> None:
        raise stop

    monkeypatch.setattr(os, step, cut_off)
    with pytest.raises((KeyboardInterrupt, UsageError), match=said):
        write_whole(path, "new")
    assert path.read_text() == "old" and [*tmp_path.iterdir()] == [path]


def test_a_new_file_replaces_none(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    write_new(path, "first")
    with pytest.raises(UsageError, match=r"^init: must be a new file, got .*x\.yaml\. Name"):
        write_new(path, "second")
    assert path.read_text() == "first"


def test_a_new_file_that_cannot_be_written_whole_is_not_left_behind(tmp_path: Path) -> None:
    path, before = tmp_path / "x.yaml", resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))  # as a full disk
    try:
        with pytest.raises(UsageError, match=r"^init: must be a file that can be written, got"):
            write_new(path, "a" * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not path.exists()


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text("aß:# -'\n"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab:"), inner, max_size=3),
    max_leaves=8,
)


@given(tree=st.dictionaries(st.text("ab:"), TREES, max_size=3))
def test_yaml_reads_back_the_same_in_the_same_order(tree: dict[str, object]) -> None:
    back = YAML(typ="safe", pure=True).load(to_yaml(tree))
    assert back == tree and list(back) == list(tree)


TRAPS = [
    *(
        "no",
        "Yes",
        "off",
        "y",
        "12:30",
        "010",
        "1_000",
        "0b1",
        "2020-01-01",
        "~",
        "=",
        "<<",
        "1e5",
    ),
    *("1.0e+5", ".5", ".inf", "0x1F", "null", "", "- a", "a: b", "#", "é"),
]
TEXTS = st.sampled_from(TRAPS)


@given(tree=st.dictionaries(TEXTS, st.floats(allow_nan=False) | TEXTS | st.lists(TEXTS)))
@example(tree={"alpha": 1e-05})
def test_a_reader_of_older_yaml_reads_the_same(tree: dict[str, object]) -> None:
    pyyaml: Any = import_module("yaml")
    assert pyyaml.safe_load(to_yaml(tree)) == tree
    assert pyyaml.safe_load(to_yaml(tree, compact=True)) == tree


def test_compact_yaml_has_what_is_innermost_in_one_line() -> None:
    tree = {"b": {"x": 1, "w": [2]}, "a": {"z": 3}}
    assert to_yaml(tree, compact=True) == "b:\n  x: 1\n  w: [2]\na: {z: 3}\n"
    assert to_yaml(tree) == "b:\n  x: 1\n  w:\n  - 2\na:\n  z: 3\n"
