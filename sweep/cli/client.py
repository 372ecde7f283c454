"""The commands that use a service elsewhere: hand a study in, watch it, stop it, go on with it."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from sweep.cli.arguments import AsJson, Sets, StudyFile, named
from sweep.cli.lines import one_line, print_table, whole_line
from sweep.cli.progress import progress_bar
from sweep.errors import INTERRUPTED, SweepError
from sweep.runtime import importing

if TYPE_CHECKING:
    from sweep.runner.progress import Progress
    from sweep.service.client import Client
    from sweep.service.remote import RemoteStudy

Url = Annotated[
    Optional[str],  # noqa: UP045 - typer reads it at run time
    typer.Option(help="address of the service [SWEEP_URL]", callback=named),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="the study's name", callback=named)]
CODES = {"done": 0, "failed": 1, "cancelled": INTERRUPTED}  # of one who has watched it to the end


def submit(
    study: StudyFile,
    sets: Sets = None,
    watch: Annotated[bool, typer.Option("--watch", help="and watch it to its end")] = False,
    key: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="sent again with the same key, it is the same study", callback=named),
    ] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Hand a study in to a service, with the file of its rows."""
    client = _client(url)
    handed_in = client.submit(study, key, sets or ())
    told = handed_in.status()
    if watch:
        _watch(handed_in, as_json)
        return
    if as_json:
        print(json.dumps(told))
        return
    place = f", number {told['position']} in line" if told["position"] else ""
    print(f"{told['name']}: {told['state']}{place} ({client.url}{told['links']['page']})")
    print(f"next: {_again(handed_in.name, told['state'])}")


def watch(name: Name, url: Url = None, as_json: AsJson = False) -> None:
    """Watch a study of a service to its end; Ctrl-C leaves it running."""
    _watch(_client(url).study(name), as_json)


def cancel(name: Name, url: Url = None, as_json: AsJson = False) -> None:
    """Stop a study of a service for good, after its epoch if it runs."""
    study = _client(url).study(name)
    study.cancel()
    _say(study, as_json)


def resume(
    name: Name,
    n_trials: Annotated[Optional[int], typer.Option(help="total number of trials")] = None,  # noqa: UP045
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Have a study of a service go on that was cancelled or failed, or that gets more trials."""
    study = _client(url).study(name)
    if n_trials is not None:
        study.change(n_trials=n_trials)
    study.resume()
    _say(study, as_json)


def service_is_meant(url: str | None, database: str | None) -> bool:
    """Tell whether the queue of a service is meant, not that of this machine."""
    return url is not None or (database is None and bool(os.environ.get("SWEEP_URL")))


def print_jobs(url: str | None, as_json: bool) -> None:
    """Print the studies of a service, the newest first."""
    client = _client(url)
    rows = client.jobs()
    if as_json:
        print(json.dumps({"url": client.url, "jobs": rows}))
    elif not rows:
        print(f"no studies on {client.url}; next: sweep submit STUDY.yaml")
    else:
        print_table(("name", "state", "trials", "best trial", "note"), [*map(_row, rows)])


def _client(url: str | None) -> Client:
    with importing():
        from sweep.service.client import Client

    return Client(url)


def _say(study: RemoteStudy, as_json: bool) -> None:
    told = study.status()
    if as_json:
        print(json.dumps(told))
    else:
        print(f"{told['name']}: {'is being stopped' if told['stopping'] else told['state']}")


def _row(told: dict[str, Any]) -> tuple[str, ...]:
    progress = told["progress"] or {}
    best = progress.get("best")
    return (
        told["name"],
        "stopping" if told["stopping"] else told["state"],
        f"{progress.get('n_results', 0)}/{told['n_trials']}",
        f"{best['value']:.4g} at {progress['strength']} {best['at']:.3g}" if best else "",
        one_line(told["message"]),
    )


# --- watching


def _watch(study: RemoteStudy, as_json: bool) -> None:
    """Show a study until it has ended; the exit code tells how.

    Raises:
        typer.Exit: with `CODES`.
    """
    try:
        study.status()  # there is one
        _follow(study, as_json)
    except KeyboardInterrupt:
        print(f"\nsweep: {study.name} goes on; see sweep watch {study.name}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    told = study.status()
    if as_json:
        print(json.dumps(told))
    else:
        _print_end(told)
    raise typer.Exit(CODES[told["state"]])


def _follow(study: RemoteStudy, as_json: bool) -> None:
    curve: list[tuple[float, float]] = []
    before = ""
    with progress_bar(hidden=as_json) as show:
        for event in study.events():
            if event.kind == "trial":
                curve.append((event.data["at"], event.data["value"]))
            elif event.kind == "progress":
                show(_progress(event.data, curve))
            elif not as_json and event.kind in ("log", "state"):
                line = str(event.data.get("line") or event.data.get("state"))
                if line != before:
                    print(one_line(line), file=sys.stderr)
                before = line


def _progress(told: dict[str, Any], curve: list[tuple[float, float]]) -> Progress:
    """Return what a bar shows."""
    from sweep.runner.progress import Progress
    from sweep.search.point import Point

    best, strength = told["best"], told["strength"]
    point = best and Point(
        None, best["at"], {strength: best["at"]}, best["value"], {"value_se": best["value_se"]}
    )
    low, high = told["span"]
    return Progress(
        told["n_results"], told["n_trials"], told["fraction"], point, strength, (low, high),
        [*curve], sign=told.get("sign", 1.0),
    )  # fmt: skip


def _print_end(told: dict[str, Any]) -> None:
    if told["state"] == "failed":
        raise SweepError(f"{told['name']} failed: {told['message'] or told['ending']}")
    print(f"{told['name']}: {told['state']}")
    if told["verdict"]:
        print(whole_line(told["verdict"]))
    print(f"next: {_again(told['name'], told['state'])}")


def _again(name: str, state: str) -> str:
    """Name the command that helps on."""
    if state in ("failed", "cancelled"):
        return f"sweep resume {name}"
    return f'sweep.Client().study("{name}").config()' if state == "done" else f"sweep watch {name}"
