"""What the terminal shows of a study before it is trained: its file, resolved, and its plan."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from sweep.cli.actors import actor_rows
from sweep.cli.lines import one_line
from sweep.spec.attributes import NOTES, PROBLEM, REMARKS, SPEC

if TYPE_CHECKING:
    from sweep.plan.plan import Plan
    from sweep.spec.resolved import Outline


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
    return {"plan": dict(plan_rows(plan)), "notes": plan.notes}


def print_notes(plan: Outline, file: TextIO | None = None) -> None:
    """Print what a user should know of rows and network; to stdout, unless to a file."""
    for note in plan.notes:
        print(f"note: {one_line(note)}", file=file)


def stored_notes(attrs: Mapping[str, Any]) -> list[str]:
    """Return the notes of a stored study."""
    from sweep.spec.remarks import read_remarks, sentences
    from sweep.spec.stored import stored_spec

    remarks, spec = read_remarks(attrs.get(REMARKS, ())), stored_spec(attrs[SPEC])
    of_network = sentences(remarks, spec.strength)
    return [*attrs.get(PROBLEM, {}).get(NOTES, ()), *of_network, *spec.objective.notes]


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
    n_repeats = spec.replicates.n_repeats
    repeats = f" x {n_repeats} repeats" if n_repeats > 1 else ""
    return [
        ("penalised", ", ".join(plan.layout.penalised)),
        ("exempt", ", ".join(plan.layout.exempt) or "none"),
        (f"range of {spec.strength}", f"{plan.span.low:.3g} .. {plan.span.high:.3g}"),
        ("alpha_max", f"{plan.span.alpha_max:.4g}" if plan.span.alpha_max else "no formula"),
        ("rows", f"{problem.train.shape[1]} to train on, {int(problem.val_size.min())}"
                 f"..{int(problem.val_size.max())} to validate on,"
                 f" {len(plan.dataset.y_test)} test"),
        ("replicates", f"{spec.n_replicates} ({spec.replicates.n_folds} folds{repeats}"
                       f" x {spec.replicates.n_seeds} seeds)"),
        *([("note", unscored)] if unscored else []),
        ("lanes", f"{plan.width} ({slots} trials at once, in {rounds} round(s))"),
        ("trained by", who_trains(plan)),
        *(actor_rows(plan) if spec.engine.kind == "ray" else []),
        ("memory", f"about {memory:.0f} MiB on {problem.X.device}"),
        ("parameters", f"{plan.layout.size} ({plan.layout.n_weights} penalised)"),
        ("steps", f"{plan.steps} a training, {(spec.search.n_trials + 1) * spec.n_replicates}"
                  " trainings"),
    ]  # fmt: skip
