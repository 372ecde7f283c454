"""The study's page in optuna-dashboard: what optuna-dashboard itself reads there."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import plotly.graph_objects as go
import pytest
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna_dashboard import get_note, save_note, save_plotly_graph_object
from optuna_dashboard._custom_plot_data import get_plotly_graph_objects

from sweep.analysis.status import load_study
from sweep.dashboard.page import PIECE, SHOWN, publish
from sweep.errors import INTERRUPTED, UsageError
from sweep.reporting.figures import TITLES
from sweep.storage.mirror import MirroredStorage
from tests.conftest import TINY, made_study
from tests.dashboard.test_server import served
from tests.support.browser import dump_dom
from tests.support.pictured import pictured

ROOT = Path(__file__).parents[2]
PATIENCE_S = 300.0
# Trials end every second or so, for longer than the browser needs.
LONG = ("--n-trials", "5000", "--set", "training.epochs=400", "--set", "search.in_flight=4",
        "--set", "search.sampler.type=random")  # fmt: skip
SPACE: dict[str, BaseDistribution] = {"alpha": FloatDistribution(1e-6, 1, log=True)}


def system(study: optuna.Study) -> dict[str, Any]:
    return study._storage.get_study_system_attrs(study._study_id)


def plots(study: optuna.Study) -> dict[str, Any]:
    """Read the plots as optuna-dashboard does, and as its page does."""
    return {
        name: json.loads(text) for name, text in get_plotly_graph_objects(system(study)).items()
    }


class Written:
    """Counts what is written to a study's storage."""

    def __init__(self, study: optuna.Study, monkeypatch: pytest.MonkeyPatch):
        self.keys: list[str] = []
        write = study._storage.set_study_system_attr

        def counted(study_id: int, key: str, value: Any) -> None:
            self.keys.append(key)
            write(study_id, key, value)

        monkeypatch.setattr(study._storage, "set_study_system_attr", counted)


def test_the_note_is_the_verdict_and_the_key_numbers() -> None:
    study = pictured()
    publish(study)
    note = get_note(study)
    assert note.startswith("**alpha = 0.01 is best: validation loss 1.0000 ± 0.2000;")
    table = [line.replace("\N{NO-BREAK SPACE}", "") for line in note.splitlines() if "|" in line]
    assert table[0] == "|  | no penalty | best | 1se |"
    assert table[1] == "| --- | ---: | ---: | ---: |"
    assert "| α | 0 | 0.01 | 0.01 |" in table
    assert "Trials ended: 4 COMPLETE, of 48 wanted." in note


def test_the_plots_are_figures_with_a_title() -> None:
    study = pictured()
    publish(study)
    found = plots(study)
    assert set(found) == {f"sweep-{name}" for name in SHOWN}
    for name in SHOWN:
        drawn = go.Figure(found[f"sweep-{name}"])
        assert drawn.layout.title.text == TITLES[name]
        assert drawn.data


def test_a_long_legend_pushes_the_figure_down_from_its_title() -> None:
    found = plots(pictured_and_published())
    tops = {name: drawn["layout"]["margin"]["t"] for name, drawn in found.items()}
    assert tops["sweep-balance"] == 92  # two short names
    assert tops["sweep-weights"] == 92 + 17  # three long ones, a row each


def test_attributes_are_those_that_the_dashboards_own_functions_write() -> None:
    ours, theirs = pictured(), pictured()
    publish(ours)
    save_note(theirs, get_note(ours))
    for name, content in get_plotly_graph_objects(system(ours)).items():
        figure = go.Figure(json.loads(content))
        # plotly orders the keys in its own way and adds a template
        figure.to_json = lambda content=content: content
        save_plotly_graph_object(theirs, figure, graph_object_id=name)
    assert system(ours) == system(theirs)
    assert all(len(text) <= PIECE for text in system(ours).values() if isinstance(text, str))


def test_before_the_first_result_there_is_a_note_only() -> None:
    study = made_study({})
    publish(study)
    assert get_note(study).startswith(
        "Trials ended: none yet, of 48 wanted. No trial has ended yet."
    )
    assert plots(study) == {}
    study.enqueue_trial({"alpha": 1e-2})
    study.ask(SPACE)
    publish(study)
    assert get_note(study).startswith("Trials ended: none yet, of 48 wanted.")


def test_before_the_control_has_ended_there_are_figures() -> None:
    study = pictured()
    del study._storage._studies[study._study_id].user_attrs["baseline"]  # type: ignore[attr-defined]
    publish(study)
    assert "the control (alpha = 0) has not been trained" in get_note(study)
    assert len(plots(study)) == len(SHOWN)


def test_publishing_again_writes_only_what_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    study = pictured()
    publish(study)
    written = Written(study, monkeypatch)
    publish(study)
    assert written.keys == []
    study.add_trial(study.trials[0])
    publish(study)
    assert any(key.startswith("dashboard:note_str:") for key in written.keys)
    assert any(key.startswith("dashboard:plot_data:") for key in written.keys)


