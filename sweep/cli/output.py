"""What the terminal shows when something is done: tables and sentences."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweep.cli.lines import one_line, print_table
from sweep.cli.plan import stored_notes
from sweep.cli.progress import curve_line, pm
from sweep.cli.trials import n_trials, print_trial_notes
from sweep.spec.actors import actors_line, turned_away
from sweep.spec.attributes import METRIC, METRIC_SE, NORM, SPARSITY

if TYPE_CHECKING:
    import optuna

    from sweep.analysis.selection import Finished
    from sweep.config.fitted import Fit
    from sweep.errors import OwnedElsewhereError
    from sweep.result import StudyResult
    from sweep.search.point import Point
    from sweep.storage.doctor import Finding, Repair


def print_outcome(outcome: StudyResult, again: str, name: str) -> None:
    """Print how a run ended, the table of choices and the verdict.

    Args:
        outcome: of the run.
        again: the command that goes on with it.
        name: what other commands call the study, with its storage where that must be given.
    """
    if outcome.ending == "interrupted":
        print(f"stopped, everything is saved; go on with: {again}")
        return
    if outcome.ending == "timeout":
        print(f"search.timeout_s is over; go on with: {again}")
    print_trial_notes(outcome.study)
    if not n_trials(outcome.study, "COMPLETE"):
        if outcome.ending == "done":
            _ = outcome.finished  # says why there is nothing to choose from
        return
    from sweep.analysis.selection import choices
    from sweep.analysis.verdict import verdict

    finished = outcome.finished
    print_table(*_choices_table(finished))
    points = [(point.at, point.value) for point in finished.curve]
    if points:
        sign = finished.spec.objective.sign
        print(f"{curve_line(finished.spec.strength, finished.alpha_range, points, sign)}\n")
    print(verdict(finished))
    if finished.spec.selection == "1se" and (simple := choices(finished).get("1se")):
        print(f"selection is 1se: sweep export takes {finished.spec.strength} = {simple.at:.3g}")
    print(f"next: sweep export {name} · sweep report {name} · sweep dashboard")


def _choices_table(finished: Finished) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    from sweep.analysis.selection import compared

    score = finished.spec.task.score.attribute
    params = list(finished.trials[0].params)
    beside = finished.spec.objective.beside
    beside_it = [f"{beside} ± SE"] if beside else []
    value = f"{finished.spec.objective.value} ± SE"
    header = ("", *params, value, *beside_it, score, "norm", "zeros")

    def row(name: str, point: Point) -> tuple[str, ...]:
        measured = [(score, ".3f"), (NORM, ".4g"), (SPARSITY, ".1%")]
        return (
            name,
            *(f"{point.params[key]:.3g}" if key in point.params else "" for key in params),
            pm(point.value, point.value_se),
            *(pm(point.attrs[METRIC], point.attrs.get(METRIC_SE)) if METRIC in point.attrs else ""
              for _ in beside_it),
            *(format(point.attrs[key], form) if key in point.attrs else ""
              for key, form in measured),
        )  # fmt: skip

    return header, [row(name, point) for name, point in compared(finished).items()]


def print_fit(fit: Fit) -> None:
    """Print the test metrics with the strength and with none, and where the network is."""
    from sweep.config.fitted import METRICS, of_rows, sentence

    name = fit.spec.strength
    header = ("", f"{name} = {fit.strength:.3g}", f"{name} = 0", "difference (paired)")
    rows = [
        (
            label,
            str(fit.chosen.estimates[metric]),
            str(fit.none.estimates.get(metric, "")),
            str(fit.differences.get(metric, "")),
        )
        for metric, label in METRICS.items()
        if metric in fit.chosen.estimates
    ]
    print_table(header, rows)
    by_rows = " and ".join(of_rows(fit.errors_over))
    print(
        f"mean ± SE over {fit.n_seeds} seeds, of {by_rows} over the test rows too:"
        f" {fit.n_rows} rows to train on, {fit.n_test_rows} to test"
    )
    print(sentence(fit))
    for warning in fit.warnings:
        print(f"note: {warning}")
    print(f"-> {fit.weights_path} (seed {fit.saved_seed}), {fit.card_path}")


def diagnosis(url: str, found: Sequence[Finding], mended: Repair | None) -> dict[str, Any]:
    """Return what `sweep doctor --json` prints."""
    told: dict[str, Any] = {"storage": url, "findings": [asdict(finding) for finding in found]}
    if mended:
        told |= {"backup": mended.backup, "done": mended.done}
    return told


def print_diagnosis(url: str, found: Sequence[Finding], mended: Repair | None) -> None:
    """Print what was mended, and what is wrong (still)."""
    if mended and mended.backup:
        print(f"backup: {mended.backup}")
    for line in mended.done if mended else ():
        print(f"mended: {line}")
    for finding in found:
        study = f"study {finding.study}: " if finding.study else ""
        print(f"{finding.severity}: {study}{finding.message}")
    damage = [finding for finding in found if finding.severity == "damage"]
    if not damage:
        print(f"{url} is sound")
    elif not mended and any(finding.mendable for finding in damage):
        print("next: sweep doctor --repair")


def print_studies(rows: list[dict[str, Any]]) -> None:
    """Print what a storage holds, as `overview` tells it."""
    columns = ("study", "results", "trials", "best", "owner", "rate", "ETA")
    print_table(columns, [tuple(_cell(row, column) for column in columns) for row in rows])
    for row in rows:
        if row["owner"] and (line := actors_line(row["engine"])):
            print(f"{one_line(row['study'])} has {one_line(line)}")
            for why in turned_away(row["engine"]):
                print(f"note: {one_line(why)}")
    for name, n in ((row["study"], row["n_foreign"]) for row in rows if row["n_foreign"]):
        trials = f"{n} trial{'s' * (n != 1)} written by another program"
        print(f"note: {one_line(name)} has {trials}, left out above; see `sweep doctor`")


def _cell(row: dict[str, Any], column: str) -> str:
    if column == "results":
        return str(row["n_results"]) + (f"/{row['n_trials']}" if row["n_trials"] else "")
    if column == "rate":
        return f"{row['trials_per_s']:.2g}/s" if row["trials_per_s"] else ""
    if column == "ETA":
        return f"{timedelta(seconds=round(row['eta_s']))}" if row["eta_s"] is not None else ""
    value = row[column]
    if column == "study":
        return one_line(value)  # of any program
    if column == "trials":
        return ", ".join(f"{count} {state}" for state, count in value.items()) or "none"
    if column == "best":
        return "" if value is None else f"{value:.4f}"
    return value or ""


def summary(outcome: StudyResult) -> dict[str, Any]:
    """Return what `sweep run --json` prints."""
    from sweep.analysis.verdict import verdict

    summary: dict[str, Any] = {
        "study_name": outcome.study.study_name,
        "ending": outcome.ending,
        "n_trials": n_trials(outcome.study),
    }
    if notes := [*stored_notes(outcome.study.user_attrs), *outcome.trial_notes]:
        summary["notes"] = notes
    if not n_trials(outcome.study, "COMPLETE"):
        return summary
    finished = outcome.finished
    best = finished.choose("best")
    return summary | {
        "best_params": best.params,
        "best_value": best.value,
        "value_se": best.value_se,
        "best_trial": best.number,
        "baseline_value": finished.baseline.value if finished.baseline else None,
        "verdict": verdict(finished),
    }


def owned_elsewhere(study_name: str, error: OwnedElsewhereError) -> dict[str, str]:
    """Return what `sweep run --json` prints where another process runs the study, or took it over.

    A supervisor tells by it that the study is in good hands.
    """
    return {"study_name": study_name, "ending": "owned_elsewhere", "reason": str(error)}


def print_export(config: dict[str, Any], path: Path, study: optuna.Study) -> None:
    """Print which strength was written, whose it is, and where to."""
    params = ", ".join(f"{key} = {value:.4g}" for key, value in config["best_params"].items())
    number = config["provenance"]["trial_number"]
    where = "on the line through the best trial" if number is None else f"trial {number}"
    print(f"{params} ({config['selection']}, {where}) -> {path}")
    print_trial_notes(study)


def say_stopping() -> None:
    """Answer the first Ctrl-C."""
    print("\nstopping after this epoch; once more to stop at once", file=sys.stderr)
