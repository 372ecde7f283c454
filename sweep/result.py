"""A study run from Python, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import optuna
import pandas as pd
from optuna.trial import TrialState

from sweep.overview import load_study
from sweep.runner import Ending, Progress, run_study
from sweep.selection import Choice, Finished, Selection, verdict
from sweep.spec import StudySpec

if TYPE_CHECKING:
    import plotly.graph_objects as go


@dataclass(frozen=True)
class StudyResult:
    """A study as it lies in the storage.

    Attributes:
        study: the Optuna study, a reader.
        ending: `done`, or why the run stopped before `n_trials` results.
    """

    study: optuna.Study
    ending: Ending = "done"

    @property
    def trials(self) -> pd.DataFrame:
        """One row a trial: number, state, value, its params and user attributes."""
        rows = [
            {
                "number": trial.number,
                "state": trial.state.name,
                "value": trial.value,
                **trial.params,
                **trial.user_attrs,
            }
            for trial in self.study.get_trials(deepcopy=False)
        ]
        return pd.DataFrame(rows)

    @property
    def finished(self) -> Finished:
        """The trials that were trained to the end, with the α = 0 control.

        Raises:
            SweepError: there is none yet.
        """
        return Finished.read(self.study)

    @property
    def best(self) -> Choice:
        """The trial with the smallest value."""
        return self.choice("best")

    @property
    def verdict(self) -> str:
        """What α, how sure, how much it helps over none, whether the range was wide enough."""
        return verdict(self.finished)

    def choice(self, selection: Selection) -> Choice:
        """Choose by `best` or `1se`."""
        return self.finished.choose(selection)

    def figure(self, name: str = "validation_curve") -> go.Figure:
        """Draw a figure of the report."""
        from sweep.figures import figure

        return figure(self.finished, name)


def run(
    spec: StudySpec,
    *,
    fresh: bool = False,
    on_progress: Callable[[Progress], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> StudyResult:
    """Run or resume a study and read what came of it; arguments as in `run_study`."""
    ending = run_study(
        spec, fresh=fresh, on_progress=on_progress, should_stop=should_stop, publish=_publish
    )
    return load_result(spec.storage, spec.study_name, ending)


def _publish(study: optuna.Study) -> None:
    """Put the verdict so far on the study, for whoever looks at it."""
    if any(trial.state == TrialState.COMPLETE for trial in study.get_trials(deepcopy=False)):
        said = verdict(Finished.read(study))
        if study.user_attrs.get("verdict") != said:
            study.set_user_attr("verdict", said)


def load_result(storage: str, study_name: str, ending: Ending = "done") -> StudyResult:
    """Read a study from a storage.

    Raises:
        UsageError: the storage cannot be opened, or has no such study.
    """
    return StudyResult(load_study(storage, study_name), ending)
