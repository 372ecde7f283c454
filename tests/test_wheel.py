"""A wheel built from a clean checkout works wherever it is installed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import sweep

ROOT = Path(__file__).parent.parent
SHORT = ("--set", "training.epochs=2", "--set", "search.n_trials=4")
ELSEWHERE = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
DATA = {"sweep/py.typed", "sweep/spec/study.schema.json", "sweep/cli/template.yaml",
        "sweep/reporting/page.html"}  # fmt: skip

USER = """
import sweep

spec: int = sweep.load_spec("study.yaml")
result = sweep.run(sweep.load_spec("study.yaml"))
path: int = sweep.report([result, sweep.load_result("digits", "sqlite:///a.db")], "a.html")
sweep.fit("digits.yaml").sentence
sweep.load_result(3)
config: sweep.Config = sweep.load_config("digits.yaml")
version: str = sweep.__version__
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("git"), reason="needs git"),
    pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs a checkout"),
]


def call(*command: str | Path, folder: Path) -> str:
    """Run a program in a folder, without what leads to this checkout."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=ELSEWHERE,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    call("git", "clone", "-q", ROOT, "clean", folder=folder)
    call(
        sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation",
        "-w", "built", "./clean", folder=folder,
    )  # fmt: skip
    (built,) = (folder / "built").iterdir()
    return built


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into an environment of its own, which borrows the other packages."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False)
    found = Path(f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages")
    call(
        sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install", "-q",
        "--no-deps", "--no-index", wheel, folder=folder,
    )  # fmt: skip
    others = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (folder / found / "borrowed.pth").write_text("\n".join(others))
    return folder / "bin"


def test_the_wheel_holds_the_package_with_its_data_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        about = next(name for name in archive.namelist() if name.endswith("METADATA"))
        told = Parser().parsestr(archive.read(about).decode())
    tracked = call("git", "ls-files", "sweep", folder=ROOT).split()
    assert names == {*tracked} >= DATA
    assert (told["Name"], told["Version"]) == ("alpha-sweep", sweep.__version__)
    assert told["Keywords"] and told.get_all("Classifier")


@pytest.fixture(scope="module")
def folder(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another folder, with a study that ran there."""
    folder = tmp_path_factory.mktemp("elsewhere")
    call(programs / "sweep", "init", "study.yaml", folder=folder)
    told = call(programs / "sweep", "run", "study.yaml", *SHORT, "--json", folder=folder)
    assert json.loads(told)["ending"] == "done"
    return folder


def test_the_package_is_that_of_the_wheel(programs: Path, folder: Path) -> None:
    where = call(programs / "python", "-c", "import sweep; print(sweep.__file__)", folder=folder)
    assert Path(where.strip()).is_relative_to(programs.parent)
    assert call(programs / "sweep", "--version", folder=folder) == f"sweep {sweep.__version__}\n"


def test_types_are_there_for_a_users_own_checks(programs: Path, tmp_path: Path) -> None:
    (tmp_path / "user.py").write_text(USER)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--python-executable", programs / "python",
         "user.py"],
        cwd=tmp_path, env=ELSEWHERE, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    told = [line.split(": ", 2)[0] for line in done.stdout.splitlines() if ": error: " in line]
    assert told == [f"user.py:{line}" for line in (4, 6, 7, 8)], done.stdout


def test_every_verb_works_from_another_folder(programs: Path, folder: Path) -> None:
    def told(*arguments: str) -> str:
        return call(programs / "sweep", *arguments, folder=folder)

    assert "study_name: my-study" in told("validate", "study.yaml")
    assert "my-study" in told("status")
    assert "studies/out/my-study.yaml" in told("export", "my-study")
    assert "test" in told("fit", "studies/out/my-study.yaml")
    assert "studies/out/my-study.html" in told("report", "my-study")
    assert told("doctor")
    made = {path.name for path in (folder / "studies" / "out").iterdir()}
    assert {"my-study.yaml", "my-study.html", "my-study.safetensors", "my-study.md"} <= made


def test_the_dashboard_answers_from_another_folder(programs: Path, folder: Path) -> None:
    with subprocess.Popen(
        [programs / "sweep", "dashboard", "--port", "0"],
        cwd=folder, env=ELSEWHERE, stdout=subprocess.PIPE, text=True,
    ) as served:  # fmt: skip
        try:
            assert served.stdout is not None
            address = served.stdout.readline().split()[0]
            with urllib.request.urlopen(f"{address.rstrip('/')}/api/studies", timeout=60) as got:
                assert "my-study" in got.read().decode()
            served.send_signal(signal.SIGINT)
            assert served.wait(60) == 130
        finally:
            served.kill()
