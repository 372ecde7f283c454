"""The commands that make, check and run a study."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from sweep.cli.arguments import (
    Address,
    AsJson,
    Device,
    Engine,
    Sets,
    Storage,
    StudyFile,
    load,
    next_commands,
)
from sweep.cli.lines import one_line
from sweep.cli.output import owned_elsewhere, print_outcome, say_stopping, summary
from sweep.cli.plan import planned, print_notes, print_plan
from sweep.cli.progress import progress_bar
from sweep.errors import INTERRUPTED, OwnedElsewhereError, hide_passwords
from sweep.runtime import asked_to_stop, importing, stdout_to_stderr

if TYPE_CHECKING:
    from sweep.engines.base import Engine as Trainer
    from sweep.result import StudyResult
    from sweep.spec.study import StudySpec


def validate(
    study: StudyFile, sets: Sets = None, storage: Storage = None, device: Device = None,
    engine: Engine = None, address: Address = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Show the resolved study and the plan, without training."""
    options = {
        "--storage": storage, "--device": device, "--engine": engine, "--address": address,
    }  # fmt: skip
    spec = load(study, sets, options)
    with importing():
        from sweep.cli.actors import plan_here
        from sweep.search.samplers import check_search
        from sweep.storage.engine import check_url

    check_url(spec.storage)
    plan = plan_here(spec)
    check_search(spec, (plan.span.low, plan.span.high))
    where = {"storage": hide_passwords(spec.storage)}
    if as_json:
        shown = {**spec.model_dump(mode="json"), **where}
        print(json.dumps({"spec": shown, **planned(plan)}))
        return
    print_plan({**spec.model_dump(mode="json", exclude_none=True), **where}, plan)


def run(
    context: typer.Context,
    study: StudyFile,
    sets: Sets = None,
    n_trials: Annotated[Optional[int], typer.Option(help="total number of trials")] = None,  # noqa: UP045
    storage: Storage = None,
    device: Device = None,
    engine: Engine = None,
    address: Address = None,
    fresh: Annotated[bool, typer.Option(help="start over; the old study is kept")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a study, or go on with it where it stopped."""
    from sweep.engines.hire import hired

    options = {
        "--n-trials": n_trials, "--storage": storage, "--device": device, "--engine": engine,
        "--address": address,
    }  # fmt: skip
    spec = load(study, sets, options)
    with hired(spec, context.obj) as trainer:
        outcome = _trained(spec, trainer, fresh, as_json)
    if as_json:
        print(json.dumps(summary(outcome)))
    else:
        print_outcome(outcome, *next_commands(study, spec, sets, options))
    if outcome.ending == "interrupted":
        raise typer.Exit(INTERRUPTED)


def _trained(spec: StudySpec, engine: Trainer, fresh: bool, as_json: bool) -> StudyResult:
    """Run a study, show how far it is, and say why it cannot go on."""
    with importing():
        from sweep import result

    try:
        with (
            stdout_to_stderr(as_json),
            asked_to_stop(say_stopping) as should_stop,
            progress_bar(hidden=as_json) as on_progress,
        ):
            return result.run(
                spec,
                engine=engine,
                fresh=fresh,
                on_plan=lambda plan: None if as_json else print_notes(plan, sys.stderr),
                on_progress=on_progress,
                should_stop=should_stop,
            )
    except OwnedElsewhereError as error:
        if as_json:
            print(json.dumps(owned_elsewhere(spec.study_name, error)))
        raise
    except KeyboardInterrupt as interrupt:  # of which typer keeps no more than that
        if interrupt.args:
            print(one_line(f"sweep: {interrupt}"), file=sys.stderr)
        raise
