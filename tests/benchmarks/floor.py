"""Compare a training with what the machine could do at best, and show where the rest goes.

    python -m tests.benchmarks.floor          # --runs 3; a part of `make bench`

| symbol | meaning |
|---|---|
| F, H, C | inputs, units of each hidden layer, outputs |
| P, w | parameters of a network, weights among them |
| B, S | rows of a batch, steps of a training |
| m, E | validation rows, epochs |

FLOPs: matrix products alone. A step multiplies 2·B·w forward, as much for the weights'
gradients, and once more for the inputs' gradients of all layers but the first; an epoch ends
with 2·m·w. Bytes: what must move if everything but the matrix products were one kernel each:
10·P a step (weights read forward and backward, gradient written; Adam reads θ, g, m, v and
writes θ, m, v), B·(4F + 7ΣH + 5C) of rows and activations, and P + m·(F + 2ΣH + C) an epoch
for the evaluation, four bytes each. The floor is the longer of FLOPs at the rate of a large
float32 product and bytes at that of a large copy, both on one thread in the same run. Lanes in
a cache move their bytes faster than the copy does, so a share may exceed what memory allows.

Times are taken inside one process with one worker, from the study read to the study stored;
what idle lanes cost is in them. Writes floor.json and prints the tables.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # read by torch as it is imported

import torch

from sweep.plan.plan import Plan, make_plan
from sweep.spec.files import load_spec
from sweep.spec.sections import MlpSpec
from sweep.spec.study import StudySpec
from sweep.training.linalg import product
from tests.benchmarks.machine import HERE, STUDIES, machine
from tests.benchmarks.parts import NAMES, run_timed
from tests.benchmarks.workloads import LONG, NETWORKS, QUICK, WORKLOADS, Workload


def flops_and_bytes(plan: Plan) -> tuple[float, float]:
    """Return what one training multiplies and moves at least."""
    model, problem, spec = plan.spec.model, plan.problem, plan.spec
    assert isinstance(model, MlpSpec)
    (features,) = problem.feature_shape
    rows, held, hidden = problem.train.shape[1], problem.val.shape[1], sum(model.hidden)
    sizes = [a * b for a, b in pairwise([features, *model.hidden, problem.n_outputs])]
    epochs, steps = spec.training.epochs, plan.steps
    per_row = 2 * (3 * sum(sizes) - sizes[0])
    flops = epochs * (rows * per_row + held * 2 * sum(sizes))
    moved = 10 * plan.layout.size * steps
    moved += epochs * rows * (4 * features + 7 * hidden + 5 * problem.n_outputs)
    moved += epochs * (plan.layout.size + held * (features + 2 * hidden + problem.n_outputs))
    return float(flops), 4.0 * moved


def seconds(device: torch.device, call: Callable[[], Any]) -> float:
    """Time a call, to the end of what it started on the device."""
    wait(device)
    begin = time.perf_counter()
    call()
    wait(device)
    return time.perf_counter() - begin


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def rates(device: torch.device) -> dict[str, float]:
    """Return FLOP/s of a large float32 product and bytes/s of a large copy."""
    n, entries = (8192, 1 << 28) if device.type == "cuda" else (1024, 1 << 25)
    a, b, out = (torch.rand(n, n, device=device) for _ in range(3))
    source, target = (torch.ones(entries, device=device) for _ in range(2))

    def warm(call: Callable[[], Any]) -> float:
        return median([seconds(device, call) for _ in range(8)][1:])

    multiply = warm(lambda: product(a[None], b[None], out[None]))
    copy = warm(lambda: target.copy_(source))
    return {"flop_s": 2 * n**3 / multiply, "byte_s": 2 * 4 * entries / copy}


def measure(work: Workload, runs: int, quick: bool) -> dict[str, Any]:
    """Run a workload under the timers; seconds are medians over the runs."""
    changes = (*work.sets, "training.workers=1", f"search.n_trials={work.trials}")
    changes = (*changes, "search.n_trials=4", *QUICK) if quick else changes
    found = [once(load_spec(STUDIES / work.study, changes)) for _ in range(runs)]
    plan = make_plan(load_spec(STUDIES / work.study, changes))
    trainings = (plan.spec.search.n_trials + 1) * plan.spec.n_replicates
    flops, moved = flops_and_bytes(plan)
    seconds = {name: median(run[name] for run in found) for name in found[0]}
    times = {"flops": flops / seconds.pop("flop_s"), "bytes": moved / seconds.pop("byte_s")}
    trained = sum(seconds[part] for part in ("gather", "forward", "backward", "optimiser"))
    return {
        "work": work.name,
        "runs": runs,
        "trainings": trainings,
        "mflop": flops / 1e6,
        "mbyte": moved / 1e6,
        "gflop_s": median(run["flop_s"] for run in found) / 1e9,
        "gbyte_s": median(run["byte_s"] for run in found) / 1e9,
        "ms_flops": 1e3 * times["flops"],
        "ms_bytes": 1e3 * times["bytes"],
        "ms": 1e3 * seconds["whole"] / trainings,
        "share_of_floor": max(times.values()) * trainings / seconds["whole"],
        "share_of_floor_in_steps": max(times.values())
        * trainings
        / (trained + seconds["evaluation"]),
        "shares": {name: seconds[name] / seconds["whole"] for name in (*NAMES, "the rest")},
    }


def once(spec: StudySpec) -> dict[str, float]:
    """Run a study once: seconds of its parts, and the machine's rates."""
    return {**run_timed(spec), **rates(torch.device("cpu"))}


def table(result: dict[str, Any]) -> str:
    """Render the figures as Markdown."""
    head = (
        "work", "MFLOP", "MB", "GFLOP/s", "GB/s", "ms at that rate", "ms to move", "ms measured",
        "share of the floor", "in steps and evaluation",
    )  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row in result["rows"]:
        numbers = (
            f"{row['mflop']:.0f}", f"{row['mbyte']:.0f}", f"{row['gflop_s']:.0f}",
            f"{row['gbyte_s']:.1f}", f"{row['ms_flops']:.2f}", f"{row['ms_bytes']:.2f}",
            f"{row['ms']:.2f}", f"{row['share_of_floor']:.0%}",
            f"{row['share_of_floor_in_steps']:.0%}",
        )  # fmt: skip
        lines.append(f"| {row['work']} | " + " | ".join(numbers) + " |")
    parts = (*NAMES, "the rest")
    lines += ["", "| share of the time | " + " | ".join(parts) + " |", "|---" * 9 + "|---|"]
    for row in result["rows"]:
        cells = (f"{row['shares'][part]:.1%}" for part in parts)
        lines.append(f"| {row['work']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure all workloads."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a rehearsal: no figure is of use")
    parser.add_argument("--output", type=Path, default=HERE / "floor.json")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for work in [w for w in WORKLOADS if w.programs[: len(NETWORKS)] == NETWORKS] + [LONG]:
        rows.append(measure(work, args.runs, args.quick))
        print(f"  floor: {work.name} {rows[-1]['ms']:.1f} ms a training", file=sys.stderr)
    result = {"machine": machine(), "rows": rows}
    args.output.write_text(json.dumps(result, indent=1) + "\n")
    print(table(result))


if __name__ == "__main__":
    main()
