"""The verb `init`: a study file to start from, for data of one's own or as an example."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweep.cli.arguments import AsJson, Source, Target, named
from sweep.cli.plan import template
from sweep.errors import UsageError
from sweep.files import write_new
from sweep.runtime import importing, stdout_to_stderr

if TYPE_CHECKING:
    from sweep.data.guess import Guess


def init(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="the new study file", callback=named)
    ] = Path("study.yaml"),
    source: Source = None,
    target: Target = None,
    as_json: AsJson = False,
) -> None:
    """Write a commented study file to start from; with --from, a first guess for your data.

    With --json the guess is printed, and nothing is written.
    """
    if source is not None:
        _print_guess(file, source, target, as_json)
        return
    if target is not None or as_json:
        raise UsageError("init: --target and --json go with --from, got no --from. Add it")
    write_new(file, template())
    print(f"wrote {file}; next: sweep validate {file}, sweep run {file}")


def _print_guess(file: Path, source: str, target: str | None, as_json: bool) -> None:
    """Guess a first study for a source; write it where there is no file yet, and say what it is.

    Args:
        file: the new study file.
        source: as given: a path from the working folder, or `python:…` and the like.
        target: the column to predict; None chooses one.
        as_json: print the guess as one JSON object, and write nothing.

    Raises:
        UsageError: in one line, when there is nothing to guess from, or the file is there.
    """
    with importing():
        from sweep.cli.first_study import first_study, name_of
        from sweep.data.guess import guess

    if as_json:
        with stdout_to_stderr():
            told = _told(guess(source, Path(), target), name_of(source))
        print(json.dumps(told))
        return
    if not file.parent.is_dir():
        raise UsageError(
            f"init: must be in a folder that exists, got {file.parent}. Make it first"
        )
    guessed = guess(_beside(source, file), file.parent, target)
    write_new(file, first_study(guessed, name_of(source)))
    for line in _summary(guessed):
        print(line)
    if guessed.problem is not None:
        print(f"not yet ready: {guessed.problem}")
    print(f"wrote {file}; next: sweep validate {file}, sweep run {file}")


def _summary(guessed: Guess) -> Iterator[str]:
    """Yield what was chosen and why, a line each."""
    from sweep.cli.first_study import as_value

    if guessed.target is not None:
        yield f"target: {guessed.target} ({guessed.why_target})"
    yield f"task: {guessed.task} ({guessed.why_task})"
    if guessed.images is not None:
        yield f"images: {guessed.images} (its files are the features)"
    for entry in guessed.groups:
        yield f"{'groups' if entry.sure else 'groups?'}: {entry.name} ({entry.why})"
    for entry in guessed.columns:
        does = as_value(entry.value) + ("" if entry.sure else "?")
        yield f"column {entry.name}: {does}: it {entry.why}"
    for remark in guessed.remarks:
        yield f"note: {remark}"


def _told(guessed: Guess, name: str) -> dict[str, Any]:
    from sweep.cli.first_study import first_study

    told = {key: value for key, value in asdict(guessed).items() if key != "settings"}
    told["columns"] = [entry._asdict() for entry in guessed.columns]
    told["groups"] = [entry._asdict() for entry in guessed.groups]
    return {**told, "study": guessed.study(name), "text": first_study(guessed, name)}


def _beside(source: str, file: Path) -> str:
    """Write a source as a study file names it: a path starts at the file's folder."""
    if ":" in source or Path(source).is_absolute():
        return source
    return os.path.relpath(source, file.parent)
