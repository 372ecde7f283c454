"""What `status` tells, read without changing anything."""

from pathlib import Path

import optuna
import pytest

import sweep
from sweep.errors import StorageError, UsageError
from sweep.overview import load_study, overview
from sweep.storage import MirroredStorage

URL = "sqlite:///tiny.db"


def test_a_finished_study(tiny: Path) -> None:
    (row,) = overview(URL)
    best = load_study(URL, "tiny").best_trial
    assert row["study"] == "tiny"
    assert row["trials"] == {"COMPLETE": 6}
    assert (row["best"], row["best_params"]) == (best.value, best.params)
    assert row["verdict"].startswith("alpha = ")
    assert row["owner"] is None


def test_all_studies_or_the_one_named(tiny: Path) -> None:
    optuna.create_study(study_name="other", storage=URL)
    assert [row["study"] for row in overview(URL)] == ["tiny", "other"]
    (row,) = overview(URL, "other")
    assert row["study"] == "other"
    assert (row["trials"], row["best"], row["best_params"]) == ({}, None, None)


def test_the_owner_of_a_running_study(tiny: Path) -> None:
    owner = MirroredStorage.open(URL, "tiny")
    try:
        (row,) = overview(URL)
    finally:
        owner.close()
    assert ", process " in row["owner"]
    assert overview(URL)[0]["owner"] is None


def test_states_are_counted(tiny: Path) -> None:
    study = optuna.load_study(study_name="tiny", storage=URL)
    study.enqueue_trial({"alpha": 0.01})
    assert overview(URL)[0]["trials"] == {"COMPLETE": 6, "WAITING": 1}


@pytest.mark.parametrize(
    ("name", "hint"), [("tinny", "Did you mean tiny?"), ("digits", "There are: tiny")]
)
def test_a_missing_study_names_the_nearest(tiny: Path, name: str, hint: str) -> None:
    for look in (overview, load_study):
        with pytest.raises(UsageError) as error:
            look(URL, name)
        assert str(error.value) == f"study: must be in the storage, got {name} ({URL}). {hint}"


def test_looking_makes_no_database(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/sub/none.db"
    assert overview(url) == []
    with pytest.raises(UsageError, match="There are: none"):
        load_study(url, "digits")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["nonsense", "mysql://host/x", "sqlite:///file.txt/x.db"])
def test_a_storage_that_cannot_be(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.txt").write_text("no folder")
    with pytest.raises(StorageError, match=r"^storage"):
        overview(url)


def test_what_a_run_returns_is_what_lies_in_the_storage(tiny: Path) -> None:
    result = sweep.run(sweep.load_spec("tiny.yaml"))  # finished: only reads
    (row,) = overview(URL)
    assert row["best"] == result.best.value
    assert row["verdict"] == result.verdict
