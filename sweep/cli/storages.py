"""The commands that care for a storage, or show it."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from sweep.cli.arguments import AsJson, Storage
from sweep.cli.output import diagnosis, print_diagnosis
from sweep.errors import hide_passwords
from sweep.runtime import importing


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
