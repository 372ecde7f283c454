"""Studies begun before `design` was the default go on as they were begun: by TPE, to 48 trials.

golden/begun_by_tpe.sql holds a study whose file names neither sampler nor n_trials, as a version
left it to which that meant so; the run was stopped after 24 of its 48 results.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import optuna
import pytest

import sweep
from sweep.errors import UsageError
from sweep.spec.attributes import SPEC
from sweep.spec.files import load_spec
from tests.conftest import Command

GOLDEN = Path(__file__).parent / "golden" / "begun_by_tpe.sql"
FILE = """\
study_name: begun
storage: sqlite:///begun.db
device: cpu
data: {source: "sklearn:iris", train_rows: 60}
model: {hidden: [4]}
training: {epochs: 2, batch_size: 20}
search: {space: {alpha: {low: 1e-4, high: 1e-1}}}
replicates: {n_folds: 3}
"""
AS_BEGUN = {"search.sampler.type": "tpe", "search.n_trials": 48}


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The working folder with the old storage and its study file."""
    with closing(sqlite3.connect(tmp_path / "begun.db")) as connection:
        connection.executescript(GOLDEN.read_text(encoding="utf-8"))
    (tmp_path / "begun.yaml").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    return "begun.yaml"


def table(storage: str = "sqlite:///begun.db") -> list[tuple[float, float | None]]:
    """Return what was tried, and what it came to."""
    study = optuna.load_study(study_name="begun", storage=storage)
    return [(trial.params["alpha"], trial.value) for trial in study.trials]


def test_its_file_goes_on_to_the_table_that_it_would_have_come_to(study: str) -> None:
    before = table()
    assert sweep.run(load_spec(study)).ending == "done"
    after = table()
    assert (len(before), len(after)) == (36, 48)
    sweep.run(load_spec(study, {"storage": "sqlite:///whole.db", **AS_BEGUN}))
    whole = table("sqlite:///whole.db")
    assert [at for at, _ in after] == pytest.approx([at for at, _ in whole], rel=1e-3)


def test_it_stays_what_it_was(study: str) -> None:
    sweep.run(load_spec(study), should_stop=lambda: True)
    stored = optuna.load_study(study_name="begun", storage="sqlite:///begun.db").user_attrs
    search = stored[SPEC]["search"]
    assert (search["sampler"], search["n_trials"]) == ({"type": "tpe"}, 48)
    assert stored["spec_hash"] == load_spec(study, AS_BEGUN).spec_hash


def test_it_takes_as_many_trials_as_its_file_or_command_says(study: str) -> None:
    for wanted, come_to in ((13, 24), (30, 30)):
        result = sweep.run(load_spec(study, {"search.n_trials": wanted}))
        assert (result.trials["state"] == "COMPLETE").sum() == come_to
        assert result.finished.spec.search.sampler.type == "tpe"


def test_a_file_that_names_another_sampler_is_refused(study: str) -> None:
    with pytest.raises(UsageError, match=r"search.sampler.type was 'tpe', is 'design'"):
        sweep.run(load_spec(study, {"search.sampler.type": "design"}))


def test_it_is_told_exported_and_reported_as_it_was(study: str, command: Command) -> None:
    (row,) = json.loads(command("status", study, "--json").out)["studies"]
    assert (row["n_results"], row["n_trials"]) == (24, 48)
    assert command("export", study, "-o", "out.yaml").code == 0
    assert "type: tpe" in Path("out.yaml").read_text(encoding="utf-8")
    assert command("report", study, "-o", "out.html").code == 0
    assert "type: tpe" in Path("out.html").read_text(encoding="utf-8")


def test_a_new_study_of_the_same_file_is_of_the_design(study: str) -> None:
    result = sweep.run(load_spec(study, {"storage": "sqlite:///new.db"}))
    assert len(result.trials) == 13
    assert result.finished.spec.search.sampler.type == "design"
