"""Remarks on a network, as the commands say them."""

from __future__ import annotations

import json
from pathlib import Path

import optuna
import pandas as pd
import pytest

import sweep
from tests.conftest import Command
from tests.support.studies import tiny

LINE = (
    "A normalisation makes the outputs independent of the size of 0.weight: there alpha changes"
    " the effective learning rate only, not how complex the network is"
)
SPARED = "Not penalised, although of two dimensions or more: 4.weight, 4.bias (part of a norm"
CODE = """\
from torch import nn

def make(n, c):
    layers = nn.Linear(n, 4), nn.BatchNorm1d(4), nn.Dropout(0.2), nn.Unflatten(1, (2, 2))
    return nn.Sequential(*layers, nn.LayerNorm([2, 2]), nn.Flatten(), nn.Linear(4, c))
"""


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(CODE)
    tiny(tmp_path)
    return "tiny.yaml"


SETS = ("--set", 'model={source: "python:own:make"}', "--set", "storage=sqlite:///x.db")


def test_validate_says_them(study: str, command: Command) -> None:
    shown = command("validate", study, *SETS)
    assert f"\nnote: {LINE}\n" in shown.out and f"\nnote: {SPARED}" in shown.out
    told = json.loads(command("validate", study, *SETS, "--json").out)
    assert told["notes"][1] == LINE and len(told["notes"]) == 2


def test_a_run_says_them_before_it_trains_and_in_its_verdict(study: str, command: Command) -> None:
    ran = command("run", study, *SETS, "--n-trials", "3")
    assert ran.code == 0
    first, second = ran.err.splitlines()[:2]
    assert first.startswith(f"note: {SPARED}") and second == f"note: {LINE}"
    shown = " ".join(ran.out.split())
    assert f"{LINE}." in shown and SPARED in shown
    again = json.loads(command("run", study, *SETS, "--n-trials", "3", "--json").out)
    assert LINE in again["notes"] and LINE in again["verdict"]
    stored = optuna.load_study(study_name=None, storage="sqlite:///x.db").user_attrs
    assert stored["remarks"][1] == {"kind": "scale_free", "about": ["0.weight"]}
    assert LINE in stored["verdict"]


def test_a_network_without_any_is_said_nothing_of(
    tiny_folder: Path, tiny: Path, command: Command
) -> None:
    assert "note:" not in command("validate", "tiny.yaml").out
    ran = command("run", "tiny.yaml")
    assert "note:" not in ran.err and "normalisation" not in ran.out


def test_looking_for_them_changes_no_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own.py").write_text(CODE)
    tables = []
    for name in ("looked", "not"):
        if name == "not":
            monkeypatch.setattr("sweep.plan.plan.network_remarks", lambda *_: ())
        spec = tiny(
            tmp_path, study_name=name, model={"source": "python:own:make"}, search__n_trials=4
        )
        result = sweep.run(spec)
        assert bool(result.study.user_attrs["remarks"]) == (name == "looked")
        tables.append(result.trials)
    pd.testing.assert_frame_equal(tables[0], tables[1], check_exact=True)
