"""The data of a study: test rows held out, the rest split into replicates, ready as tensors.

| symbol | meaning |
|---|---|
| N | search rows: all but the test rows |
| R | replicates: folds × seeds |
| n, m | training rows of a replicate (equal for all); validation rows of the largest fold |
| M | rows of `Problem.X`: N, or R blocks where each replicate has its own preprocessing |
| C | classes |
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from sweep.errors import UsageError
from sweep.features import Features, take
from sweep.rows import Rows, read_rows
from sweep.seeds import derive
from sweep.spec import DataSpec, StudySpec

# scikit-learn and pandas take most of a second to import: only functions that need them do.
if TYPE_CHECKING:
    import pandas as pd
    from sklearn.compose import ColumnTransformer


@dataclass(frozen=True, eq=False)
class Dataset:
    """All rows on the host, the test rows held out.

    Attributes:
        X: (N, *features) search rows. Arrays are finite; a table has float64 columns (NaN is a
            missing cell) and object columns of texts (None is a missing cell).
        y: (N,) int64 class index in 0..C-1, or float64 target.
        groups: (N,) int64; rows of one group stay in one fold. None: no groups.
        X_test, y_test: the held-out rows, of the same kinds; the search never sees them.
        classes: names of the classes by index, () for regression.
        content_hash: 16 hex digits of a hash of all the rows, search and test.
    """

    X: Features
    y: np.ndarray
    groups: np.ndarray | None
    X_test: Features
    y_test: np.ndarray
    classes: tuple[str, ...]
    content_hash: str


@dataclass(frozen=True, eq=False)
class Problem:
    """A study's data as tensors on one device.

    Attributes:
        X: (M, *features) float rows. Where preprocessing does not differ between replicates,
            each search row once; else, for each replicate, its n training and its validation
            rows, transformed by what its training rows say.
        y: (M,) what training reads: int64 noisy class, or float target.
        y_clean: (M,) what validation reads.
        train: (R, n) int64 rows of X.
        val: (R, m) int64 rows of X; a smaller fold is padded by repeating its first row.
        val_size: (R,) int64 valid entries of `val`.
        y_scale: (R,) float; a scaled target times this is in the user's units.
        replicates: (fold, seed index) of each replicate; r = fold * n_seeds + seed index.
        task: `classification` or `regression`.
        n_outputs: C, or 1 for regression.
        feature_shape: shape of one row of X.
    """

    X: Tensor
    y: Tensor
    y_clean: Tensor
    train: Tensor
    val: Tensor
    val_size: Tensor
    y_scale: Tensor
    replicates: tuple[tuple[int, int], ...]
    task: str
    n_outputs: int
    feature_shape: tuple[int, ...]

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Problem:
        """Copy to a device; what is float gets `dtype`, indices and classes stay int64."""

        def move(tensor: Tensor) -> Tensor:
            return tensor.to(device, dtype if tensor.is_floating_point() else None)

        tensors: dict[str, Any] = {
            name: move(v) for name, v in vars(self).items() if isinstance(v, Tensor)
        }
        return replace(self, **tensors)


def load_dataset(data: DataSpec, folder: Path, seed: int) -> Dataset:
    """Read a source and hold its test rows out.

    Test rows are those that the source itself brings, or else a share of `test_fraction`:
    stratified for classification, whole groups where there are groups.

    Args:
        data: the study's data section.
        folder: the study file's folder.
        seed: the study's seed.

    Raises:
        UsageError: in one line, when the rows break a rule.
    """
    rows = read_rows(data, folder)
    content_hash, labels = _content_hash(rows), _labels(rows.y, rows.classes)
    X, y, groups, X_test, y_test = rows.X, rows.y, rows.groups, rows.X_test, rows.y_test
    if X_test is None or y_test is None:
        test = _part(labels, groups, data.test_fraction, derive(seed, "test"))
        search = np.setdiff1d(np.arange(len(y)), test)
        X, X_test, y, y_test = take(X, search), take(X, test), y[search], y[test]
        groups = None if groups is None else groups[search]
    lost = np.setdiff1d(labels, _labels(y, rows.classes))
    if len(lost):
        raise UsageError(
            f"data.test_fraction: must leave rows of every class, got {data.test_fraction:g}, "
            f"which leaves none of {rows.classes[lost[0]]!r} ({data.source}). Lower it"
        )
    return Dataset(X, y, groups, X_test, y_test, rows.classes, content_hash)


def make_problem(spec: StudySpec, dataset: Dataset) -> Problem:
    """Split the search rows into replicates and preprocess each by its own training rows.

    Returns:
        The problem on the CPU in float32.

    Raises:
        UsageError: in one line, when the rows do not allow the splits asked for.
    """
    scale, kind = spec.data.scale, np.int64 if dataset.classes else np.float32
    replicates, splits = _splits(spec, dataset)
    noisy = noisy_labels(dataset, spec.data.label_noise, spec.seed)
    if _fits_all(scale, dataset):
        blocks = [_Block(_float32(dataset.X), noisy, dataset.y, 1.0)]
        places, y_scale = splits, np.ones(len(splits))
    else:
        blocks = [_block(scale, dataset, noisy, *split) for split in splits]
        places, y_scale = _places(splits), np.array([block.y_scale for block in blocks])
    X = np.concatenate([block.X for block in blocks])
    return Problem(
        X=torch.from_numpy(X),
        y=torch.from_numpy(np.concatenate([block.y for block in blocks]).astype(kind)),
        y_clean=torch.from_numpy(np.concatenate([b.y_clean for b in blocks]).astype(kind)),
        train=torch.from_numpy(np.stack([train for train, _ in places])),
        val=torch.from_numpy(_padded([val for _, val in places])),
        val_size=torch.tensor([len(val) for _, val in places]),
        y_scale=torch.from_numpy(y_scale.astype(np.float32)),
        replicates=replicates,
        task=spec.data.task,
        n_outputs=len(dataset.classes) or 1,
        feature_shape=X.shape[1:],
    )


def preprocessor(scale: str, search: Features, fit: Features) -> Callable[[Features], np.ndarray]:
    """Fit the preprocessing of features.

    Numbers: missing cells become the median of `fit`, and are standardised by it where scale
    is `standard` (constant columns ÷ 1). Texts: missing cells become the most frequent text of
    `fit`, then one column a category, never scaled; a category that `fit` lacks is all zeros.

    Args:
        scale: `standard` or `none`.
        search: (N, *features) all search rows. Only a table's categories are read from them,
            so that the width is the same whatever `fit` holds.
        fit: the rows to learn from: a replicate's training rows.

    Returns:
        A function of rows (B, *features) that returns them as (B, *features) float32.
    """
    if not isinstance(search, np.ndarray):
        return _table_preprocessor(scale, search, fit)
    if scale == "none":
        return _float32
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(_flat(fit))
    return lambda rows: _float32(scaler.transform(_flat(rows)).reshape(rows.shape))


def target_scale(scale: str, y: np.ndarray) -> tuple[float, float]:
    """Return the mean and standard deviation to standardise a float target (n,) by.

    They are 0 and 1 where scale is `none`; the deviation of a constant target is 1.
    """
    if scale == "none":
        return 0.0, 1.0
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(y[:, None])
    return float(scaler.mean_[0]), float(scaler.scale_[0])


# --- rows


def _labels(y: np.ndarray, classes: tuple[str, ...]) -> np.ndarray:
    """Return what splits are stratified by: the class, or 0 for all in regression."""
    return y if classes else np.zeros(len(y), dtype=np.int64)


def _content_hash(rows: Rows) -> str:
    digest = hashlib.sha256(json.dumps(rows.classes).encode())
    for part in (rows.X, rows.y, rows.groups, rows.X_test, rows.y_test):
        if part is not None and not isinstance(part, np.ndarray):
            import pandas as pd

            digest.update(json.dumps(list(part.columns)).encode())
            part = pd.util.hash_pandas_object(part, index=False).to_numpy()
        if part is not None:
            digest.update(f"{part.dtype.str}{part.shape}".encode() + part.tobytes())
        digest.update(b";")
    return digest.hexdigest()[:16]


def noisy_labels(dataset: Dataset, share: float, study_seed: int) -> np.ndarray:
    """Copy y (N,), a share of it moved to one of the other classes, each as likely as the next.

    The copy depends on the study's seed and the row alone, never on split or replicate.
    """
    if not share:
        return dataset.y
    generator = np.random.default_rng(derive(study_seed, "noise"))
    n_classes = len(dataset.classes)
    wrong = generator.random(len(dataset.y)) < share
    moves = generator.integers(1, n_classes, len(dataset.y))
    return np.where(wrong, (dataset.y + moves) % n_classes, dataset.y)


# --- splits


Split = tuple[np.ndarray, np.ndarray]  # training rows (n,), validation rows (m,)


def _splits(spec: StudySpec, dataset: Dataset) -> tuple[tuple[tuple[int, int], ...], list[Split]]:
    """Name the replicates, and choose the rows of each: equally many to train on."""
    labels = _labels(dataset.y, dataset.classes)
    _check_folds(spec, dataset, labels)
    vals = _validation_rows(spec, dataset, labels)
    pools = [np.setdiff1d(np.arange(len(labels)), val) for val in vals]
    n = _n_train(spec, min(map(len, pools)))
    replicates = tuple(
        (fold, seed) for fold in range(len(vals)) for seed in range(spec.replicates.n_seeds)
    )
    trains = [
        pools[fold][draw_rows(labels[pools[fold]], n, derive(spec.seed, "rows", fold, seed))]
        for fold, seed in replicates
    ]
    return replicates, [
        (train, vals[fold]) for train, (fold, _) in zip(trains, replicates, strict=True)
    ]


def _n_train(spec: StudySpec, most: int) -> int:
    n = spec.data.train_rows or most
    if n > most:
        raise UsageError(
            f"data.train_rows: must be at most {most}, what the smallest replicate has to train "
            f"on, got {n} ({spec.data.source}). Lower it"
        )
    return n


def _check_folds(spec: StudySpec, dataset: Dataset, labels: np.ndarray) -> None:
    n_folds, limits = spec.replicates.n_folds, {"rows": len(labels)}
    if dataset.classes and n_folds > 1:
        counts = np.bincount(labels)
        limits[f"rows of class {dataset.classes[counts.argmin()]!r}"] = counts.min()
    if dataset.groups is not None:
        limits["groups"] = len(np.unique(dataset.groups))
    what = min(limits, key=lambda name: limits[name])
    has, needs = limits[what], max(2, n_folds)
    if has < needs:
        raise UsageError(
            f"replicates.n_folds: must have {needs} {what} outside the test rows, got {has} "
            f"({spec.data.source}). {f'Use at most {has} folds' if has > 1 else 'Add more'}"
        )


def _validation_rows(spec: StudySpec, dataset: Dataset, labels: np.ndarray) -> list[np.ndarray]:
    n_folds, seed, groups = spec.replicates.n_folds, derive(spec.seed, "folds"), dataset.groups
    if n_folds == 1:
        return [_part(labels, groups, spec.replicates.holdout, seed)]
    if groups is None:
        return draw_folds(labels, n_folds, seed, stratified=bool(dataset.classes))
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    def split(kind: Callable[..., Any]) -> list[np.ndarray]:
        folds = kind(n_folds, shuffle=True, random_state=seed % 2**32)
        return [val for _, val in folds.split(labels, labels, groups)]

    vals = split(StratifiedGroupKFold if dataset.classes else GroupKFold)
    # With as many folds as groups a fold may stay empty: scikit-learn issue #34828.
    return vals if all(map(len, vals)) else split(GroupKFold)


def draw_folds(labels: np.ndarray, n_folds: int, seed: int, stratified: bool) -> list[np.ndarray]:
    """Draw the rows of each fold, in order, as scikit-learn's KFold or StratifiedKFold does."""
    generator = np.random.RandomState(seed % 2**32)
    if not stratified:
        parts = np.array_split(generator.permutation(len(labels)), n_folds)
        return [np.sort(part) for part in parts]
    fold, dealt = np.empty(len(labels), dtype=np.int64), 0
    for label in dict.fromkeys(labels.tolist()):  # in order of appearance
        rows = np.flatnonzero(labels == label)
        folds = np.sort(np.arange(dealt, dealt + len(rows)) % n_folds)
        generator.shuffle(folds)
        fold[rows] = folds
        dealt += len(rows)
    return [np.flatnonzero(fold == k) for k in range(n_folds)]


