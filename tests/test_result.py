"""What a run returns in Python: the study as it lies in the storage."""

from pathlib import Path

import optuna
import pytest

import sweep
from sweep.errors import SweepError, UsageError
from sweep.result import load_result

URL = "sqlite:///tiny.db"


def test_a_finished_study_is_read_again(tiny: Path) -> None:
    ran = sweep.run(sweep.load_spec("tiny.yaml"))
    read = load_result(URL, "tiny")
    assert ran.ending == read.ending == "done"
    assert ran.best == read.best
    assert ran.verdict == read.verdict == read.study.user_attrs["verdict"]


def test_trials_are_a_table(tiny: Path) -> None:
    result = load_result(URL, "tiny")
    table = result.trials
    assert list(table["number"]) == list(range(6))
    assert set(table["state"]) == {"COMPLETE"}
    best = table.sort_values("value").iloc[0]
    assert (best["number"], best["value"]) == (result.best.number, result.best.value)
    assert {"alpha", "value_se", "train_loss", "val_accuracy", "norm", "penalty", "sparsity"} <= {
        *table.columns
    }
    assert table["penalty"].to_list() == pytest.approx((table["alpha"] * table["norm"]).to_list())


def test_the_study_is_optunas(tiny: Path) -> None:
    result = load_result(URL, "tiny")
    assert isinstance(result.study, optuna.Study)
    assert result.study.best_value == result.best.value == result.choice("best").value


def test_a_figure_by_name(tiny: Path) -> None:
    result = load_result(URL, "tiny")
    assert result.figure() == result.figure("validation_curve")
    with pytest.raises(UsageError, match=r"figure: must be one of"):
        result.figure("loss")


def test_a_study_without_results_has_no_best(tiny: Path) -> None:
    optuna.create_study(study_name="empty", storage=URL)
    result = load_result(URL, "empty")
    assert result.trials.empty
    with pytest.raises(SweepError):
        _ = result.best


def test_a_run_that_is_stopped_says_so_and_goes_on_later(tiny: Path) -> None:
    spec = sweep.load_spec("tiny.yaml", {"study_name": "stopped"})
    asked = iter([False, True])
    first = sweep.run(spec, should_stop=lambda: next(asked))
    assert first.ending == "interrupted"
    assert "verdict" not in first.study.user_attrs
    second = sweep.run(spec)
    assert second.ending == "done"
    assert second.trials["value"].to_list() == load_result(URL, "tiny").trials["value"].to_list()


def test_the_public_names_are_there() -> None:
    for name in sweep.__all__:
        assert getattr(sweep, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = sweep.nothing
