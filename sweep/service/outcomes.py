"""What a study has come to so far: its trials, its config, its report.

Everything is read from the project's storage; nothing here imports torch. A report is drawn in a
child process, since drawing takes seconds of a core and memory that a service would keep.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import optuna

from sweep.analysis.rows import trial_row
from sweep.analysis.status import load_study, overview
from sweep.config.export import config_text, make_config
from sweep.errors import SweepError, UsageError
from sweep.service.commands import run_command
from sweep.service.policy import Policy, SentStudy
from sweep.service.problems import Problem
from sweep.service.sources import place
from sweep.storage.foreign import own_trials

PAGE = 1000  # trials
REPORT_S = 120.0
VALIDATE_S = 30.0
AGAIN = {"Retry-After": "1"}
MOST_LOG_BYTES = 1_000_000
SUFFIXES = {"application/yaml": ".yaml", "application/toml": ".toml", "application/json": ".json"}


def summary(url: str, name: str) -> dict[str, Any] | None:
    """Return what `sweep status` tells of a study; None where it has not begun."""
    with suppress(UsageError):  # it is not in the storage yet
        return overview(url, name)[0]
    return None


def study_of(url: str, name: str) -> optuna.Study:
    """Open a study for reading.

    Raises:
        Problem: 409 where it has not begun.
    """
    try:
        return load_study(url, name)
    except UsageError:
        raise _not_begun(name) from None


def _not_begun(name: str) -> Problem:
    return Problem(409, f"study: must have begun, got {name}, which has not. Try later")


def trials_page(url: str, name: str, after: int) -> list[dict[str, Any]]:
    """Return the trials of a study with numbers above `after`, `PAGE` at the most, as rows."""
    if summary(url, name) is None:
        return []
    numbered = (trial for trial in own_trials(study_of(url, name)) if trial.number > after)
    trials = sorted(numbered, key=lambda trial: trial.number)[:PAGE]
    return [finite(trial_row(trial)) for trial in trials]


def finite(value: Any) -> Any:
    """Return plain data with None for the numbers that JSON lacks."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    return value


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Write rows as CSV: a column for every key; texts that a spreadsheet would run are quoted."""
    names = dict.fromkeys(key for row in rows for key in row if key != "replicate_values")
    stream = io.StringIO()
    table = csv.DictWriter(stream, [*names], extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    table.writerows({key: _inert(value) for key, value in row.items()} for row in rows)
    return stream.getvalue()


def _inert(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" else value


def config_of(url: str, name: str, selection: Literal["best", "1se"] | None, media: str) -> str:
    """Return the config of a study as the text of a file.

    Raises:
        Problem: 409 where there is no result yet, or the selection is not defined.
    """
    study = study_of(url, name)
    try:
        config = make_config(study, selection)
    except SweepError as error:
        raise Problem(409, str(error)) from None
    config["provenance"]["folder"] = None  # a folder of this machine
    del config["spec"]["storage"]  # its address is the service's own affair
    return config_text(config, SUFFIXES[media])


def report_of(url: str, name: str, folder: Path) -> str:
    """Return the report of a study as HTML, drawn anew where trials have ended since.

    Raises:
        Problem: 409 where there is no result yet, 503 where drawing takes too long.
    """
    path = folder / name / f"{_mark(url, name)}.html"
    if not path.exists():
        _draw(url, name, path)
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:  # a newer one has taken its place
        raise Problem(503, "report: must be asked for again, got a newer one", AGAIN) from None


def _mark(url: str, name: str) -> str:
    """Return a text that is another one once a trial has ended."""
    found = summary(url, name)
    if found is None:
        raise _not_begun(name)
    told = (url, name, found["trials"], found["verdict"])
    return hashlib.sha256(repr(told).encode()).hexdigest()[:32]


def _draw(url: str, name: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    arguments = ["report", name, "-o", path.name]
    try:  # the URL may hold a password
        done = run_command(arguments, path.parent, REPORT_S, None, {"OPTUNA_STORAGE": url})
    except TimeoutError:
        raise Problem(503, "report: must be drawn in time, got no end. Try later") from None
    if done.code:
        raise Problem(409, done.line)
    for older in {*path.parent.glob("*.html")} - {path}:
        older.unlink(missing_ok=True)


def plan_of(sent: SentStudy, policy: Policy, device: str, memory_bytes: int | None) -> str:
    """Return what `sweep validate --json` says of a study.

    Raises:
        Problem: 422 where it says that the study is at fault, 504 where it takes too long.
    """
    with tempfile.TemporaryDirectory(prefix="sweep-") as folder:
        place(sent.spec, Path(folder), policy.folders, policy.modules)
        (Path(folder) / "study.yaml").write_text(sent.text, encoding="utf-8")
        arguments = ["validate", "study.yaml", "--json", "--device", device]
        try:
            done = run_command(arguments, Path(folder), VALIDATE_S, memory_bytes)
        except TimeoutError:
            line = f"study: must be planned within {VALIDATE_S:.0f} s, got no end. Make it smaller"
            raise Problem(504, line) from None
    if done.code:
        raise Problem(422, done.line)
    return done.out


def log_tail(path: Path, n_lines: int) -> list[str]:
    """Return the last lines of a log; none where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - MOST_LOG_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return text.splitlines()[-n_lines:]
