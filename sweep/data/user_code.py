"""Functions of the user's own: `python:module:function`, looked up beside the study file first."""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from sweep.data.guarded import describe, guarded, shown
from sweep.errors import UsageError, did_you_mean

LONGEST_SOURCE = 200  # letters: file systems take no longer names
NOT_OWN = {*sys.stdlib_module_names, "sweep"}


@dataclass(frozen=True)
class OwnFunction:
    """A function of the user's own, called here and nowhere else.

    Attributes:
        key: of the study file that names it, such as `data.source`.
        source: the name, `python:module:function`.
        function: what the name stands for.
        file: where it is written.
    """

    key: str
    source: str
    function: Callable[..., Any]
    file: str

    def __call__(self, **given: Any) -> Any:
        """Call it with what it takes of `given`, which are all there is, in their order.

        Raises:
            UsageError: in one line, when it takes other arguments, or fails in any way.
        """
        args, named = self.taken(**given)
        return guarded(
            lambda: _settled(self.function(*args, **named)),
            lambda got: (
                f"{self.key}: the function must not fail, got {got} ({self.source}). Mend it"
            ),
            self.file,
        )

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of what it takes, as far as it tells."""
        line = f"{self.key}: the function must tell what it takes"
        signature = guarded(
            lambda: _signature(self.function),
            lambda got: f"{line}, got {got} ({self.source}). Mend it",
        )
        return tuple(signature.parameters) if signature else ()

    def knowing(self, **known: Any) -> OwnFunction:
        """Return it with some arguments that are always given, by name.

        Raises:
            UsageError: it does not take them.
        """
        for name in known:
            if name not in self.parameters:
                got = f"({', '.join(self.parameters)})"
                raise UsageError(
                    f"{self.key}: the function must take `{name}` too, got {got} ({self.source})."
                    f" Add {name} to what it takes"
                )
        return replace(self, function=functools.partial(self.function, **known))

    def taken(self, **given: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments to call it with: all by position, or those whose names it has.

        Raises:
            UsageError: it needs others.
        """

        def refused(got: str) -> str:
            want = f"({', '.join(given)})" if given else "no arguments"
            hint = "Change what it takes, or give the rest defaults"
            return f"{self.key}: the function must take {want}, got {got} ({self.source}). {hint}"

        signature = guarded(lambda: _signature(self.function), refused)
        if signature is None or _binds(signature, *given.values()):
            return tuple(given.values()), {}
        named = {name: value for name, value in given.items() if name in signature.parameters}
        if _binds(signature, **named):
            return (), named
        raise UsageError(refused(shown(signature)))


def load_function(source: str, folder: Path, key: str) -> OwnFunction:
    """Load the function that `python:module:function` names.

    Args:
        source: the name; a dotted module is a path of folders.
        folder: the study file's folder. Its `module.py` or package wins over an installed
            module, and is loaded afresh at every call, under a name that clashes with no other.
        key: of the study file, for messages.

    Raises:
        UsageError: in one line, when there is no such module or function, when the module
            fails while it is imported, or when the function is none of the user's own.
    """
    module_name, function_name = _parts(source, key)
    base = folder.absolute().joinpath(*module_name.split("."))
    files = (base.parent / f"{base.name}.py", base / "__init__.py")
    path = next((file for file in files if file.is_file()), None)
    if path is None and module_name.partition(".")[0] in NOT_OWN:
        _refuse_foreign(key, source, module_name)
    return guarded(
        lambda: _found(source, key, path, files[0], module_name, function_name),
        lambda got: f"{key}: must name a function, got {got} ({source}). Mend the module",
        str(path),
    )


# --- finding


def _parts(source: str, key: str) -> tuple[str, str]:
    match source.split(":"):
        case ["python", module, function] if len(source) <= LONGEST_SOURCE:
            if all(part.isidentifier() for part in (*module.split("."), function)):
                return module, function
    size = f" of {len(source)} letters" if len(source) > LONGEST_SOURCE else ""
    raise UsageError(
        f"{key}: must be python:module:function, got {shown(repr(source))}{size}. "
        "Try python:my_module:my_function"
    )


def _refuse_foreign(key: str, source: str, origin: str) -> None:
    whose = "sweep itself" if origin.partition(".")[0] == "sweep" else "Python's standard library"
    raise UsageError(
        f"{key}: must be a function of your own, got one of {whose}, {origin} ({source})."
        " Write it in a module beside the study file"
    )


def _found(
    source: str, key: str, path: Path | None, wanted: Path, module_name: str, name: str
) -> OwnFunction:
    module = _import(source, key, module_name, path, wanted)
    function = getattr(module, name, None)
    file = getattr(module, "__file__", None) or module_name
    if not callable(function):
        got = "none" if function is None else type(function).__name__
        mine = [n for n, value in vars(module).items() if callable(value) and n[0] != "_"]
        raise UsageError(
            f"{key}: must name a function of {file}, got {got} called {name!r} ({source})."
            f" {did_you_mean(name, mine)}"
        )
    inner = _inner(function)
    if (origin := _origin(inner)).partition(".")[0] in NOT_OWN:
        _refuse_foreign(key, source, origin)
    with suppress(TypeError, OSError):  # an object that can be called has none
        file = inspect.getfile(inner)
    return OwnFunction(key, source, function, file)


def _inner(function: Any) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__func__", function)  # of a method


def _origin(function: Any) -> str:
    """Name the module that a function or a class was written in; "" for other objects."""
    if not (inspect.isroutine(function) or inspect.isclass(function)):
        return ""
    origin = getattr(function, "__module__", None)
    if origin == "__main__":  # of `python -m sweep`
        spec = getattr(sys.modules["__main__"], "__spec__", None)
        origin = spec.name if spec else origin
    return str(origin or "builtins")


def _import(source: str, key: str, name: str, path: Path | None, wanted: Path) -> ModuleType:
    def load() -> ModuleType:
        try:
            return _load_file(path) if path else importlib.import_module(name)
        except ModuleNotFoundError as error:
            if path or not f"{name}.".startswith(f"{error.name}."):
                raise
            raise UsageError(
                f"{key}: module {name} must import, got {describe(error)}"
                f" ({source}, {wanted}). Put {wanted.name} beside the study file"
            ) from None

    return guarded(
        load,
        lambda got: f"{key}: module {name} must import, got {got} ({source}). Mend the module",
        str(path),
    )


def _load_file(path: Path) -> ModuleType:
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    is_package = path.name == "__init__.py"
    name = f"sweep_own_{digest}_{path.parent.name if is_package else path.stem}"
    _forget(name)
    spec = importlib.util.spec_from_file_location(
        name, path, submodule_search_locations=[str(path.parent)] if is_package else None
    )
    assert spec is not None and spec.loader is not None  # a .py file always has a loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look their module up by name
    quiet, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # nothing beside the study file
    try:
        spec.loader.exec_module(module)
    except BaseException:
        _forget(name)
        raise
    finally:
        sys.dont_write_bytecode = quiet
    return module


def _forget(name: str) -> None:
    """Have a module, and those of its package, loaded afresh."""
    for known in [known for known in sys.modules if f"{known}.".startswith(f"{name}.")]:
        del sys.modules[known]


# --- calling


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except ValueError:  # some that are written in C do not tell
        return None


def _binds(signature: inspect.Signature, *args: Any, **named: Any) -> bool:
    try:
        signature.bind(*args, **named)
    except TypeError:
        return False
    return True


def _settled(returned: Any) -> Any:
    """End a coroutine: Python warns of one that nobody awaits."""
    if inspect.iscoroutine(returned):
        returned.close()
    return returned
