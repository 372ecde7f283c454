"""Refusals of a source's rows: one line that says the rule, what was got, and what to do."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from sweep.errors import UsageError

LARGEST = 1e30  # far inside float32, so that what training makes of it can stay finite


def refuse(
    rule: str, got: str, where: object, hint: str, cause: Exception | None = None,
    key: str = "data.source",
) -> NoReturn:  # fmt: skip
    """Refuse what a source holds.

    Args:
        rule: what must be so, with the name of what breaks it.
        got: what was there instead.
        where: the source.
        hint: what to do, as a sentence without its full stop.
        cause: the error behind it.
        key: what names the source in the study file.

    Raises:
        UsageError: always.
    """
    raise UsageError(f"{key}: {rule}, got {got} ({where}). {hint}") from cause


def refuse_first(
    wrong: Any, values: Any, rule: str, where: str, hint: str = "Mend or drop it", *,
    first: int = 0,
) -> None:  # fmt: skip
    """Refuse the first value that is wrong, naming its row and its place within the row.

    Args:
        wrong: (N, ...) booleans; nothing is refused where none is true.
        values: (N, ...) what was got.
        rule, where, hint: as of `refuse`.
        first: the row of the source that `values` begin with.

    Raises:
        UsageError: any value is wrong.
    """
    wrong = np.asarray(wrong)
    if wrong.any():
        row, *place = (int(i) for i in np.argwhere(wrong)[0])
        value = np.asarray(values, dtype=object)[(row, *place)]
        feature = f", feature {', '.join(map(str, place))}" if place else ""
        refuse(rule, f"{value!r} in row {first + row}{feature}", where, hint)