def test_a_shorter_version_leaves_nothing_of_the_longer_one() -> None:
    study = pictured([10 ** (-4 + i / 50) for i in range(150)], [1.0 + i for i in range(150)])
    publish(study)
    before = system(study)
    storage = study._storage
    storage._studies[study._study_id].trials[3:] = []  # type: ignore[attr-defined]
    publish(study)
    after = plots(study)  # whole JSON, or it would not be read
    assert len(after["sweep-validation_curve"]["data"][1]["x"]) == 3
    assert set(before) == set(system(study)) and "" in system(study).values()


def test_a_figure_that_can_no_longer_be_drawn_becomes_an_empty_one() -> None:
    study = pictured()
    publish(study)
    for trial in study._storage._studies[study._study_id].trials:  # type: ignore[attr-defined]
        del trial.user_attrs["inputs_used"]
    publish(study)
    assert plots(study)["sweep-sparsity"]["data"] == []


def test_a_note_by_hand_stays() -> None:
    study = pictured()
    save_note(study, "my thoughts")
    publish(study)
    assert get_note(study) == "my thoughts"
    assert plots(study)


@pytest.mark.parametrize(
    "edit",
    [
        lambda note: note + "\nmine",
        lambda note: "mine\n" + note,
        lambda note: note.replace("best", "worst"),
        lambda note: note.rpartition("\n\n")[0],
    ],
)
def test_an_edited_note_stays(edit: Any) -> None:
    study = pictured()
    publish(study)
    save_note(study, edit(get_note(study)))
    study.add_trial(study.trials[0])
    publish(study)
    assert get_note(study) == edit(get_note(pictured_and_published()))


def pictured_and_published() -> optuna.Study:
    study = pictured()
    publish(study)
    return study


def test_our_own_note_is_written_anew() -> None:
    study = pictured_and_published()
    study.add_trial(study.trials[0])
    publish(study)
    assert "Trials ended: 5 COMPLETE" in get_note(study)
    assert system(study)["dashboard:note_ver"] == 2


def test_another_programs_study_is_refused() -> None:
    study = optuna.create_study()
    with pytest.raises(UsageError, match="must be one of sweep's"):
        publish(study)


def test_what_the_owner_publishes_is_in_the_database_after_a_flush(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    pictured(storage=url)
    storage = MirroredStorage.open(url, "made")
    publish(optuna.load_study(study_name="made", storage=storage))
    storage.flush()
    storage.close()
    reader = optuna.load_study(study_name="made", storage=url)
    assert set(plots(reader)) == {f"sweep-{name}" for name in SHOWN}
    assert "is best" in get_note(reader)


@pytest.mark.slow
def test_the_page_shows_the_figures_and_the_note(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    publish(pictured(storage=url))
    with served(url) as page:
        base = f"http://{page.host}:{page.port}"
        study = dump_dom(f"{base}/dashboard/studies/1")
        note = dump_dom(f"{base}/dashboard/studies/1/note")
    assert study.console == []
    for name in SHOWN:
        plot = study.dom.partition(f'id="user-defined-plot:sweep-{name}"')[2]
        assert "main-svg" in plot[:3000] and TITLES[name] in plot
    assert "alpha = 0.01 is best" in note.dom
    assert "<td" in note.dom and "leaves the note alone" in note.dom


@contextmanager
def running(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a long study as a shell does, its results published; end it as Ctrl-C does."""
    (folder / "tiny.yaml").write_text(TINY)
    with subprocess.Popen(
        [sys.executable, "-m", "sweep", "run", "tiny.yaml", *LONG],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.communicate(timeout=PATIENCE_S)


def published(url: str) -> bool:
    """Tell whether a study's first results stand on its page; another process writes them."""
    try:
        study = load_study(url, "tiny")
    except UsageError:  # no file or no study yet
        return False
    return bool(plots(study)) and "is best" in get_note(study)


@pytest.mark.slow
def test_the_page_of_a_running_study_shows_history_figures_and_note(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/tiny.db"
    with running(tmp_path) as process:
        deadline = time.monotonic() + PATIENCE_S
        while not published(url):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.2)
        with served(url) as page:
            base = f"http://{page.host}:{page.port}/dashboard/studies/1"
            study, note = dump_dom(base), dump_dom(f"{base}/note")
        assert process.poll() is None  # it ran all the while
    assert process.returncode == INTERRUPTED
    assert study.console == note.console == []
    history = study.dom.partition('id="plot-history"')[2]
    assert "main-svg" in history[:3000]
    for name in SHOWN:
        plot = study.dom.partition(f'id="user-defined-plot:sweep-{name}"')[2]
        assert "main-svg" in plot[:3000] and TITLES[name] in plot
    assert "is best" in note.dom and "COMPLETE, of 5000 wanted" in note.dom
