"""`sweep init --from` writes a study file for data that nobody described."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from sweep.cli.app import app
from sweep.data.guess import guess
from sweep.errors import UsageError
from sweep.spec.files import load_spec, parse_spec
from tests.data.test_guess import CASES

ROWS = "size,colour,weird: name,label\n" + "".join(
    f"{i * 7 % 31},{'red' if i % 3 else 'blue'},{i % 5},{'cat' if i % 2 else 'dog'}\n"
    for i in range(80)
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text(ROWS)
    return tmp_path


def said(*arguments: str) -> str:
    ended = CliRunner().invoke(app, ["init", *arguments], catch_exceptions=False)
    assert ended.exit_code == 0
    return ended.output


def test_the_file_says_why_and_validates(folder: Path) -> None:
    output = said("new.yaml", "--from", "rows.csv")
    assert "target: label (columns of this name are mostly targets)" in output
    assert output.endswith("next: sweep validate new.yaml, sweep run new.yaml\n")
    text = (folder / "new.yaml").read_text()
    assert "# label has 2 different texts" in text
    assert max(map(len, text.splitlines()[1:])) <= 99
    spec = load_spec("new.yaml")
    assert (spec.study_name, spec.data.source, spec.data.target) == ("rows", "rows.csv", "label")
    ended = CliRunner().invoke(app, ["validate", "new.yaml"], catch_exceptions=False)
    assert ended.exit_code == 0


def test_a_comment_that_is_too_long_stands_above_its_line(folder: Path) -> None:
    names = [f"a_column_with_a_name_that_is_long_{i}" for i in range(9)]
    lines = [",".join([*names, "label"])]
    lines += [",".join([*(str((i * k) % 7) for k in range(9)), str(i % 2)]) for i in range(60)]
    (folder / "rows.csv").write_text("\n".join(lines))
    said("new.yaml", "--from", "rows.csv")
    text = (folder / "new.yaml").read_text()
    above = text.partition("\n  target: label\n")[0].splitlines()
    assert all(line.startswith("  # ") for line in above[-3:])
    assert names[4] in " ".join(above) and "…" not in text
    assert max(map(len, text.splitlines()[1:])) <= 99


def test_rows_without_a_target_have_a_key_that_waits(folder: Path) -> None:
    (folder / "rows.csv").write_text(ROWS.replace("dog", "", 3))
    assert "3 of 80 rows have no label" in said("new.yaml", "--from", "rows.csv")
    text = (folder / "new.yaml").read_text()
    waits = "  # drop_missing_target: true "
    assert waits in text and "NOT YET READY" in text
    (folder / "new.yaml").write_text(text.replace(waits, waits.replace("# ", "")))
    ended = CliRunner().invoke(app, ["validate", "new.yaml"], catch_exceptions=False)
    assert ended.exit_code == 0


def test_the_file_may_lie_elsewhere(folder: Path) -> None:
    (folder / "studies").mkdir()
    said("studies/new.yaml", "--from", "rows.csv")
    assert load_spec("studies/new.yaml").data.source == "../rows.csv"


@pytest.mark.parametrize("name", CASES)
def test_the_text_is_the_guess(folder: Path, name: str) -> None:
    CASES[name].make().to_csv("rows.csv", index=False)
    said("new.yaml", "--from", "rows.csv")
    study = guess("rows.csv", folder).study("rows")
    assert load_spec("new.yaml") == parse_spec(study, "new.yaml", Path())
    assert ("NOT YET READY" in (folder / "new.yaml").read_text()) == (name == "a target with gaps")


def test_json_tells_the_guess_and_writes_nothing(folder: Path) -> None:
    told = json.loads(said("new.yaml", "--from", "rows.csv", "--json", "--target", "colour"))
    assert (told["target"], told["task"], told["problem"]) == ("colour", "classification", None)
    assert told["study"]["data"]["target"] == "colour"
    assert told["text"].startswith("# yaml-language-server")
    assert told["others"] == ["size", "weird: name", "label"]
    assert not (folder / "new.yaml").exists()


def test_a_target_needs_data(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ended = CliRunner().invoke(app, ["init", "new.yaml", "--target", "label"])
    assert "--target and --json go with --from" in str(ended.exception)


def test_a_folder_that_is_not_there_is_named(folder: Path) -> None:
    ended = CliRunner().invoke(app, ["init", "nowhere/x.yaml", "--from", "rows.csv"])
    assert isinstance(ended.exception, UsageError)
    assert str(ended.exception) == (
        "init: must be in a folder that exists, got nowhere. Make it first"
    )


def test_a_column_of_images_is_the_features(folder: Path) -> None:
    draw = np.random.default_rng(0)
    (folder / "small").mkdir()
    lines = ["file,width,label"]
    for i in range(40):
        Image.fromarray(draw.integers(0, 256, (4, 5), dtype=np.uint8)).save(f"small/{i}.PNG")
        lines.append(f"small/{i}.PNG,{i % 7},{'cat' if i % 2 else 'dog'}")
    (folder / "pets.csv").write_text("\n".join(lines))
    assert "images: file (its files" in said("pets.yaml", "--from", "pets.csv")
    data = load_spec("pets.yaml").data
    assert (data.images, data.columns, data.target) == ("file", None, "label")
    ended = CliRunner().invoke(app, ["validate", "pets.yaml"], catch_exceptions=False)
    assert ended.exit_code == 0 and "left out: 'width'" in ended.output
    (folder / "small" / "0.PNG").unlink()  # names of files that are elsewhere are but texts
    guessed = guess("pets.csv", folder)
    assert (guessed.images, guessed.n_features) == (None, 1)
