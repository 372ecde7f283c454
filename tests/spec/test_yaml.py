"""YAML as plain data: aliases, size, depth, tags, each within its limit or refused in one line."""

import time
from typing import Any

import pytest

from sweep.spec.yaml import MOST_BYTES, YamlError, check_limits, read_yaml

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10)
)
NESTED = "- &a0 [1]\n" + "".join(f"- &a{i} [*a{i - 1}]\n" for i in range(1, 60))


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a: &x {b: 1}\nc: *x\nd: {<<: *x, e: 2}", {"a": {"b": 1}, "c": {"b": 1},
                                                    "d": {"b": 1, "e": 2}}),
        ("a: &x 1\nb: &x 2\nc: *x", {"a": 1, "b": 2, "c": 2}),
        ("[1e-6, 0x10, .inf, true, no, ~, 2020-01-01, 2020-13-45]",
         [1e-6, 16, float("inf"), True, "no", None, "2020-01-01", "2020-13-45"]),
        ("[" * 20 + "1" + "]" * 20, None),
        ("[" + "1, " * 4_998 + "1]", [1] * 4_999),
    ],
)  # fmt: skip
def test_plain_data_is_read(text: str, tree: Any) -> None:
    read = read_yaml(text)
    assert tree is None or read == tree


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LAUGHS, "at most 5000 values with aliases written out"),
        (f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 100)}]", "at most 1000000 characters"),
        ("a: &a {<<: *a}", "an alias inside its own anchor, line 1"),
        (NESTED, "at most 20 levels deep"),
        ("[" * 21 + "]" * 21, "at most 20 levels deep"),
        ("- " * 5_000, "at most 20 levels deep"),
        ("[" + "1, " * 5_000 + "1]", "at most 5000 values"),
        ("#" * (MOST_BYTES + 1), "at most 1000000 characters"),
        (
            "a: !!python/name:os.abort x",
            "without tags, got tag:yaml.org,2002:python/name",
        ),
        ("a: !mine x", "without tags"),
        ("9" * 5_000, "4300 digits"),
        ("0x" + "f" * 6_000, "at most 1000 bits"),
        ("*nowhere", "undefined alias"),
        ("\ud800", "unacceptable character"),
        ("a: \0", "unacceptable character"),
        ("a: 1\na: 2", "duplicate key"),
        ("a: =", "could not determine a constructor"),
    ],
    ids=lambda text: ascii(text)[:30],
)
def test_what_breaks_a_limit_is_refused_at_once(text: str, said: str) -> None:
    began = time.monotonic()
    with pytest.raises(YamlError) as error:
        read_yaml(text)
    assert said in str(error.value) and "\n" not in str(error.value)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ([[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]], "levels deep"),
        ({"a": list(range(5_000))}, "at most 5000 values"),
        ({"a": {"b": 10**400}}, "at most 1000 bits"),
    ],
)
def test_plain_data_of_another_kind_of_file_has_the_same_limits(tree: Any, said: str) -> None:
    with pytest.raises(YamlError, match=said):
        check_limits(tree)
