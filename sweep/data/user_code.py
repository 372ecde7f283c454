"""Functions of the user's own: `python:module:function`, looked up beside the study file first."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from sweep.errors import UsageError, did_you_mean


def load_function(source: str, folder: Path) -> Callable[..., Any]:
    """Load the function that `python:module:function` names.

    Args:
        source: the name; a dotted module is a path of folders.
        folder: the study file's folder. Its `module.py` wins over an installed module, and is
            loaded afresh at every call, under a name that clashes with no other module.

    Raises:
        UsageError: in one line, when there is no such module or function, or when the
            module fails while it is imported.
    """
    module_name, function_name = _parts(source)
    path = folder / Path(*module_name.split(".")).with_suffix(".py")
    module = _import(source, module_name, path)
    function = getattr(module, function_name, None)
    if callable(function):
        return function  # type: ignore[no-any-return]
    got = "none" if function is None else type(function).__name__
    mine = [name for name, value in vars(module).items() if callable(value) and name[0] != "_"]
    raise UsageError(
        f"{source}: must name a function of {module.__file__}, got {got} called "
        f"{function_name!r}. {did_you_mean(function_name, mine)}"
    )


def describe(error: BaseException, file: str | None = None) -> str:
    """Say in one line what went wrong, and where in `file` if it was there."""
    text = (str(error.msg if isinstance(error, SyntaxError) else error).splitlines() or [""])[0]
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f.lineno for f in frames if file and Path(f.filename) == Path(file).absolute()]
    line = error.lineno if isinstance(error, SyntaxError) else (lines or [None])[-1]
    place = f" at line {line} of {file}" if file and line else ""
    return f"{type(error).__name__}: {text}{place}" if text else type(error).__name__ + place


def _parts(source: str) -> tuple[str, str]:
    match source.split(":"):
        case ["python", module, function] if module and function.isidentifier():
            return module, function
    raise UsageError(
        f"{source}: must be python:module:function, got {source!r}. "
        "Try python:my_module:my_function"
    )


def _import(source: str, name: str, path: Path) -> ModuleType:
    try:
        return _load_file(path) if path.is_file() else importlib.import_module(name)
    except (Exception, SystemExit) as error:
        # A module of the user's own may fail in any way: all of them are the user's to mend.
        missing = isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(
            f"{error.name}."
        )
        hint = f"Put {path.name} beside the study file" if missing else "Mend the module"
        raise UsageError(
            f"{source}: module {name} must import, got {describe(error, str(path))} "
            f"({path}). {hint}"
        ) from error


def _load_file(path: Path) -> ModuleType:
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    name = f"sweep_own_{digest}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None  # a .py file always has a loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look their module up by name
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
