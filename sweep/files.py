"""Files that others read: each appears whole, or not at all."""

from __future__ import annotations

import io
import math
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sweep.errors import UsageError


def write_whole(path: Path, text: str) -> None:
    """Write a text file so that it appears whole or not at all.

    Raises:
        UsageError: the file cannot be written.
    """
    write_together({path: text.encode()})


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write files so that each appears whole, and none where one of them cannot be written.

    Raises:
        UsageError: one of them cannot be written.
    """
    waiting: dict[Path, Path] = {}
    try:
        for path, content in contents.items():
            if path.is_dir():
                raise IsADirectoryError(21, "Is a directory", str(path))
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
            waiting[path] = Path(name)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.chmod(name, 0o644)
        for path, temporary in waiting.items():
            os.replace(temporary, path)
    except (OSError, ValueError) as error:  # of which a NUL in the name is the latter
        raise UsageError(
            f"--output: must be a file that can be written, got {path}:"
            f" {getattr(error, 'strerror', None) or error}."
            " Name another with -o"
        ) from None
    finally:
        for temporary in waiting.values():
            temporary.unlink(missing_ok=True)


@contextmanager
def private() -> Iterator[None]:
    """Make files that nobody but their owner may read, while the block runs: in all threads."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def write_new(path: Path, text: str) -> None:
    """Write a text file where there is none yet.

    Raises:
        UsageError: there is one, or it cannot be written.
    """
    try:
        with path.open("x", encoding="utf-8") as file:
            try:
                file.write(text)
                file.flush()
            except OSError:
                path.unlink()
                raise
    except FileExistsError:
        raise UsageError(f"init: must be a new file, got {path}. Name another") from None
    except (OSError, ValueError) as error:  # of which a NUL in the name is the latter
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"init: must be a file that can be written, got {path}: {reason}. Name another"
        ) from None


def to_yaml(tree: Mapping[str, Any], compact: bool = False) -> str:
    """Write plain data as YAML 1.2, keys in their own order, so that YAML 1.1 reads the same.

    Args:
        tree: of numbers, texts, lists and dicts.
        compact: write a dict or list that holds no other in one line.
    """
    from ruamel.yaml import YAML

    stream = io.StringIO()
    yaml: Any = YAML(typ="safe", pure=True)
    yaml.default_flow_style = None if compact else False
    yaml.sort_base_mapping_type_on_output = False
    yaml.representer.add_representer(str, _text)
    yaml.representer.add_representer(float, _number)
    yaml.dump(tree, stream)
    return stream.getvalue()


def _text(representer: Any, value: str) -> Any:
    """Quote what some version of YAML takes for another thing than a text: no, 12:30."""
    from ruamel.yaml.resolver import implicit_resolvers

    is_other = any(expression.match(value) for _, _, expression, _ in implicit_resolvers)
    style = "'" if is_other else None
    return representer.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _number(representer: Any, value: float) -> Any:
    """Give 1e-05 a point: without one YAML 1.1, and so PyYAML, reads a text."""
    text = repr(value)
    if not math.isfinite(value):
        return representer.represent_float(value)
    digits, e, power = text.partition("e")
    point = "" if "." in digits else ".0"
    return representer.represent_scalar("tag:yaml.org,2002:float", f"{digits}{point}{e}{power}")
