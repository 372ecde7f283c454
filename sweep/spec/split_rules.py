"""What keys of `data` and `replicates` must not be given together."""

from __future__ import annotations

from sweep.spec.data import DataSpec, is_table
from sweep.spec.replicates import ReplicatesSpec
from sweep.spec.tasks import TASKS


def splits_problem(data: DataSpec, replicates: ReplicatesSpec) -> str | None:
    """Say in one line what does not go together, if anything."""
    scheme, column = replicates.scheme, data.given_by
    if problem := _files_problem(data):
        return problem
    if data.fold is not None and data.split is not None:
        return f"data.split: must be null with data.fold, got {data.split!r}. Remove one of them"
    if column and scheme not in (None, "own"):
        return (
            f"replicates.scheme: must be own with data.{column}, got {scheme}. Remove one of them"
        )
    if scheme == "own" and not column:
        return (
            "replicates.scheme: own must have data.fold, data.split or data.validation, got none."
            " Name the column of a table that tells each row's fold, or its part"
        )
    if data.time is not None and scheme != "time":
        return (
            f"data.time: only replicates.scheme time has it, got {data.time!r} with"
            f" {scheme or 'none'}. Set replicates: {{scheme: time}}, or remove it"
        )
    if scheme == "group" and data.groups is None and is_table(data.source):
        return "replicates.scheme: group must have data.groups, got none. Name the column"
    if (column or scheme == "time") and data.groups is not None:
        what = f"data.{column}" if column else "replicates.scheme time"
        return f"data.groups: must be null with {what}, which gives the folds. Remove one of them"
    if scheme in ("kfold", "stratified") and data.groups is not None:
        return (
            f"replicates.scheme: must be group with data.groups, got {scheme}. Remove one of them"
        )
    if scheme == "stratified" and not TASKS[data.task].has_classes:
        return f"replicates.scheme: stratified takes classes, got task {data.task}. Use kfold"
    if column in ("split", "validation") and replicates.n_folds != 1:
        return (
            f"replicates.n_folds: must be 1 with data.{column}, which is one split, got"
            f" {replicates.n_folds}. Set it to 1: there is then no standard error over folds"
        )
    if (column or scheme == "time") and replicates.n_repeats != 1:
        what = f"data.{column}" if column else "replicates.scheme time"
        return (
            f"replicates.n_repeats: must be 1 with {what}, whose folds cannot be drawn anew, got"
            f" {replicates.n_repeats}. Set it to 1"
        )
    return None


def _files_problem(data: DataSpec) -> str | None:
    """Say in one line what does not go with files of validation and test rows, if anything."""
    for key, file in [*data.files.items()][1:]:
        if not is_table(data.source):
            return (
                f"data.{key}: only a source that is a .csv or .parquet table has such a file, got"
                f" {file!r} with {data.source}. Remove it"
            )
        if not is_table(file):
            return f"data.{key}: must be a .csv or .parquet table, got {file!r}. Name one"
        if data.given_by in ("fold", "split"):
            return (
                f"data.{key}: must be null with data.{data.given_by}, whose column says where rows"
                f" belong, got {file!r}. Remove one of them"
            )
        if [*data.files.values()].count(file) > 1:
            return f"data.{key}: must be a file of its own, got {file!r} twice. Name another"
    return None
