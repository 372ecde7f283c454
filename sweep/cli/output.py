"""What the terminal shows when something is done: tables and sentences."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from sweep.cli.progress import curve_line, pm
from sweep.cli.trials import n_trials, print_trial_notes
from sweep.errors import hide_passwords
from sweep.spec.attributes import NORM, NOTES, PROBLEM, REMARKS, SPARSITY, SPEC

if TYPE_CHECKING:
    import optuna

    from sweep.analysis.selection import Finished
    from sweep.config.fitted import Fit
    from sweep.errors import OwnedElsewhereError
    from sweep.plan.plan import Plan
    from sweep.result import StudyResult
    from sweep.search.point import Point
    from sweep.spec.resolved import Outline
    from sweep.storage.doctor import Finding, Repair

MOST_CHARACTERS = 300  # of a message


def one_line(message: str) -> str:
    """Return a message as one line that the terminal can show: the only way out for mistakes.

    Passwords are hidden, control characters become spaces or escapes, and of a long message the
    middle is left out: its start names the key, its end says what to do.
    """
    text = " ".join(hide_passwords(message).split())
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    if len(text) <= MOST_CHARACTERS:
        return text
    half = (MOST_CHARACTERS - 3) // 2
    return f"{text[: half + 1].rstrip()} … {text[-half:].lstrip()}"


def escape_what_cannot_be_shown() -> None:
    """Let half a character, or one that the terminal lacks, be printed as its number."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


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
    from sweep.analysis.verdict import verdict

    finished = outcome.finished
    _print_table(*_choices_table(finished))
    points = [(point.at, point.value) for point in finished.curve]
    if points:
        print(f"{curve_line(finished.spec.strength, finished.alpha_range, points)}\n")
    print(verdict(finished))
    print(f"next: sweep export {name} · sweep report {name} · sweep dashboard")


def _choices_table(finished: Finished) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    from sweep.analysis.selection import compared

    score = finished.spec.task.score.attribute
    params = list(finished.trials[0].params)
    header = ("", *params, f"{finished.spec.objective.metric} ± SE", score, "norm", "zeros")

    def row(name: str, point: Point) -> tuple[str, ...]:
        measured = [(score, ".3f"), (NORM, ".4g"), (SPARSITY, ".1%")]
        return (
            name,
            *(f"{point.params[key]:.3g}" if key in point.params else "" for key in params),
            pm(point.value, point.value_se),
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
    _print_table(header, rows)
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
    _print_table(columns, [tuple(_cell(row, column) for column in columns) for row in rows])
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
    if notes := [*_stored_notes(outcome.study.user_attrs), *outcome.trial_notes]:
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


def template() -> str:
    """Return the study file to start from; its first line names the schema for editors."""
    from importlib.resources import files

    text = files("sweep.cli").joinpath("template.yaml").read_text(encoding="utf-8")
    _, _, study = text.partition("\n")  # which names the schema from where the template lies
    schema = Path(str(files("sweep.spec").joinpath("study.schema.json"))).resolve().as_uri()
    return f"# yaml-language-server: $schema={schema}\n{study}"


def print_plan(tree: dict[str, Any], plan: Plan) -> None:
    """Print a study, resolved, as YAML, and below it what it comes to."""
    from sweep.files import to_yaml

    print(to_yaml(tree, compact=True))
    for name, value in plan_rows(plan):
        print(f"{name:<22}{value}")
    print_notes(plan)


def planned(plan: Plan) -> dict[str, Any]:
    """Return what `sweep validate --json` prints of a plan."""
    return {"plan": dict(plan_rows(plan)), "notes": _notes(plan)}


def print_notes(plan: Outline, file: TextIO | None = None) -> None:
    """Print what a user should know of rows and network; to stdout, unless to a file."""
    for note in _notes(plan):
        print(f"note: {one_line(note)}", file=file)


def _notes(plan: Outline) -> list[str]:
    from sweep.spec.remarks import sentences

    return [*plan.about.get(NOTES, ()), *sentences(plan.remarks, plan.spec.strength)]


def _stored_notes(attrs: Mapping[str, Any]) -> list[str]:
    """Return the notes of a stored study."""
    from sweep.spec.remarks import read_remarks, sentences
    from sweep.spec.stored import stored_spec

    remarks = read_remarks(attrs.get(REMARKS, ()))
    of_network = sentences(remarks, stored_spec(attrs[SPEC]).strength)
    return [*attrs.get(PROBLEM, {}).get(NOTES, ()), *of_network]


def plan_rows(plan: Plan) -> list[tuple[str, str]]:
    """Return the plan as names and texts."""
    from sweep.analysis.verdict import without_score
    from sweep.engines.hire import who_trains
    from sweep.spec.attributes import UNSCORED

    unscored = without_score(plan.spec, plan.about.get(UNSCORED, ()))
    spec, problem = plan.spec, plan.problem
    slots = max(1, plan.width // spec.n_replicates)
    rounds = -(-spec.n_replicates // min(plan.width, spec.n_replicates))
    memory = plan.width * plan.lane_bytes / 2**20
    return [
        ("penalised", ", ".join(plan.layout.penalised)),
        ("exempt", ", ".join(plan.layout.exempt) or "none"),
        (f"range of {spec.strength}", f"{plan.span.low:.3g} .. {plan.span.high:.3g}"),
        ("alpha_max", f"{plan.span.alpha_max:.4g}" if plan.span.alpha_max else "no formula"),
        ("rows", f"{problem.train.shape[1]} to train on, {int(problem.val_size.min())}"
                 f"..{int(problem.val_size.max())} to validate on,"
                 f" {len(plan.dataset.y_test)} test"),
        ("replicates", f"{spec.n_replicates} ({spec.replicates.n_folds} folds"
                       f" x {spec.replicates.n_seeds} seeds)"),
        *([("note", unscored)] if unscored else []),
        ("lanes", f"{plan.width} ({slots} trials at once, in {rounds} round(s))"),
        ("trained by", who_trains(plan)),
        ("memory", f"about {memory:.0f} MiB on {problem.X.device}"),
        ("parameters", f"{plan.layout.size} ({plan.layout.n_weights} penalised)"),
        ("steps", f"{plan.steps} a training, {(spec.search.n_trials + 1) * spec.n_replicates}"
                  " trainings"),
    ]  # fmt: skip


def _print_table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE)
    for name in header:
        table.add_column(name, overflow="fold")  # a name is there to be typed
    for row in rows:
        table.add_row(*map(Text, row))  # which is no markup
    Console().print(table)
