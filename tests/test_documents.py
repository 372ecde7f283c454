"""What the documents show works: commands and snippets run, tables and links are up to date."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

import pytest
import torch
from typer.main import get_command
from typer.testing import CliRunner

import sweep
from sweep.cli.app import app
from sweep.cli.arguments import ArgumentError
from sweep.spec.yaml import read_yaml
from tests.support.documents import DOCUMENTS, FIGURES, PARTS, ROOT, SCHEMA, rendered, schema_text

TEXTS = {path.name: path.read_text(encoding="utf-8") for path in DOCUMENTS}
MORE = [ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md"]
SHORT = ["--set", "search.n_trials=3", "--set", "training.epochs=2", "--device", "cpu"]
HOW = "python -m tests.support.documents writes it"
each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def commands(text: str) -> list[list[str]]:
    """Return the lines of a document's console blocks, each `$ command`."""
    lines = [line for block in blocks(text, "console") for line in block.splitlines()]
    assert all(line.startswith("$ ") for line in lines)
    return [shlex.split(line[2:]) for line in lines]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the studies in it, and nothing made by an earlier run."""
    shutil.copytree(ROOT / "studies", tmp_path / "studies", ignore=shutil.ignore_patterns("out"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made_by(target: str) -> list[str]:
    """Return the command of sweep behind a target of make, [] for one of another program."""
    dry = subprocess.run(["make", "-n", "-o", ".venv/ready", "-o", ".venv/ready-dev", target],
                         cwd=ROOT, capture_output=True, text=True, check=True)  # fmt: skip
    command = shlex.split(dry.stdout)
    return command[1:] if command[0] == ".venv/bin/sweep" else []


def run_all(text: str, more: list[str]) -> None:
    """Run the commands of a document one after another, `run` with more options."""
    for command in commands(text):
        program, *arguments = command
        if program == "make":
            arguments = made_by(arguments[0])
        elif program == "python":
            assert arguments[0] == "-m" and find_spec(arguments[1]), command
            continue
        else:
            assert program == "sweep", command
        if arguments and arguments[0] != "dashboard":  # which would not end
            given = more if arguments[0] == "run" else []
            result = CliRunner().invoke(app, [*arguments, *given], catch_exceptions=False)
            assert result.exit_code == 0, (command, result.output)


@each_document
def test_the_commands_shown_run(document: Path, folder: Path) -> None:
    run_all(TEXTS[document.name], SHORT)


@pytest.mark.slow
def test_the_readme_s_walk_runs_as_it_stands_and_says_what_it_shows(folder: Path) -> None:
    run_all(TEXTS["README.md"], [])
    said = sweep.load_result("digits-l2").verdict
    shown = blocks(TEXTS["README.md"], "text")[0]
    words = re.sub(r"[\d.e-]+", "#", said), re.sub(r"[\d.e-]+", "#", " ".join(shown.split()))
    assert words[0] in words[1]


@each_document
def test_python_snippets_run(document: Path, folder: Path) -> None:
    snippets = blocks(TEXTS[document.name], "python")
    if not snippets:
        return
    run_all("```console\n$ sweep run studies/digits-l2.yaml\n$ sweep export digits-l2\n```", SHORT)
    names: dict[str, object] = {"x": torch.rand(5, 64), "y": torch.zeros(5, dtype=torch.int64)}
    for snippet in snippets:
        exec(snippet, names)  # the document's own text


def scripts() -> Iterator[tuple[str, str]]:
    """Yield what documents show for a shell: none of it can run where it is tested."""
    for name, text in TEXTS.items():
        yield from ((name, block) for block in blocks(text, "sh"))


def called(script: str, program: str) -> Iterator[list[str]]:
    """Yield the arguments of each call of a program in a script."""
    for line in script.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        before = ["", *words]  # of each word; `--engine ray` calls nothing
        calls = [i for i, word in enumerate(words) if word == program and before[i] != "--engine"]
        for place in calls[:1]:
            rest = words[place + 1 :]
            ends = [i for i, word in enumerate(rest) if re.match(r"[&|;>]|\d>|--$", word)]
            yield [word.rstrip(";") for word in rest[: ends[0] if ends else None]]


def check_call(commands: Any, arguments: list[str]) -> None:
    """Parse a command's arguments, without running it."""
    command = commands[arguments[0]]
    command.make_context(arguments[0], arguments[1:])


@pytest.mark.skipif(shutil.which("bash") is None, reason="has no bash")
@pytest.mark.parametrize(("document", "script"), [*scripts()])
def test_scripts_shown_can_be_parsed_and_their_options_exist(document: str, script: str) -> None:
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    for arguments in called(script, "sweep"):
        check_call(get_command(app).commands, arguments)  # type: ignore[attr-defined]
    if of_ray := [*called(script, "ray")]:
        ray = pytest.importorskip("ray.scripts.scripts")
        for arguments in of_ray:
            check_call(ray.cli.commands, arguments)


