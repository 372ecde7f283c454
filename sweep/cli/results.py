"""The commands that read what studies have found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Optional

import typer

from sweep.cli.arguments import (
    AsJson,
    Device,
    Select,
    Storage,
    Study,
    ToConfig,
    ToPage,
    ToWeights,
    named,
    selection_of,
)
from sweep.cli.output import print_export, print_fit, print_studies
from sweep.cli.progress import epochs_bar
from sweep.cli.trials import print_report
from sweep.errors import hide_passwords
from sweep.runtime import importing, stdout_to_stderr

OUT = Path("studies/out")


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
