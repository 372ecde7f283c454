"""What `import sweep` shows: the public names, and nothing else, whatever is imported later."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import sweep
from sweep.errors import UsageError
from tests.conftest import Command

FACE = [
    "Client", "Config", "StudyResult", "SweepError", "UsageError", "__version__", "fit",
    "load_config",
    "load_result", "load_spec", "report", "run", "transfer",
]  # fmt: skip
URL = "sqlite:///tiny.db"

IMPORT_ALL = """
import importlib, pkgutil, sweep
before = {name: getattr(sweep, name) for name in dir(sweep)}
for module in pkgutil.walk_packages(sweep.__path__, "sweep."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
assert {name: getattr(sweep, name) for name in dir(sweep)} == before
assert all(callable(there) or name == "__version__" for name, there in before.items()), before
print(dir(sweep))
"""
LIGHT = """
import sys, sweep
dir(sweep), sweep.__version__, sweep.SweepError
print(sorted({"torch", "optuna", "pydantic", "pandas", "numpy"} & {*sys.modules}))
"""


def python(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_public_names_are_there_and_nothing_else() -> None:
    assert dir(sweep) == FACE == sorted(sweep.__all__)
    for name in FACE:
        assert getattr(sweep, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = sweep.nothing


@pytest.mark.slow
def test_no_module_that_is_imported_later_changes_them() -> None:
    assert python(IMPORT_ALL) == str(FACE)


def test_nothing_heavy_is_imported_before_it_is_asked_for() -> None:
    assert python(LIGHT) == "[]"


def test_the_version_is_told_without_a_command(command: Command) -> None:
    assert command("--version") == (0, f"sweep {sweep.__version__}\n", "")


# --- what they do


def test_a_study_is_found_by_its_file_and_by_its_name(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPTUNA_STORAGE", URL)
    for study in ("tiny.yaml", Path("tiny.yaml"), "tiny"):
        for storage in (None, URL):
            result = sweep.load_result(study, storage)
            assert result.study.study_name == "tiny" and len(result.trials) == 6
    monkeypatch.delenv("OPTUNA_STORAGE")
    assert len(sweep.load_result("tiny.yaml").trials) == 6
    with pytest.raises(UsageError, match="tiny"):  # in studies/out/studies.db
        sweep.load_result("tiny")
    with pytest.raises(UsageError, match="tine"):
        sweep.load_result("tine", URL)


def test_a_report_of_one_study_and_of_two_is_that_of_the_command(
    tiny: Path, command: Command
) -> None:
    one = sweep.load_result("tiny.yaml")
    spec = sweep.load_spec("tiny.yaml", {"study_name": "other", "penalty.norm": "l1"})
    other = sweep.run(spec)
    assert sweep.report(one, "one.html") == Path("one.html")
    sweep.report([one, other], Path("two.html"))
    command("report", "tiny.yaml", "other", "--storage", URL, "-o", "command.html")
    mine, theirs = (Path(name).read_text("utf-8") for name in ("two.html", "command.html"))
    written = "Written by sweep on"
    assert mine.partition(written)[0] == theirs.partition(written)[0]
    assert "<h1>2 studies</h1>" in mine and "<h1>tiny</h1>" in Path("one.html").read_text("utf-8")


def test_a_report_that_cannot_be_is_refused(tiny: Path) -> None:
    result = sweep.load_result("tiny.yaml")
    with pytest.raises(UsageError, match=r"^--output: must end in \.html, got a\.pdf"):
        sweep.report(result, "a.pdf")
    with pytest.raises(UsageError, match=r"^report: must have a study or more, got none"):
        sweep.report([], "a.html")
    assert not list(tiny.glob("a.*"))


def test_a_config_is_refitted_from_its_file_and_as_it_was_read(tiny: Path) -> None:
    path = sweep.load_result("tiny.yaml").export("tiny-config.yaml")
    config = sweep.load_config(path)
    done, again = sweep.fit(path), sweep.fit(config, "again.safetensors")
    assert done.weights_path == Path("tiny-config.safetensors") and done.weights_path.exists()
    assert done.chosen == again.chosen and again.weights_path.exists()
    with pytest.raises(UsageError, match=r"^config: must be a file of .* made in Python"):
        sweep.fit(sweep.Config(config.spec, config.params))
