"""Who may train with the others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sweep.engines.hello import Hello, misfit
from sweep.runtime import versions

HERE = versions("torch", "ray")
FIRST = Hello("a", "node-a", 1, "EPYC", HERE)


def test_an_equal_one_fits() -> None:
    assert misfit(replace(FIRST, host="b", node="node-b", pid=2), FIRST, mixed=False) is None


@pytest.mark.parametrize("package", ["torch", "sweep", "ray", "python"])
def test_another_version_does_not_fit(package: str) -> None:
    other = replace(FIRST, host="b", versions={**HERE, package: "1.0.0"})
    line = f"engine.address: every host must have {package} {HERE[package]}, got 1.0.0 (b)."
    assert (misfit(other, FIRST, mixed=True) or "").startswith(line)


def test_pythons_last_number_may_differ() -> None:
    minor = HERE["python"].rpartition(".")[0]
    other = replace(FIRST, versions={**HERE, "python": f"{minor}.99"})
    assert misfit(other, FIRST, mixed=False) is None


def test_another_kind_of_device_fits_where_devices_are_mixed() -> None:
    other = replace(FIRST, host="b", device="Xeon")
    line = misfit(other, FIRST, mixed=False) or ""
    assert line.startswith("engine.mixed: must be true for devices of several kinds")
    assert "got EPYC (a) and Xeon (b)" in line and "\n" not in line
    assert misfit(other, FIRST, mixed=True) is None
