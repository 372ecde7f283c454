"""What a run returns in Python: the study as it lies in the storage."""

import html
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

import sweep
from sweep.config.export import read_config
from sweep.errors import SweepError, UsageError
from sweep.result import load_result
from tests.conftest import Command

URL = "sqlite:///tiny.db"


def test_a_finished_study_is_read_again(tiny: Path) -> None:
    ran = sweep.run(sweep.load_spec("tiny.yaml"))
    read = load_result("tiny", URL)
    assert ran.ending == read.ending == "done"
    assert ran.best == read.best
    assert ran.verdict == read.verdict == read.study.user_attrs["verdict"]


def test_trials_are_a_table(tiny: Path) -> None:
    result = load_result("tiny", URL)
    table = result.trials
    assert list(table["number"]) == list(range(6))
    assert set(table["state"]) == {"COMPLETE"}
    best = table.sort_values("value").iloc[0]
    assert (best["number"], best["value"]) == (result.best.number, result.best.value)
    assert {"alpha", "value_se", "train_loss", "val_accuracy", "norm", "penalty", "sparsity"} <= {
        *table.columns
    }
    assert table["penalty"].to_list() == pytest.approx((table["alpha"] * table["norm"]).to_list())


def test_columns_are_tidy(tiny: Path) -> None:
    table = load_result("tiny", URL).trials
    assert list(table.columns[:5]) == ["number", "state", "value", "value_se", "alpha"]
    assert table.columns[-1] == "replicate_values" and table.columns.is_unique
    lists = [name for name in table if isinstance(table[name].iloc[0], list)]
    assert lists == ["replicate_values"]
    means = table["replicate_values"].map(lambda values: sum(values) / len(values))
    assert means.to_list() == pytest.approx(table["value"].to_list())


def test_choices_are_a_table(tiny: Path) -> None:
    result = load_result("tiny", URL)
    table = result.choices.set_index("choice")
    assert list(table.index) == ["constant", "no penalty", "best", "1se"]
    assert table.loc["no penalty", "alpha"] == 0
    assert table.loc["best", "value"] == result.best.value
    assert table.loc["1se", "alpha"] == result.choice("1se").params["alpha"]
    assert {"value_se", "val_accuracy", "norm", "sparsity", "inputs_used"} <= {*table.columns}


def test_a_notebook_shows_the_verdict_and_the_choices(tiny: Path) -> None:
    result = load_result("tiny", URL)
    shown = result._repr_html_()
    assert html.escape(result.verdict) in shown
    assert shown.count("<tr") == 5 and "no penalty" in shown
    optuna.create_study(study_name="<b>", storage=URL)
    empty = load_result("<b>", URL)._repr_html_()
    assert "&lt;b&gt;" in empty and "must be one of sweep" in empty


def test_a_result_is_exported_as_by_the_command(tiny: Path, command: Command) -> None:
    result = load_result("tiny", URL)
    path = result.export("mine.yaml", "1se")
    assert command("export", "tiny.yaml", "--select", "1se", "-o", "theirs.yaml").code == 0
    mine, theirs = read_config(path), read_config(Path("theirs.yaml"))
    for config in (mine, theirs):
        del config["provenance"]["date"]
    assert mine == theirs


def test_the_study_is_optunas(tiny: Path) -> None:
    result = load_result("tiny", URL)
    assert isinstance(result.study, optuna.Study)
    assert result.study.best_value == result.best.value == result.choice("best").value


def test_a_figure_by_name(tiny: Path) -> None:
    result = load_result("tiny", URL)
    assert result.figure() == result.figure("validation_curve")
    with pytest.raises(UsageError, match=r"figure: must be one of"):
        result.figure("loss")


def test_a_study_without_results_has_no_best(tiny: Path) -> None:
    optuna.create_study(study_name="empty", storage=URL)
    result = load_result("empty", URL)
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
    assert second.trials["value"].to_list() == load_result("tiny", URL).trials["value"].to_list()


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda _: sweep.run("tiny.yaml"), "spec: must be a study as load_spec returns it"),  # type: ignore[arg-type]
        (lambda _: sweep.transfer({"seed": 0}), "spec: must be a study as load_spec returns it"),  # type: ignore[arg-type]
        (lambda _: sweep.report("tiny.yaml", "o.html"), "report: must have results of studies"),  # type: ignore[arg-type]
        (lambda _: sweep.transfer(sweep.load_spec("tiny.yaml"), rows=90, hidden=8), "got rows 90"),
        (
            lambda _: sweep.transfer(sweep.load_spec("tiny.yaml"), fixed="step"),  # type: ignore[arg-type]
            "fixed: must be epochs or steps, got 'step'",
        ),
        (lambda result: result.choice("2se"), "selection: must be best or 1se, got '2se'"),
        (lambda result: result.export("o.yaml", "2se"), "selection: must be best or 1se, got"),
    ],
)  # fmt: skip
def test_what_no_function_takes_is_refused_in_one_line(
    tiny: Path, call: Callable[[sweep.StudyResult], Any], line: str
) -> None:
    before = sorted(tiny.rglob("*"))
    with pytest.raises(sweep.UsageError) as caught:
        call(sweep.load_result("tiny.yaml"))
    assert line in str(caught.value) and "\n" not in str(caught.value)
    assert sorted(tiny.rglob("*")) == before
