"""The section `replicates` of a study file: how often each trial is trained."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sweep.spec.base import Section
from sweep.spec.sections import Count

MOST_REPLICATES = 2_000  # the rows of each are drawn and scaled by themselves


class ReplicatesSpec(Section):
    """How often each trial is trained: folds times repeats times seeds."""

    scheme: Literal["kfold", "stratified", "group", "time", "own"] | None = Field(
        None,
        description="How rows come into folds. kfold: drawn. stratified: drawn, by class. group:"
        " in whole groups. time: windows of the later half, each validated by a training on rows"
        " before it; test rows are the last. own: by data.fold, data.split or data.validation."
        " null: own where these are given, group where there are groups, stratified for classes,"
        " else kfold.",
    )
    n_folds: Count = Field(
        8,
        description="Folds of cross-validation; a trial is trained once for each. 1: one split."
        " selection 1se takes 3 or more.",
    )
    n_repeats: Count = Field(
        1,
        description="Divisions of the rows into folds, each on its own; where train_rows is set,"
        " each trains on rows of its own. More than 1 takes n_folds of 2 or more.",
    )
    n_seeds: Count = Field(
        1, description="Trainings of a trial on each fold, from different first weights."
    )
    holdout: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.25, description="Share of the rows that validates. Only with n_folds 1."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.n_folds == 1 < self.n_repeats:
            raise ValueError(
                f"n_repeats: must be 1 where n_folds is 1, got {self.n_repeats}. Raise n_folds"
            )
        if self.total > MOST_REPLICATES:
            repeats = f" and n_repeats {self.n_repeats}" if self.n_repeats > 1 else ""
            raise ValueError(
                f"n_seeds: must be at most {MOST_REPLICATES} with n_folds multiplied, got"
                f" {self.n_seeds} with n_folds {self.n_folds}{repeats}. Lower one of them"
            )
        return self

    @property
    def folds(self) -> tuple[int, int]:
        """Folds of a repeat, and repeats: what standard errors are taken over."""
        return self.n_folds, self.n_repeats

    @property
    def total(self) -> int:
        """Trainings of a trial: folds times repeats times seeds."""
        return self.n_folds * self.n_repeats * self.n_seeds

    def described(self, kind: str = "folds") -> str:
        """Name the folds of all repeats in words, such as `16 fresh folds of 2 partitions`."""
        if self.n_repeats == 1:
            return f"{self.n_folds} {kind}"
        return f"{self.n_folds * self.n_repeats} {kind} of {self.n_repeats} partitions"
