"""A first study for data that nobody described: what to predict, from which columns, how long.

Every choice comes with its reason. Rows are read by the study's own reader, so that a study of
the guess reads; where it would not, `problem` has the line that says why.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from sweep.data.dataset import load_dataset
from sweep.data.features import MANY
from sweep.data.images import are_images
from sweep.data.odd_columns import (
    FEW_NUMBERS,
    GAPS,
    Entry,
    Settled,
    group_candidates,
    odd_columns,
    settled_columns,
)
from sweep.data.parts import Table
from sweep.data.replicates import split_rows
from sweep.data.sizes import of_counts, settings_for
from sweep.data.sources import home_of, read_source, read_table
from sweep.data.survey import ID
from sweep.errors import UsageError, did_you_mean
from sweep.spec.data import DataSpec, is_table
from sweep.spec.files import parse_spec

NAMES = (
    "target", "targets", "label", "labels", "y", "outcome", "response", "survived", "diagnosis",
    "churn", "class", "species", "price", "mpg", "quality", "salary", "income",
)  # fmt: skip  # of targets, the plainest first
LOWEST_COUNT = 10  # numbers that are all above this are hardly counts of events
_PARTS = re.compile(r"(.*_)?(target|label|outcome)(_.*)?")
_WHEN = re.compile(r"(.*[^a-z])?(date|time|timestamp|year|month|day)", re.I)

_BINARY = "; binary has one output for both"
_COUNT = "; if they count events, say count"

Task = Literal["classification", "multilabel", "regression"]


@dataclass(frozen=True)
class Guess:
    """A first study, and why it is so.

    Attributes:
        source: the value of `data.source`.
        n_rows, n_features: rows, and columns that are left as features.
        target: the column to predict; None where the source has no columns to name.
        why_target: in words, after "target: NAME".
        task: what is predicted.
        why_task: in words, after "task: NAME".
        others: further columns that could be predicted.
        columns: entries for odd columns.
        groups: columns that tell which rows belong together; the study takes one that is sure.
        images: column of names of images, which are then the features.
        remarks: sentences on size, balance and the like.
        settings: sections of a study file for this many rows.
        n_gaps: rows without a target.
        problem: the line that refuses the study as it is; None where it can be run.
    """

    source: str
    n_rows: int
    n_features: int
    target: str | None
    why_target: str
    task: Task
    why_task: str
    others: tuple[str, ...]
    columns: tuple[Entry, ...]
    groups: tuple[Entry, ...]
    remarks: tuple[str, ...]
    settings: dict[str, Any]
    images: str | None = None
    n_gaps: int = 0
    problem: str | None = None

    def study(self, name: str) -> dict[str, Any]:
        """Return the study file as plain data."""
        columns = {entry.name: entry.value for entry in self.columns if entry.sure}
        group = next((entry.name for entry in self.groups if entry.sure), None)
        data = {
            "source": self.source,
            **({} if self.target is None else {"target": self.target}),
            **({} if group is None else {"groups": group}),
            **({} if self.images is None else {"images": self.images}),
            **({"columns": columns} if columns else {}),
            "task": self.task,
        }
        return {"study_name": name, "seed": 0, "data": data, **self.settings}


def guess(source: str, folder: Path, target: str | None = None) -> Guess:
    """Make a first study for a source.

    Args:
        source: a table, an .npz file or a function, as in a study file.
        folder: where relative paths and the user's own modules start.
        target: the column to predict; None chooses one.

    Raises:
        UsageError: in one line, when the source cannot be read, or there is nothing to predict
            or to predict it from.
    """
    if is_table(source):
        guessed = _of_table(read_table(source, folder, target), source, target, folder)
    elif target is not None:
        raise UsageError(
            f"--target: only a .csv or .parquet table has columns to name, got {target!r}"
            f" ({source}). Remove it"
        )
    else:
        guessed = _of_arrays(source, folder)
    return _checked(guessed, folder)


def _checked(guessed: Guess, folder: Path) -> Guess:
    """Read the rows as the study would; groups that do not fit are only proposed."""
    line = _refusal(guessed, folder)
    if guessed.n_gaps:
        said = f"{guessed.n_gaps} of {guessed.n_rows} rows have no {guessed.target}: mend them,"
        remark = f"{said} or set data.drop_missing_target: true"
        guessed = replace(guessed, remarks=(remark, *guessed.remarks))
    if line is None or not any(entry.sure for entry in guessed.groups):
        return replace(guessed, problem=line)
    groups = tuple(entry._replace(sure=False) for entry in guessed.groups)
    without = replace(guessed, groups=groups)
    return replace(without, problem=_refusal(without, folder))


def _refusal(guessed: Guess, folder: Path) -> str | None:
    try:
        spec = parse_spec(guessed.study("guess"), guessed.source, folder)
        split_rows(spec, load_dataset(spec.data, folder, spec.seed))
    except UsageError as error:
        return str(error)
    return None


# --- tables


def _of_table(table: Table, source: str, asked: str | None, folder: Path) -> Guess:
    n = len(table.frame)
    if n == 0:
        raise UsageError(f"data.source: must have rows, got none ({source}). Add some")
    home = home_of(folder / source)
    images = next((str(name) for name, cells in table.frame.items()
                   if name != asked and are_images(cells, home)), None)  # fmt: skip
    rest = table.frame.drop(columns=[images] if images else [])
    columns = settled_columns(table._replace(frame=rest), source)
    target, why = _target(columns, source, asked)
    groups = group_candidates(columns, target.name)
    odd = odd_columns(columns, target, next((g.name for g in groups if g.sure), None))
    if images is not None:
        odd = [entry for entry in odd if entry.name == target.name]
    left = {c.name for c in columns} - {target.name} - {e.name for e in odd if _is_dropped(e)}
    left -= {entry.name for entry in groups if entry.sure}
    left = left if images is None else {images}
    if not left:
        raise UsageError(
            f"data.source: must have a column to predict {target.name!r} from, got none that is"
            f" of use ({source}). {_reasons(odd) or 'Add columns'}"
        )
    task, why_task = _task(target)
    counts = _counts(target.values)
    return Guess(
        source, n, len(left), target.name, why, task, why_task,
        tuple(c.name for c in columns if c.name in left and _usable(c)),
        tuple(odd), tuple(groups), 
        tuple(of_counts(counts, task, n, len(left))), settings_for(n, _rarest(counts, task)),
        images, n_gaps=round(target.gaps * n),
    )  # fmt: skip


def _is_dropped(entry: Entry) -> bool:
    return entry.sure and entry.value == "drop"


def _reasons(odd: Sequence[Entry]) -> str:
    return "; ".join(f"{entry.name} {entry.why}" for entry in odd[:3])


def _target(columns: list[Settled], source: str, asked: str | None) -> tuple[Settled, str]:
    """Choose the column to predict, and say why."""
    names = [column.name for column in columns]
    if asked is not None:
        if asked not in names:
            hint = did_you_mean(asked, names)
            raise UsageError(f"--target: must name a column, got {asked!r} ({source}). {hint}")
        chosen = columns[names.index(asked)]
        if chosen.n_different < 2:
            raise UsageError(
                f"--target: must name a column that varies, got {asked!r}, which does not or"
                f" cannot be read ({source}). Name another"
            )
        return chosen, "as asked for"
    usable = [column for column in columns if _usable(column)]
    if not usable:
        raise UsageError(
            f"data.target: must be a column that can be predicted, got none in {source}."
            " Name one with --target"
        )
    return _by_name(usable) or (usable[-1], _last(usable[-1], columns))


def _by_name(usable: list[Settled]) -> tuple[Settled, str] | None:
    """Choose a column that is called as targets are."""
    known = {column.name.strip().casefold(): column for column in usable}
    if {"x", "z"} & {*known}:
        known.pop("y", None)  # a length beside others
    name = next((name for name in NAMES if name in known), None)
    name = name or next((name for name in known if _PARTS.fullmatch(name)), None)
    return None if name is None else (known[name], "columns of this name are mostly targets")


def _last(chosen: Settled, columns: list[Settled]) -> str:
    if chosen is columns[-1]:
        return "the last column"
    return f"the last column that can be predicted; {columns[-1].name} cannot"


def _usable(column: Settled) -> bool:
    """Tell a column that may be predicted: it varies, and is no name of rows and no date."""
    n = column.n_different
    if column.values is None or n < 2 or column.gaps > GAPS or column.is_date:
        return False
    if _WHEN.fullmatch(column.name):
        return False
    if ID.fullmatch(column.name) and n > FEW_NUMBERS:
        return False
    return column.is_number or n <= min(MANY, len(column.values) / 2)


def _task(target: Settled) -> tuple[Task, str]:
    assert target.values is not None
    n = target.n_different
    if not target.is_number:
        return "classification", f"{target.name} has {n} different texts{_BINARY * (n == 2)}"
    return _of_numbers(target.values.dropna().to_numpy(dtype=np.float64), target.name)


def _of_numbers(values: np.ndarray, name: str) -> tuple[Task, str]:
    different, counts = np.unique(values, return_counts=True)
    whole, n = bool((different % 1 == 0).all()), len(different)
    if n == 2:
        return "classification", f"{name} has 2 values{_BINARY}"
    if whole and n <= FEW_NUMBERS and counts.min() > 1 and len(values) >= 5 * n:
        return "classification", f"{name} has {n} whole numbers; if they measure, say regression"
    events = whole and bool(0 <= different[0] <= LOWEST_COUNT)
    return "regression", f"{name} has {n} different numbers{_COUNT * events}"


# --- arrays


def _of_arrays(source: str, folder: Path) -> Guess:
    """Guess for an .npz file, a packaged data set or a function: only the task is open."""
    raw = read_source(DataSpec(source=source), folder)
    shape, y = np.shape(raw["X"]), np.asarray(raw["y"])
    task = _of_y(y)
    n, n_features, counts = (shape[0] if shape else 0), int(np.prod(shape[1:])), _counts(y.ravel())
    return Guess(
        source, n, n_features, None, "the source names it y", *task,
        (), (), (), tuple(of_counts(counts, task[0], n, n_features)),
        settings_for(n, _rarest(counts, task[0])),
    )  # fmt: skip


def _of_y(y: np.ndarray) -> tuple[Task, str]:
    """Choose the task of targets (N,), or (N, T) of several."""
    numbers = y.dtype.kind in "iuf"
    if y.ndim == 2 and y.shape[1] > 1 and (numbers or y.dtype.kind == "b"):
        if np.isin(y, (0, 1)).all() and not (y.sum(1) == 1).all():  # else it is one-hot
            return "multilabel", f"y has {y.shape[1]} targets of 0 or 1"
        if not np.isin(y, (0, 1)).all():
            return "regression", f"y has {y.shape[1]} targets"
    return _of_numbers(y.ravel(), "y") if numbers else ("classification", "y has texts")


def _counts(values: Any) -> dict[str, int]:
    """Count the rows of each value (N,)."""
    import pandas as pd

    counts = pd.Series(values).value_counts()
    return {f"{k:g}" if isinstance(k, float) else str(k): int(v) for k, v in counts.items()}


def _rarest(counts: dict[str, int], task: Task) -> int | None:
    return min(counts.values()) if task == "classification" and counts else None
