"""Texts that differ only by blanks or by the case of letters: most likely one name, misspelt."""

from __future__ import annotations

import re
from collections.abc import Iterable


def variants(texts: Iterable[str]) -> list[str]:
    """Return the first texts that differ only by blanks or case, sorted; [] where none do."""
    by_name: dict[str, set[str]] = {}
    for text in texts:
        by_name.setdefault(" ".join(text.split()).casefold(), set()).add(text)
    return next((sorted(found) for found in by_name.values() if len(found) > 1), [])


def as_shown(texts: Iterable[str]) -> str:
    """Write texts side by side; blanks in a row become marks, as lines have one blank each."""
    marked = (re.sub(" {2,}", lambda run: "␣" * len(run[0]), text) for text in texts)
    return " and ".join(map(repr, marked))
