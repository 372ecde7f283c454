"""The command line: arguments in, tables and sentences out."""

from __future__ import annotations

import atexit
import gc
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from sweep import __version__
from sweep.cli.arguments import (
    ArgumentError,
    AsJson,
    Device,
    Select,
    Sets,
    Storage,
    Study,
    StudyFile,
    ToConfig,
    ToPage,
    ToWeights,
    Version,
    argument_problem,
    load,
    named,
    next_commands,
    selection_of,
)
from sweep.cli.output import (
    diagnosis,
    escape_what_cannot_be_shown,
    one_line,
    owned_elsewhere,
    planned,
    print_diagnosis,
    print_export,
    print_fit,
    print_notes,
    print_outcome,
    print_plan,
    print_studies,
    say_stopping,
    summary,
    template,
)
from sweep.cli.progress import epochs_bar, progress_bar
from sweep.cli.trials import print_report
from sweep.errors import INTERRUPTED, OwnedElsewhereError, SweepError, hide_passwords
from sweep.runtime import asked_to_stop, importing, stdout_to_stderr

if TYPE_CHECKING:
    from sweep.engines.fork import Leader

OUT = Path("studies/out")

app = typer.Typer(
    help="Find how strong a network's weight penalty should be.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def main(leader: Leader | None = None) -> None:
    """Run the command line; every mistake of the user is one line and exit code 2.

    `leader`: for `run`, the first worker, if it is there already.
    """
    atexit.register(gc.freeze)  # else the process looks for garbage once more as it ends
    escape_what_cannot_be_shown()
    try:
        sys.exit(app(prog_name="sweep", standalone_mode=False, obj=leader) or 0)
    except ArgumentError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()
        else:
            print(one_line(f"sweep: {argument_problem(error)}"), file=sys.stderr)
        sys.exit(error.exit_code)
    except SweepError as error:
        print(one_line(f"sweep: {error}"), file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # `sweep status | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


@app.callback(invoke_without_command=True)
def _options(version: Version = False) -> None:
    if version:
        print(f"sweep {__version__}")
        raise typer.Exit


@app.command()
def run(
    context: typer.Context,
    study: StudyFile,
    sets: Sets = None,
    n_trials: Annotated[Optional[int], typer.Option(help="total number of trials")] = None,  # noqa: UP045
    storage: Storage = None,
    device: Device = None,
    fresh: Annotated[bool, typer.Option(help="start over; the old study is kept")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a study, or go on with it where it stopped."""
    from sweep.engines.hire import hired

    spec = load(study, sets, storage, device, n_trials)
    with hired(spec, context.obj) as engine:
        with importing():
            from sweep import result

        try:
            with (
                stdout_to_stderr(as_json),
                asked_to_stop(say_stopping) as should_stop,
                progress_bar(hidden=as_json) as on_progress,
            ):
                outcome = result.run(
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
    if as_json:
        print(json.dumps(summary(outcome)))
    else:
        options = {"--n-trials": n_trials, "--storage": storage, "--device": device}
        print_outcome(outcome, *next_commands(study, spec, sets, options))
    if outcome.ending == "interrupted":
        raise typer.Exit(INTERRUPTED)


@app.command()
def validate(
    study: StudyFile, sets: Sets = None, storage: Storage = None, device: Device = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Show the resolved study and the plan, without training."""
    spec = load(study, sets, storage, device)
    with importing():
        from sweep.plan.plan import make_plan
        from sweep.search.samplers import check_search
        from sweep.storage.engine import check_url

    check_url(spec.storage)
    plan = make_plan(spec)
    check_search(spec, (plan.span.low, plan.span.high))
    where = {"storage": hide_passwords(spec.storage)}
    if as_json:
        shown = {**spec.model_dump(mode="json"), **where}
        print(json.dumps({"spec": shown, **planned(plan)}))
        return
    print_plan({**spec.model_dump(mode="json", exclude_none=True), **where}, plan)


@app.command()
def status(
    study: Annotated[Optional[str], typer.Argument(metavar="STUDY", callback=named)] = None,  # noqa: UP045
    storage: Storage = None,
    as_json: AsJson = False,
) -> None:
    """List the studies of a storage: trials per state, best value, who runs it, how long yet."""
    from sweep.spec.files import locate, storage_url

    url, name = locate(study, storage) if study else (storage_url(storage), None)
    with importing():
        from sweep.analysis.status import overview

    rows = overview(url, name)
    if as_json:
        print(json.dumps({"storage": hide_passwords(url), "studies": rows}))
        return
    if not rows:
        print(f"no studies in {hide_passwords(url)}")
        return
    print_studies(rows)


@app.command()
def export(
    study: Study,
    select: Select = None,
    output: ToConfig = None,
    storage: Storage = None,
) -> None:
    """Write the chosen strength to a config file."""
    from sweep.spec.files import locate

    selection = selection_of(select)
    url, name = locate(study, storage)
    with importing():
        from sweep.analysis.status import load_study
        from sweep.config.export import make_config, write_config

    path = output or OUT / f"{name}.yaml"
    config = make_config(found := load_study(url, name), selection)
    write_config(config, path)
    print_export(config, path, found)


@app.command()
def fit(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="a file of `sweep export`", callback=named)
    ],
    output: ToWeights = None,
    storage: Storage = None,
    device: Device = None,
    as_json: AsJson = False,
) -> None:
    """Refit with the exported strength and with none, and measure both on the test rows."""
    with importing():
        from sweep.analysis.status import note_fit
        from sweep.config import refit
        from sweep.spec.files import storage_url

    with stdout_to_stderr(as_json), epochs_bar(hidden=as_json) as on_progress:
        done = refit.fit(config, output, device=device, on_progress=on_progress)
    hidden = "***" in done.spec.storage  # an exported config keeps no password
    url = storage or (storage_url(None) if hidden else done.spec.storage)
    noted = note_fit(url, done.summary)
    if as_json:
        print(json.dumps(done.summary))
        return
    print_fit(done)
    if not noted:
        print(
            "note: the study's storage was not there or in use, so its report will not show this"
        )


@app.command()
def report(
    studies: Annotated[
        list[str], typer.Argument(metavar="STUDY…", help="study files or names", callback=named)
    ],
    output: ToPage = None,
    storage: Storage = None,
) -> None:
    """Write the pictures of a study, or of several side by side, as one HTML file."""
    from sweep.spec.files import locate

    places = [locate(study, storage) for study in studies]
    path = output or OUT / f"{'-'.join(name for _, name in places)}.html"
    with importing():
        from sweep.analysis.status import load_study
        from sweep.reporting.page import write_report

    found = [load_study(url, name) for url, name in places]
    print_report(path, write_report(found, path), found)


@app.command()
def doctor(
    storage: Storage = None,
    repair: Annotated[bool, typer.Option("--repair", help="mend what can be mended")] = False,
    as_json: AsJson = False,
) -> None:
    """Check a storage, and with --repair mend it after a backup."""
    from sweep.spec.files import storage_url

    url = storage_url(storage)
    with importing():
        from sweep.storage import doctor as surgery

    mended = surgery.repair(url) if repair else None
    found = mended.left if mended else surgery.examine(url)
    if as_json:
        print(json.dumps(diagnosis(hide_passwords(url), found, mended)))
    else:
        print_diagnosis(hide_passwords(url), found, mended)
    if any(finding.severity == "damage" for finding in found):
        raise typer.Exit(1)


@app.command()
def dashboard(
    storage: Storage = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one")] = 8080,
) -> None:
    """Show the studies of a storage in optuna-dashboard, read-only, on this machine."""
    from sweep.spec.files import storage_url

    url = storage_url(storage)
    with importing():
        from sweep.dashboard.server import serve

    serve(url, port, announce=lambda address: print(f"{address}  (Ctrl-C ends)", flush=True))


@app.command()
def init(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="the new study file", callback=named)
    ] = Path("study.yaml"),
) -> None:
    """Write a commented study file to start from."""
    from sweep.files import write_new

    write_new(file, template())
    print(f"wrote {file}; next: sweep validate {file}, sweep run {file}")
