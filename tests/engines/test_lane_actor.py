"""An actor plans, adopts, makes and steps, and returns its errors."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sweep.engines.lane_actor import LaneActor, plain
from sweep.engines.messages import Start, Stop
from sweep.errors import UsageError
from sweep.training.messages import Report
from tests.support.settings import setting_of
from tests.support.studies import tiny

A, B = setting_of(1e-3, 2e-2), setting_of(1e-1, 2e-2)


@pytest.fixture
def planner(tmp_path: Path) -> tuple[LaneActor, Any, Any]:
    actor = LaneActor()
    outline, parts = actor.plan(tiny(tmp_path))
    return actor, outline, parts


def trained(actor: LaneActor, width: int, partition: int = 0) -> list[Report]:
    actor.make(width, partition)
    epochs, error = actor.step([Start("a", A), Start("b", B)], 60.0)
    assert error is None
    return [report for epoch in epochs for report in epoch]


def same(ours: list[Report], theirs: list[Report]) -> bool:
    keys = [(report.trial, report.epoch, report.loss) for report in ours]
    values = [report.result.val_loss for report in ours if report.result]
    others = [report.result.val_loss for report in theirs if report.result]
    return keys == [(report.trial, report.epoch, report.loss) for report in theirs] and all(
        map(np.array_equal, values, others)
    )


@pytest.mark.parametrize("partition", [0, 1])
def test_one_that_adopts_a_plan_trains_the_same_bits(
    planner: tuple[LaneActor, Any, Any], partition: int
) -> None:
    actor, outline, parts = planner
    for part in parts[1:]:
        part.flags.writeable = False
    other = LaneActor()
    other.hello({}, "cpu")
    assert other.adopt(outline, parts) is None
    ours, theirs = (trained(one, outline.width, partition) for one in (actor, other))
    assert ours[-1].result is not None and same(ours, theirs)


def test_a_step_ends_with_a_trial_or_with_its_patience(
    planner: tuple[LaneActor, Any, Any],
) -> None:
    actor, outline, _ = planner
    actor.make(outline.width, 0)
    epochs, _ = actor.step([Start("a", A)], 0.0)
    assert [report.epoch for epoch in epochs for report in epoch] == [1]
    epochs, _ = actor.step([Start("b", B)], 60.0)
    assert [report.epoch for epoch in epochs for report in epoch] == [2, 1, 3, 2, 4, 3]
    assert actor.step([Stop("a"), Stop("b")], 60.0) == ([], None)  # a has left by itself


def test_errors_are_returned(tmp_path: Path) -> None:
    spec = tiny(tmp_path, data__source="gone.csv", data__target="y")
    error = LaneActor().plan(spec)
    assert isinstance(error, UsageError) and str(error).startswith("data.source")
    epochs, error = LaneActor().step([], 0.0)
    assert not epochs and isinstance(error, Exception)


def test_a_model_that_has_changed_is_not_adopted(tmp_path: Path) -> None:
    (tmp_path / "own_net.py").write_text(
        "from torch import nn\n\ndef net(n, c):\n    return nn.Linear(n, c)\n"
    )
    outline, parts = LaneActor().plan(tiny(tmp_path, model={"source": "python:own_net:net"}))
    assert LaneActor().adopt(outline, parts) is None
    changed = replace(outline, about={**outline.about, "model_hash": "another"})
    error = LaneActor().adopt(changed, parts)
    assert str(error).startswith("model.source: must be the same file wherever the study is")


class OwnError(RuntimeError):
    """An error whose class the owner does not have."""


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (UsageError("key: rule"), UsageError, "key: rule"),
        (ValueError("shapes"), ValueError, "shapes"),
        (OwnError("odd"), RuntimeError, "OwnError: odd"),
        (torch.OutOfMemoryError("CUDA out of memory"), MemoryError, "CUDA out of memory"),
        (RuntimeError("CUDA error: out of memory"), MemoryError, "CUDA error: out of memory"),
    ],
    ids=str,
)
def test_an_error_is_sent_as_one_that_its_owner_knows(
    error: Exception, kind: type[Exception], text: str
) -> None:
    sent = plain(error)
    assert type(sent) is kind and str(sent) == text
    read = pickle.loads(pickle.dumps(sent))
    assert str(read) == text and read.__notes__


def test_the_owner_imports_neither_torch_nor_ray() -> None:
    program = (
        "import sys, sweep.engines.hire, sweep.engines.ray_engine\n"
        "print([name for name in ('torch', 'ray', 'pandas') if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert told.stdout.strip() == "[]", told.stderr
