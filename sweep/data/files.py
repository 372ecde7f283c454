"""Reading a file of rows, or one line that says why that cannot be done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sweep.data.guarded import describe
from sweep.data.refuse import refuse
from sweep.errors import SweepError, UsageError, did_you_mean


def read_file(read: Callable[[Path], Any], path: Path, key: str = "data.source") -> Any:
    """Read a file, or say in one line why that cannot be done.

    Args:
        read: what reads it; it may raise anything.
        path: the file.
        key: what names it in the study file.

    Raises:
        UsageError: there is no such file, or `read` cannot read it.
    """
    try:
        there = path.is_file()
        beside = [] if there else [p.name for p in sorted(path.parent.glob(f"*{path.suffix}"))]
    except (OSError, ValueError) as error:  # a name too long, or with a NUL in it
        refuse("must be the name of a file", describe(error), path, "Name another", error, key)
    if not there:
        here = "Relative paths start at the study file"
        hint = did_you_mean(path.name, beside) if beside else here
        raise UsageError(f"{key}: must be a file that exists, got {path}. {hint}")
    try:
        return read(path)
    except SweepError:
        raise
    except Exception as error:  # each library of these formats raises its own
        hints = {ImportError: "Run pip install pyarrow", UnicodeError: "Save it as UTF-8"}
        hint = next((h for kind, h in hints.items() if isinstance(error, kind)), "Write it anew")
        refuse(f"must be a readable {path.suffix} file", describe(error), path, hint, error, key)
