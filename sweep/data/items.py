"""Data sets of torch that a function returns: their items are read once, into arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from sweep.data.features import as_array
from sweep.data.refuse import refuse
from sweep.runtime import total_memory_bytes

RULE = "items of the data set must be (x, y)"


def is_items(value: Any) -> bool:
    """Tell a map-style data set, as torch's are: it has a length, and items by number."""
    if isinstance(value, tuple | list | dict | str | bytes) or hasattr(value, "__array__"):
        return False
    return hasattr(type(value), "__len__") and hasattr(type(value), "__getitem__")


def read_items(items: Any, where: str) -> dict[str, Any]:
    """Read each item once, in order.

    Args:
        items: a data set whose items are (x, y): x of numbers, all of one shape.
        where: the source.

    Returns:
        X (N, *features) and y (N,), or (N, T) of several targets.

    Raises:
        UsageError: in one line, naming the item at fault.
    """
    n = len(items)
    if not n:
        refuse("the data set must have items", "none", where, "Add some")
    xs: list[np.ndarray] = []
    ys: list[Any] = []
    for place in range(n):
        x, y = _parts(items[place], place, where)
        if xs and x.shape != xs[0].shape:
            rule = f"{RULE} with x of one shape, {xs[0].shape} as in item 0"
            refuse(rule, f"{x.shape} in item {place}", where, "Give all one shape")
        if not xs and n * x.nbytes > total_memory_bytes():
            got = f"{n} items of {x.nbytes / 1e6:.3g} MB"
            refuse("the data set must fit in memory", got, where, "Return fewer items")
        xs.append(x)
        ys.append(y)
    return {"X": np.stack(xs), "y": as_array(ys, "y", where)}


def _parts(item: Any, place: int, where: str) -> tuple[np.ndarray, Any]:
    if not isinstance(item, tuple | list) or len(item) != 2:
        size = f" of {len(item)}" if isinstance(item, tuple | list) else ""
        got = f"{type(item).__name__}{size} in item {place}"
        refuse(RULE, got, where, "Return (x, y) from __getitem__")
    if type(item[0]).__module__.startswith("PIL."):
        got = f"an image of Pillow in item {place}"
        refuse(f"{RULE} with x of numbers", got, where, "Make it a tensor, by ToTensor(), say")
    x, y = (as_array(part, f"item {place}", where) for part in item)
    if x.dtype.kind not in "biuf":
        got = f"{x.dtype} in item {place}"
        refuse(f"{RULE} with x of numbers", got, where, "Make it a tensor")
    return x, y.item() if y.ndim == 0 else y
