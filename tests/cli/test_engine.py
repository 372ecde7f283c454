"""The options that choose who trains, and what is shown of it."""

from __future__ import annotations

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


# --- what is shown


def row(**more: Any) -> dict[str, Any]:
    return {
        "study": "tiny", "trials": {}, "n_results": 0, "n_trials": 6, "trials_per_s": None,
        "eta_s": None, "n_foreign": 0, "best": None, "owner": "node-a, process 1",
        "engine": FACTS,
    } | more  # fmt: skip


def test_status_names_living_and_lost_actors_by_host(capsys: pytest.CaptureFixture[str]) -> None:
    print_studies([row()])
    assert f"tiny has {LINE}\n" in capsys.readouterr().out


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
    hosts = ["node-a: 2 actors, AMD EPYC, torch 2.13",
             "node-b: 1 actor (2 lost), AMD EPYC, torch 2.13"]  # fmt: skip
    for suffix in (".yaml", ".toml", ".json"):
        path = tmp_path / f"config{suffix}"
        write_config(make_config(study), path)
        assert read_config(path)["provenance"]["trained_on"] == hosts
    assert [text for name, text in provenance(study) if name == "trained on"] == hosts
