"""What it costs to read rows from their file: a step against the same with the rows in memory.

    python -m tests.benchmarks.streams          # steps
    python -m tests.benchmarks.streams plan     # what `sweep validate` does, with a file of 1.6 GB

The same study is planned twice, `data.stream` false and true, and lanes of both train through
epochs in turn: the median over epochs of the CPU time of a step, one thread. The file stays in the
system's cache, as one that was just written does; what a disk adds is not measured.
"""

from __future__ import annotations

import math
import os
import resource
import sys
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
LARGE = 6_250_000, 64  # rows and features of the file that is planned with: 1.6 GB


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


def plan_once() -> tuple[float, float, float]:
    """Return CPU seconds of planning with a large file, how often it is read, and peak GB."""
    with tempfile.TemporaryDirectory() as name:
        folder, draw = Path(name), np.random.default_rng(0)
        with (folder / "X.npy").open("wb") as file:  # a map's pages would count as memory
            header = {"descr": "<f4", "fortran_order": False, "shape": LARGE}
            np.lib.format.write_array_header_1_0(file, header)
            for _ in range(0, LARGE[0], 50_000):
                draw.standard_normal((50_000, LARGE[1]), np.float32).tofile(file)
        np.save(folder / "y.npy", draw.integers(0, 3, LARGE[0]))
        tree = {
            "study_name": "t", "data": {"source": "X.npy", "target": "y.npy"}, "device": "cpu",
            "model": {"hidden": [64]}, "replicates": {"n_folds": 5},
            "training": {"batch_size": 512, "epochs": 1},
        }  # fmt: skip
        spec, n_bytes, pread = parse_spec(tree, "t.yaml", folder), 0, os.pread

        def counted(file: int, size: int, offset: int) -> bytes:
            nonlocal n_bytes
            n_bytes += size
            return pread(file, size, offset)

        os.pread, begin = counted, time.process_time()
        make_plan(spec)
        os.pread, seconds = pread, time.process_time() - begin
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return seconds, n_bytes / (4 * math.prod(LARGE)), peak_gb


def main() -> None:
    """Print the table."""
    use_one_thread()
    if sys.argv[1:] == ["plan"]:
        seconds, times, peak_gb = plan_once()
        print(f"planning with {LARGE[0]} rows of {LARGE[1]} features in a file, 5 folds:")
        print(f"{seconds:.0f} s of CPU time, the file is read {times:.2f} times, {peak_gb:.1f} GB")
        return
    print(f"CPU ms a step of {3 * SLOTS} lanes, 512 rows each, medians of {TIMED} epochs")
    print("features  in memory  from the file  ratio")
    for n_features in (16, 64, 256):
        memory, file = measure(n_features)
        print(f"{n_features:8}  {memory:9.2f}  {file:13.2f}  {file / memory:5.2f}")


if __name__ == "__main__":
    main()
