"""What is found on the machine before anything is trained."""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib.metadata import version

import sweep
from sweep.runtime import versions


def test_versions_name_python_sweep_and_what_is_not_installed() -> None:
    assert versions("optuna", "no-such-package") == {
        "python": platform.python_version(),
        "sweep": sweep.__version__,
        "optuna": version("optuna"),
        "no-such-package": "unknown",
    }


def test_only_what_is_imported_is_left_out_of_the_search_for_garbage() -> None:
    program = (
        "import gc; from sweep.runtime import importing\n"
        "with importing(): import colorsys\n"
        "frozen = gc.get_freeze_count()\n"
        "with importing(): import colorsys; kept = [[] for _ in range(1000)]\n"
        "print(frozen > 0, gc.get_freeze_count() <= frozen, gc.isenabled())"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert told.stdout.split() == ["True"] * 3, told.stderr
