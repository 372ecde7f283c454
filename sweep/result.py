"""A study run from Python, and what came of it."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import optuna

from sweep.analysis.ladder import Rung, Transfer, What
from sweep.analysis.notes import trial_notes
from sweep.analysis.rows import trial_row
from sweep.analysis.selection import Finished, Selection, compared
from sweep.analysis.status import load_study, note_transfer
from sweep.analysis.verdict import verdict
from sweep.config.export import make_config, write_config
from sweep.dashboard import page
from sweep.engines.base import Engine
from sweep.errors import SweepError, UsageError
from sweep.runner.loop import Ending
from sweep.runner.progress import Progress
from sweep.runner.run import run_study
from sweep.runner.rungs import Fixed, size_of, smaller
from sweep.search.point import Point
from sweep.spec.attributes import METRIC, METRIC_SE, PROBLEM
from sweep.spec.files import locate
from sweep.spec.resolved import Outline
from sweep.spec.study import StudySpec
from sweep.spec.tasks import TASKS
from sweep.storage.foreign import own_trials

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go


MEASURED = (
    "train_loss", *(task.score.attribute for task in TASKS.values()), METRIC,
    METRIC_SE, "norm", "sparsity", "inputs_used",
)  # fmt: skip


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
        """One row a trial: number, state, value ± SE, its params, what was measured.

        Trials that another program wrote into the study are left out; `trial_notes` names them.
        Columns of lists are left out but for `replicate_values`, which comes last.
        """
        import pandas as pd

        rows = [trial_row(trial) for trial in own_trials(self.study)]
        columns = None if rows else ["number", "state", "value", "value_se", "replicate_values"]
        frame = pd.DataFrame(rows, columns=columns)
        last = frame.pop("replicate_values")  # a trial's own attributes may add columns later
        return frame.assign(replicate_values=last)

    @property
    def trial_notes(self) -> list[str]:
        """A line each about trials that were enqueued by hand, left out, or moved elsewhere."""
        return trial_notes(self.study)

    @property
    def choices(self) -> pd.DataFrame:
        """One row each: no penalty, best and, where it is defined, 1se.

        Raises:
            SweepError: no trial has ended yet.
        """
        import pandas as pd

        return pd.DataFrame(
            {
                "choice": name,
                **point.params,
                "value": point.value,
                "value_se": point.value_se,
                **{k: point.attrs[k] for k in MEASURED if k in point.attrs},
            }
            for name, point in compared(self.finished).items()
        )

    def export(self, path: str | Path, selection: Selection | None = None) -> Path:
        """Write the config of the chosen strength, as `sweep export` does.

        Raises:
            UsageError: the file cannot be written, or the selection is not defined here.
            SweepError: no trial has ended yet.
        """
        write_config(make_config(self.study, selection), Path(path))
        return Path(path)

    def _repr_html_(self) -> str:
        """Show the verdict and the choices in a notebook."""
        name = html.escape(self.study.study_name)
        try:
            said, table = html.escape(self.verdict), self.choices.to_html(index=False)
        except SweepError as error:
            return f"<p><b>{name}</b>: {html.escape(str(error))}</p>"
        return f"<p><b>{name}</b>: {said}</p>{table}"

    @property
    def finished(self) -> Finished:
        """The trials that were trained to the end, with the α = 0 control.

        Raises:
            SweepError: there is none yet.
        """
        return Finished.read(self.study)

    @property
    def best(self) -> Point:
        """What `best` chooses: the best trial, or that at the minimum: `Finished.choose`."""
        return self.choice("best")

    @property
    def verdict(self) -> str:
        """What α, how sure, how much it helps over none, whether the range was wide enough."""
        return verdict(self.finished)

    def choice(self, selection: Selection) -> Point:
        """Choose by `best` or `1se`."""
        return self.finished.choose(selection)

    def figure(self, name: str = "validation_curve") -> go.Figure:
        """Draw a figure of the report."""
        from sweep.reporting.figures import figure

        return figure(self.finished, name)


def run(
    spec: StudySpec,
    *,
    engine: Engine | None = None,
    fresh: bool = False,
    on_plan: Callable[[Outline], None] = lambda _: None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> StudyResult:
    """Run or resume a study and read what came of it; arguments as in `run_study`."""
    if not isinstance(spec, StudySpec):
        raise UsageError(
            f"spec: must be a study as load_spec returns it, got {spec!r:.60}."
            " Give sweep.load_spec(FILE)"
        )
    ending = run_study(
        spec, engine=engine, fresh=fresh, on_plan=on_plan, on_progress=on_progress,
        should_stop=should_stop, publish=page.publish,
    )  # fmt: skip
    return StudyResult(load_study(spec.storage, spec.study_name), ending)


def load_result(study: str | Path, storage: str | None = None) -> StudyResult:
    """Read a study that was run before.

    Args:
        study: its name, or its study file.
        storage: where it lies; by default what the file says, `OPTUNA_STORAGE`, or
            `sqlite:///studies/out/studies.db`.

    Raises:
        UsageError: the storage cannot be opened, or has no such study.
    """
    return StudyResult(load_study(*locate(study, storage)))


def report(studies: StudyResult | Iterable[StudyResult], path: str | Path) -> Path:
    """Write the pictures of a study, or of several side by side, as one HTML file.

    Args:
        studies: one result, or more.
        path: the file, `.html`; written whole or not at all.

    Raises:
        UsageError: the file cannot be written, or there is no study.
        SweepError: a study has no finished trial.
    """
    from sweep.reporting.page import write_report

    results = [studies] if isinstance(studies, StudyResult) else [*studies]
    if not results:
        raise UsageError("report: must have a study or more, got none. Give a StudyResult")
    if wrong := [one for one in results if not isinstance(one, StudyResult)]:
        raise UsageError(
            f"report: must have results of studies, got {wrong[0]!r:.60}."
            " Give sweep.load_result(STUDY)"
        )
    write_report([result.study for result in results], Path(path))
    return Path(path)


def transfer(
    spec: StudySpec,
    *,
    rows: int | None = None,
    hidden: int | None = None,
    fixed: Fixed = "epochs",
    on_study: Callable[[StudySpec], None] = lambda _: None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Transfer | None:
    """Work out the best strength for more rows, or for a wider network, from smaller studies.

    Runs the study, where it is not done yet, and the same study with a quarter and with half as
    many rows or units. What it finds is stored with the study: later exports have it.

    Args:
        spec: the study; it searches the strength alone.
        rows: that a training will see; by default all but the test rows.
        hidden: units of the first hidden layer, with the others in proportion; instead of `rows`.
        fixed: with `rows`, what the trainings have in common: epochs, or steps of the optimiser.
        on_study: called with each study before it is run.
        on_progress, should_stop: as in `run`.

    Returns:
        What was found; None where a run stopped before its end. Called again, it goes on.

    Raises:
        UsageError: the study cannot be made smaller, searches more than the strength, the size
            asked for is more than ten times its own, or the best strength of a size lies at an
            end of its range.
        SweepError: a study has no result to go by.
    """
    _check_aim(rows, hidden, fixed)
    what: What = "hidden" if hidden is not None else "rows"

    def trained(of: StudySpec) -> StudyResult | None:
        on_study(of)
        done = run(of, on_progress=on_progress, should_stop=should_stop)
        return done if done.ending == "done" else None

    if (top := trained(spec)) is None:
        return None
    about = top.study.user_attrs[PROBLEM]
    own, size = size_of(spec, what, about["n_rows"]), hidden or rows or about["n_val_rows"]
    rungs = [Rung.of(top.finished, own)]
    Transfer.check(what, own, size)
    for one, of in smaller(spec, what, own, fixed):
        if (below := trained(of)) is None:
            return None
        rungs.insert(-1, Rung.of(below.finished, one))
    Transfer.check_ends(what, rungs)
    found = Transfer(what, tuple(rungs), size, fixed if what == "rows" else "epochs")
    note_transfer(spec.storage, spec.study_name, found.summary)
    return found


def _check_aim(rows: int | None, hidden: int | None, fixed: Fixed) -> None:
    """Refuse what `transfer` cannot follow."""
    if hidden is not None and rows is not None:
        raise UsageError(
            f"transfer: must go to more rows or to more units, got rows {rows} and hidden"
            f" {hidden}. Leave one out"
        )
    if fixed not in (known := get_args(Fixed)):
        raise UsageError(f"fixed: must be {' or '.join(known)}, got {fixed!r:.60}. Give one")
