"""What a trial is worth."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweep.runner.valuation import valued
from sweep.spec.resolved import Outline, Range
from sweep.training.messages import N_BINS, Measures
from tests.support.studies import tiny

RESULT = Measures(
    val_loss=np.array([1.0, 2.0, 3.0, 6.0]),
    val_score=np.array([0.9, 0.8, 0.7, 0.6]),
    metric=np.array([1.0, 2.0, 3.0, 6.0]),
    train_loss=np.array([0.5, 0.5, 1.5, 1.5]),
    train_loss_clean=np.array([0.25, 0.25, 0.75, 0.75]),
    norm=np.array([10.0, 20.0, 30.0, 40.0]),
    layer_norms=np.array([[6.0, 4.0], [12.0, 8.0], [20.0, 10.0], [30.0, 10.0]]),
    sparsity=np.array([0.0, 0.5, 1.0, 0.5]),
    kept=np.array([2.0, 1.0, 0.5, 0.1]),
    inputs_used=np.array([4.0, 3.0, 2.0, 1.0]),
    weight_counts=np.ones((4, N_BINS)),
)


def outline(folder: Path, **overrides: Any) -> Outline:
    return Outline(tiny(folder, **overrides), Range(1e-6, 1.0), 8, 1, "", {})


def test_a_value_is_the_mean_over_replicates_with_its_error_over_folds(tmp_path: Path) -> None:
    value, attrs = valued(outline(tmp_path), {"alpha": 0.1}, RESULT)
    assert value == 3.0
    assert attrs["replicate_values"] == [1.0, 2.0, 3.0, 6.0]
    assert attrs["value_se"] == pytest.approx(math.sqrt(14 / 3 / 4))


def test_both_terms_of_the_objective_are_attributes(tmp_path: Path) -> None:
    _, attrs = valued(outline(tmp_path), {"alpha": 0.1}, RESULT)
    assert attrs["train_loss"] == 1.0 and attrs["train_loss_clean"] == 0.5
    assert attrs["norm"] == 25.0 and attrs["penalty"] == 2.5
    assert (attrs["sparsity"], attrs["inputs_used"]) == (0.5, 2.5)
    assert attrs["weight_counts"] == [4] * N_BINS


def test_the_sizes_of_layers_are_kept_where_they_come_to_a_balance(tmp_path: Path) -> None:
    plan = outline(tmp_path)
    assert "layer_norms" not in valued(plan, {"alpha": 0.1}, RESULT)[1]
    plan = replace(plan, about={"balanced": [["a", "b"]]})
    assert valued(plan, {"alpha": 0.1}, RESULT)[1]["layer_norms"] == [17.0, 8.0]


def test_the_error_rate_may_be_the_objective(tmp_path: Path) -> None:
    result = replace(RESULT, metric=1 - RESULT.val_score)
    value, attrs = valued(outline(tmp_path, objective__metric="val_error"), {"alpha": 1}, result)
    assert value == pytest.approx(0.25)
    assert attrs["val_accuracy"] == pytest.approx(0.75)


def test_a_regression_has_r2(tmp_path: Path) -> None:
    _, attrs = valued(
        outline(tmp_path, data__task="regression", data__label_noise=0.0), {"alpha": 1.0}, RESULT
    )
    assert attrs["val_r2"] == pytest.approx(0.75) and "val_accuracy" not in attrs


def test_without_noise_there_is_one_training_loss(tmp_path: Path) -> None:
    _, attrs = valued(outline(tmp_path, data__label_noise=0.0), {"alpha": 1.0}, RESULT)
    assert "train_loss_clean" not in attrs


def test_decoupled_decay_is_no_term_of_the_loss(tmp_path: Path) -> None:
    plan = outline(tmp_path, training={"optimizer": "adamw", "epochs": 2})
    assert "penalty" not in valued(plan, {"weight_decay": 0.1}, RESULT)[1]


@pytest.mark.parametrize(
    ("zeros", "kept", "outcome"),
    [
        ([1.0] * 4, [1.0] * 4, "collapsed"),
        ([1, 1, 1, 0.99], [1.0] * 4, "ok"),
        ([0.0] * 4, [9e-4] * 4, "collapsed"),
        ([0.0] * 4, [9e-4, 9e-4, 9e-4, 1.1e-3], "ok"),
        ([1, 0, 0, 0], [1.0, 9e-4, 9e-4, 9e-4], "collapsed"),
    ],
)
def test_a_trial_has_collapsed_where_all_its_replicates_have(
    tmp_path: Path, zeros: list[float], kept: list[float], outcome: str
) -> None:
    result = replace(RESULT, sparsity=np.array(zeros), kept=np.array(kept))
    assert valued(outline(tmp_path), {"alpha": 1.0}, result)[1]["outcome"] == outcome


@pytest.mark.parametrize(
    ("scores", "mean"), [([math.nan, 0.5, 0.25, math.nan], 0.375), ([math.nan] * 4, None)]
)
def test_r2_leaves_out_replicates_whose_targets_are_all_the_same(
    tmp_path: Path, scores: list[float], mean: float | None
) -> None:
    plan = outline(tmp_path, data__task="regression", data__label_noise=0.0)
    _, attrs = valued(plan, {"alpha": 1.0}, replace(RESULT, val_score=np.array(scores)))
    assert attrs.get("val_r2") == mean


def test_a_metric_beside_the_loss_is_an_attribute(tmp_path: Path) -> None:
    result = replace(RESULT, metric=np.array([0.5, 0.7, 0.9, 0.9]))
    value, attrs = valued(outline(tmp_path, objective__metric="f1"), {"alpha": 1.0}, result)
    assert value == 3.0 and attrs["replicate_values"] == [1.0, 2.0, 3.0, 6.0]
    assert attrs["metric"] == pytest.approx(0.75)
    assert attrs["replicate_metrics"] == [0.5, 0.7, 0.9, 0.9]
    assert attrs["metric_se"] == pytest.approx(np.std(result.metric, ddof=1) / 2)


def test_where_a_metric_is_the_value_the_loss_is_an_attribute(tmp_path: Path) -> None:
    result = replace(RESULT, metric=np.array([0.5, 0.7, 0.9, 0.9]))
    value, attrs = valued(outline(tmp_path, objective__metric="auc"), {"alpha": 1.0}, result)
    assert value == pytest.approx(0.75) and attrs["val_loss"] == 3.0
    assert "metric" not in attrs
    for metric in ("val_loss", "val_error"):  # whose tables stay as they have always been
        _, attrs = valued(outline(tmp_path, objective__metric=metric), {"alpha": 1.0}, RESULT)
        assert not attrs.keys() & {"val_loss", "metric"}
