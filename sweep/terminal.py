"""What the terminal shows: the progress bar, tables and sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from sweep.plan import Plan
    from sweep.result import StudyResult
    from sweep.runner import Progress
    from sweep.selection import Finished


@contextmanager
def progress_bar(hidden: bool) -> Iterator[Callable[[Progress], None]]:
    """Show a bar with the rest time and the best trial so far, on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.fields[done]}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[best]}"),
    )
    bar = Bar(*columns, console=Console(stderr=True), disable=hidden)
    task = bar.add_task("", total=1.0, done="", best="")

    def show(progress: Progress) -> None:
        bar.start()  # not before there is something to show: a refusal is one line
        bar.update(
            task,
            completed=progress.fraction,
            done=f"{progress.n_results}/{progress.n_trials} trials",
            best=_best(progress),
        )

    try:
        yield show
    finally:
        if bar.live.is_started:
            bar.stop()


def _best(progress: Progress) -> str:
    if progress.best is None:
        return ""
    params = ", ".join(f"{name} {value:.3g}" for name, value in progress.best.params.items())
    return f"best {_pm(progress.best.value, progress.best.value_se)} at {params}"


def _pm(value: float, se: float | None) -> str:
    return f"{value:.4f}" if se is None else f"{value:.4f} ± {se:.4f}"


def print_outcome(outcome: StudyResult, study: Path) -> None:
    """Print how a run ended, the table of choices and the verdict."""
    if outcome.ending == "interrupted":
        print(f"stopped, everything is saved; go on with: sweep run {study}")
        return
    if outcome.ending == "timeout":
        print(f"search.timeout_s is over; go on with: sweep run {study}")
    if not outcome.study.best_trials:
        return
    finished = outcome.finished
    _print_table(*_choices_table(finished))
    print(outcome.verdict)
    print(f"next: sweep export {study} · sweep dashboard · sweep status")


def _choices_table(finished: Finished) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    from sweep.selection import choices

    strength = finished.spec.strength
    score = "val_r2" if finished.spec.data.task == "regression" else "val_accuracy"
    metric = finished.spec.objective.metric
    header = ("", strength, f"{metric} ± SE", score, "norm", "zeros")
    rows = []
    if base := finished.baseline:
        rows.append(_row("no penalty", 0.0, base["value"], base["value_se"], base, score))
    for choice in choices(finished):
        at = choice.params[strength]
        rows.append(_row(choice.selection, at, choice.value, choice.value_se, choice.attrs, score))
    return header, rows


def _row(
    name: str, strength: float, value: float, se: float | None, attrs: dict[str, Any], score: str
) -> tuple[str, ...]:
    return (
        name, f"{strength:.3g}", _pm(value, se), f"{attrs[score]:.3f}", f"{attrs['norm']:.4g}",
        f"{attrs['sparsity']:.1%}",
    )  # fmt: skip


def print_studies(rows: list[dict[str, Any]]) -> None:
    """Print what a storage holds, as `overview` tells it."""
    columns = ("study", "results", "trials", "best", "owner", "rate", "ETA")
    _print_table(columns, [tuple(_cell(row, column) for column in columns) for row in rows])


def _cell(row: dict[str, Any], column: str) -> str:
    if column == "results":
        return str(row["n_results"]) + (f"/{row['n_trials']}" if row["n_trials"] else "")
    if column == "rate":
        return f"{row['trials_per_s']:.2g}/s" if row["trials_per_s"] else ""
    if column == "ETA":
        return f"{timedelta(seconds=round(row['eta_s']))}" if row["eta_s"] is not None else ""
    value = row[column]
    if column == "trials":
        return ", ".join(f"{count} {state}" for state, count in value.items()) or "none"
    if column == "best":
        return "" if value is None else f"{value:.4f}"
    return value or ""


def summary(outcome: StudyResult) -> dict[str, Any]:
    """Return what `sweep run --json` prints."""
    from optuna.trial import TrialState

    trials = outcome.study.get_trials(deepcopy=False)
    summary: dict[str, Any] = {
        "study_name": outcome.study.study_name,
        "ending": outcome.ending,
        "n_trials": len(trials),
    }
    if not any(trial.state == TrialState.COMPLETE for trial in trials):
        return summary
    best, finished = outcome.best, outcome.finished
    return summary | {
        "best_params": best.params,
        "best_value": best.value,
        "value_se": best.value_se,
        "best_trial": best.number,
        "baseline_value": finished.baseline["value"] if finished.baseline else None,
        "verdict": outcome.verdict,
    }


def plan_rows(plan: Plan) -> list[tuple[str, str]]:
    """Return the plan as names and texts."""
    spec, problem = plan.spec, plan.problem
    slots = max(1, plan.width // spec.n_replicates)
    rounds = -(-spec.n_replicates // min(plan.width, spec.n_replicates))
    memory = plan.width * plan.lane_bytes / 2**20
    return [
        ("penalised", ", ".join(plan.layout.penalised)),
        ("exempt", ", ".join(plan.layout.exempt) or "none"),
        (f"range of {spec.strength}", f"{plan.low:.3g} .. {plan.high:.3g}"),
        ("alpha_max", "no formula" if plan.alpha_max is None else f"{plan.alpha_max:.4g}"),
        ("rows", f"{problem.train.shape[1]} to train on, {int(problem.val_size.min())}"
                 f"..{int(problem.val_size.max())} to validate on,"
                 f" {len(plan.dataset.y_test)} test"),
        ("replicates", f"{spec.n_replicates} ({spec.replicates.n_folds} folds"
                       f" x {spec.replicates.n_seeds} seeds)"),
        ("lanes", f"{plan.width} ({slots} trials at once, in {rounds} round(s))"),
        ("memory", f"about {memory:.0f} MiB on {problem.X.device}"),
        ("parameters", f"{plan.layout.size} ({plan.layout.n_weights} penalised)"),
        ("steps", f"{plan.steps} a training, {(spec.search.n_trials + 1) * spec.n_replicates}"
                  " trainings"),
    ]  # fmt: skip


def _print_table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(*header, box=box.SIMPLE)
    for row in rows:
        table.add_row(*row)
    Console().print(table)
