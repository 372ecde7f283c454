"""Studies and configs that sweep 0.1 wrote, whose seed lay in `search.sampler`, go on working.

golden/ holds four of six trials of a study, and its exported configs, as that version left them.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pytest
from ruamel.yaml import YAML

import sweep
from sweep.config.refit import fit
from sweep.errors import UsageError
from sweep.spec.files import load_spec, parse_spec
from sweep.spec.stored import hashes, stored_spec, upgraded
from tests.conftest import Command
from tests.support.studies import parse

GOLDEN = Path(__file__).parent / "golden"
URL = "sqlite:///old.db"
TODAY = """\
study_name: old
seed: 3
storage: sqlite:///old.db
device: cpu
data: {source: "sklearn:iris", train_rows: 60}
model: {hidden: [4]}
training: {epochs: 3, batch_size: 20}
search:
  n_trials: 6
  sampler: {type: random}
  space: {alpha: {low: 1e-4, high: 1e-1}}
replicates: {n_folds: 3}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: the old storage, its configs, and the study file of today."""
    with closing(sqlite3.connect(tmp_path / "old.db")) as connection:
        connection.executescript((GOLDEN / "sweep_0_1.sql").read_text(encoding="utf-8"))
    for config in GOLDEN.glob("sweep_0_1.*ml"):
        shutil.copy(config, tmp_path)
    (tmp_path / "old.yaml").write_text(TODAY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def trials(storage: str = URL) -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(study_name="old", storage=storage).get_trials()


def test_an_old_study_goes_on_to_the_trial_table_of_an_uninterrupted_one(folder: Path) -> None:
    before = trials()
    sweep.run(load_spec("old.yaml"))
    sweep.run(load_spec("old.yaml", {"storage": "sqlite:///whole.db"}))
    after, whole = trials(), trials("sqlite:///whole.db")
    assert [t.params for t in after] == [t.params for t in whole]
    assert [t.values for t in after[:4]] == [t.values for t in before]  # not trained again
    assert [t.value for t in after] == pytest.approx([t.value for t in whole], rel=1e-4)
    assert after[4].user_attrs == whole[4].user_attrs and after[5].values == whole[5].values


def test_once_gone_on_with_it_is_stored_in_todays_form(folder: Path) -> None:
    spec = load_spec("old.yaml")
    sweep.run(spec)
    attrs = optuna.load_study(study_name="old", storage=URL).user_attrs
    assert attrs["spec"]["seed"] == 3 and "seed" not in attrs["spec"]["search"]["sampler"]
    assert attrs["spec_hash"] == spec.spec_hash


def test_another_seed_than_the_old_one_is_refused_by_its_name(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"another spec: seed was 3, is 0 \("):
        sweep.run(load_spec("old.yaml", {"seed": 0}))


def test_the_old_study_is_exported_in_todays_form(folder: Path, command: Command) -> None:
    assert command("export", "old", "--storage", URL, "-o", "new.yaml").code == 0
    config = YAML(typ="safe", pure=True).load(Path("new.yaml"))
    assert config["spec"]["seed"] == config["provenance"]["seed"] == 3
    assert config["provenance"]["spec_hash"] in hashes(config["spec"])
    assert load_spec("old.yaml").spec_hash == config["provenance"]["spec_hash"]


def test_the_old_study_is_reported(folder: Path, command: Command) -> None:
    assert command("report", "old", "--storage", URL, "-o", "old.html").code == 0
    text = Path("old.html").read_text(encoding="utf-8")
    assert "\nseed: 3\n" in text and "type: random" in text


@pytest.mark.parametrize("suffix", ["yaml", "toml"])
def test_an_old_config_is_refitted_without_a_warning(folder: Path, suffix: str) -> None:
    done = fit(f"sweep_0_1.{suffix}")
    assert done.spec.seed == 3 and not [w for w in done.warnings if "hash" in w]


def test_an_old_config_serves_a_loop_of_ones_own(folder: Path) -> None:
    assert sweep.load_config("sweep_0_1.yaml").spec.seed == 3


@pytest.mark.parametrize("suffix", ["yaml", "toml"])
@pytest.mark.parametrize(
    ("section", "key", "value"), [("data", "test_fraction", 0.5), ("sampler", "seed", 4)]
)
def test_an_old_config_that_was_edited_is_told(
    folder: Path, suffix: str, section: str, key: str, value: Any
) -> None:
    config = Path(f"sweep_0_1.{suffix}")
    text = config.read_text(encoding="utf-8")
    old = {"test_fraction": "0.2", "seed": "3"}[key]
    equals = ": " if suffix == "yaml" else " = "
    edited = text.replace(f"{key}{equals}{old}", f"{key}{equals}{value}", 1)
    assert edited != text
    from sweep.config.export import read_config

    config.write_text(edited, encoding="utf-8")
    content = read_config(config)
    assert content["provenance"]["spec_hash"] not in hashes(content["spec"])


def test_a_study_file_in_the_old_form_is_refused_with_what_to_write() -> None:
    with pytest.raises(UsageError, match=r"^search\.sampler\.seed: .* Write seed: 3 beside"):
        parse(search={"sampler": {"type": "random", "seed": 3}})
    with pytest.raises(UsageError, match=r"^search\.sampler\.seed: "):
        load_spec(GOLDEN.parents[2] / "studies" / "digits-l2.yaml", ["search.sampler.seed=3"])


def test_a_stored_spec_of_today_stays_as_it_is() -> None:
    tree = parse(seed=7).model_dump(mode="json")
    assert upgraded(tree) == tree
    assert stored_spec(tree).seed == 7
    assert hashes(tree) == {parse(seed=7).spec_hash}


@pytest.mark.parametrize("tree", [None, 3, [], {}, {"search": 3}, {"search": {"sampler": 3}}])
def test_what_is_no_spec_is_left_to_the_check_that_follows(tree: Any) -> None:
    assert upgraded(tree) == tree


def test_two_seeds_in_a_stored_spec_are_no_old_form() -> None:
    tree = json.loads(parse().model_dump_json())
    tree["search"]["sampler"]["seed"] = 3
    with pytest.raises(UsageError):
        parse_spec(upgraded(tree), "x", Path("."))
