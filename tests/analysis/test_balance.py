"""The balance of layers tells how far from rest training ended."""

from pathlib import Path

import numpy as np
import pytest

import sweep
from sweep.analysis.balance import factor_of, imbalance, sentence
from sweep.analysis.selection import Finished
from sweep.reporting.page import make_page
from sweep.reporting.tables import key_numbers
from tests.support.studies import tiny

PAIRS = [("a", "b"), ("b", "c"), ("x", "y")]


def test_the_largest_factor_within_a_chain_counts() -> None:
    norms = {"a": 1.0, "b": 2.0, "c": 3.0, "x": 50.0, "y": 100.0}
    assert imbalance(norms, PAIRS) == 3.0
    assert imbalance({**norms, "y": 500.0}, PAIRS) == 10.0
    assert imbalance(norms, PAIRS[:1]) == 2.0


def test_nothing_is_told_without_pairs_or_weights() -> None:
    assert imbalance({"a": 1.0}, []) is None
    assert imbalance({"a": 1.0, "b": 0.0}, PAIRS[:1]) is None
    assert imbalance({"a": 1.0}, PAIRS[:1]) is None


@pytest.mark.parametrize(
    ("factor", "said"), [(1.0, "has settled"), (1.05, "has settled"), (1.3, "has not yet settled")]
)
def test_a_factor_is_said_in_words(factor: float, said: str) -> None:
    assert f"by a factor of {factor:.3g}: training {said}, where" in sentence(factor)


def test_report_and_table_tell_it_of_strengths_alone(tmp_path: Path) -> None:
    study = sweep.run(tiny(tmp_path, search__n_trials=3)).study
    finished = Finished.read(study)
    best = finished.choose("best")
    factor = factor_of(finished, best)
    assert factor and factor > 1.05
    norms = best.attrs["layer_norms"]
    assert sum(norms) == pytest.approx(best.attrs["norm"], rel=1e-5)
    assert factor == pytest.approx(max(norms) / min(norms))
    assert finished.baseline and factor_of(finished, finished.baseline) is None
    table = key_numbers(finished)
    (row,) = (row for row in table.rows if row[0] == "layers' penalties differ by")
    assert dict(zip(table.header[1:], row[1:], strict=True))["best"] == f"× {factor:.3g}"
    assert dict(zip(table.header[1:], row[1:], strict=True))["no penalty"] == "–"
    assert "training has not yet settled" in make_page([(study, finished)])


def test_a_network_that_need_not_come_to_a_balance_is_silent(tmp_path: Path) -> None:
    study = sweep.run(tiny(tmp_path, search__n_trials=2, model__activation="tanh")).study
    finished = Finished.read(study)
    assert "layer_norms" not in finished.trials[0].attrs
    assert not any("differ by" in row[0] for row in key_numbers(finished).rows)
    assert "settled" not in make_page([(study, finished)]).split("<script")[0]


@pytest.mark.slow
def test_a_network_trained_to_rest_is_balanced_whatever_its_strength(tmp_path: Path) -> None:
    spec = tiny(
        tmp_path, search__n_trials=3, training__epochs=6000, training__batch_size="full",
        training__lr=5e-3, model__hidden=[8, 6], replicates__n_folds=2,
        search__space__alpha={"low": 1e-3, "high": 1e-2}, search__sampler__type="grid",
    )  # fmt: skip
    finished = sweep.run(spec).finished
    factors = [factor_of(finished, point) for point in finished.trials]
    assert len(factors) == 3 and all(factors)
    np.testing.assert_allclose(np.array(factors, dtype=float), 1.0, atol=0.01)
