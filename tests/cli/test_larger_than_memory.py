"""Rows ten times what a process may have of memory train, and take no more than 2 GB."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="limits and sizes as Linux has them"),
]

LIMIT_BYTES = 640 << 20  # of what a process may write to: torch alone takes half of it
SHAPE = (204_800, 4096)  # of float64: ten times as much
APART = 64  # so many rows from one that tells its class; the others are zeros, on no disk
STUDY = """
study_name: large
storage: sqlite:///large.db
device: cpu
data: {source: X.npy, target: y.npy, test_fraction: 0.01, train_rows: 20_000}
model: {kind: mlp, hidden: [4, 4]}
training: {optimizer: adam, lr: 1e-2, batch_size: 512, epochs: 1, width: 2, workers: 1}
search: {n_trials: 1, sampler: {type: random}, space: {alpha: {low: 1e-6, high: 1e-4}}}
replicates: {n_folds: 1, holdout: 0.02}
"""
RUN = """
import json, resource, sys
from sweep.__main__ import main
sys.argv = ["sweep", "run", "large.yaml", "--json"]
try:
    main()
finally:
    peak = max(resource.getrusage(who).ru_maxrss
               for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(json.dumps({"peak_kb": peak}), file=sys.stderr)
"""


def write_rows(path: Path, classes: np.ndarray) -> int:
    """Write a sparse file of `SHAPE`; return its size."""
    with path.open("wb") as file:
        header = {"descr": "<f8", "fortran_order": False, "shape": SHAPE}
        np.lib.format.write_array_header_1_0(file, header)
        start, row_bytes = file.tell(), 8 * SHAPE[1]
        size = file.truncate(start + SHAPE[0] * row_bytes)
        for row in range(0, SHAPE[0], APART):
            file.seek(start + row * row_bytes)
            file.write(np.full(8, 2.0 * classes[row] - 1).tobytes())
    return size


def train(folder: Path, limit_bytes: int = LIMIT_BYTES) -> None:
    """Run the study in a process with little memory, and look at what it took."""
    limit = partial(resource.setrlimit, resource.RLIMIT_DATA, (limit_bytes, limit_bytes))
    # Arrow's own allocator sets aside a gigabyte where it can, and the limit counts it.
    environment = {**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system"}
    done = subprocess.run(
        [sys.executable, "-c", RUN], cwd=folder, preexec_fn=limit, capture_output=True,
        text=True, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stderr.splitlines()[-1])["peak_kb"] <= 2 << 20
    assert "best_value" in json.loads(done.stdout)


def test_a_file_ten_times_the_memory_trains(tmp_path: Path) -> None:
    classes = np.arange(SHAPE[0]) // APART % 2
    assert write_rows(tmp_path / "X.npy", classes) > 10 * LIMIT_BYTES
    np.save(tmp_path / "y.npy", classes)
    (tmp_path / "large.yaml").write_text(STUDY)
    train(tmp_path)


N_ROWS, N_COLUMNS, N_TEXTS = 900_000, 40, 60  # each text becomes a feature, of float32
FOR_TEXTS_BYTES = 780 << 20  # pandas and Arrow take some


def test_texts_ten_times_the_memory_train(tmp_path: Path) -> None:
    assert 4 * N_ROWS * N_COLUMNS * N_TEXTS > 10 * FOR_TEXTS_BYTES
    texts, draw = pa.array([f"text {n}" for n in range(N_TEXTS)]), np.random.default_rng(0)
    codes = draw.integers(0, N_TEXTS, (N_COLUMNS, N_ROWS), dtype=np.int32)
    columns = {
        f"x{n}": pa.DictionaryArray.from_arrays(part, texts).cast(pa.string())
        for n, part in enumerate(codes)
    }
    y = pa.array(np.array(["no", "yes"])[codes[0] % 2])
    parquet.write_table(pa.table({**columns, "y": y}), tmp_path / "t.parquet")
    study = STUDY.replace("source: X.npy, target: y.npy", "source: t.parquet, target: y")
    (tmp_path / "large.yaml").write_text(study)
    train(tmp_path, FOR_TEXTS_BYTES)
