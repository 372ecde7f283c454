"""Timers around the parts of a running study; where one is inside another, the outer counts."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sweep.training.lanes
from sweep.engines import cohorts
from sweep.runner import run
from sweep.search.ask_tell import Search
from sweep.spec.study import StudySpec
from sweep.storage.mirror import MirroredStorage
from sweep.training import mlp
from sweep.training.lanes import Lanes
from sweep.training.optimizers import Adam, FusedAdam
from sweep.training.transfer import Fetched

PARTS: tuple[tuple[str, Any, str], ...] = (
    ("data and plan", cohorts, "planned"),
    ("gather", sweep.training.lanes, "gather"),
    ("forward", mlp, "_forward"),
    ("backward", mlp, "_backward"),
    ("optimiser", Adam, "step"),
    ("optimiser", FusedAdam, "step"),
    ("evaluation", Lanes, "validate"),
    ("evaluation", Lanes, "measure"),
    ("evaluation", Fetched, "values"),
    ("Optuna", Search, "ask"),
    ("Optuna", Search, "report"),
    ("Optuna", Search, "tell"),
    ("storage", MirroredStorage, "flush"),
)
NAMES = tuple(dict.fromkeys(name for name, _, _ in PARTS))


def run_timed(spec: StudySpec) -> dict[str, float]:
    """Run a study in this process: seconds of the parts, of the rest and of the whole."""
    with tempfile.TemporaryDirectory() as folder, timers() as spent:
        stored = spec.model_copy(update={"storage": f"sqlite:///{folder}/parts.db"})
        begin = time.perf_counter()
        run.run_study(stored)
        whole = time.perf_counter() - begin
    return {**spent, "the rest": whole - sum(spent.values()), "whole": whole}


@contextmanager
def timers() -> Iterator[dict[str, float]]:
    """Add up the seconds of each part while the context lasts."""
    spent, inside = dict.fromkeys(NAMES, 0.0), [False]
    before = [(owner, name, getattr(owner, name)) for _, owner, name in PARTS]

    def timed(part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if inside[0]:
                return call(*args, **kwargs)
            inside[0], begin = True, time.perf_counter()
            try:
                return call(*args, **kwargs)
            finally:
                spent[part] += time.perf_counter() - begin
                inside[0] = False

        return wrapped

    try:
        for (part, owner, name), (_, _, call) in zip(PARTS, before, strict=True):
            setattr(owner, name, timed(part, call))
        yield spent
    finally:
        for owner, name, call in before:
            setattr(owner, name, call)
