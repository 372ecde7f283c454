"""How rows come into folds: which keys go together, and what follows from them.

| scheme | folds |
|---|---|
| kfold | drawn |
| stratified | drawn, each with its share of every class |
| group | drawn, in whole groups |
| time | windows of later and later rows; each is validated by what came before it |
| own | the user's own: a column of the table |
"""

from __future__ import annotations

from typing import Literal

from sweep.spec.study import StudySpec

Scheme = Literal["kfold", "stratified", "group", "time", "own"]


def scheme_of(spec: StudySpec) -> Scheme | None:
    """Return how folds are made; None: as the rows say, by groups, classes or neither."""
    own = spec.data.given_by is not None
    return "own" if own else spec.replicates.scheme


def is_given(spec: StudySpec) -> bool:
    """Whether there is one way to make the folds, so that no fresh ones can be drawn."""
    return scheme_of(spec) in ("time", "own")
