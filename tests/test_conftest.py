"""What holds for all tests."""

import time
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st


def test_hypothesis_has_one_profile_without_a_deadline() -> None:
    assert settings.get_current_profile_name() == "sweep"

    @settings(max_examples=1)
    @given(st.just(0.3))
    def slow(seconds: float) -> None:
        time.sleep(seconds)

    run: Callable[[], None] = slow
    run()
