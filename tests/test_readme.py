"""What the README shows works: its commands, its study file, its snippets."""

import json
import re
import shlex
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import sweep
from sweep.cli.app import app
from sweep.config.export import make_config, write_config
from sweep.config.training_loop import Config
from sweep.spec.files import load_spec
from tests.benchmarks import __main__ as compared
from tests.benchmarks import floor, regret, storage
from tests.support.studies import tiny

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_every_make_target_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"make ([a-z]+)\b", README)) - {"are"}
    assert {"sweep", "export", "dashboard", "test", "check", "bench"} <= named
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_every_command_is_documented_and_exists() -> None:
    shown = set(re.findall(r"`sweep ([a-z]+)", README))
    commands = {c.callback.__name__ for c in app.registered_commands if c.callback}
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


def test_shell_lines_are_commands_that_parse() -> None:
    for block in blocks("console"):
        for line in block.splitlines():
            prompt, command, *_ = shlex.split(line)
            assert prompt == "$" and command == "make"


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_tables_shown_are_those_of_the_last_runs() -> None:
    folder = ROOT / "tests" / "benchmarks"
    storage_told = storage.table(json.loads((folder / "storage.json").read_text()))
    regret_told = regret.table(json.loads((folder / "regret.json").read_text()))
    jobs_told = compared.summary(json.loads((folder / "results.json").read_text()))
    floor_told = floor.table(json.loads((folder / "floor.json").read_text()))
    assert storage_told in README and jobs_told in README and floor_told in README
    assert regret_told.split("\n\n")[0] in README


def test_the_modules_that_a_reader_is_sent_to_exist() -> None:
    rows = README[README.index("| layer |") :].splitlines()[2:]
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert len(named) > 30
    for name in named:
        assert (ROOT / "sweep" / f"{name}.py").exists(), name
