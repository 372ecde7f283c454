"""What is found on the machine before anything is trained."""

from __future__ import annotations

import platform
from importlib.metadata import version

from sweep.runtime import versions


def test_versions_name_python_and_what_is_not_installed() -> None:
    assert versions("optuna", "no-such-package") == {
        "python": platform.python_version(),
        "optuna": version("optuna"),
        "no-such-package": "unknown",
    }
