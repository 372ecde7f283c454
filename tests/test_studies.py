"""Every shipped study runs: some of them shortened by default, all whole where marked slow."""

import runpy
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from optuna.trial import TrialState

import sweep
from sweep.analysis.selection import Finished
from sweep.result import StudyResult
from tests.support import postgres
from tests.support.studies import tiny

STUDIES = sorted((Path(__file__).parent.parent / "studies").glob("*.yaml"))
SHORT = ("diabetes-elastic", "digits-l1", "digits-transformer", "own-model")  # by default


def run(study: Path, folder: Path, **overrides: Any) -> StudyResult:
    given = {"storage": f"sqlite:///{folder}/studies.db", "device": "cpu", **overrides}
    return sweep.run(sweep.load_spec(study, given))


@pytest.mark.parametrize(
    "study",
    [
        pytest.param(path, id=path.stem, marks=[pytest.mark.slow] * (path.stem not in SHORT))
        for path in STUDIES
    ],
)
def test_a_shipped_study_runs(study: Path, tmp_path: Path) -> None:
    result = run(study, tmp_path, **{"search.n_trials": 3, "training.epochs": 2})
    assert result.ending == "done"
    assert {trial.state for trial in result.study.trials} == {TrialState.COMPLETE}
    assert len(result.study.trials) == 3 and result.verdict


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Finished]:
    """Whole studies, each run once."""
    return cache(lambda study: run(study, tmp_path_factory.mktemp(study.stem)).finished)


@pytest.mark.slow
@pytest.mark.parametrize("study", STUDIES, ids=lambda path: path.stem)
def test_a_whole_shipped_study_ends_with_a_better_network_than_no_penalty(
    whole: Callable[[Path], Finished], study: Path
) -> None:
    finished = whole(study)
    best = finished.choose("best")
    gain = finished.gain(best)
    assert gain and gain.se is not None and gain.fresh
    assert gain.by > 0
    if study.stem.startswith(("digits", "mnist", "own")):
        assert gain.by > 2 * gain.se
        assert finished.at_edge(best) is None


@pytest.mark.slow
def test_the_default_study_finds_the_known_curve(whole: Callable[[Path], Finished]) -> None:
    """The figures of an independent serial run of this problem, to three of its errors."""
    finished = whole(STUDIES[0].parent / "digits-l2.yaml")
    best = finished.choose("best")
    assert finished.baseline is not None and finished.alpha_max is not None
    assert finished.baseline.value == pytest.approx(0.912, abs=0.2)
    assert best.value == pytest.approx(0.589, abs=0.07)
    assert best.attrs["val_accuracy"] == pytest.approx(0.855, abs=0.03)
    assert finished.alpha_max / 130 < best.params["alpha"] < finished.alpha_max / 10


@pytest.mark.slow
def test_a_study_in_postgresql_has_the_table_of_one_in_sqlite(tmp_path: Path) -> None:
    columns = ["number", "state", "value", "alpha", "norm"]
    here = sweep.run(tiny(tmp_path)).trials[columns]
    with postgres.shared_server().database() as url:
        there = sweep.run(tiny(tmp_path, storage=url)).trials[columns]
        again = sweep.run(tiny(tmp_path, storage=url)).trials[columns]
    pd.testing.assert_frame_equal(here, there, check_exact=True)
    pd.testing.assert_frame_equal(there, again, check_exact=True)


def test_the_notebook_runs_from_top_to_bottom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(STUDIES[0].parent, tmp_path / "studies", ignore=shutil.ignore_patterns("out"))
    monkeypatch.chdir(tmp_path)
    names = runpy.run_path("studies/notebook.py")
    printed = capsys.readouterr().out
    assert names["result"].verdict in printed
    assert names["config"].alpha == names["result"].best.params["alpha"]
    assert f"weight_decay = {2 * names['config'].alpha:.3g}" in printed
    assert (tmp_path / "studies" / "out" / "studies.db").exists()
