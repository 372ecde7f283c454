"""What it costs to read rows from their file: a step against the same with the rows in memory.

    python -m tests.benchmarks.streams

The same study is planned twice, `data.stream` false and true, and lanes of both train through
epochs in turn: the median over epochs of the CPU time of a step, one thread. The file stays in the
system's cache, as one that was just written does; what a disk adds is not measured.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from statistics import median

os.environ["OMP_NUM_THREADS"] = "1"  # read by torch as it is imported

import numpy as np

from sweep.plan.plan import make_plan
from sweep.runtime import use_one_thread
from sweep.spec.files import parse_spec
from sweep.training.lanes import Lanes

ROWS, SLOTS, TIMED = 40_000, 8, 3


def lanes_of(folder: Path, *, stream: bool) -> tuple[Lanes, int]:
    """Return lanes that train, and the steps of an epoch."""
    tree = {
        "study_name": "t", "data": {"source": "X.npy", "target": "y.npy", "stream": stream},
        "model": {"hidden": [64, 64]}, "replicates": {"n_folds": 3}, "device": "cpu",
        "training": {"optimizer": "adam", "lr": 0.01, "batch_size": 512, "epochs": TIMED + 1},
        "search": {"n_trials": 1, "space": {"alpha": {"low": 1e-6, "high": 1}}},
    }  # fmt: skip
    plan = make_plan(parse_spec(tree, "t.yaml", folder))
    places = range(plan.spec.n_replicates)
    lanes = Lanes(plan.problem, plan.factory, plan.recipe, SLOTS, len(places))
    lanes.reset(range(SLOTS), places, [plan.setting({"alpha": 1e-5})] * SLOTS)
    return lanes, plan.steps // plan.recipe.epochs


def measure(n_features: int) -> list[float]:
    """Return the milliseconds of a step in memory and from the file."""
    with tempfile.TemporaryDirectory() as name:
        folder, draw = Path(name), np.random.default_rng(0)
        np.save(folder / "X.npy", draw.normal(size=(ROWS, n_features)).astype(np.float32))
        np.save(folder / "y.npy", draw.integers(0, 10, ROWS))
        kinds = [lanes_of(folder, stream=stream) for stream in (False, True)]
        seconds: list[list[float]] = [[], []]
        for _ in range(TIMED + 1):
            for (lanes, steps), found in zip(kinds, seconds, strict=True):
                begin = time.process_time()
                lanes.train_epoch()
                found.append((time.process_time() - begin) / steps)
    return [1e3 * median(found[1:]) for found in seconds]


def main() -> None:
    """Print the table."""
    use_one_thread()
    print(f"CPU ms a step of {3 * SLOTS} lanes, 512 rows each, medians of {TIMED} epochs")
    print("features  in memory  from the file  ratio")
    for n_features in (16, 64, 256):
        memory, file = measure(n_features)
        print(f"{n_features:8}  {memory:9.2f}  {file:13.2f}  {file / memory:5.2f}")


if __name__ == "__main__":
    main()
