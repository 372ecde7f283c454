"""A study file as plain keys and values, overridden and not yet checked.

Apart from `files`, so that it may be looked into before anything large is imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sweep.errors import UsageError
from sweep.spec.yaml import YamlError, read_text, read_yaml


def read_tree(path: Path, overrides: Mapping[str, Any] | Iterable[str] = ()) -> dict[str, Any]:
    """Read a study file; `overrides` as in `load_spec`.

    Raises:
        UsageError: in one line, where the file is no YAML of keys and values, or an override is
            none.
    """
    tree = _read_tree(path)
    for key, value in _pairs(overrides):
        set_key(tree, key, value)
    return tree


def _read_tree(path: Path) -> dict[str, Any]:
    try:
        tree = read_yaml(read_text(path))
    except FileNotFoundError:
        raise UsageError(f"study file: must exist, got {path}. Try `sweep init {path}`") from None
    except YamlError as error:
        raise UsageError(f"study file: must be {error} ({path}). Mend that line") from None
    except OSError as error:
        raise UsageError(
            f"study file: must be a readable text file, got {error.strerror} ({path})."
            " Name the study's .yaml file"
        ) from None
    except ValueError as error:
        raise UsageError(
            f"study file: must be a readable text file, got {error} ({path}). Save it as UTF-8"
        ) from None
    if not isinstance(tree, dict):
        raise UsageError(
            f"study file: must be keys and values, got {type(tree).__name__} ({path})."
            " Try `sweep init`"
        )
    return tree


def _pairs(overrides: Mapping[str, Any] | Iterable[str]) -> Iterable[tuple[str, Any]]:
    if isinstance(overrides, Mapping):
        yield from overrides.items()
        return
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise UsageError(
                f"--set: must be key=value, got {text!r}. Try --set search.n_trials=20"
            )
        try:
            yield key.strip(), read_yaml(value)
        except YamlError as error:
            raise UsageError(f"--set {key}: must be {error} ({value!r}). Quote it") from None


def set_key(tree: dict[str, Any], dotted: str, value: Any) -> None:
    """Set a key, written with dots, in a study given as plain data.

    Raises:
        UsageError: a section on the way there is no section.
    """
    *parents, last = dotted.split(".")
    for key in parents:
        branch = tree[key] = {} if tree.get(key) is None else tree[key]
        if not isinstance(branch, dict):
            raise UsageError(
                f"--set {dotted}: {key} must hold keys, got {branch!r}. Set {key} itself"
            )
        tree = branch
    tree[last] = value
