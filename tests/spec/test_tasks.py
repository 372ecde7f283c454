"""Every task that a study file may name has its words here, and its loss."""

from typing import get_args

from sweep.spec.losses import LOSSES
from sweep.spec.tasks import TASKS, TaskName
from tests.support.studies import parse


def test_a_task_has_words_and_losses() -> None:
    assert set(TASKS) == set(get_args(TaskName))
    assert {name for task in TASKS.values() for name in task.losses} == {*LOSSES} - {"own"}


def test_a_study_knows_the_words_of_its_task() -> None:
    assert parse(data={"task": "regression"}).task is TASKS["regression"]


def test_scores_of_other_kinds_are_told_apart() -> None:
    by_name = {task.score.name: task.score for task in TASKS.values()}
    assert all(by_name[task.score.name] == task.score for task in TASKS.values())
    assert len(by_name) == len(TASKS) - 1  # accuracy is that of classification and binary
