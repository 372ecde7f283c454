"""Studies that divide their rows into folds more than once."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

import sweep
from sweep.config.refit import fit
from sweep.plan.plan import make_plan, on_partition
from sweep.result import StudyResult
from sweep.stats import standard_error
from tests.support.cases import few_fast, slow_but
from tests.support.reference import Loop, Penalty, train
from tests.support.studies import parse, refused, tiny

EXACT = ["number", "state", "value", "alpha", "train_loss", "norm", "outcome"]
TWICE: dict[str, Any] = {
    "replicates__n_folds": 3, "replicates__n_repeats": 2,
    # Without `auto`, whose end is the largest alpha_max of all replicates.
    "search__space__alpha": {"low": 1e-5, "high": 1.0},
}  # fmt: skip


def run(folder: Path, **overrides: Any) -> StudyResult:
    return sweep.run(tiny(folder, **{**TWICE, **overrides}))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> StudyResult:
    return run(tmp_path_factory.mktemp("whole"), training__width=24)


@pytest.mark.parametrize(("width", "workers"), few_fast([(1, 1), (4, 1), (12, 2)], 2))
def test_the_table_is_the_same_at_any_width_and_with_workers(
    tmp_path: Path, whole: StudyResult, width: int, workers: int
) -> None:
    other = run(tmp_path, training__width=width, training__workers=workers)
    pd.testing.assert_frame_equal(other.trials[EXACT], whole.trials[EXACT], rtol=2e-4)
    assert list(other.trials["alpha"]) == list(whole.trials["alpha"])


@pytest.mark.parametrize("epochs", slow_but((7,), [2, 7]))
def test_a_stopped_study_resumes_to_the_same_table(
    tmp_path: Path, whole: StudyResult, epochs: int
) -> None:
    calls, spec = iter(range(10**6)), tiny(tmp_path, **TWICE, training__width=24)
    assert sweep.run(spec, should_stop=lambda: next(calls) >= epochs).ending == "interrupted"
    again = sweep.run(spec).trials[EXACT]
    pd.testing.assert_frame_equal(again, whole.trials[EXACT], check_exact=True)


def test_the_first_repeat_trains_what_a_study_without_repeats_does(
    tmp_path: Path, whole: StudyResult
) -> None:
    alone = run(tmp_path, replicates__n_repeats=1, training__width=12)
    for trial, other in zip(whole.study.trials[:4], alone.study.trials[:4], strict=True):
        assert trial.params == other.params  # those that no result has been seen of
        ours, theirs = (t.user_attrs["replicate_values"] for t in (trial, other))
        np.testing.assert_allclose(ours[:3], theirs, rtol=1e-6)
        assert np.abs(np.subtract(ours[3:], theirs)).min() > 1e-4


@pytest.mark.parametrize("partition", [0, 1])
def test_each_replicate_is_what_a_plain_loop_trains(
    tmp_path: Path, whole: StudyResult, partition: int
) -> None:
    best = whole.best
    plan = on_partition(make_plan(tiny(tmp_path, **TWICE)), partition)
    stored = whole.study.user_attrs["confirmation"]["best"] if partition else best.attrs
    loop = Loop(
        optimizer="adam", lr=2e-2, penalty=Penalty(best.at, 0.0), epochs=4, batch_size=25,
        seed=plan.recipe.seed,
    )  # fmt: skip
    plain = [train(plan.problem, plan.factory, loop, r).losses[-1] for r in range(6)]
    np.testing.assert_allclose(stored["replicate_values"], plain, rtol=1e-5)


def test_errors_and_claims_are_those_of_folds_that_share_rows(whole: StudyResult) -> None:
    found, stored = whole.finished, whole.study.user_attrs
    for point in found.trials:
        values = np.reshape(point.replicate_values, (2, 3))
        variance = values.var(axis=1, ddof=1).mean() * (1 / 6 + 1 / 4)
        assert point.value_se == pytest.approx(variance**0.5)
    fresh, none = (stored["confirmation"][kind]["replicate_values"] for kind in ("best", "none"))
    gain = found.gain(whole.best)
    assert gain and gain.fresh
    assert gain.se == standard_error(np.subtract(none, fresh), 3, 2)
    assert gain.reach == pytest.approx(t.ppf(0.975, 4))
    assert found.interval(whole.best)[0] <= whole.best.at
    assert "6 fresh folds of 2 partitions" in whole.verdict


def test_rows_that_validate_twice_are_counted_once(tmp_path: Path) -> None:
    once, twice = (
        make_plan(tiny(tmp_path, replicates__n_folds=3, replicates__n_repeats=n)) for n in (1, 2)
    )
    assert once.about["n_val_rows"] == twice.about["n_val_rows"] == len(once.dataset.y)
    assert twice.spec.n_replicates == len(twice.problem.replicates) == 6
    assert [len(values) for values in twice.about["constant"]] == [6, 6]


def test_a_study_with_repeats_is_refitted_exported_and_reported(
    tmp_path: Path, whole: StudyResult
) -> None:
    config = whole.export(tmp_path / "config.yaml")
    assert config.exists()
    text = config.read_text()
    assert "n_repeats: 2" in text and "n_replicates: 6" in text
    page = sweep.report(whole, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "standard error over 6 folds of 2 partitions" in page
    fitted = fit(config)
    assert fitted.chosen.params == whole.best.params and fitted.n_rows == 60


@pytest.mark.parametrize(
    ("replicates", "message"),
    [
        ({"n_folds": 1, "n_repeats": 2}, "n_repeats: must be 1 where n_folds is 1, got 2. Raise"),
        ({"n_repeats": 0}, "replicates.n_repeats"),
        (
            {"n_folds": 10, "n_repeats": 101, "n_seeds": 2},
            "n_seeds: must be at most 2000 with n_folds multiplied, got 2 with n_folds 10 and"
            " n_repeats 101. Lower one of them",
        ),
    ],
)
def test_repeats_that_cannot_be_are_one_line(replicates: dict[str, int], message: str) -> None:
    assert message in refused(replicates=replicates)
    assert parse(replicates={"n_folds": 4, "n_repeats": 3}).n_replicates == 12
