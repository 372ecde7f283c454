"""The problem of a study: its replicates as tensors, each preprocessed by its own training rows.

| symbol | meaning |
|---|---|
| N | search rows: all but the test rows |
| R | replicates: folds × repeats × seeds |
| n, m | training rows of a replicate (equal for all); validation rows of the largest fold |
| M | rows of `Problem.X`: N, or R blocks where each replicate has its own preprocessing |
| C | classes |
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import tee
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from sweep.data.dataset import Dataset, noisy_labels
from sweep.data.features import take
from sweep.data.file_rows import FileRows
from sweep.data.preprocessing import (
    Transform,
    category_sizes,
    fits_all,
    preprocessors,
    target_scale,
    unscaled,
)
from sweep.data.replicates import Split, split_rows
from sweep.data.streamed import Kept, Scaled, Streamed, joined_rows
from sweep.data.table_rows import TableRows
from sweep.data.user_code import OwnFunction, load_function
from sweep.data.weights import UNWEIGHTED, RowWeights
from sweep.spec.loss_setting import loss_setting
from sweep.spec.losses import AUTO, LossSetting
from sweep.spec.study import StudySpec
from sweep.spec.tasks import TASKS

KEPT_BYTES = 1 << 29  # of rows of a file that a plan looks at more than once
Keep = Callable[[np.ndarray, int], np.ndarray]  # rows of a replicate and their features: some


@dataclass(frozen=True, eq=False)
class Problem:
    """A study's data as tensors on one device.

    Attributes:
        X: (M, *features) float rows. Where preprocessing does not differ between replicates,
            each search row once; else, for each replicate, its n training and its validation
            rows, transformed by what its training rows say. (0, *features) where rows are read
            from a file: `rows` returns them in either case.
        y: (M,) what training reads: int64 noisy class, or float target; (M, T) of several
            targets.
        y_clean: (M,) or (M, T) what validation reads.
        train: (R, n) int64 rows of X.
        val: (R, m) int64 rows of X; a smaller fold is padded by repeating its first row.
        val_size: (R,) int64 valid entries of `val`.
        y_scale, y_mean: (R,) or (R, T) float; a scaled target times the one plus the other is in
            the user's units.
        replicates: (fold, seed index) of each replicate; r = fold * n_seeds + seed index. Folds
            of all repeats are counted through.
        task: what is predicted, as in the study file.
        n_outputs: of the network: C, or T where targets are numbers or labels; 1 of two classes
            in task binary.
        feature_shape: shape of one row of X.
        weight, weight_clean: (M,) what the loss of each row counts in training and in validation,
            or None: all the same.
        loss: how the loss is made.
        own_loss: the function that it is, where it is the user's own.
        categories: how many codes each of the last columns of X has, where categories are
            embedded; else ().
        streamed: reads rows of X from a file; None: they are in X.
    """

    X: Tensor
    y: Tensor
    y_clean: Tensor
    train: Tensor
    val: Tensor
    val_size: Tensor
    y_scale: Tensor
    y_mean: Tensor
    replicates: tuple[tuple[int, int], ...]
    task: str
    n_outputs: int
    feature_shape: tuple[int, ...]
    weight: Tensor | None = None
    weight_clean: Tensor | None = None
    loss: LossSetting = AUTO
    own_loss: OwnFunction | None = None
    categories: tuple[int, ...] = ()
    streamed: Streamed | None = None

    def rows(self, places: Tensor) -> Tensor:
        """Return rows of X at places (B,), or (L, B) of lanes: (…, *features)."""
        if self.streamed is None:  # index_select is the fast way to copy rows
            found = self.X.index_select(0, places.reshape(-1))
        else:
            found = torch.from_numpy(self.streamed.take(places.cpu().numpy())).to(self.X)
        return found.view(*places.shape, *self.X.shape[1:])

    def row_batches(self, batches: Iterable[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield places of lanes, (L, B) each, with their rows of X."""
        if self.streamed is None:
            for places in batches:
                yield places, self.rows(places)
            return
        of_lanes, to_read = tee(batches)
        read = self.streamed.batches(places.cpu().numpy() for places in to_read)
        for places, found in zip(of_lanes, read, strict=True):
            x = torch.from_numpy(found).to(self.X)
            yield places, x.view(*places.shape, *self.X.shape[1:])

    def tried(self) -> Tensor:
        """Return the rows that a network is tried on, (B, *features).

        They are the first to train on, and where categories are codes those of the highest.
        """
        places = self.train[0, :4]
        if self.streamed is not None and self.categories:
            return self._with_highest(self.rows(places))
        if self.categories:
            highest = self.X[:, -len(self.categories) :].argmax(0)
            places = torch.cat([places, highest])
        return self.rows(places)

    def _with_highest(self, rows: Tensor) -> Tensor:
        """Add a row with the highest code of each column, which nobody looks for in a file."""
        assert self.streamed is not None and self.streamed.texts is not None
        n = len(self.categories)
        more = rows[:1].repeat(n, 1)
        highest = torch.from_numpy(self.streamed.texts.highest).to(more)
        more[torch.arange(n), torch.arange(-n, 0)] = highest
        return torch.cat([rows, more])

    def shaped(self, feature_shape: tuple[int, ...]) -> Problem:
        """Return the problem with rows of another shape, of as many numbers."""
        X = self.X.reshape(len(self.X), *feature_shape)
        return replace(self, X=X, feature_shape=feature_shape)

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Problem:
        """Copy to a device; what is float gets `dtype`, indices and classes stay int64.

        Rows of a file are read anew from then on.
        """

        def move(tensor: Tensor) -> Tensor:
            return tensor.to(device, dtype if tensor.is_floating_point() else None)

        tensors: dict[str, Any] = {
            name: move(v) for name, v in vars(self).items() if isinstance(v, Tensor)
        }
        streamed = self.streamed and replace(self.streamed, kept=None)
        return replace(self, **tensors, streamed=streamed)


