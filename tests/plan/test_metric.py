"""A metric that is not defined on a fold is refused before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sweep.errors import UsageError
from sweep.plan.plan import make_plan
from sweep.spec.attributes import TARGET_SCALES
from tests.support.studies import tiny

ALONE = {"data__train_rows": None, "data__label_noise": 0.0}


def rows(folder: Path, y: Any, groups: Any = None) -> dict[str, Any]:
    X = np.random.default_rng(0).normal(size=(len(y), 3))
    more = {} if groups is None else {"groups": groups}
    np.savez(folder / "rows.npz", X=X, y=y, **more)
    return {**ALONE, "data__source": "rows.npz", "data__scale": "standard"}


def refused(folder: Path, **keys: Any) -> str:
    with pytest.raises(UsageError) as error:
        make_plan(tiny(folder, **keys))
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("metric", ["auc", "average_precision"])
def test_a_fold_without_a_class_is_named(tmp_path: Path, metric: str) -> None:
    groups = np.repeat(np.arange(8), 10)
    y = (groups % 4 == 0) * 1  # two groups have rows of the second class: two folds do without
    said = refused(tmp_path, **rows(tmp_path, y, groups), objective__metric=metric,
                   data__test_fraction=0.0)  # fmt: skip
    assert said.startswith(f"objective.metric: {metric} must have rows of every class")
    assert "in fold" in said and "rows.npz" in said
    make_plan(tiny(tmp_path, **rows(tmp_path, y, groups), data__test_fraction=0.0))


def test_it_is_said_who_can_bring_such_rows_into_a_fold(tmp_path: Path) -> None:
    label = np.where(np.arange(80) % 2, "cat", "dog")
    split = np.where((np.arange(80) < 20) & (label == "cat"), "validation", "train")
    table = pd.DataFrame({"x": np.arange(80.0), "label": label, "split": split})
    table.to_csv(tmp_path / "t.csv", index=False)
    said = refused(
        tmp_path, **ALONE, data__source="t.csv", data__target="label", data__split="split",
        data__test_fraction=0.0, objective__metric="auc", replicates__n_folds=1,
    )  # fmt: skip
    assert said.endswith("(t.csv). Mend data.split, or use another metric")
    groups = np.repeat(np.arange(8), 10)
    said = refused(
        tmp_path, **rows(tmp_path, groups * 1.0, groups), data__task="regression",
        data__test_fraction=0.0, objective__metric="r2", replicates__n_folds=1,
        replicates__holdout=0.1,
    )  # fmt: skip
    assert said.endswith("(rows.npz). Hold out more rows, or use another metric")


def test_a_fold_whose_targets_are_all_the_same_has_no_r2(tmp_path: Path) -> None:
    groups = np.repeat(np.arange(8), 10)
    y = np.where(groups < 4, 1.0, groups + np.random.default_rng(1).normal(size=80))
    said = refused(
        tmp_path, **rows(tmp_path, y, groups), data__task="regression", objective__metric="r2",
        replicates__n_folds=8, data__test_fraction=0.0,
    )  # fmt: skip
    assert said.startswith("objective.metric: r2 must have targets that differ")


def test_a_function_that_fails_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    (tmp_path / "scores.py").write_text("def gain(predictions, targets):\n    return 1 / 0\n")
    own = {"objective__metric": "python:scores:gain", "objective__direction": "maximize"}
    assert "must not fail, got ZeroDivisionError" in refused(tmp_path, **own)
    (tmp_path / "scores.py").write_text("def gain(predictions, targets):\n    return 1.0\n")
    plan = make_plan(tiny(tmp_path, **own))
    assert len(plan.about["metric_hash"]) == 16
    assert np.ravel(plan.about["constant"]).tolist() == [1.0] * 8


def test_a_function_may_not_be_defined_for_a_constant(tmp_path: Path) -> None:
    (tmp_path / "scores.py").write_text(
        "def gain(predictions, targets):\n    return float('nan')\n"
    )
    own = {"objective__metric": "python:scores:gain", "objective__direction": "maximize"}
    assert "constant" not in make_plan(tiny(tmp_path, **own)).about


def test_a_regression_knows_the_units_of_its_target(tmp_path: Path) -> None:
    diabetes = {"data__source": "sklearn:diabetes", "data__task": "regression",
                "data__scale": "standard", **ALONE}  # fmt: skip
    plan = make_plan(tiny(tmp_path, **diabetes))
    assert plan.about[TARGET_SCALES][0] == pytest.approx(plan.problem.y_scale.tolist())
    assert np.shape(plan.about[TARGET_SCALES]) == (2, 4)
    assert TARGET_SCALES not in make_plan(tiny(tmp_path)).about