def test_an_option_that_does_not_exist_is_found() -> None:
    with pytest.raises(ArgumentError):
        check_call(get_command(app).commands, ["run", "a.yaml", "--engines", "ray"])  # type: ignore[attr-defined]


def test_the_job_on_kubernetes_finds_its_cluster_and_the_token() -> None:
    (job,) = map(read_yaml, blocks(TEXTS["clusters.md"], "yaml"))
    cluster = read_yaml((ROOT / "deploy" / "k8s" / "ray.yaml").read_text(encoding="utf-8"))
    name = cluster["metadata"]["name"]
    (owner,) = job["spec"]["template"]["spec"]["containers"]
    _, _, script = owner["command"]
    for arguments in called(script, "sweep"):
        check_call(get_command(app).commands, arguments)  # type: ignore[attr-defined]
    assert script.count(f"{name}-head-svc:6379") == 2
    environment = {one["name"]: one for one in owner["env"]}
    assert environment["RAY_AUTH_MODE"]["value"] == cluster["spec"]["authOptions"]["mode"]
    token = environment["RAY_AUTH_TOKEN"]["valueFrom"]["secretKeyRef"]
    assert token == {"name": name, "key": "auth_token"}


@each_document
def test_what_commands_make_is_up_to_date(document: Path) -> None:
    text = TEXTS[document.name]
    named = re.findall(r"<!-- (.*?) -->", text)
    assert named[1::2] == ["end"] * (len(named) // 2)
    assert set(named[::2]) <= set(PARTS)
    assert rendered(text) == text, HOW


def test_every_part_is_shown() -> None:
    shown = {name for text in TEXTS.values() for name in re.findall(r"<!-- (.*?) -->", text)}
    assert shown - {"end"} == set(PARTS)


def test_a_stale_part_is_found() -> None:
    text = TEXTS["study-file.md"]
    assert rendered(text.replace("| `lr` | number |", "| `lr` | text |")) == text


def test_the_schema_for_editors_is_up_to_date() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == schema_text(), HOW


def test_every_key_has_a_description() -> None:
    rows = [line.split(" | ") for line in TEXTS["study-file.md"].splitlines() if line[:3] == "| `"]
    assert len(rows) > 50
    assert not [row[0] for row in rows if len(row[4]) < 5]


@pytest.mark.parametrize("path", sorted((ROOT / "studies").glob("*.yaml")), ids=lambda p: p.stem)
def test_shipped_studies_name_the_schema(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    _, named = first.split("# yaml-language-server: $schema=")
    assert (path.parent / named).resolve() == SCHEMA


def test_a_new_study_names_the_installed_schema(folder: Path) -> None:
    CliRunner().invoke(app, ["init", "new.yaml"], catch_exceptions=False)
    first, second, *_ = Path("new.yaml").read_text(encoding="utf-8").splitlines()
    url = first.removeprefix("# yaml-language-server: $schema=")
    assert Path(url2pathname(urlparse(url).path)) == SCHEMA
    assert second.startswith("# A study to start from")


def links() -> Iterator[tuple[Path, str]]:
    for path in [*DOCUMENTS, *MORE]:
        for target in re.findall(r"\]\(([^)]+)\)", path.read_text(encoding="utf-8")):
            yield path, target


@pytest.mark.parametrize(("path", "target"), [*links()], ids=lambda x: getattr(x, "name", x))
def test_a_link_leads_somewhere(path: Path, target: str) -> None:
    file, _, heading = target.partition("#")
    there = (path.parent / file if file else path).resolve()
    assert there.exists()
    titles = re.findall(r"^#+ (.*)$", there.read_text(), re.MULTILINE) if heading else []
    anchors = [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]
    assert not heading or heading in anchors


@pytest.mark.parametrize("path", [*DOCUMENTS, *MORE], ids=lambda path: path.name)
def test_files_and_modules_named_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    files = re.findall(r"`((?:sweep|tests|studies|docs)/[\w/.-]+\.\w+)`", text)
    for name in files:
        made = name.startswith("studies/out/") or "MODULE" in name
        assert made or (ROOT / name).exists(), name
    for module in re.findall(r"python -m ([\w.]+)", text):
        assert find_spec(module), module


def test_the_machines_of_all_figures_are_told() -> None:
    assert {f"{name}.json" for name in FIGURES} == {
        path.name for path in (ROOT / "tests" / "benchmarks").glob("*.json")
    }


def test_the_top_of_the_project_holds_what_a_reader_expects() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("no git here")
    top = {name.partition("/")[0] for name in listed.stdout.splitlines()}
    assert top <= {
        "pyproject.toml", "README.md", "Makefile", "sweep", "studies", "tests", "docs",
        "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "constraints.txt", ".gitignore", ".ci",
        "deploy",
    }  # fmt: skip
