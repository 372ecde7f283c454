"""Put foreign trials aside: into a study of their own, where every Optuna tool still shows them.

A trial at the end of a study moves under its own id, so that a program that is still at it can
end it. Where own trials follow, its number is needed: what it holds moves to a new trial, and the
old row waits to be trained.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from optuna.trial import TrialState
from sqlalchemy import Connection, Integer, ScalarSelect, bindparam, func, select

from sweep.spec.attributes import OTHERS
from sweep.storage.finding import Step
from sweep.storage.schema import (
    DIRECTIONS,
    HEARTBEATS,
    OF_TRIAL,
    STUDIES,
    STUDY_USER_ATTRS,
    TRIALS,
    USER_ATTRS,
)

REASON = "sweep:left_out"  # user attribute of a trial that was put aside

ONE = bindparam("one", type_=Integer)  # the id of a trial


def name_aside(study_name: str) -> str:
    """Name the study that foreign trials go to; no study file can have this name."""
    return f"{study_name} (other programs)"


def putting_aside(
    connection: Connection, study_id: int, study_name: str, reasons: Mapping[int, str], last: int
) -> list[Step]:
    """Return the statements that put foreign trials of a study aside.

    Args:
        connection: to read how many are there already.
        study_id, study_name: of the study.
        reasons: why each trial is foreign, by its id.
        last: id of the study's last own trial, 0 where it has none.
    """
    name = name_aside(study_name)
    there = select(STUDIES.c.study_id).where(STUDIES.c.study_name == name)
    old_id, aside = connection.execute(there).scalar(), there.scalar_subquery()
    steps: list[Step] = [] if old_id else _making(study_id, name, aside)
    ids = sorted(reasons)
    steps += _saying(reasons)
    steps += _moving([i for i in ids if i > last], aside)
    steps += _copying([i for i in ids if i <= last], aside)
    of_aside = select(func.count()).select_from(TRIALS).where(TRIALS.c.study_id == old_id)
    before = connection.execute(of_aside).scalar() if old_id else 0
    return [*steps, _numbering(aside), *_noting(study_id, name, (before or 0) + len(ids))]


def _each(ids: Sequence[int]) -> list[dict[str, int]]:
    return [{"one": i} for i in ids]


def _saying(reasons: Mapping[int, str]) -> list[Step]:
    """Store with each trial why it is put aside."""
    of_trial = USER_ATTRS.c.trial_id == ONE
    old = USER_ATTRS.delete().where(of_trial, USER_ATTRS.c.key == REASON)
    said = [
        {"trial_id": trial_id, "key": REASON, "value_json": json.dumps(reason)}
        for trial_id, reason in reasons.items()
    ]
    return [(old, _each([*reasons])), (USER_ATTRS.insert(), said)]


def _making(study_id: int, name: str, aside: ScalarSelect[int]) -> list[Step]:
    directions = select(DIRECTIONS.c.direction, aside, DIRECTIONS.c.objective)
    columns = ["direction", "study_id", "objective"]
    copied = directions.where(DIRECTIONS.c.study_id == study_id)
    return [
        (STUDIES.insert().values(study_name=name), []),
        (DIRECTIONS.insert().from_select(columns, copied), []),
    ]


def _moving(ids: Sequence[int], aside: ScalarSelect[int]) -> list[Step]:
    if not ids:
        return []
    return [(TRIALS.update().where(TRIALS.c.trial_id == ONE).values(study_id=aside), _each(ids))]


def _copying(ids: Sequence[int], aside: ScalarSelect[int]) -> list[Step]:
    """Move what trials hold to new ones, marked by the old id as their number."""
    if not ids:
        return []
    old = TRIALS.alias()
    kept = ("state", "datetime_start", "datetime_complete")
    copied = select(aside, -old.c.trial_id, *(old.c[name] for name in kept))
    copied = copied.where(old.c.trial_id == ONE)
    new = TRIALS.alias()
    new_id = select(new.c.trial_id).where(new.c.study_id == aside, new.c.number == -ONE)
    waiting = {"state": TrialState.WAITING, "datetime_start": None, "datetime_complete": None}
    return [
        (TRIALS.insert().from_select(["study_id", "number", *kept], copied), _each(ids)),
        *(
            (
                table.update()
                .where(table.c.trial_id == ONE)
                .values(trial_id=new_id.scalar_subquery()),
                _each(ids),
            )
            for table in (*OF_TRIAL, HEARTBEATS)
        ),
        (TRIALS.update().where(TRIALS.c.trial_id == ONE).values(waiting), _each(ids)),
    ]


def _numbering(aside: ScalarSelect[int]) -> Step:
    """Number the trials that were put aside in the order of their ids."""
    before = TRIALS.alias()
    rank = select(func.count()).where(
        before.c.study_id == TRIALS.c.study_id, before.c.trial_id < TRIALS.c.trial_id
    )
    numbered = TRIALS.update().where(TRIALS.c.study_id == aside)
    return numbered.values(number=rank.scalar_subquery()), []


def _noting(study_id: int, name: str, count: int) -> list[Step]:
    """Note in the study where its foreign trials are."""
    text = json.dumps({"study": name, "trials": count})
    note = {"study_id": study_id, "key": OTHERS, "value_json": text}
    old = STUDY_USER_ATTRS.delete().where(
        STUDY_USER_ATTRS.c.study_id == study_id, STUDY_USER_ATTRS.c.key == OTHERS
    )
    return [(old, []), (STUDY_USER_ATTRS.insert(), [note])]
