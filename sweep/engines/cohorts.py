"""What every process that trains does, whichever engine it is of: plan, and make cohorts."""

from __future__ import annotations

import gc

import torch

from sweep.plan.plan import Plan, make_plan
from sweep.runtime import keep_freed_memory, use_full_precision, use_one_thread
from sweep.spec.study import StudySpec
from sweep.training.cohort import Cohort


def planned(spec: StudySpec) -> Plan:
    """Make the plan, in a process that is going to train.

    Raises:
        UsageError: see `make_plan`.
    """
    use_one_thread()
    use_full_precision()
    keep_freed_memory()
    return make_plan(spec)


def make_cohort(plan: Plan, width: int) -> Cohort:
    """Make a cohort of so many lanes, with what is left of a former one's memory."""
    if torch.cuda.is_available():
        gc.collect()  # compiled steps are held in cycles
        torch.cuda.empty_cache()
    return Cohort(plan.problem, plan.factory, plan.recipe, width)
