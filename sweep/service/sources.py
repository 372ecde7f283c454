"""Where the rows and functions of a study from the network lie, and how its child gets them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from contextlib import suppress
from io import BufferedReader
from pathlib import Path

from sweep.errors import UsageError, did_you_mean
from sweep.service.folder import names, open_file, put_copy
from sweep.service.refusals import ForbiddenError, RefusedError
from sweep.spec.sources import sources_of
from sweep.spec.study import StudySpec

SUFFIXES = (".csv", ".parquet", ".npz")
_PACKAGED = re.compile(r"(sklearn|mlxtend):[a-z0-9_]+", re.ASCII)
FILE = rf"^[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*({'|'.join(map(re.escape, SUFFIXES))})$"
_INSTEAD = {
    "data.source": "Upload the rows as a file",
    "model.source": "Use the model of kind mlp",
    "objective.metric": "Use one that has a name",
    "training.loss": "Use one that has a name",
}
_FUNCTION = re.compile(r"python:([A-Za-z]\w*):([A-Za-z]\w*)", re.ASCII)


def check_rows(key: str, source: str, folders: Iterable[Path]) -> None:
    """Refuse a source that is neither a packaged data set nor a file of the folders.

    Raises:
        ForbiddenError: it is a path, or something else that leads elsewhere.
        RefusedError: it is the name of no file there is.
    """
    if _PACKAGED.fullmatch(source):
        return
    if not re.fullmatch(FILE, source):
        raise ForbiddenError(
            key,
            f"must be a packaged data set or the name of an uploaded file, got {source[:100]!r}",
            "Upload FILE.csv, FILE.parquet or FILE.npz, and name it without a folder",
        )
    try:
        find_rows(source, folders).close()
    except FileNotFoundError:
        there = sorted({name for folder in folders for name in names(folder)})
        hint = did_you_mean(source, there) if there else "Upload it first"
        raise RefusedError(key, f"must be an uploaded file, got {source!r}", hint) from None


def find_rows(name: str, folders: Iterable[Path]) -> BufferedReader:
    """Open a file of rows in the first folder that has it.

    Raises:
        FileNotFoundError: none has.
    """
    for folder in folders:
        try:
            return open_file(folder, name)
        except FileNotFoundError:
            continue
    raise FileNotFoundError(2, "No such file", name)


def check_function(key: str, source: str, modules: Path | None) -> None:
    """Refuse a function that is not written in a module of the service's own folder.

    The module is read, never imported.

    Raises:
        ForbiddenError: it is none.
    """
    if modules is None:
        raise ForbiddenError(
            key, f"must not be a function here, got {source[:100]!r}",
            _INSTEAD[key],
        )  # fmt: skip
    match = _FUNCTION.fullmatch(source)
    offered = functions(modules, match[1]) if match else []
    if match is None or match[2] not in offered:
        every = [
            f"python:{name[:-3]}:{function}"
            for name in names(modules)
            if name.endswith(".py")
            for function in functions(modules, name[:-3])
        ]
        raise ForbiddenError(
            key,
            f"must be a function of the service's own modules, got {source[:100]!r}",
            did_you_mean(source[:100], every),
        )


def functions(modules: Path, module: str) -> list[str]:
    """List the public functions and classes that a module of the folder defines; none: []."""
    try:
        with open_file(modules, f"{module}.py") as file:
            body = _parsed(file.read()).body
    except (FileNotFoundError, SyntaxError, ValueError):
        return []
    made = (node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef))
    return [name for name in made if not name.startswith("_")]


def _parsed(text: bytes) -> ast.Module:
    """Parse a module. Python 3.11 raises SystemError now and then where threads do so at once."""
    for _ in range(10):
        with suppress(SystemError):
            return ast.parse(text)
    return ast.parse(text)


def place(spec: StudySpec, folder: Path, folders: Iterable[Path], modules: Path | None) -> None:
    """Put copies of a study's files into the folder of its job, where `sweep run` finds them.

    A file that is there already stays: a study that goes on has the rows that it began with.

    Raises:
        UsageError: one of them is gone.
    """
    for key, source in sources_of(spec).items():
        if _PACKAGED.fullmatch(source):
            continue
        match = _FUNCTION.fullmatch(source)
        name = f"{match[1]}.py" if match else source
        if (folder / name).exists():
            continue
        within = [modules] if match and modules else [] if match else folders
        try:
            with find_rows(name, within) as file:
                put_copy(file, folder / name)
        except FileNotFoundError:
            raise UsageError(
                f"{key}: must be a file of the service, got {name}, which is gone. Put it back"
            ) from None
