"""The commands of the queue on this machine: hand studies in, look at them, run them."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from sweep.cli.arguments import AsJson, Device, Sets, Storage, StudyFile, load, named
from sweep.cli.client import Name, Url, print_jobs, service_is_meant
from sweep.cli.lines import one_line, print_table
from sweep.errors import INTERRUPTED, hide_passwords
from sweep.runtime import asked_to_stop, importing

if TYPE_CHECKING:
    from sweep.service.job import Job, Submission
    from sweep.service.jobs import Queue

OUT = Path("studies/out")
DATABASE = f"sqlite:///{OUT}/service.db"  # that of `sweep serve`
PROJECT = "default"

Database = Annotated[
    Optional[str],  # noqa: UP045 - typer reads it at run time
    typer.Option(help=f"URL of the queue's database [{DATABASE}]", callback=named),
]
Running = Annotated[int, typer.Option(min=1, max=1000, help="studies at a time")]

jobs = typer.Typer(help="Queue studies on this machine, and run them one after another.")


@jobs.callback(invoke_without_command=True)
def _list(
    context: typer.Context, database: Database = None, url: Url = None, as_json: AsJson = False
) -> None:
    """Queue studies on this machine, and run them; with an address, list those of a service."""
    if context.invoked_subcommand is not None:
        return
    if service_is_meant(url, database):
        print_jobs(url, as_json)
        return
    queue = _queue(database)
    found = queue.list(limit=1000).items
    rows = [{**_shown(job), "position": queue.position(job)} for job in found]
    if as_json:
        print(json.dumps({"database": _url(database), "jobs": rows}))
    elif not rows:
        print(f"no studies in {_url(database)}; next: sweep jobs add STUDY.yaml")
    else:
        print_table(("name", "state", "trials", "best trial", "note"), [*map(_row, found)])


@jobs.command()
def add(
    study: StudyFile,
    sets: Sets = None,
    n_trials: Annotated[Optional[int], typer.Option(help="total number of trials")] = None,  # noqa: UP045
    storage: Storage = None,
    device: Device = None,
    priority: Annotated[int, typer.Option(help="larger ones go first")] = 0,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Queue a study; `sweep jobs work` runs it as `sweep run` would."""
    options = {"--n-trials": n_trials, "--storage": storage, "--device": device}
    new = _submission(study, sets, options, priority)
    queue = _queue(database)
    job, created = queue.submit(new)
    if as_json:
        print(json.dumps({**_shown(job), "position": queue.position(job), "created": created}))
    elif created:
        print(f"{job.study_name} is number {queue.position(job)} in the queue")
    else:
        print(f"{job.study_name} is there already: {job.state}")


@jobs.command()
def cancel(name: Name, database: Database = None, as_json: AsJson = False) -> None:
    """Stop a study for good, at once or after its epoch."""
    job, _ = _queue(database).cancel(PROJECT, name)
    _say(job, "is being stopped" if job.stopping else job.state, as_json)


@jobs.command()
def resume(
    name: Name,
    n_trials: Annotated[Optional[int], typer.Option(help="total number of trials")] = None,  # noqa: UP045
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Queue a study again that was cancelled or failed, ran out of time, or gets more trials."""
    queue = _queue(database)
    if n_trials is not None:
        queue.change(PROJECT, name, {"n_trials": n_trials})
    job, _ = queue.resume(PROJECT, name)
    _say(job, job.state, as_json)


@jobs.command()
def work(
    running: Running = 1,
    until_done: Annotated[
        bool, typer.Option("--until-done", help="end when no study waits or runs")
    ] = False,
    database: Database = None,
) -> None:
    """Run the studies of the queue; they go on if this ends, and the next one minds them."""
    with importing():
        from sweep.cli.working import Watcher
        from sweep.service.claims import Claims, Limits
        from sweep.service.supervisor import Setup, Supervisor

    queue = _queue(database)
    setup = Setup((OUT / "service").absolute())
    supervisor = Supervisor(Claims(queue.database), setup, Limits(running, running))
    watcher = Watcher(queue, supervisor)
    with asked_to_stop(lambda: None) as asked:
        n_failed = watcher.run(asked, until_done)
        stopped = asked()
    if stopped and (n_running := len(supervisor.claims.runs())):
        told = "1 study goes on" if n_running == 1 else f"{n_running} studies go on"
        print(f"{told}; `sweep jobs work` minds what runs again", file=sys.stderr)
    if stopped or n_failed:
        raise typer.Exit(INTERRUPTED if stopped else 1)


def _queue(database: str | None) -> Queue:
    """Open the queue that is meant: the one place that chooses it."""
    with importing():
        from sweep.service.database import Database
        from sweep.service.jobs import Queue

    return Queue(Database.open(database or DATABASE), most_queued=10_000)


def _url(database: str | None) -> str:
    return hide_passwords(database or DATABASE)


def _submission(
    study: Path, sets: list[str] | None, options: Mapping[str, object], priority: int
) -> Submission:
    """Read a study file, whose paths then start in its own folder wherever it is run from."""
    from sweep.files import to_yaml
    from sweep.service.job import Submission
    from sweep.spec.study import without_nulls
    from sweep.storage.engine import check_url
    from sweep.storage.sqlite import absolute

    spec = load(study, sets, options)
    url = absolute(check_url(spec.storage)).render_as_string(hide_password=False)
    body = to_yaml(without_nulls(spec.model_dump(mode="json")))
    return Submission(
        PROJECT, getpass.getuser(), body, spec, priority=priority,
        folder=str(study.parent.absolute()), storage=url,
    )  # fmt: skip


def _say(job: Job, what: str, as_json: bool) -> None:
    print(json.dumps(_shown(job)) if as_json else f"{job.study_name}: {what}")


def _shown(job: Job) -> dict[str, Any]:
    """Return what `--json` tells of a study."""
    keys = (
        "id", "project", "owner", "study_name", "state", "want", "priority", "n_trials",
        "attempts", "created", "begun", "ended", "ending", "error", "message", "progress",
    )  # fmt: skip
    return {key: getattr(job, key) for key in keys}


def _row(job: Job) -> tuple[str, ...]:
    progress = job.progress or {}
    best = progress.get("best")
    return (
        job.study_name,
        "stopping" if job.stopping else job.state,
        f"{progress.get('n_results', 0)}/{job.n_trials}",
        f"{best['value']:.4g} at {progress['strength']} {best['at']:.3g}" if best else "",
        one_line(job.message),
    )
