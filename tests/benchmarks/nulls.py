"""How often a whole study, really trained, claims a gain where there is none; how often it misses.

    python -m tests.benchmarks.nulls           # --studies 400 --with-effect 100; writes nulls.json

Every study draws data of its own (120 rows, 10 features, two classes) and trains its strengths and
the control on 5 folds, then tests its choice on 5 fresh ones, as `sweep run` does.

* null: strengths of 1e-10 to 1e-8, which do nothing, and a learning rate at which training is
  chaotic: the last bits that a strength changes grow until a trial is as far from the next one as
  from one with other first weights. So whatever is claimed is false.
* null, design: the same, with the 13 trials of the sampler `design`, whose model chooses.
* null, design × 2: the same on two partitions.
* effect: strengths of 1e-4 to 1e-1, a learning rate at which training is quiet: a penalty helps.

| rule | claims a gain, two-sided 95 %, if |
|---|---|
| chosen | the t of the paired differences on the folds that chose is beyond t(K − 1) |
| fresh | the same on fresh folds: what `sweep` says |

Under the null all strengths are as good. So an interval of those that do as well as the best one
misses where it leaves out a strength that was named beforehand: the middle of the range.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read by torch as it is imported

import numpy as np
import optuna

import sweep
from sweep.spec.files import parse_spec
from sweep.spec.study import StudySpec
from sweep.stats import paired_gain
from tests.benchmarks.machine import HERE, machine

OUTPUT = HERE / "nulls.json"
ROWS, FEATURES, FOLDS = 120, 10, 5
MIDDLE = 1e-9  # of the range under the null
# Range of the strength, learning rate, trials, sampler, partitions.
KINDS = {
    "null": (1e-10, 1e-8, 0.3, 20, "tpe", 1),
    "effect": (1e-4, 1e-1, 0.05, 20, "tpe", 1),
    "null, design": (1e-10, 1e-8, 0.3, 13, "design", 1),
    "null, design × 2": (1e-10, 1e-8, 0.3, 13, "design", 2),
}
METRICS = ("val_loss", "val_error")
OF_DESIGNS = METRICS[:1]  # no smooth curve fits a rate of errors: the trials decide, as with tpe


def study(folder: Path, kind: str, metric: str, seed: int) -> StudySpec:
    """Write data drawn from `seed`, and describe a study of them."""
    low, high, lr, n_trials, sampler, n_repeats = KINDS[kind]
    rng = np.random.default_rng([seed, 7])
    X = rng.normal(size=(ROWS, FEATURES)).astype(np.float32)
    slope = rng.normal(size=FEATURES) / FEATURES**0.5
    y = (X @ slope + np.sin(2 * X[:, 0]) + rng.normal(size=ROWS) > 0).astype(int)
    np.savez(folder / "rows.npz", X=X, y=y)
    tree = {
        "study_name": "one", "seed": seed, "storage": f"sqlite:///{folder}/one.db",
        "data": {"source": "rows.npz"}, "model": {"kind": "mlp", "hidden": [16]},
        "training": {"optimizer": "sgd", "lr": lr, "momentum": 0.9, "batch_size": 10,
                     "epochs": 40},
        "search": {"n_trials": n_trials, "widenings": 0, "sampler": {"type": sampler},
                   "space": {"alpha": {"low": low, "high": high}}},
        "objective": {"metric": metric}, "replicates": {"n_folds": FOLDS, "n_repeats": n_repeats},
    }  # fmt: skip
    return parse_spec(tree, str(folder / "one.yaml"), folder)


def claimed(kind: str, metric: str, seed: int) -> dict[str, Any]:
    """Run a study, and say what each rule claims of its best trial: better, worse or None.

    And whether its interval leaves out the middle of the range.
    """
    with tempfile.TemporaryDirectory() as folder:
        finished = sweep.run(study(Path(folder), kind, metric, seed)).finished
    best, base = finished.choose("best"), finished.baseline
    low, high = finished.interval(best)
    misses = not low <= MIDDLE <= high
    if base is None:  # the control diverged
        return {"chosen": None, "fresh": None, "misses": misses}
    by, se = paired_gain(base.replicate_values, best.replicate_values, *finished.folds)
    told = bool(se) and abs(by) > finished.reach * se  # type: ignore[operator]
    gain = finished.gain(best)
    assert gain is None or gain.fresh
    return {
        "chosen": ("better" if by > 0 else "worse") if told else None,
        "fresh": gain.told if gain else None,
        "misses": misses,
    }


def cells(sizes: dict[str, int]) -> Iterator[list[dict[str, Any]]]:
    """Yield the cells that are known, after each of them."""
    found: list[dict[str, Any]] = []
    for kind, n_studies in sizes.items():
        for metric in OF_DESIGNS if "design" in kind else METRICS:
            told = [claimed(kind, metric, seed) for seed in range(1, n_studies + 1)]
            shares = {
                f"{rule} {word}": sum(one[rule] == word for one in told) / n_studies
                for rule in ("chosen", "fresh")
                for word in ("better", "worse")
            }
            if kind != "effect":  # where they are not as good
                shares["interval misses"] = sum(one["misses"] for one in told) / n_studies
            found.append({"kind": kind, "metric": metric, "studies": n_studies, **shares})
            yield found


def table(found: list[dict[str, Any]]) -> str:
    """Render the shares as Markdown."""
    head = ("studies of", "metric", "n", "chosen: better", "chosen: worse", "fresh: better",
            "fresh: worse", "interval misses")  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for cell in found:
        kind, metric, n, *shares = cell.values()
        told = [kind, metric, str(n), *(f"{share:.1%}" for share in shares)]
        lines.append("| " + " | ".join([*told, *[""] * (len(head) - len(told))]) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run the studies, write the file after each cell, print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--studies", type=int, default=400, help="under the null")
    parser.add_argument("--with-effect", type=int, default=100, help="with an effect")
    parser.add_argument("--designs", type=int, default=400, help="under the null, of the design")
    parser.add_argument("--only", choices=KINDS, help="others stay as the file has them")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    args = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    each = args.studies, args.with_effect, args.designs, args.designs
    sizes = dict(zip(KINDS, each, strict=True))
    kept = json.loads(args.output.read_text())["nulls"] if args.only else []
    kept = [cell for cell in kept if cell["kind"] != args.only]
    for cell in cells({args.only: sizes[args.only]} if args.only else sizes):
        found = [*kept, *cell]
        told = {"machine": machine(), "nulls": found}
        args.output.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(table(found))


if __name__ == "__main__":
    main()
