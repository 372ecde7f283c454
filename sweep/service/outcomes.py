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
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import optuna

from sweep.analysis.rows import trial_row
from sweep.analysis.status import load_study, overview
from sweep.config.export import config_text, make_config
from sweep.errors import SweepError, UsageError
from sweep.service.problems import Problem
from sweep.storage.foreign import own_trials

PAGE = 1000  # trials
REPORT_S = 120.0
REPORTS_AT_ONCE = 2
SUFFIXES = {"application/yaml": ".yaml", "application/toml": ".toml", "application/json": ".json"}

_drawing = threading.Semaphore(REPORTS_AT_ONCE)


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
        raise Problem(409, f"study: must have begun, got {name}, which waits. Try later") from None


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
    return config_text(config, SUFFIXES[media])


def report_of(url: str, name: str, folder: Path) -> str:
    """Return the report of a study as HTML, drawn anew where trials have ended since.

    Raises:
        Problem: 409 where there is no result yet, 503 where drawing takes too long.
    """
    path = folder / f"{_mark(url, name)}.html"
    if not path.exists():
        with _drawing:
            if not path.exists():
                _draw(url, name, path)
    return path.read_text(encoding="utf-8")


def _mark(url: str, name: str) -> str:
    """Return a text that is another one once a trial has ended."""
    found = summary(url, name) or {}
    told = (url, name, found.get("trials"), found.get("verdict"))
    return hashlib.sha256(repr(told).encode()).hexdigest()[:32]


def _draw(url: str, name: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "sweep", "report", name, "-o", str(path)]
    # In its environment, since everyone on a machine may list the arguments of processes.
    environment = {**os.environ, "OPTUNA_STORAGE": url, "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        _, said = child.communicate(timeout=REPORT_S)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        raise Problem(503, "report: must be drawn in time, got no end. Try later") from None
    if child.returncode:
        raise Problem(409, _last_line(said).removeprefix("sweep: "))


def _last_line(text: str) -> str:
    lines: Iterable[str] = reversed(text.splitlines())
    return next((line for line in lines if line.strip()), "report: could not be drawn")
