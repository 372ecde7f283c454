"""What of a study goes to a service: its rows by their hash, nothing of this machine."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from sweep.errors import UsageError
from sweep.service.folder import is_name
from sweep.service.parcel import pack

ROWS = b"a,b\n1,2\n"
SHA = hashlib.sha256(ROWS).hexdigest()


def sent(study: Any, **options: Any) -> Any:
    return json.loads(pack(study, **options).body)


def write(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "study.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("file", "source", "name"),
    [
        ("t.csv", "t.csv", f"t-{SHA[:16]}.csv"),
        ("../my rows (é).CSV", "../my rows (é).CSV", f"my-rows-{SHA[:16]}.csv"),
        ("é.csv", "é.csv", f"rows-{SHA[:16]}.csv"),
        ("x" * 150 + ".parquet", "x" * 150 + ".parquet", f"{'x' * 60}-{SHA[:16]}.parquet"),
    ],
)
def test_rows_are_named_by_their_hash(tmp_path: Path, file: str, source: str, name: str) -> None:
    path = write(tmp_path / "a", f"study_name: x\ndata: {{source: '{source}', target: b}}")
    (tmp_path / "a" / file).write_bytes(ROWS)
    parcel = pack(path)
    assert parcel.rows is not None and parcel.rows.path.read_bytes() == ROWS
    assert (parcel.rows.name, parcel.rows.sha256) == (name, SHA) and is_name(name)
    assert json.loads(parcel.body)["data"] == {"source": name, "target": "b"}


@pytest.mark.parametrize("source", ["sklearn:iris", "python:mine:rows", "theirs.csv", "x"])
def test_what_is_not_here_is_the_services(tmp_path: Path, source: str) -> None:
    parcel = pack(write(tmp_path, f"study_name: x\ndata: {{source: '{source}'}}"))
    assert parcel.rows is None and json.loads(parcel.body)["data"]["source"] == source


def test_a_path_to_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"data\.source: must be a file that can be read"):
        pack(write(tmp_path, "study_name: x\ndata: {source: ../gone.csv}"))


def test_what_says_no_more_than_the_default_is_left_out(tmp_path: Path) -> None:
    text = (
        "study_name: x\ndevice: auto\nstorage: sqlite:///studies/out/studies.db\n"
        "training: {workers: 1, compile: false, width: auto, cuda_graph: false, epochs: 5}"
    )
    assert sent(write(tmp_path, text)) == {"study_name": "x", "training": {"epochs": 5}}
    other = {"study_name": "x", "device": "cpu", "training": {"workers": 2}}
    assert sent(other) == other  # which the service refuses, naming the key


def test_options_win_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "study_name: x\nsearch: {n_trials: 5}")
    assert sent(path, overrides=["search.n_trials=7"])["search"] == {"n_trials": 7}
    assert sent(path, overrides={"seed": 3})["seed"] == 3


def test_the_environment_is_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPTUNA_STORAGE", "sqlite:///own.db")
    assert sent(write(tmp_path, "study_name: x")) == {"study_name": "x"}


def test_the_same_study_has_the_same_key(tmp_path: Path) -> None:
    one, two = {"study_name": "x", "seed": 1}, {"study_name": "x", "seed": 2}
    assert pack(one).key == pack(dict(one)).key != pack(two).key
    assert one == {"study_name": "x", "seed": 1}  # as it was given


@pytest.mark.parametrize("study", [{"study_name": {1, 2}}, {"study_name": object()}])
def test_what_is_no_plain_data_is_refused(study: Any) -> None:
    with pytest.raises(UsageError, match="plain keys and values"):
        pack(study)
