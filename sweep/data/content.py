"""The hash of all rows of a source: it tells whether a study's rows are still the same."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from sweep.data.features import Features, Held, blocks, check_numbers
from sweep.data.file_rows import FileRows
from sweep.data.survey import (
    Constants,
    Keys,
    Seen,
    TableSeen,
    among,
    one_pass,
    row_hashes,
    table_keys,
)
from sweep.data.table_rows import TableRows


class Content:
    """Hashes the parts of a source one after another: X, y, groups, X_test and y_test.

    Args:
        classes: their names, which the hash begins with.
    """

    def __init__(self, classes: Sequence[str]):
        self._digest = hashlib.sha256(json.dumps(classes).encode())

    def begin(self, part: np.ndarray | FileRows) -> None:
        """Begin a part (N, …); all its rows are to be looked at, and then it ends."""
        self._digest.update(f"{part.dtype.str}{part.shape}".encode())

    def look(self, _: int, block: np.ndarray) -> None:
        """Look at rows (B, …), in order."""
        self._digest.update(np.ascontiguousarray(block).data)

    def end(self) -> None:
        """End a part."""
        self._digest.update(b";")

    def add(self, part: Held | None) -> None:
        """Add a part that is in memory, or not there."""
        if part is None:
            self.end()
        elif isinstance(part, np.ndarray):
            self.begin(part)
            one_pass(blocks(part), self.look)
            self.end()
        else:
            self.add_table(part.columns, row_hashes(part))

    def add_table(self, columns: Iterable[str], hashes: np.ndarray) -> None:
        """Add a table by the names of its columns and `row_hashes` (N,)."""
        self._digest.update(json.dumps([*columns]).encode())
        self.add(hashes)

    def ended(
        self, places: Iterable[np.ndarray | None], weights: Iterable[np.ndarray | None]
    ) -> str:
        """Return 16 hex digits, once all parts are in: with places and weights (N,) of rows."""
        for place in places:
            if place is not None:
                self._digest.update(place.tobytes())
        for weight in weights:  # the hash of rows without is as it was
            if weight is not None:
                self._digest.update(b"weight" + weight.tobytes())
        return self._digest.hexdigest()[:16]


def add_features(
    content: Content, raw: Mapping[str, Any], X: Features, y: np.ndarray, where: str
) -> Seen | None:
    """Hash features; return what the one pass over those of a file finds.

    Args:
        content: where the hash begins.
        raw: as the source has them.
        X: (N, *features) those that are kept.
        y: (N,) or (N, T) their targets.
        where: the source.

    Raises:
        UsageError: a number in a file is none to train on.
    """
    if isinstance(X, TableRows):
        table: TableSeen = raw["seen"]
        content.add_table(X.columns, table.hashes)
        return Seen(table.constants, table_keys(table.apart, y), table.numbered)
    if not isinstance(X, FileRows):
        content.add(X)
        return None
    keys, constants = Keys(y), Constants(math.prod(X.shape[1:]))

    def check(start: int, block: np.ndarray) -> None:
        check_numbers(block, "X", where, start)

    content.begin(X)
    of_kept = among(X.rows, constants.look, keys.look, content.look)
    one_pass(raw["X"].blocks(), check, of_kept)
    content.end()
    return Seen(constants, keys.found)
