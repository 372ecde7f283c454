"""The Makefile says what it can do."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).parent.parent


def make(*targets: str) -> str:
    if not shutil.which("make"):
        pytest.skip("needs make")
    return subprocess.run(
        ["make", *targets], cwd=ROOT, capture_output=True, text=True, check=True, timeout=300
    ).stdout


def test_help_lists_every_target_and_is_what_make_alone_does() -> None:
    (named,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    told = make("help")
    assert re.findall(r"^  ([a-z-]+) +\w", told, re.MULTILINE) == named.split()
    assert make() == told


@pytest.mark.slow
def test_serve_opens_with_one_study_finished(tmp_path: Path) -> None:
    for name in ("Makefile", "studies"):
        copy = shutil.copytree if name == "studies" else shutil.copy
        copy(ROOT / name, tmp_path / name)
    shutil.rmtree(tmp_path / "studies" / "out", ignore_errors=True)
    python = Path(sys.executable)
    command = ["make", "-o", ".venv/ready-service", "serve", f"BIN={python.parent}",
               "SERVE_ARGS=--port 0"]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            lines = iter(process.stdout.readline, "")
            url = next(line.split()[0] for line in lines if line.startswith("http"))
            with urlopen(f"{url}v1/studies") as answer:
                (study,) = json.load(answer)["items"]
            assert (study["name"], study["state"], study["n_trials"]) == ("first", "done", 13)
        finally:
            os.killpg(process.pid, signal.SIGINT)
