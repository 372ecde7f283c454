"""The study file that `sweep init --from` writes: a guess, with the reason beside each line."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweep.data.notes import as_key

if TYPE_CHECKING:
    from sweep.data.guess import Guess
    from sweep.data.odd_columns import Entry

_PLAIN = re.compile(r"[A-Za-z0-9_./][\w./:-]*")
_COLUMN = 34  # where comments begin
_WIDTH = 99
_MOST = 6  # names in a comment


def name_of(source: str) -> str:
    """Make the study's name of its source."""
    last = source.split(":")[-2] if source.startswith("python:") else source.split(":")[-1]
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(last).stem).strip("-_")
    return name[:100] or "my-study"


def first_study(guessed: Guess, name: str) -> str:
    """Write the study file of a guess, with comments."""
    return "\n".join(_lines(guessed, name)) + "\n"


def _lines(guessed: Guess, name: str) -> Iterator[str]:
    from sweep.cli.plan import template

    yield template().partition("\n")[0]
    n = guessed.n_features
    size = f"{guessed.n_rows} rows, {n} feature{'s' * (n != 1)}"
    yield f"# A first study for {guessed.source}: {size}."
    yield "# Guessed from its cells: look it over, then sweep validate, sweep run."
    for remark in guessed.remarks:
        yield f"# {remark}"
    if guessed.problem is not None:
        yield f"# NOT YET READY: {' '.join(guessed.problem.split())}"
    study = guessed.study(name)
    yield f"study_name: {as_value(name)}"
    yield from _said("seed: 0", "fixes splits, first weights, orders and proposals")
    yield "data:"
    yield from _data(guessed)
    yield from _said(f"model: {_flow(study['model'])}", "as large as that many rows bear")
    yield from _said(f"training: {_flow(study['training'])}", "")
    yield from _said(f"penalty: {_flow(study['penalty'])}", "l1 and elastic make exact zeros")
    yield "search:"
    why = "strengths, placed by a model of the curve"
    yield from _said(f"  n_trials: {study['search']['n_trials']}", why)
    yield "  space:"
    yield from _said("    alpha: {low: auto, high: auto}", "up to where the network collapses")
    times = prod(study["replicates"].values())
    why = f"each strength is trained {times} times: its value has an error bar"
    yield from _said(f"replicates: {_flow(study['replicates'])}", why)


def _data(guessed: Guess) -> Iterator[str]:
    yield f"  source: {as_value(guessed.source)}"
    if guessed.target is not None:
        others = [name for name in guessed.others if name != guessed.target][:_MOST]
        more = f". Others: {', '.join(others)}" if others else ""
        yield from _said(f"  target: {as_key(guessed.target)}", guessed.why_target + more)
        if guessed.n_gaps:
            why = f"true leaves out the {guessed.n_gaps} rows without {guessed.target}"
            yield from _said("  # drop_missing_target: true", why)
    for entry in guessed.groups:
        yield from _said(f"  {'' if entry.sure else '# '}groups: {as_key(entry.name)}", entry.why)
    if guessed.images is not None:
        why = "its files are the features; other columns are left out"
        yield from _said(f"  images: {as_key(guessed.images)}", why)
    yield from _columns(guessed.columns)
    yield from _said(f"  task: {guessed.task}", guessed.why_task)
    yield from _said(
        "  scale: standard", "numbers get mean 0 and deviation 1, by the training rows"
    )


def _columns(entries: tuple[Entry, ...]) -> Iterator[str]:
    """Write the entries of odd columns; those that are only proposed are comments."""
    if not entries:
        return
    key = "  columns:" if any(entry.sure for entry in entries) else "  # columns:"
    yield from _said(key, "a # before a name: a proposal")
    for entry in sorted(entries, key=lambda entry: not entry.sure):
        mark = "    " if entry.sure else "    # " if key == "  columns:" else "  #   "
        yield from _said(f"{mark}{as_key(entry.name)}: {as_value(entry.value)}", entry.why)


def _said(line: str, why: str) -> Iterator[str]:
    """Put a comment beside a line, or above it where it would grow too long."""
    text = " ".join(why.split())
    start = f"{line:<{_COLUMN - 2}}  # "
    if text and len(start) + len(text) > _WIDTH:
        mark = " " * (len(line) - len(line.lstrip())) + "# "
        yield from textwrap.wrap(text, _WIDTH, initial_indent=mark, subsequent_indent=mark)
    yield start + text if text and len(start) + len(text) <= _WIDTH else line


def as_value(value: Any) -> str:
    """Write plain data in one line of YAML."""
    if isinstance(value, dict):
        return _flow(value)
    text = str(value)
    plain = _PLAIN.fullmatch(text) and not text.endswith(":") and not _is_number(text)
    return text if plain and text.lower() not in ("true", "false", "null") else json.dumps(text)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _flow(tree: dict[str, Any]) -> str:
    """Write plain data in one line of YAML."""
    parts = [
        f"{key}: {json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value}"
        if not isinstance(value, str)
        else f"{key}: {value if value.isalnum() else json.dumps(value)}"
        for key, value in tree.items()
    ]
    return "{" + ", ".join(parts) + "}"
