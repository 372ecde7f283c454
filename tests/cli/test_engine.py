"""The options that choose who trains, and what is shown of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import optuna
import pytest

from sweep.analysis.status import overview
from sweep.cli.arguments import load, next_commands
from sweep.cli.output import print_studies
from sweep.cli.progress import below
from sweep.config.export import make_config, read_config, write_config
from sweep.errors import UsageError
from sweep.reporting.tables import provenance
from sweep.runner.progress import Progress
from sweep.spec.attributes import ENGINE
from sweep.storage.mirror import MirroredStorage
from tests.conftest import Command, made_study

URL = "sqlite:///tiny.db"
FACTS: dict[str, Any] = {
    "kind": "ray",
    "hosts": {
        "node-a": {"living": 2, "lost": 0, "device": "AMD EPYC", "versions": {"torch": "2.13"}},
        "node-b": {"living": 1, "lost": 2, "device": "AMD EPYC", "versions": {"torch": "2.13"}},
    },
    "turned_away": {"node-b": "2 actors were lost there"},
}
LINE = "3 actors: node-a 2, node-b 1 (2 lost)"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text("study_name: study\n")
    return path


def test_the_options_win_over_the_file(study: Path) -> None:
    study.write_text("study_name: study\nengine: {kind: local, address: local}\n")
    spec = load(study, None, {"--engine": "ray", "--address": "node-a:6379"})
    assert (spec.engine.kind, spec.engine.address) == ("ray", "node-a:6379")
    spec = load(study, ["engine.kind=ray"], {"--address": "auto"})
    assert (spec.engine.kind, spec.engine.address) == ("ray", "auto")


def test_an_address_that_nothing_reads_is_refused(study: Path) -> None:
    with pytest.raises(UsageError, match=r"^--address: must come with engine ray, got node-a:1 "):
        load(study, None, {"--address": "node-a:1"})


@pytest.mark.parametrize(
    ("options", "key"),
    [(("--engine", "spark"), "engine.kind"),
     (("--engine", "ray", "--address", "nowhere"), "engine.address"),
     (("--engine", "ray", "--address", ""), "--address"),
     (("--engine", "ray", "--set", "training.workers=2"), "training.workers"),
     (("--engine", "ray", "--device", "cuda:1"), "device")],
)  # fmt: skip
@pytest.mark.parametrize("verb", ["run", "validate"])
def test_a_wrong_engine_is_one_line(
    verb: str, options: tuple[str, ...], key: str, study: Path, command: Command
) -> None:
    ended = command(verb, str(study), *options)
    assert (ended.code, ended.out) == (2, "")
    assert key in ended.err and ended.err.count("\n") == 1


def test_the_command_that_goes_on_keeps_the_engine(study: Path) -> None:
    options = {"--storage": None, "--engine": "ray", "--address": "node-a:6379"}
    again, name = next_commands(study, load(study, None, options), None, options)
    assert again == f"sweep run {study} --engine ray --address node-a:6379"
    assert name == str(study)


def rows_of(command: Command, *args: str) -> dict[str, str]:
    ended = command("validate", *args, "--json")
    assert ended.code == 0, ended.err
    plan: dict[str, str] = json.loads(ended.out)["plan"]
    return plan


SMALL = """\
study_name: small
data: {source: rows.csv, target: y}
model: {source: "python:net:make", }
search: {n_trials: 40, sampler: {type: tpe}, space: {alpha: {low: 1e-4, high: 1}}}
replicates: {n_folds: 3}
training: {epochs: 2}
"""
NET = "import torch\n\n\ndef make(n, m):\n    return torch.nn.Linear(n, m)\n"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A study of a table and a module of the user's own."""
    rows = "".join(f"{i},{i * i % 7},{'ab'[i % 2]}\n" for i in range(60))
    (tmp_path / "rows.csv").write_text(f"x,z,y\n{rows}")
    (tmp_path / "net.py").write_text(NET)
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return path


def test_validate_shows_actors_lanes_and_bytes_shipped(small: Path, command: Command) -> None:
    shown = rows_of(command, str(small), "--engine", "ray", "--address", "node-a:6379")
    assert shown["actors"] == (
        "as many as find room (of which at most 13 train: search.in_flight), 1 core each,"
        " at node-a:6379"
    )
    assert re.fullmatch(r"Ray actors, \d+ lanes each", shown["trained by"])
    assert re.fullmatch(r"[\d.]+ kB of rows, net.py, rows.csv \([\d.]+ kB\)", shown["shipped"])
    assert not (small.parent / "studies").exists()  # nothing is made


