"""A name that is none of the valid ones is answered with what may have been meant."""

from __future__ import annotations

import pytest

from sweep import errors
from sweep.errors import did_you_mean


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
