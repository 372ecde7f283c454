"""The card says what the numbers are; both files appear whole, or neither."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from sweep.config.refit import fit, sentence
from sweep.errors import UsageError
from tests.support.configs import exported

IRIS: dict[str, Any] = {"data": {"source": "sklearn:iris", "train_rows": 40, "label_noise": 0.1}}


def test_the_card_says_what_was_done(tmp_path: Path) -> None:
    result = fit(exported(tmp_path, **IRIS))
    text = result.card_path.read_text()
    for part in (
        sentence(result),
        "params: alpha = 0.01 (selection `best`)",
        "mean loss + alpha * sum of squared weights",
        "trained on 40 rows (a new draw for every seed), 10% of their labels made wrong",
        "tested on 30 rows",
        f"| test loss | {result.chosen.estimates['loss']} | {result.none.estimates['loss']} |"
        f" {result.differences['loss']} | {result.saved['loss']:.4f} |",
        "over 8 seeds (first weights, order and draw of the rows); test loss and test accuracy"
        " also over the 30 test rows, a difference paired row by row. What training on other rows"
        " would give is left out.",
        "the lowest training loss; test rows were neither trained on nor used to choose it",
        "Guo et al. 2017",
        result.spec.spec_hash,
        f"seed index {result.saved_seed} of 8",
    ):
        assert part in text


def test_a_strength_on_the_line_is_no_trials(tmp_path: Path) -> None:
    config = exported(tmp_path, name="out/made.json", **IRIS)
    content = json.loads(config.read_text())
    content["provenance"]["trial_number"] = None
    config.write_text(json.dumps(content))
    text = fit(config).card_path.read_text()
    assert "* on the line through the best trial of the search, which trained on" in text


def test_what_else_the_steps_do_stands_in_the_card(tmp_path: Path) -> None:
    training = {
        "epochs": 2, "batch_size": 20, "clip_norm": 0.5, "schedule": "linear",
        "augment": ["mixup", "noise"], "precision": "bfloat16",
    }  # fmt: skip
    result = fit(exported(tmp_path, data={"source": "sklearn:iris"}, training=training))
    assert (
        "2 epochs, 20 rows a step, lr falling to 0 on a line, the loss's gradient clipped to norm"
        " 0.5 first, products in bfloat16, rows changed at every step by mixup, noise"
    ) in result.card_path.read_text(encoding="utf-8")


def test_warnings_stand_in_the_card(tmp_path: Path) -> None:
    result = fit(exported(tmp_path, data={"source": "sklearn:iris"}))
    (line,) = result.warnings
    assert f"**Note**: {line}." in result.card_path.read_text()


def test_remarks_on_the_network_stand_in_the_card(tmp_path: Path) -> None:
    code = "from torch import nn\ndef make(n, c):\n"
    code += "    return nn.Sequential(nn.Linear(n, 4), nn.BatchNorm1d(4), nn.Linear(4, c))\n"
    (tmp_path / "own.py").write_text(code)
    result = fit(exported(tmp_path, **IRIS, model={"source": "python:own:make"}))
    line = "independent of the size of 0.weight: there alpha changes the effective learning rate"
    assert line in result.warnings[0]
    assert f"**Note**: {result.warnings[0]}." in result.card_path.read_text()


def test_a_refit_whose_last_batch_is_too_small_for_the_network_is_refused(tmp_path: Path) -> None:
    code = "from torch import nn\ndef make(n, c):\n"
    code += "    return nn.Sequential(nn.Linear(n, 4), nn.BatchNorm1d(4), nn.Linear(4, c))\n"
    (tmp_path / "own.py").write_text(code)
    data, training = {"source": "sklearn:iris"}, {"batch_size": 119}  # of 120 rows; 80 in a fold
    config = exported(tmp_path, data=data, model={"source": "python:own:make"}, training=training)
    with pytest.raises(
        UsageError, match=r"^training\.batch_size: must leave .* got 119 .* Search"
    ):
        fit(config)


def test_regression_has_no_calibration(tmp_path: Path) -> None:
    data = {"source": "sklearn:diabetes", "task": "regression"}
    text = fit(exported(tmp_path, data=data)).card_path.read_text()
    assert "test R²" in text and "mean squared error of the target as scaled" in text
    assert "calibration" not in text and "accuracy" not in text


def test_a_folder_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    config = exported(tmp_path, **IRIS)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"^--output: must be a file that can be written, got"):
        fit(config, tmp_path / "file" / "net.safetensors")


@pytest.mark.parametrize("blocked", ["net.safetensors", "net.md"])
def test_where_one_file_cannot_be_neither_is(blocked: str, tmp_path: Path) -> None:
    config = exported(tmp_path, **IRIS)
    (tmp_path / blocked).mkdir()
    with pytest.raises(UsageError, match=rf"{blocked}: Is a directory\. Name another with -o"):
        fit(config, tmp_path / "net.safetensors")
    assert {path.name for path in tmp_path.iterdir()} == {"out", blocked}


def test_an_interrupt_leaves_the_old_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = exported(tmp_path, **IRIS)
    old = fit(config)
    contents = old.weights_path.read_bytes(), old.card_path.read_text()

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "chmod", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fit(config)
    assert (old.weights_path.read_bytes(), old.card_path.read_text()) == contents
    assert len(list(config.parent.iterdir())) == 3


def test_the_files_are_readable_like_others(tmp_path: Path) -> None:
    result = fit(exported(tmp_path, **IRIS))
    for path in (result.weights_path, result.card_path):
        assert path.stat().st_mode & 0o777 == 0o644