@pytest.mark.parametrize(
    ("settings", "actors"),
    [(["engine.actors=3"], "3, 1 core each, at a Ray of this machine's own"),
     (["engine.actors={min: 2, max: 16}", "search.sampler.type=random"],
      "2 to 16, as many as find room, 1 core each, at a Ray of this machine's own"),
     (["engine.actors=2", "device=cuda", "engine.gpus=0.25", "engine.cpus=2"],
      "2, 2 cores and 0.25 of a GPU each, at a Ray of this machine's own")],
)  # fmt: skip
def test_validate_shows_what_actors_get(
    settings: list[str], actors: str, small: Path, command: Command
) -> None:
    sets = [part for one in ["engine.kind=ray", *settings] for part in ("--set", one)]
    shown = rows_of(command, str(small), *sets)
    assert shown["actors"] == actors
    assert re.fullmatch(r"[\d.]+ kB of rows", shown["shipped"])  # on one disk no file is shipped
    assert ("note" in shown) is ("device=cuda" in settings)


def test_validate_shows_the_lanes_asked_for(small: Path, command: Command) -> None:
    shown = rows_of(command, str(small), "--engine", "ray", "--set", "engine.lanes=6")
    assert shown["lanes"].startswith("6 (2 trials at once")
    assert shown["trained by"] == "Ray actors, 6 lanes each"


def test_validate_of_a_local_study_shows_no_actors(small: Path, command: Command) -> None:
    assert not {"actors", "shipped"} & rows_of(command, str(small)).keys()


# --- what is shown


def row(**more: Any) -> dict[str, Any]:
    return {
        "study": "tiny", "trials": {}, "n_results": 0, "n_trials": 6, "trials_per_s": None,
        "eta_s": None, "n_foreign": 0, "best": None, "owner": "node-a, process 1",
        "engine": FACTS,
    } | more  # fmt: skip


def test_status_names_living_and_lost_actors_by_host(capsys: pytest.CaptureFixture[str]) -> None:
    print_studies([row()])
    out = capsys.readouterr().out
    assert f"tiny has {LINE}\nnote: node-b gets no more actors: 2 actors were lost there\n" in out


@pytest.mark.parametrize("more", [{"owner": None}, {"engine": None}])
def test_status_says_nothing_of_actors_that_are_gone(
    more: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    print_studies([row(**more)])
    assert "actor" not in capsys.readouterr().out


def test_the_overview_has_what_the_run_stored(tiny: Path) -> None:
    (before,) = overview(URL)
    assert before["engine"] is None
    owner = MirroredStorage.open(URL, "tiny")
    optuna.load_study(study_name="tiny", storage=owner).set_user_attr(ENGINE, FACTS)
    owner.close()
    (after,) = overview(URL)
    assert after["engine"] == FACTS


@pytest.mark.parametrize(("engine", "lines"), [(FACTS, [LINE]), ({}, [])])
def test_the_actors_are_named_below_the_progress_bar(
    engine: dict[str, Any], lines: list[str]
) -> None:
    progress = Progress(1, 6, 0.2, None, "alpha", (1e-4, 1.0), [(1e-2, 0.5)], engine)
    *first, curve = below(progress)
    assert first == lines and curve.startswith("alpha 1.0e-04")


def test_provenance_names_hosts_devices_and_versions(tmp_path: Path) -> None:
    study = made_study({1e-3: [1.0, 2.0, 3.0]}, attrs={ENGINE: FACTS})
    trained = {"kind": "ray", "hosts": ["node-a: 2 actors", "node-b: 1 actor (2 lost)"],
               "devices": ["AMD EPYC"], "versions": {"torch": "2.13"}}  # fmt: skip
    for suffix in (".yaml", ".toml", ".json"):
        path = tmp_path / f"config{suffix}"
        write_config(make_config(study), path)
        assert read_config(path)["provenance"]["engine"] == trained
    told = dict(provenance(study))["trained on"]
    assert told == "node-a: 2 actors, node-b: 1 actor (2 lost); AMD EPYC; torch 2.13"
