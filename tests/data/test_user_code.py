"""Functions of the user's own: found, loaded afresh, and refused in one line."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from sweep.data.guarded import describe
from sweep.data.user_code import OwnFunction, load_function
from sweep.errors import UsageError


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def load(source: str, folder: Path) -> OwnFunction:
    return load_function(source, folder, "model.source")


def test_an_installed_module_is_found(tmp_path: Path) -> None:
    assert load("python:numpy:array", tmp_path).function is np.array


def test_a_module_beside_the_study_file_wins_over_an_installed_one(tmp_path: Path) -> None:
    write(tmp_path / "fractions.py", "def gcd(): return 'mine'")
    assert load("python:fractions:gcd", tmp_path)() == "mine"
    import fractions

    assert hasattr(fractions, "Fraction")


def test_a_dotted_module_is_a_path_of_folders(tmp_path: Path) -> None:
    write(tmp_path / "deep" / "inner.py", "def f(): return 3")
    assert load("python:deep.inner:f", tmp_path)() == 3


def test_modules_of_one_name_in_two_folders_do_not_mix(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write(tmp_path / folder / "own.py", f"def f(): return {folder!r}")
    a, b = (load("python:own:f", tmp_path / folder) for folder in ("a", "b"))
    assert (a(), b()) == ("a", "b")
    assert "own" not in sys.modules


def test_a_changed_module_is_read_again(tmp_path: Path) -> None:
    write(tmp_path / "own.py", "def f(): return 1")
    assert load("python:own:f", tmp_path)() == 1
    write(tmp_path / "own.py", "def f(): return 'two'")
    assert load("python:own:f", tmp_path)() == "two"


def test_dataclasses_of_a_module_of_ones_own_work(tmp_path: Path) -> None:
    text = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Pair:\n    a: int\n    b: int = 2\n"
    )
    write(tmp_path / "own.py", text)
    assert load("python:own:Pair", tmp_path)(a=1).b == 2


REFUSED = {
    "no_module": (
        None,
        "python:own:f",
        "model.source: module own must import, got ModuleNotFoundError: No module named 'own' "
        "(python:own:f, {file}). Put own.py beside the study file",
    ),
    "missing_import": (
        "import nowhere_at_all",
        "python:own:f",
        "model.source: module own must import, got ModuleNotFoundError: No module named "
        "'nowhere_at_all' at line 1 of {file} (python:own:f). Mend the module",
    ),
    "syntax": (
        "\ndef f(:",
        "python:own:f",
        "model.source: module own must import, got SyntaxError: invalid syntax at line 2 of "
        "{file} (python:own:f). Mend the module",
    ),
    "raises": (
        "\n\nraise ValueError('first\\nsecond')",
        "python:own:f",
        "model.source: module own must import, got ValueError: first at line 3 of "
        "{file} (python:own:f). Mend the module",
    ),
    "exits": (
        "import sys\nsys.exit()",
        "python:own:f",
        "model.source: module own must import, got SystemExit at line 2 of {file} (python:own:f). "
        "Mend the module",
    ),
    "no_function": (
        "def make_model(): ...\ndef other(): ...",
        "python:own:make_modle",
        "model.source: must name a function of {file}, got none called 'make_modle' "
        "(python:own:make_modle). Did you mean make_model?",
    ),
    "no_function_like_it": (
        "def make_model(): ...\ndef other(): ...",
        "python:own:xyz",
        "model.source: must name a function of {file}, got none called 'xyz' "
        "(python:own:xyz). "
        "Valid: make_model, other",
    ),
    "not_a_function": (
        "f = 3",
        "python:own:f",
        "model.source: must name a function of {file}, got int called 'f' (python:own:f). "
        "Valid: none",
    ),
    "no_name": (
        "f = 3",
        "python:own",
        "model.source: must be python:module:function, got 'python:own'. "
        "Try python:my_module:my_function",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_loaded_is_refused_in_one_line(tmp_path: Path, case: str) -> None:
    text, source, message = REFUSED[case]
    if text is not None:
        write(tmp_path / "own.py", text)
    with pytest.raises(UsageError) as caught:
        load(source, tmp_path)
    assert str(caught.value) == message.format(file=tmp_path / "own.py")


def test_a_module_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    write(tmp_path / "own.py", "raise ValueError")
    before = set(sys.modules)
    with pytest.raises(UsageError):
        load("python:own:f", tmp_path)
    assert not {name for name in set(sys.modules) - before if name.startswith("sweep_own")}


def test_an_error_without_words_is_described_by_its_kind() -> None:
    assert describe(ValueError()) == "ValueError"
    assert describe(ValueError("one\ntwo")) == "ValueError: one"
