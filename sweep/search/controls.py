"""Trainings beside the trials: the α = 0 control, and a line through the best trial.

If the strength is the only parameter, there is one control, trained beside the first trials.
Otherwise a control has the other parameters of a trial, so it waits for the search to end: there
are five, for the five best trials, and the best of them is the level that a penalty has to beat.
A line of strengths at the best trial's other parameters shows what the strength alone does.
"""

from __future__ import annotations

from collections.abc import Container, Hashable
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState

from sweep.search.point import Point
from sweep.search.samplers import Params
from sweep.spec.attributes import BASELINE, CONTROLS, LINE, Beside
from sweep.spec.resolved import Range
from sweep.spec.study import StudySpec
from sweep.stats import MIN_FOLDS

N_CONTROLS = 5
N_POINTS = 12


class Controls:
    """Say which controls are due, and store their results as attributes of the study."""

    def __init__(self, study: optuna.Study, spec: StudySpec, n_params: int):
        self._study, self._spec, self.n_params = study, spec, n_params
        self._kept = {
            name: content
            for name, content in study.user_attrs.items()
            if name in (BASELINE, CONTROLS, LINE)
        }

    @property
    def baseline(self) -> dict[str, Any] | None:
        """The level that a penalty has to beat; None if it is not known yet."""
        return self._kept.get(BASELINE)

    def due(
        self, span: Range, searching: bool, running: Container[Hashable]
    ) -> dict[Beside, Params]:
        """Return the params, by key, of what should be trained now and is not."""
        strength = self._spec.strength
        if self.n_params == 1:
            wanted = {} if BASELINE in self._kept else {Beside(BASELINE): {strength: 0.0}}
        elif searching or not (best := self._best()):
            return {}
        else:
            stored = self._kept.get(CONTROLS, {})
            wanted = {
                Beside(CONTROLS, trial.number): {**trial.params, strength: 0.0}
                for trial in best
                if str(trial.number) not in stored
            } | self._line(best[0], span)
        return {key: params for key, params in wanted.items() if key not in running}

    def store(self, key: Beside, content: dict[str, Any]) -> None:
        """Keep what came of one."""
        kind, number, place = key
        if kind == BASELINE:
            self._keep(BASELINE, content)
        elif kind == CONTROLS:
            self._keep(CONTROLS, {**self._kept.get(CONTROLS, {}), str(number): content})
        else:
            points = self._points(number) | {f"{number}.{place}": content}
            self._keep(LINE, {"of": number, "points": points})
        if self.n_params > 1:
            self._level()

    def _keep(self, name: str, content: dict[str, Any]) -> None:
        self._kept[name] = content
        self._study.set_user_attr(name, content)

    def _best(self) -> list[Point]:
        trials = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        points = [Point.of(trial, self._spec) for trial in trials]
        return sorted(points, key=lambda point: point.rank)[:N_CONTROLS]

    def _line(self, best: Point, span: Range) -> dict[Beside, Params]:
        if self._spec.replicates.n_folds < MIN_FOLDS:
            return {}
        stored, strength = self._points(best.number), self._spec.strength
        strengths = np.geomspace(span.low, span.high, N_POINTS).clip(span.low, span.high)
        return {
            Beside(LINE, best.number, i): {**best.params, strength: float(at)}
            for i, at in enumerate(strengths)
            # The range may have grown since.
            if stored.get(f"{best.number}.{i}", {}).get("params", {}).get(strength) != float(at)
        }

    def _points(self, number: int | None) -> dict[str, Any]:
        """Return what is stored of the line through a trial."""
        line = self._kept.get(LINE, {})
        return dict(line["points"]) if line.get("of") == number else {}

    def _level(self) -> None:
        """Make the best of the five controls the baseline, once all are in."""
        controls = self._kept.get(CONTROLS, {})
        wanted = [str(trial.number) for trial in self._best()]
        if not all(number in controls for number in wanted):
            return
        levels = [controls[number] for number in wanted]
        converged = [level for level in levels if "value" in level]
        sign = self._spec.objective.sign
        best = min(converged, key=lambda level: sign * level["value"], default=levels[0])
        if self._kept.get(BASELINE) != best:
            self._keep(BASELINE, best)