def _part(labels: np.ndarray, groups: np.ndarray | None, fraction: float, seed: int) -> np.ndarray:
    """Choose a share of rows, in order: stratified, or in whole groups; never all of them."""
    if not fraction:
        return np.arange(0)
    if groups is not None:
        return np.flatnonzero(np.isin(groups, _draw_groups(labels, groups, fraction, seed)))
    wanted = max(1, round(fraction * len(labels)))
    return draw_rows(labels, min(wanted, len(labels) - 1), seed)


def draw_rows(labels: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Draw n rows (n,), in order, each class within one row of its share."""
    generator, counts = np.random.default_rng(seed), np.bincount(labels)
    quotas, remainders = np.divmod(counts * n, len(labels))
    largest = np.lexsort((generator.random(len(counts)), -remainders))
    quotas[largest[: n - quotas.sum()]] += 1
    shuffled = generator.permutation(len(labels))
    drawn = [shuffled[labels[shuffled] == c][:quota] for c, quota in enumerate(quotas)]
    return np.sort(np.concatenate(drawn))


def _draw_groups(labels: np.ndarray, groups: np.ndarray, fraction: float, seed: int) -> list[int]:
    """Draw groups as long as each brings the rows of the classes nearer to their share."""
    sizes = np.zeros((groups.max() + 1, labels.max() + 1))
    np.add.at(sizes, (groups, labels), 1)
    order = np.random.default_rng(seed).permutation(np.unique(groups))
    missing, drawn = fraction * sizes.sum(0), []
    for group in order[:-1]:
        if np.abs(missing - sizes[group]).sum() < np.abs(missing).sum():
            missing = missing - sizes[group]
            drawn.append(int(group))
    return drawn or [int(min(order, key=lambda group: sizes[group].sum()))]


def _padded(vals: list[np.ndarray]) -> np.ndarray:
    """Stack rows of unequal length as (R, m), the first of each repeated to the end."""
    padded = np.repeat(np.array([val[:1] for val in vals]), max(map(len, vals)), axis=1)
    for line, val in zip(padded, vals, strict=True):
        line[: len(val)] = val
    return padded


# --- preprocessing


class _Block(NamedTuple):
    """Rows of `Problem.X` that are preprocessed alike."""

    X: np.ndarray
    y: np.ndarray
    y_clean: np.ndarray
    y_scale: float


def _fits_all(scale: str, dataset: Dataset) -> bool:
    """Say whether there is nothing to learn from a replicate's training rows."""
    X = dataset.X
    complete = isinstance(X, np.ndarray) or not (_texts(X) or X.isna().to_numpy().any())
    return scale == "none" and complete


def _block(
    scale: str, dataset: Dataset, noisy: np.ndarray, train: np.ndarray, val: np.ndarray
) -> _Block:
    transform = preprocessor(scale, dataset.X, take(dataset.X, train))
    rows = np.concatenate([train, val])
    X, y, y_clean = transform(take(dataset.X, rows)), noisy[rows], dataset.y[rows]
    if dataset.classes:
        return _Block(X, y, y_clean, 1.0)
    mean, deviation = target_scale(scale, dataset.y[train])
    return _Block(X, (y - mean) / deviation, (y_clean - mean) / deviation, deviation)


def _places(splits: list[Split]) -> list[Split]:
    """Say where each replicate's rows are, once they lie in blocks (train, val)."""
    ends = np.cumsum([len(train) + len(val) for train, val in splits])
    return [
        (np.arange(end - len(val) - len(train), end - len(val)), np.arange(end - len(val), end))
        for end, (train, val) in zip(ends, splits, strict=True)
    ]


def _flat(X: Features) -> np.ndarray:
    return np.asarray(X, dtype=np.float64).reshape(len(X), -1)


def _float32(X: Features) -> np.ndarray:
    with np.errstate(over="ignore"):
        values = np.asarray(X).astype(np.float32)
    if not np.isfinite(values).all():
        raise UsageError(
            f"data.scale: must keep features within float32, got {np.abs(np.asarray(X)).max():g} "
            "in a row unlike the training rows. Drop that feature, or use scale: none"
        )
    return values


def _texts(table: pd.DataFrame) -> dict[str, list[str]]:
    """Name the categories of each column of texts, in order."""
    from pandas.api.types import is_numeric_dtype

    columns = {name: column for name, column in table.items() if not is_numeric_dtype(column)}
    return {str(name): sorted(set(column.dropna())) for name, column in columns.items()}


class FittedTable(NamedTuple):
    """What a table's preprocessing has learnt; the columns of numbers come first.

    Attributes:
        transformer: two pipelines: `numbers` (imputer, scaler), `texts` (imputer, one-hot).
        numbers: names of the columns of numbers.
        categories: name of each column of texts, and its texts in order.
        seen: (columns out,) 0 where a category is in none of the rows learnt from, else 1.
    """

    transformer: ColumnTransformer
    numbers: list[str]
    categories: dict[str, list[str]]
    seen: np.ndarray


def fit_table(scale: str, search: pd.DataFrame, fit: Features) -> FittedTable:
    """Fit the preprocessing of a table; arguments as of `preprocessor`."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    categories = _texts(search)
    names = [str(name) for name in search if name not in categories]
    codes = [np.arange(1.0, 1 + max(1, len(texts))) for texts in categories.values()]
    numbers = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True),
        StandardScaler() if scale == "standard" else "passthrough",
    )
    texts = make_pipeline(
        SimpleImputer(strategy="most_frequent", keep_empty_features=True),
        OneHotEncoder(categories=codes, handle_unknown="ignore", sparse_output=False),
    )
    transformer = ColumnTransformer(
        [("numbers", numbers, names), ("texts", texts, list(categories))]
    )
    fitted = transformer.fit_transform(_coded(fit, categories))
    seen, part = np.ones(fitted.shape[1]), transformer.output_indices_["texts"]
    seen[part] = fitted[:, part].any(0)
    return FittedTable(transformer, names, categories, seen)


def _table_preprocessor(
    scale: str, search: pd.DataFrame, fit: Features
) -> Callable[[Features], np.ndarray]:
    transformer, _, categories, seen = fit_table(scale, search, fit)
    return lambda rows: _float32(transformer.transform(_coded(rows, categories)) * seen)


def _coded(table: Features, categories: dict[str, list[str]]) -> pd.DataFrame:
    """Write each text as its place in the categories, from 1; 0 is none of them, NaN missing."""
    import pandas as pd

    coded = pd.DataFrame(table)
    for name, names in categories.items():
        place = pd.Index(names).get_indexer(pd.Index(coded[name])) + 1.0
        coded = coded.assign(**{name: np.where(coded[name].isna(), np.nan, place)})
    return coded
