"""The Makefile says what it can do."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def make(*targets: str) -> str:
    if not shutil.which("make"):
        pytest.skip("needs make")
    return subprocess.run(
        ["make", *targets], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
    ).stdout


def test_help_lists_every_target_and_is_what_make_alone_does() -> None:
    (named,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    told = make("help")
    assert re.findall(r"^  ([a-z-]+) +\w", told, re.MULTILINE) == named.split()
    assert make() == told
