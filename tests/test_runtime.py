"""What is found on the machine before anything is trained."""

from __future__ import annotations

import platform
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
