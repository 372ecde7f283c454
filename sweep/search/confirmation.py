"""The chosen strength and none, trained once more on fresh folds, which chose nothing.

The best of many trials looks better than it is on the folds that chose it, and a test there
claims too much (tests/benchmarks/claims.py). So what is chosen is trained again, with the α = 0
control, on another partition of the same rows: its mean is free of the choice, and Student's t of
the paired differences keeps its level. So is a trial that an earlier end of training would do
better with, as it seems (`search.earlier`): its losses by epoch tell.
"""

from __future__ import annotations

from typing import Any

import optuna

from sweep.search.choice import best_of, of_study, simplest_of
from sweep.search.earlier import earlier
from sweep.search.samplers import Params
from sweep.spec.attributes import BASELINE, CONFIRMATION
from sweep.spec.splits import is_given
from sweep.spec.study import StudySpec
from sweep.stats import MIN_FOLDS

BEST, ONE_SE, EARLIER, NONE = "best", "1se", "earlier", "none"
PARTITION = 1  # of the rows into folds; 0 is the search's own


class Confirmation:
    """Say what is due after the search, keep what came of it, as an attribute of the study."""

    def __init__(self, study: optuna.Study, spec: StudySpec, n_params: int):
        self._study, self._spec, self._n_params = study, spec, n_params
        self._kept: dict[str, Any] = dict(study.user_attrs.get(CONFIRMATION, {}))

    def due(self) -> dict[str, Params]:
        """Return what is chosen now and not confirmed yet: params by kind.

        Nothing where the folds are given: there are no fresh ones.
        """
        if is_given(self._spec):
            return {}
        return {
            kind: params
            for kind, params in self._chosen().items()
            if self._kept.get(kind, {}).get("params") != params
        }

    def store(self, kind: str, content: dict[str, Any]) -> None:
        """Keep what came of one."""
        self._kept[kind] = content
        self._study.set_user_attr(CONFIRMATION, dict(self._kept))

    def _chosen(self) -> dict[str, Params]:
        points, model = of_study(self._study, self._spec)
        if not points:
            return {}
        best = best_of(points, model)
        chosen = {BEST: dict(best.params)}
        if self._n_params == 1 and self._spec.replicates.n_folds >= MIN_FOLDS:
            simple = simplest_of(points, model)
            chosen |= {ONE_SE: dict(simple.params)} if simple != best else {}
        sooner = earlier(points, best, self._spec)
        if sooner and sooner.point.params not in chosen.values():
            chosen[EARLIER] = dict(sooner.point.params)
        baseline = self._study.user_attrs.get(BASELINE, {})
        if "value" in baseline:
            chosen[NONE] = baseline["params"]
        return chosen
