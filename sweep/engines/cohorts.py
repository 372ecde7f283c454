"""What a process that trains does in every engine: make the plan, and make cohorts."""

from __future__ import annotations

import gc

import torch

from sweep.data.dataset import Dataset
from sweep.plan.plan import Plan, make_plan, on_partition, replanned
from sweep.runtime import keep_freed_memory, use_full_precision, use_one_thread
from sweep.spec.resolved import Outline
from sweep.spec.study import StudySpec
from sweep.training.cohort import Cohort


def planned(spec: StudySpec) -> Plan:
    """Make the plan in a process that is going to train.

    Raises:
        UsageError: see `make_plan`.
    """
    _set_up()
    return make_plan(spec)


def adopted(outline: Outline, dataset: Dataset) -> Plan:
    """Make the plan of another process again in one that is going to train.

    Raises:
        UsageError: see `replanned`.
    """
    _set_up()
    return replanned(outline, dataset)


def _set_up() -> None:
    use_one_thread()
    use_full_precision()
    keep_freed_memory()


def make_cohort(plan: Plan, width: int, partition: int = 0) -> Cohort:
    """Make a cohort of `width` lanes, after the memory of an earlier one has been given back.

    Args:
        plan: of the study.
        width: lanes wanted.
        partition: of the rows into folds; 0 is the one that the study's plan is made with.
    """
    if torch.cuda.is_available():
        gc.collect()  # compiled steps are held in cycles
        torch.cuda.empty_cache()
    plan = on_partition(plan, partition) if partition else plan
    return Cohort(plan.problem, plan.factory, plan.recipe, width)
