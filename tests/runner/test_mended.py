"""A study whose first run came to no result begins anew with what has been mended since."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest

import sweep
from sweep.errors import SweepError, UsageError
from sweep.spec.files import load_spec

NET = """\
from torch import nn

class Net(nn.Module):
    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.last = nn.Linear(n_features, n_outputs)

    def forward(self, x):
        {line}
        return self.last(x)
"""
RAISES, MENDED = "assert not self.training or len(x) != 17", "x = 1.0 * x"
FILE = """\
study_name: mended
storage: sqlite:///{storage}.db
device: cpu
data: {{source: "sklearn:iris", train_rows: 60}}
model: {{source: "python:net:Net"}}
training: {{epochs: 2, batch_size: 17}}
search: {{n_trials: 3, space: {{alpha: {{low: 1e-4, high: 1e-1}}}}}}
replicates: {{n_folds: 3}}
"""


@pytest.fixture
def failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run a study whose network raises; return how to run it again with another line in it."""
    monkeypatch.chdir(tmp_path)

    def run(line: str = RAISES, storage: str = "failed", **keys: Any) -> pd.DataFrame:
        Path("net.py").write_text(NET.format(line=line))
        Path("study.yaml").write_text(FILE.format(storage=storage))
        given = {name.replace("__", "."): value for name, value in keys.items()}
        return sweep.run(load_spec("study.yaml", given)).trials

    with pytest.raises(SweepError, match="must train on every batch"):
        run()
    return run


def stored() -> optuna.Study:
    return optuna.load_study(study_name="mended", storage="sqlite:///failed.db")


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        (MENDED, {}),
        pytest.param(RAISES, {"training__batch_size": 20}, marks=pytest.mark.slow),
        (MENDED, {"search__space": {"alpha": {"low": 1e-3, "high": 1}}}),
    ],
    ids=["network", "setting", "range"],
)
def test_it_comes_to_the_trials_of_a_study_that_never_failed(
    failed: Callable[..., pd.DataFrame], line: str, keys: dict[str, Any]
) -> None:
    after, never = failed(line, **keys), failed(line, storage="never", **keys)
    columns = ["number", "state", "value", "alpha", "val_accuracy"]
    pd.testing.assert_frame_equal(after[columns], never[columns], check_exact=True)
    assert len(optuna.get_all_study_names("sqlite:///failed.db")) == 1


def test_as_it_was_it_fails_as_it_did(failed: Callable[..., Any]) -> None:
    before = stored()._study_id, len(stored().trials)
    with pytest.raises(SweepError, match="must train on every batch"):
        failed()
    assert (stored()._study_id, len(stored().trials)) == before


def _enqueue(study: optuna.Study) -> None:
    study.enqueue_trial({"alpha": 1e-2})


def _train_the_control(study: optuna.Study) -> None:
    study.set_user_attr("baseline", {"params": {"alpha": 0.0}, "value": 1.0})


@pytest.mark.parametrize("keep", [_enqueue, _train_the_control])
def test_what_is_worth_keeping_is_not_dropped(
    failed: Callable[..., Any], keep: Callable[[optuna.Study], None]
) -> None:
    keep(stored())
    before = len(stored().trials)
    with pytest.raises(UsageError, match=r"the model's file has other content.*--fresh"):
        failed(MENDED)
    assert len(stored().trials) == before
