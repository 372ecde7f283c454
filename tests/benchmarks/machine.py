"""What the figures were made on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
STUDIES = ROOT / "studies"
STUDY = STUDIES / "digits-l2.yaml"
# The work of that study that every program can do: trials proposed one by one, on 8 folds.
ONE_BY_ONE = {"search.sampler.type": "tpe", "replicates.n_repeats": 1}
OF_48 = {"search.n_trials": 48, **ONE_BY_ONE}
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
PACKAGES = ("torch", "optuna", "scikit-learn", "ray")


def machine() -> dict[str, Any]:
    """Return hardware and versions."""
    return {
        "cpu": _cpu(),
        "cores": CORES,
        "threads": 1,
        "python": platform.python_version(),
        **{package: found for package in PACKAGES if (found := _version(package))},
    }


def _cpu() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    named = (line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
