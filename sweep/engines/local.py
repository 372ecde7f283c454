"""The engine that trains in this process; it imports torch only when the study is planned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sweep.engines.base import Cohort
from sweep.runtime import importing
from sweep.spec.resolved import Outline
from sweep.spec.study import StudySpec

if TYPE_CHECKING:
    from sweep.plan.plan import Plan


class ThisProcess:
    """Plans and trains a study here; keeps the protocol of an `Engine`."""

    def __init__(self, spec: StudySpec):
        self._spec = spec
        self._plan: Plan | None = None

    def resolve(self) -> Outline:
        """Make the plan."""
        return self._planned().outline

    def cohort(self, width: int, partition: int = 0) -> Cohort:
        """Make a cohort here."""
        from sweep.engines.cohorts import make_cohort

        return make_cohort(self._planned(), width, partition)

    def facts(self) -> dict[str, Any]:
        """Say nothing: only this machine trains."""
        return {}

    def dismiss(self) -> None:
        """Do nothing: no other process trains."""

    def _planned(self) -> Plan:
        if self._plan is None:
            with importing():
                from sweep.engines.cohorts import planned

            self._plan = planned(self._spec)
        return self._plan
