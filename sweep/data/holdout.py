"""The held-out test rows: a problem that trains on the other rows and is evaluated on them.

| symbol | meaning |
|---|---|
| N, T | search rows (all but the test rows); test rows |
| n | rows that a seed trains on: N, or `train_rows` drawn from them |
| S | seeds |
| D | draws of rows: S with `train_rows`, else 1 |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sweep.data.dataset import Dataset, noisy_labels
from sweep.data.features import Features, take
from sweep.data.file_rows import FileRows
from sweep.data.fitted_table import (
    FittedTable,
    fit_columns,
    fit_table,
    of_numbers,
    texts_of,
)
from sweep.data.fitted_texts import FittedTexts
from sweep.data.folds import draw_rows, strata
from sweep.data.preprocessing import (
    Transform,
    fit_scalers,
    is_complete,
    preprocessors,
    target_scale,
)
from sweep.data.problem import Block, Problem, joined, scaled
from sweep.data.streamed import Scaled
from sweep.data.table_rows import TableRows
from sweep.data.weights import RowWeights, class_weights, weighed
from sweep.spec.seeds import derive
from sweep.spec.study import StudySpec
from sweep.spec.tasks import TASKS


def refit_seed(study_seed: int) -> int:
    """Return the seed that all streams of a refit derive from, as replicates (0, seed index)."""
    return derive(study_seed, "refit")


def training_rows(spec: StudySpec, dataset: Dataset, n_seeds: int) -> list[np.ndarray]:
    """Choose the search rows that the refit trains on.

    Returns:
        D arrays (n,): one for all seeds, or with `train_rows` a new draw for every seed.
    """
    n, N = spec.data.train_rows, len(dataset.y)
    if n is None:
        return [np.arange(N)]
    labels, seed = strata(dataset.y, dataset.classes), refit_seed(spec.seed)
    seeds = (derive(seed, "rows", 0, s) for s in range(n_seeds))
    return [draw_rows(labels, n, one, every_class=True) for one in seeds]


def about_refit(spec: StudySpec, dataset: Dataset) -> dict[str, Any]:
    """Say what other programs need to know of the rows that a refit trains on.

    Returns:
        `n_rows`: how many a seed trains on; `target_deviation`: the standard deviation of the
        target over those of the first seed, in its own units, None for classes and where there
        are several; `all_numbers`:
        whether each cell of the features is a number, so that scaling is all that is done;
        `flat`: whether a row is a vector, not an image, say. And where texts are embedded,
        `categories`: the texts of each column, of which the first has code 1.
    """
    rows = training_rows(spec, dataset, 1)[0]
    single = not dataset.classes and dataset.y.ndim == 1
    deviation = float(dataset.y[rows].std()) if single else None
    return {
        "n_rows": len(rows),
        "target_deviation": deviation,
        "all_numbers": is_complete(dataset.X),
        "flat": dataset.X.ndim == 2,
        **({"categories": texts_of(dataset.X)} if spec.data.categorical else {}),
    }


def make_refit_problem(spec: StudySpec, dataset: Dataset, n_seeds: int) -> Problem:
    """Let every seed train on search rows; its validation rows are the test rows.

    Preprocessing is fitted on what a seed trains on. Training reads noisy labels where the
    study has them; the test rows' labels are as they came.

    Returns:
        The problem on the CPU in float32, its rows in D blocks of n + T.
    """
    draws = training_rows(spec, dataset, n_seeds)
    noisy = noisy_labels(dataset, spec.data.label_noise, spec.seed)
    weights = RowWeights.of(spec, dataset, noisy)
    by_class = class_weights(spec, dataset)
    test = weighed(dataset.weight_test, by_class, dataset.y_test)
    embed = spec.data.categorical == "embed"
    transforms = preprocessors(spec.data.scale, dataset.X, draws, embed=embed)
    blocks = [
        _block(transform, spec.data.scale, dataset, noisy, weights, test, rows)
        for transform, rows in zip(transforms, draws, strict=True)
    ]
    n, size = len(draws[0]), len(draws[0]) + len(dataset.y_test)
    starts = size * (np.arange(n_seeds) % len(draws))[:, None]
    return joined(
        spec, blocks, dataset, train=starts + np.arange(n), val=starts + np.arange(n, size),
        val_size=np.full(n_seeds, size - n),
        units=[blocks[s % len(blocks)].units for s in range(n_seeds)],
        replicates=[(0, seed) for seed in range(n_seeds)],
    )  # fmt: skip


def _block(
    transform: Transform, scale: str, dataset: Dataset, noisy: np.ndarray, weights: RowWeights,
    of_test: np.ndarray | None, rows: np.ndarray,
) -> Block:  # fmt: skip
    """Preprocess the rows of one draw, then the test rows: n + T."""
    X = _behind(transform(take(dataset.X, rows)), transform(dataset.X_test))
    y, y_clean = (np.concatenate([part[rows], dataset.y_test]) for part in (noisy, dataset.y))
    of_rows = (
        None if part is None or of_test is None else np.concatenate([part, of_test])
        for part in weights.part(rows)
    )
    return scaled(scale, dataset, rows, X, y, y_clean, RowWeights(*of_rows))


def _behind(rows: np.ndarray | Scaled, test: np.ndarray | Scaled) -> np.ndarray | Scaled:
    """Put the test rows behind others that are preprocessed alike."""
    if isinstance(rows, Scaled) and isinstance(test, Scaled):
        of_file = np.concatenate([rows.rows.rows, test.rows.rows])
        return rows._replace(rows=replace(rows.rows, rows=of_file))
    assert not isinstance(rows, Scaled) and not isinstance(test, Scaled)
    return np.concatenate([rows, test])


def describe_preprocessing(spec: StudySpec, dataset: Dataset, rows: np.ndarray) -> dict[str, Any]:
    """Say in plain data what preprocessing by training rows (n,) does to a row.

    Returns:
        One of, for features:
            `{}`: they are taken as they are;
            `mean`, `scale`: numbers (F,), in the order of a flattened row: (x - mean) / scale;
            `features`: one entry for each input of the network, of a table's `column`. Empty
            cells become `fill`; then (x - mean) / scale, or 1 where the cell `is` a text, else 0,
            or 1 + the place of the text in `codes`, 0 where it is not there.
        And `target: {mean, scale}`, where outputs times scale plus mean are in the user's units:
        numbers, or of several targets a list each.
    """
    scale = spec.data.scale
    found = _features(spec, dataset.X, rows)
    if TASKS[dataset.task].is_scaled:
        mean, deviation = target_scale(scale, dataset.y[rows])
        found["target"] = {"mean": mean.tolist(), "scale": deviation.tolist()}
    return found


def _features(spec: StudySpec, search: Features, rows: np.ndarray) -> dict[str, Any]:
    scale, embed = spec.data.scale, spec.data.categorical == "embed"
    if isinstance(search, TableRows):
        (columns,) = fit_columns(scale, search, [rows])
        return {"features": [*_numbers(columns.numbers), *_categories(columns.texts, embed)]}
    if not isinstance(search, np.ndarray | FileRows):
        table = fit_table(scale, search, take(search, rows), embed=embed)
        return {"features": [*_numbers([table]), *_categories(table.texts, embed)]}
    if scale == "none":
        return {}
    (scaler,) = fit_scalers(search, [rows])
    return {"mean": scaler.mean_.tolist(), "scale": scaler.scale_.tolist()}


def _numbers(parts: Sequence[FittedTable]) -> list[dict[str, Any]]:
    names = [name for part in parts for name in part.numbers]
    return [
        {
            "column": name,
            "fill": float(fill),
            "mean": float(mean),
            "scale": float(deviation),
        }
        for name, fill, mean, deviation in zip(names, *of_numbers(parts), strict=True)
    ]


def _categories(columns: Sequence[FittedTexts], embed: bool) -> list[dict[str, Any]]:
    """List an entry a category; it `is` null where no training row had it: always 0.

    Embedded, an entry a column; null stands in `codes` for what no training row had.
    """
    found: list[dict[str, Any]] = []
    for column in columns:
        fill = column.texts[column.fill - 1] if column.fill else None
        about = {"column": column.name, "fill": fill}
        known = zip(column.texts or [""], column.known[1:].tolist(), strict=True)
        texts = [text if is_known else None for text, is_known in known]
        if embed:
            found.append({**about, "codes": texts[: len(column.texts)]})
        else:
            found += [{**about, "is": text} for text in texts]
    return found