def make_problem(
    spec: StudySpec, dataset: Dataset, partition: int = 0, keep: Keep | None = None
) -> Problem:
    """Split the search rows into replicates and preprocess each by its own training rows.

    Args:
        spec: the study.
        dataset: its rows.
        partition: which way to divide them into folds; see `split_rows`.
        keep: where rows lie in a file, what to have in memory of those that a replicate trains
            on, of so many features; None: nothing.

    Returns:
        The problem on the CPU in float32.

    Raises:
        UsageError: in one line, when the rows do not allow the splits asked for.
    """
    scale = spec.data.scale
    replicates, splits = split_rows(spec, dataset, partition)
    noisy = noisy_labels(dataset, spec.data.label_noise, spec.seed)
    weights = RowWeights.of(spec, dataset, noisy)
    fits, X = [train for train, _ in splits], dataset.X
    kept = None
    if keep and isinstance(X, FileRows):
        kept = _kept(X, fits, keep, math.prod(X.shape[1:]))
    if fits_all(scale, dataset.X):
        ones = np.ones(dataset.y.shape[1:])
        units = [(ones, 0 * ones)] * len(splits)
        blocks = [Block(unscaled(dataset.X), noisy, dataset.y, units[0], *weights)]
        places = splits
    else:
        embed = spec.data.categorical == "embed"
        looks = [kept.look] if kept else []
        transforms = preprocessors(scale, dataset.X, fits, *looks, embed=embed)
        blocks = [
            _block(transform, scale, dataset, noisy, weights, *split)
            for transform, split in zip(transforms, splits, strict=True)
        ]
        places, units = _places(splits), [block.units for block in blocks]
    trains, vals = zip(*places, strict=True)
    sizes = np.array([len(val) for val in vals])
    found = joined(
        spec, blocks, dataset, np.stack(trains), _padded(vals), sizes, units, replicates
    )
    if keep and isinstance(X, TableRows):
        kept = _kept(X.rows, fits, keep, math.prod(found.feature_shape))
    if kept is None or found.streamed is None:
        return found
    return replace(found, streamed=replace(found.streamed, kept=kept.filled()))


def _kept(X: FileRows, trains: Sequence[np.ndarray], keep: Keep, n_features: int) -> Kept:
    """Choose the rows to keep: those of one replicate after another, as long as there is room."""
    room = KEPT_BYTES // (math.prod(X.shape[1:]) * X.dtype.itemsize)
    wanted = np.zeros(len(X), dtype=bool)
    for train in trains:
        more = wanted.copy()
        more[keep(train, n_features)] = True
        if more.sum() > room:
            break
        wanted = more
    return Kept(X, np.flatnonzero(wanted))


