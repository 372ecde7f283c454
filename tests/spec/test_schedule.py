"""A schedule of the learning rate: what it says of itself."""

from __future__ import annotations

from typing import Any

import pytest

from sweep.spec.schedule import ScheduleSpec
from tests.support.studies import parse


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"type": "constant"}, ""),
        ({"type": "cosine"}, "lr along a cosine"),
        ({"type": "constant", "warmup": 30}, "lr after a warm-up of 30 steps"),
        ({"type": "linear", "warmup": 0.1},
         "lr falling to 0 on a line after a warm-up of 0.1 of the steps"),
        ({"type": "step", "every": 4, "factor": 0.5}, "lr times 0.5 every 4 epochs"),
        ({"type": "step"}, "lr times 0.1 every third of the epochs"),
        ({"type": "one_cycle"}, "lr along one cycle"),
    ],
    ids=str,
)  # fmt: skip
def test_a_schedule_in_words(keys: dict[str, Any], words: str) -> None:
    schedule = ScheduleSpec(**keys)
    assert schedule.words == words
    assert schedule.is_constant == (not words)


def test_a_word_and_its_key_are_the_same_rate() -> None:
    in_word, in_key = (parse(training={"schedule": s}) for s in ("linear", {"type": "linear"}))
    assert in_word.training.rate == in_key.training.rate == ScheduleSpec(type="linear")


@pytest.mark.parametrize(
    ("keys", "steps"),
    [({}, 0), ({"warmup": 0.1}, 6), ({"warmup": 7}, 7), ({"warmup": 0.001}, 0)],
    ids=str,
)
def test_a_warm_up_is_a_share_or_a_number_of_steps(keys: dict[str, Any], steps: int) -> None:
    assert ScheduleSpec(type="cosine", **keys).warmup_steps(60) == steps
