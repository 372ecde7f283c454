"""What is learnt of a column of texts by some rows.

| symbol | meaning |
|---|---|
| K | different texts in the search rows |
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class FittedTexts(NamedTuple):
    """What is learnt of a column of texts.

    Attributes:
        name: of the column.
        texts: of the search rows, in order, (K,).
        fill: the place, from 1, of the text that missing cells become; 0: of none.
        known: (1 + max(1, K),) bool, of each place whether a row learnt from has its text.
    """

    name: str
    texts: list[str]
    fill: int
    known: np.ndarray

    @property
    def codes(self) -> np.ndarray:
        """The code of each place: itself, or 0 where no row learnt from has its text."""
        return np.where(self.known, np.arange(len(self.known)), 0)
