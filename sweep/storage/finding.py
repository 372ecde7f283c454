"""What a check of a storage finds: one line about one study, and the statements that mend it.

All checks share what is here: how bad rows are read study by study, worded and deleted.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal, NamedTuple, Self

from sqlalchemy import Column, ColumnElement, Connection, Executable, Select, bindparam, select

from sweep.storage.schema import STUDIES, TRIALS

SHOWN = 5  # ids or names in a message

# Kind of finding -> what a repair does about it; nothing about those that are missing here.
DEEDS = {
    "lease": "deleted it",
    "placeholder": "deleted it",
    "orphan": "deleted them",
    "state": "set them to FAIL",
    "value": "deleted their values, and set those that were COMPLETE to FAIL",
    "intermediate_value": "marked them as NaN",
    "mark": "kept the marks",
    "param": "deleted them, and set their trials to FAIL",
    "attr": "deleted them",
    "number": "renumbered them",
    "direction": "set it as its objective has it",
    "wal": "emptied it",
    "foreign": "moved them to a study of their own",
}

Severity = Literal["damage", "note"]


@dataclass(frozen=True)
class Finding:
    """What one check found: in one study, or in the storage where `study` is None.

    `kind` is a short stable name, `message` one line. "damage" harms a reader or a run, now or
    later; a "note" says what a crash left that harms nobody.
    """

    kind: str
    study: str | None
    message: str
    mendable: bool
    severity: Severity = "damage"


class StudyKey(NamedTuple):
    """Whose rows they are; one that is missing has no name."""

    id: int | None
    name: str | None


NO_STUDY = StudyKey(None, None)
Step = tuple[Executable, list[dict[str, Any]]]  # a statement, once for each of these parameters


class Defect(NamedTuple):
    """A finding with the id of its study and the steps that mend it."""

    finding: Finding
    study_id: int | None
    steps: list[Step]

    @classmethod
    def of(
        cls,
        kind: str,
        study: StudyKey,
        message: str,
        steps: Iterable[Step] = (),
        severity: Severity = "damage",
    ) -> Self:
        """Say what was found in a study; without steps it cannot be mended."""
        steps = list(steps)
        return cls(Finding(kind, study.name, message, bool(steps), severity), study.id, steps)


Defects = Iterator[Defect]


def of_studies(*columns: ColumnElement[Any]) -> Select[Any]:
    """Select columns beside each study's id and name."""
    query = select(STUDIES.c.study_id, STUDIES.c.study_name, *columns).select_from(STUDIES)
    return query.order_by(STUDIES.c.study_id)


def of_trials(*columns: ColumnElement[Any]) -> Select[Any]:
    """Select columns beside each trial's id, and its study's id and name."""
    return of_studies(TRIALS.c.trial_id, *columns).join(TRIALS).order_by(TRIALS.c.trial_id)


def by_study(
    connection: Connection, query: Select[Any], bad: Callable[[Any], bool] = bool
) -> Iterator[tuple[StudyKey, list[Any]]]:
    """Read rows that begin with a study's id and name; give the rest of the bad ones by study."""
    rows = [row for row in connection.execute(query) if bad(row)]
    for study, group in groupby(rows, key=lambda row: StudyKey(*row[:2])):
        yield study, [row[2:] for row in group]


def deleting(column: Column[Any], ids: Iterable[int]) -> list[Step]:
    """Delete the rows that have these ids in a column."""
    # One statement, run for each id: a list of ids in it would have a limit.
    return [(column.table.delete().where(column == bindparam("one")), [{"one": i} for i in ids])]


def execute(connection: Connection, steps: Iterable[Step]) -> None:
    """Execute statements, one after the other."""
    for statement, rows in steps:
        connection.execute(statement, rows or None)


def some_of(rows: list[Any]) -> str:
    """Name the first few trials that rows begin with."""
    return some_ids(dict.fromkeys(row[0] for row in rows))


def some_ids(trial_ids: Iterable[int]) -> str:
    """Name the first few ids of trials."""
    return f"trial id {listed(map(str, trial_ids))}"


def listed(texts: Iterable[str]) -> str:
    """Join the first few texts."""
    texts = list(texts)
    return ", ".join(texts[:SHOWN]) + (", …" if len(texts) > SHOWN else "")


def line(text: str) -> str:
    """Put what a storage holds into one line."""
    return " ".join(text.split())
