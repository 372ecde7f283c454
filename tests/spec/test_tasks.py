"""Every task that a study file may name has its words here, and its loss."""

from typing import get_args

from sweep.spec.tasks import TASKS, TaskName
from sweep.training.losses import LOSSES
from tests.support.studies import parse


def test_a_task_has_words_and_a_loss() -> None:
    assert set(TASKS) == set(LOSSES) == set(get_args(TaskName))


def test_a_study_knows_the_words_of_its_task() -> None:
    assert parse(data={"task": "regression"}).task is TASKS["regression"]


def test_scores_are_told_apart() -> None:
    assert len({task.score.attribute for task in TASKS.values()}) == len(TASKS)