class Block(NamedTuple):
    """Rows of `Problem.X` that are preprocessed alike; the scale and the mean of their targets."""

    X: np.ndarray | Scaled
    y: np.ndarray
    y_clean: np.ndarray
    units: tuple[np.ndarray, np.ndarray]  # () each, or (T,) of several targets
    weight: np.ndarray | None = None
    weight_clean: np.ndarray | None = None


def scaled(scale: str, dataset: Dataset, rows: np.ndarray, X: np.ndarray | Scaled, y: np.ndarray,
           y_clean: np.ndarray, weights: RowWeights = UNWEIGHTED) -> Block:  # fmt: skip
    """Make a block whose targets are standardised by those of search rows (n,)."""
    if not TASKS[dataset.task].is_scaled:
        ones = np.ones(y.shape[1:])
        return Block(X, y, y_clean, (ones, 0 * ones), *weights)
    mean, deviation = target_scale(scale, dataset.y[rows])
    y, y_clean = ((part - mean) / deviation for part in (y, y_clean))
    return Block(X, y, y_clean, (deviation, mean), *weights)


def joined(
    spec: StudySpec, blocks: Sequence[Block], dataset: Dataset, train: np.ndarray,
    val: np.ndarray, val_size: np.ndarray, units: Sequence[tuple[np.ndarray, np.ndarray]],
    replicates: Sequence[tuple[int, int]],
) -> Problem:  # fmt: skip
    """Make a problem of blocks of rows; `units`: of each replicate; `Problem` says the others."""
    y_scale, y_mean = np.moveaxis(np.array(units, dtype=np.float32), 1, 0).copy()
    kind = np.int64 if dataset.classes else np.float32
    found = joined_rows([block.X for block in blocks])
    streamed = found if isinstance(found, Streamed) else None
    X = np.empty((0, *found.row_shape), np.float32) if isinstance(found, Streamed) else found
    setting = loss_setting(spec)
    return Problem(
        X=torch.from_numpy(X),
        y=torch.from_numpy(np.concatenate([block.y for block in blocks]).astype(kind)),
        y_clean=torch.from_numpy(np.concatenate([b.y_clean for b in blocks]).astype(kind)),
        weight=_weights([block.weight for block in blocks]),
        weight_clean=_weights([block.weight_clean for block in blocks]),
        loss=setting,
        own_loss=_own_loss(spec, setting),
        train=torch.from_numpy(train),
        val=torch.from_numpy(val),
        val_size=torch.from_numpy(val_size),
        y_scale=torch.from_numpy(y_scale),
        y_mean=torch.from_numpy(y_mean),
        replicates=tuple(replicates),
        task=dataset.task,
        n_outputs=spec.data.outputs or dataset.n_outputs,
        feature_shape=X.shape[1:],
        categories=category_sizes(dataset.X) if spec.data.categorical else (),
        streamed=streamed,
    )


def _weights(parts: Sequence[np.ndarray | None]) -> Tensor | None:
    found = [part for part in parts if part is not None]
    return torch.from_numpy(np.concatenate(found).astype(np.float32)) if found else None


def _own_loss(spec: StudySpec, setting: LossSetting) -> OwnFunction | None:
    return load_function(setting.source, spec.folder, "training.loss") if setting.source else None


def _block(
    transform: Transform, scale: str, dataset: Dataset, noisy: np.ndarray, weights: RowWeights,
    train: np.ndarray, val: np.ndarray,
) -> Block:  # fmt: skip
    rows = np.concatenate([train, val])
    X = transform(take(dataset.X, rows))
    return scaled(scale, dataset, train, X, noisy[rows], dataset.y[rows], weights.part(rows))


def _places(splits: list[Split]) -> list[Split]:
    """Say where each replicate's rows are, once they lie in blocks (train, val)."""
    ends = np.cumsum([len(train) + len(val) for train, val in splits])
    return [
        (np.arange(end - len(val) - len(train), end - len(val)), np.arange(end - len(val), end))
        for end, (train, val) in zip(ends, splits, strict=True)
    ]


def _padded(vals: Sequence[np.ndarray]) -> np.ndarray:
    """Stack rows of unequal length as (R, m), the first of each repeated to the end."""
    padded = np.repeat(np.array([val[:1] for val in vals]), max(map(len, vals)), axis=1)
    for line, val in zip(padded, vals, strict=True):
        line[: len(val)] = val
    return padded
