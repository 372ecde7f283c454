"""What torch tests its own modules on: lanes give what each module gives alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
REFUSED = {
    "nn.FractionalMaxPool2d",
    "nn.FractionalMaxPool3d",
}  # they draw where no counter reaches


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, dict[str, Any]]]:
    command = [sys.executable, "-m", "tests.support.torch_modules"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    read: dict[str, dict[str, dict[str, Any]]] = json.loads(done.stdout.splitlines()[-1])
    return read


def test_every_module_of_torch_in_lanes_gives_what_it_gives_alone(
    found: dict[str, dict[str, dict[str, Any]]],
) -> None:
    gaps = {(name, one): outcome.get("gap", 0.0)
            for name, some in found.items() for one, outcome in some.items()}  # fmt: skip
    assert {name: gap for name, gap in gaps.items() if not gap < 1e-9} == {}


def test_nearly_all_train_fused(found: dict[str, dict[str, dict[str, Any]]]) -> None:
    refused = {name: [one["refused"] for one in some.values() if "refused" in one]
               for name, some in found.items()}  # fmt: skip
    assert {name for name, some in refused.items() if some} == REFUSED
    assert all("random operation" in line for some in refused.values() for line in some)
    n_refused, n = sum(map(len, refused.values())), sum(map(len, found.values()))
    assert n > 550 and n_refused <= 0.03 * n
