"""The command that follows the best strength to more rows, or to a wider network."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Literal, Optional

import typer

from sweep.cli.arguments import AsJson, Device, Sets, Storage, StudyFile, load
from sweep.cli.lines import print_table
from sweep.cli.output import say_stopping
from sweep.cli.progress import progress_bar
from sweep.errors import INTERRUPTED, UsageError
from sweep.runtime import asked_to_stop, importing, stdout_to_stderr

if TYPE_CHECKING:
    from sweep.analysis.ladder import Transfer
    from sweep.spec.study import StudySpec


def transfer(
    study: StudyFile,
    rows: Annotated[Optional[int], typer.Option(min=1, help="rows a training will see")] = None,  # noqa: UP045
    hidden: Annotated[Optional[int], typer.Option(min=1, help="units of a wider network")] = None,  # noqa: UP045
    fixed: Annotated[
        Literal["epochs", "steps"], typer.Option(help="what all trainings have in common")
    ] = "epochs",
    sets: Sets = None,
    storage: Storage = None,
    device: Device = None,
    as_json: AsJson = False,
) -> None:
    """Measure how the best strength changes with rows or width, and follow it to more of them."""
    if rows is not None and hidden is not None:
        raise UsageError("--hidden: must stand without --rows, got both. Give one of them")
    spec = load(study, sets, {"--storage": storage, "--device": device})
    with importing():
        from sweep import result

    def say(of: StudySpec) -> None:
        if not as_json:
            print(f"{of.study_name}:", flush=True)

    with (
        stdout_to_stderr(as_json),
        asked_to_stop(say_stopping) as should_stop,
        progress_bar(hidden=as_json) as on_progress,
    ):
        found = result.transfer(
            spec, rows=rows, hidden=hidden, fixed=fixed, on_study=say, on_progress=on_progress,
            should_stop=should_stop,
        )  # fmt: skip
    if found is None:
        stopped = json.dumps({"study_name": spec.study_name, "ending": "stopped"})
        print(stopped if as_json else "stopped, everything is saved; go on with the same command")
        raise typer.Exit(INTERRUPTED)
    if as_json:
        print(json.dumps({"study_name": spec.study_name, **found.summary}))
    else:
        _print(found, spec.strength)


def _print(found: Transfer, name: str) -> None:
    cells = [(f"{rung.size:,}", f"{rung.strength:.3g}") for rung in found.rungs]
    print_table((found.what, f"best {name}"), cells)
    first, *warnings = found.sentences(name)
    print(first)
    for line in warnings:
        print(f"warning: {line}")
