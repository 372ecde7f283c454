"""The README: what it names exists, what it shows of study files and loops is so."""

import json
import re
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import sweep
from sweep.cli.app import app
from sweep.config.export import make_config, write_config
from sweep.config.training_loop import Config
from sweep.spec.files import load_spec
from tests.benchmarks import regret
from tests.support.studies import tiny

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
FIGURES = ROOT / "tests" / "benchmarks"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_every_make_target_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"make ([a-z]+)\b", README)) - {"are"}
    assert {"sweep", "export", "dashboard"} <= named
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_every_command_is_documented_and_exists() -> None:
    shown = set(re.findall(r"`sweep ([a-z]+)", README))
    commands = {c.callback.__name__ for c in app.registered_commands if c.callback}
    commands |= {str(group.name) for group in app.registered_groups}
    assert shown == commands
    for command in commands:
        result = CliRunner().invoke(app, [command, "--help"])
        assert result.exit_code == 0 and result.output


def test_every_study_is_listed() -> None:
    for study in (ROOT / "studies").glob("*.yaml"):
        assert f"studies/{study.name}" in README


def test_the_study_file_shown_is_valid_and_shows_the_defaults(tmp_path: Path) -> None:
    (text,) = blocks("yaml")
    path = tmp_path / "shown.yaml"
    path.write_text(text)
    shown = load_spec(path)
    path.write_text("study_name: my-study\n")
    default = load_spec(path)
    assert shown.search == default.search
    assert shown.model == default.model
    assert shown.training == default.training
    assert shown.replicates == default.replicates


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("config")
    result = sweep.run(tiny(folder, search__n_trials=5))
    path = folder / "digits-l2.yaml"
    write_config(make_config(result.study), path)
    return path


def test_the_three_ways_into_a_loop_run_and_penalise(config: Path) -> None:
    names: dict[str, object] = {"x": torch.rand(5, 64), "y": torch.zeros(5, dtype=torch.int64)}
    snippets = [s.replace("studies/out/digits-l2.yaml", str(config)) for s in blocks("python")]
    assert len(snippets) == 3
    for snippet in snippets:
        exec(snippet, names)  # the README's own text
        loaded = names["config"]
        assert isinstance(loaded, Config) and loaded.alpha > 0
        optimizer, model = names["optimizer"], names["model"]
        assert isinstance(optimizer, torch.optim.Adam) and isinstance(model, torch.nn.Module)
        weights = [p for p in model.parameters() if p.ndim > 1]
        if "loss" in names:  # the penalty stands in the loss
            loss, x, y = names.pop("loss"), names["x"], names["y"]
            assert all(isinstance(t, torch.Tensor) for t in (loss, x, y))
            plain = torch.nn.functional.cross_entropy(model(x), y)  # type: ignore[arg-type]
            penalty = loaded.alpha * sum(float(w.detach().square().sum()) for w in weights)
            assert float((loss - plain).detach()) == pytest.approx(penalty, abs=1e-6)  # type: ignore[operator]
            continue
        before = [float(w.detach().norm()) for w in weights]
        for parameter in model.parameters():  # without a loss: the penalty alone
            parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
        assert all(float(w.detach().norm()) < b for w, b in zip(weights, before, strict=True))


def test_it_is_read_in_ten_minutes() -> None:
    assert len(README.splitlines()) <= 150


def test_the_figures_in_its_prose_are_those_of_the_last_runs() -> None:
    rows = json.loads((FIGURES / "results.json").read_text())["rows"]
    plain = next(row for row in rows if row["program"] == "Optuna, plain loop")
    times = f"{plain['sweep_is_times_faster']['median']:.0f}"
    within, of = regret.within(json.loads((FIGURES / "regret.json").read_text()))
    assert f"{times} times a plain Optuna loop" in README
    assert f"in {within} of {of} studies" in README
