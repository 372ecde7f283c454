"""The cells of a column, as texts: which are empty, which are marks, and what rows have them.

A mark is a text that means a missing number: `NA`, `?` and the like.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, NoReturn

import numpy as np

from sweep.data.notes import Note, key_for
from sweep.data.refuse import refuse
from sweep.spec.columns import ColumnSpec

# Arrays of numbers are read without pandas, which takes a while to import.
if TYPE_CHECKING:
    import pandas as pd

MARKS = frozenset({
    "?", "-", "--", "–", "—", ".", "na", "n/a", "n.a.", "#na", "#n/a", "<na>", "nan", "none",
    "null", "nil",
})  # fmt: skip  # in any case of letters
BOOLEANS = {"True", "TRUE", "true", "False", "FALSE", "false"}
_SHOWN = 3  # texts that a note counts


class Cells(NamedTuple):
    """A column by its different texts, of which there may be far fewer than rows.

    Attributes:
        name: of the column.
        where: the source.
        spec: what the study file says of it.
        written: the different texts, as written.
        texts: the same without blanks around them.
        places: (N,) which of them each row has.
    """

    name: str
    where: str
    spec: ColumnSpec
    written: list[str]
    texts: list[str]
    places: np.ndarray

    @classmethod
    def of(cls, column: pd.Series, spec: ColumnSpec, where: str) -> Cells:
        """Take a column of texts apart; an empty cell is an empty text."""
        import pandas as pd

        places, different = pd.factorize(column.to_numpy(dtype=object))
        written = different.tolist()
        texts = [text.strip() for text in written]
        return cls(str(column.name), where, spec, written, texts, places)

    @property
    def what(self) -> str:
        """What messages call it."""
        return f"column {self.name!r}"

    def key(self, value: str) -> str:
        """Write the key of the study file that would settle the column."""
        return key_for(self.name, value)

    def refuse(self, rule: str, text: str, hint: str) -> NoReturn:
        """Refuse a text, naming the first row that has it."""
        row = np.flatnonzero(self.places == self.texts.index(text))[0]
        refuse(f"{self.what} {rule}", f"{text!r} in row {row}", self.where, hint)

    # --- what is missing

    def present(self) -> list[str]:
        """Return the different texts that are neither empty nor missing.

        Raises:
            UsageError: there are none.
        """
        found = [text for text in self.texts if text and not self._is_missing(text)]
        if not found:
            mark = next(filter(None, self.texts), None)
            got = "only empty cells" if mark is None else f"only cells such as {mark!r}"
            refuse(f"{self.what} must have values", got, self.where, f"Set {self.key('drop')}")
        return list(dict.fromkeys(found))

    def marks(self) -> list[str]:
        """Return the different marks, as written, but for those that the study file names."""
        return [
            written
            for text, written in zip(self.texts, self.written, strict=True)
            if text.casefold() in MARKS and text not in self.spec.missing
        ]

    def missing(self) -> list[Note]:
        """Say which texts were read as missing numbers."""
        found = [
            written
            for text, written in zip(self.texts, self.written, strict=True)
            if text and self._is_missing(text)
        ]
        if not found:
            return []
        verb = "is" if len(found) == 1 else "are"
        return [Note("missing", self.what, f"{self.counted(found)} {verb} read as missing")]

    def _is_missing(self, text: str) -> bool:
        return text.casefold() in MARKS or text in self.spec.missing

    def counted(self, written: list[str]) -> str:
        """Name texts with the number of rows that have them."""
        found = []
        for text in written[:_SHOWN]:
            n = int((self.places == self.written.index(text)).sum())
            found.append(f"{text!r} ({n} row{'s' * (n > 1)})")
        more = f" and {len(written) - _SHOWN} more" if len(written) > _SHOWN else ""
        return ", ".join(found) + more

    # --- what rows get

    def spread(self, present: list[str], values: np.ndarray) -> pd.Series:
        """Give each row (N,) the value of its text; NaN where it is missing."""
        import pandas as pd

        by_text = dict(zip(present, values.tolist(), strict=True))
        different = np.array([by_text.get(text, np.nan) for text in self.texts])
        return pd.Series(different[self.places], name=self.name)

    def as_written(self) -> pd.Series:
        """Give each row its text, None where it is missing.

        Texts that mean true and false become those that pandas makes of them.
        """
        import pandas as pd

        written: list[str | None] = [
            None if not text or text in self.spec.missing else whole
            for text, whole in zip(self.texts, self.written, strict=True)
        ]
        if BOOLEANS.issuperset(filter(None, written)):
            written = [text and text.capitalize() for text in written]
        rows = np.array(written, dtype=object)[self.places]
        return pd.Series(rows, name=self.name, dtype=object)
