"""What holds for all tests."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import OneRay


def test_hypothesis_has_one_profile_without_a_deadline() -> None:
    assert settings.get_current_profile_name() == "sweep"

    @settings(max_examples=1)
    @given(st.just(0.3))
    def slow(seconds: float) -> None:
        time.sleep(seconds)

    run: Callable[[], None] = slow
    run()


TESTS = Path(__file__).parent


@pytest.mark.parametrize(
    "named", ["tests.support.clusters", 'importorskip("ray")', '"kind": "ray"']
)
def test_all_slow_tests_that_start_ray_are_in_one_process(named: str) -> None:
    scheduling = OneRay.__new__(OneRay)
    files = [
        file.relative_to(TESTS.parent) for file in TESTS.rglob("test_*.py")
        if file != Path(__file__) and named in (text := file.read_text()) and ".slow" in text
    ]  # fmt: skip
    assert files and {scheduling._split_scope(f"{file}::test") for file in files} == {"ray"}
    assert scheduling._split_scope("tests/test_main.py::test") == "tests/test_main.py"
