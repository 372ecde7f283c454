"""How refusals are written; names that may have been meant instead of one that is not valid."""

from __future__ import annotations

import ast
import time
from pathlib import Path

import pytest

import sweep
from sweep import errors
from sweep.errors import LONGEST, UsageError, did_you_mean


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.SweepError, 1), (errors.UsageError, 2), (errors.StorageError, 2),
        (errors.StorageFailedError, 1), (errors.OwnedElsewhereError, 1),
    ],
)  # fmt: skip
def test_an_error_knows_the_exit_code_of_the_command_it_ends(
    kind: type[errors.SweepError], code: int
) -> None:
    assert kind("x: must be y, got z").exit_code == code


@pytest.mark.parametrize(
    ("got", "options", "said"),
    [
        ("alhpa", ["alpha", "beta"], "Did you mean alpha?"),
        ("zz", ["alpha", "beta"], "Valid: alpha, beta"),
        ("zz", [], "Valid: none"),
        ("zz", [f"n{i}" for i in range(20)], "Valid: " + ", ".join(f"n{i}" for i in range(20))),
        (
            "zz",
            [f"n{i}" for i in range(21)],
            "Valid: " + ", ".join(f"n{i}" for i in range(20)) + ", …",
        ),
    ],
)
def test_the_nearest_name_is_suggested_or_some_are_listed(
    got: str, options: list[str], said: str
) -> None:
    assert did_you_mean(got, iter(options)) == said


def test_names_that_a_message_has_already_are_not_listed_again() -> None:
    assert did_you_mean("alhpa", ["alpha"], listed=False) == "Did you mean alpha?"
    assert did_you_mean("zz", ["alpha"], listed=False) == ""


# --- how refusals are written

OPTUNAS = {"No trials are completed yet."}  # Optuna's own words, that its users look for


def _text(node: ast.expr) -> str:
    """Return the text that an expression begins with, what it fills in left out."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left) + _text(node.right)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    value = node.value if isinstance(node, ast.Constant) else "…"
    return value if isinstance(value, str) else "…"


def _is_refusal(call: ast.Call) -> bool:
    named = (
        call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    )
    return named.endswith("Error") or named in ("refuse", "_refuse")


def test_no_refusal_ends_with_a_full_stop() -> None:
    found = [
        _text(argument)
        for path in Path(sweep.__path__[0]).rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and _is_refusal(call)
        for argument in call.args
    ]
    assert len(found) > 200
    assert {text for text in found if text.endswith(".")} == OPTUNAS


def test_a_message_that_quotes_a_file_is_short_and_soon_made() -> None:
    began = time.process_time()
    for part in ("x", ":a", "://a:", "password", "a: "):
        message = str(UsageError(f"key: must be short, got {part * 100_000}. Mend it"))
        assert len(message) < 1.5 * LONGEST
        assert message.startswith("key: must be short, got") and message.endswith(" Mend it")
    assert time.process_time() - began < 5


def test_a_password_in_a_long_message_is_hidden_whole() -> None:
    url = "postgresql://u:secret@host/x"
    for room in range(LONGEST // 2 - 40, LONGEST // 2 + 5):
        for text in (f"{'x ' * (room // 2)}{url} {'y ' * LONGEST}",
                     f"{'x ' * LONGEST}{url} {'y ' * (room // 2)}"):  # fmt: skip
            assert "ecre" not in str(UsageError(text)), room
