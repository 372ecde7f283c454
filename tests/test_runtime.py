"""What is found on the machine before anything is trained."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import version

import pytest

import sweep
from sweep.runtime import is_out_of_memory, stderr_closed, versions


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


def error_of(package: str, name: str, *bases: type[BaseException]) -> BaseException:
    kind = type(name, bases or (Exception,), {"__module__": f"{package}.exceptions"})
    error = kind("CUDA out of memory")
    assert isinstance(error, BaseException)
    return error


@pytest.mark.parametrize(
    ("error", "is_short"),
    [
        (MemoryError(), True),
        (error_of("torch", "OutOfMemoryError", RuntimeError), True),
        (RuntimeError("CUDA out of memory"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("can't start new thread"), True),
        (RuntimeError("shapes differ"), False),
        (error_of("ray", "OutOfMemoryError"), False),
        (error_of("ray", "RayTaskError(RuntimeError)", RuntimeError), False),
        (error_of("ray", "RayTaskError(MemoryError)", MemoryError), False),
    ],
    ids=str,
)
def test_fewer_lanes_are_an_answer_to_memory_that_training_lacks(
    error: BaseException, is_short: bool
) -> None:
    assert is_out_of_memory(error) == is_short


def test_what_is_written_to_a_closed_stderr_is_lost(capfd: pytest.CaptureFixture[str]) -> None:
    with stderr_closed():
        os.write(2, b"from some thread\n")
    os.write(2, b"ours\n")
    assert capfd.readouterr().err == "ours\n"
