"""What a network's forward() returns, read as outputs (rows, C)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from sweep.errors import UsageError


def read_outputs(returned: Any, key: str | None = None, where: str = "") -> Tensor:
    """Take the outputs out of what forward() returned.

    Args:
        returned: a tensor, or a tuple or list whose first item is one, or a mapping.
        key: what the mapping calls them.
        where: says in messages whose network it is.

    Returns:
        The outputs; of a tensor (rows,) as (rows, 1).

    Raises:
        UsageError: there are none.
    """
    out = _tensor_of(returned, key, where)
    return out[:, None] if out.ndim == 1 else out


def how_to_read(returned: Any, key: str | None = None) -> str:
    """Return the Python that does the same, to stand behind a call of the network."""
    if isinstance(returned, Mapping):
        item = f"[{key!r}]"
    else:
        item = "[0]" if isinstance(returned, tuple | list) else ""
    return item + "[:, None]" * (_tensor_of(returned, key).ndim == 1)


def _tensor_of(returned: Any, key: str | None, where: str = "") -> Tensor:
    if key is not None or isinstance(returned, Mapping):
        returned = _of_key(returned, key, where)
    elif isinstance(returned, tuple | list) and returned:
        returned = returned[0]
    if not isinstance(returned, Tensor):
        got = type(returned).__name__
        raise UsageError(f"model output: must be one tensor, got {got}{where}. Mend forward()")
    return returned


def _of_key(returned: Any, key: str | None, where: str) -> Any:
    if not isinstance(returned, Mapping):
        raise UsageError(
            f"model.output: must be left out where forward() returns no dict, got {key!r} and a"
            f" {type(returned).__name__}{where}. Remove the key"
        )
    if key not in returned:
        got = "none" if key is None else repr(key)
        raise UsageError(
            f"model.output: must name what forward() returns, got {got}{where}. Use one of"
            f" {', '.join(map(str, returned))}"
        )
    return returned[key]
