"""Codes of texts in rows of a file, as features.

| symbol | meaning |
|---|---|
| C, F | columns of texts; of numbers |
| V | different texts of a column in its file |
| P | parts that are preprocessed alike |
| B | rows |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sweep.data.fitted_texts import FittedTexts
from sweep.data.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class Coded:
    """What codes become: features that stand behind those of numbers.

    Attributes:
        columns: (C,) which columns of the file have codes.
        numbers: (F,) which have numbers.
        starts: (C,) where a column begins in a line of `becomes`.
        becomes: (P, entries) int32 of each part: of each column what each code becomes, (V,),
            and a missing cell. It is the feature that is 1, counted behind the numbers; -1: none
            is. Embedded, it is the number of the column's feature.
        width: features behind the numbers.
        embed: whether a column stays one.
    """

    columns: np.ndarray
    numbers: np.ndarray
    starts: np.ndarray
    becomes: np.ndarray
    width: int
    embed: bool

    @classmethod
    def of(
        cls, columns: Sequence[str], vocabularies: Mapping[str, Vocabulary],
        fitted: Sequence[FittedTexts], embed: bool,
    ) -> Coded:  # fmt: skip
        """Say what the codes of one part become.

        Args:
            columns: of the file, by name.
            vocabularies: of those of texts.
            fitted: what is learnt of them, in their order.
            embed: whether categories become codes.
        """
        found, width = list[np.ndarray](), 0
        for column in fitted:
            places = _places(column, vocabularies[column.name].texts)
            if embed:
                found.append(column.codes[places])
                width += 1
                continue
            found.append(np.where(column.known[places], width + places - 1, -1))
            width += len(column.known) - 1
        ends = np.cumsum([len(each) for each in found])
        is_text = np.array([name in vocabularies for name in columns])
        return cls(
            np.flatnonzero(is_text), np.flatnonzero(~is_text), np.append(0, ends[:-1]),
            np.concatenate(found).astype(np.int32)[None], width, embed,
        )  # fmt: skip

    def beside(self, others: Sequence[Coded]) -> Coded:
        """Put parts of the same columns behind this one."""
        return replace(self, becomes=np.concatenate([part.becomes for part in (self, *others)]))

    def features(self, part: int, cells: np.ndarray) -> np.ndarray:
        """Return the features of rows of one part, (B, width) float32.

        Args:
            part: which.
            cells: (B, F + C) of the file, NaN where one is missing.
        """
        codes = cells[:, self.columns]
        missing = np.append(self.starts[1:], self.becomes.shape[1]) - 1
        entries = np.where(np.isnan(codes), missing, self.starts + codes).astype(np.int64)
        found: np.ndarray = self.becomes[part][entries]
        if self.embed:
            return found.astype(np.float32)
        ones = np.zeros((len(cells), self.width), dtype=np.float32)
        rows, columns = np.nonzero(found >= 0)
        ones[rows, found[rows, columns]] = 1
        return ones

    @property
    def highest(self) -> np.ndarray:
        """The highest number that each column becomes, (C,)."""
        found: np.ndarray = np.maximum.reduceat(self.becomes.max(0), self.starts)
        return found


def _places(column: FittedTexts, texts: list[str]) -> np.ndarray:
    """Return the place of each text of a file, and of a missing cell, among those of the rows.

    Returns:
        (V + 1,) int64, from 1; 0: none.
    """
    place = {text: place for place, text in enumerate(column.texts, 1)}
    return np.array([*(place.get(text, 0) for text in texts), column.fill])
