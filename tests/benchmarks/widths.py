"""How many lanes one core should train at once: the calibration behind `training.width: auto`.

    python -m tests.benchmarks.widths         # a part of `make bench`; half a minute

For the networks of each workload, the time of one lane's epoch (its steps and its validation)
against the number of slots, and the memory that the lanes' tensors take in a step. More lanes
share the fixed cost of a step until their tensors leave the caches; `CPU_BYTES` of the plan is set
where the cost has flattened and not yet risen. Medians of 5 epochs after a warm-up, one thread.
Writes widths.json and prints the table.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # read by torch as it is imported

import torch

from sweep.plan.plan import Plan, make_plan
from sweep.runtime import keep_freed_memory
from sweep.spec.files import load_spec
from sweep.training.lanes import Lanes
from tests.benchmarks.machine import HERE, STUDIES, machine
from tests.benchmarks.workloads import NETWORKS, WORKLOADS, Workload

SLOTS = (1, 2, 3, 4, 6, 8, 13, 26)
TIMED = 5


def lane_us(plan: Plan, slots: int) -> float:
    """Return the microseconds of one lane's epoch among so many slots."""
    places = range(plan.spec.n_replicates)
    lanes = Lanes(plan.problem, plan.factory, plan.recipe, slots, len(places))
    setting = plan.setting({plan.spec.strength: plan.span.low})
    lanes.reset(range(slots), places, [setting] * slots)
    seconds = []
    for _ in range(TIMED + 1):
        begin = time.perf_counter()
        lanes.train_epoch()
        lanes.validate(places)
        seconds.append(time.perf_counter() - begin)
    return 1e6 * median(seconds[1:]) / (slots * len(places))


def measure(work: Workload) -> dict[str, Any]:
    """Measure a workload's network at all widths."""
    plan = make_plan(load_spec(STUDIES / work.study, work.sets))
    replicates = plan.spec.n_replicates
    print(f"  widths: {work.name}", file=sys.stderr)
    return {
        "work": work.name,
        "lane_bytes": plan.lane_bytes,
        "chosen": plan.width // replicates,
        "points": [
            {"slots": slots, "lanes": slots * replicates, "us": lane_us(plan, slots)}
            for slots in SLOTS
        ],
    }


def table(result: dict[str, Any]) -> str:
    """Render the figures as Markdown: ms of a lane's epoch (MiB of all lanes)."""
    head = ("slots", *map(str, SLOTS), "auto")
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row in result["rows"]:
        cells = [
            f"{point['us'] / 1e3:.3f} ({point['lanes'] * row['lane_bytes'] / 2**20:.0f})"
            for point in row["points"]
        ]
        lines.append("| " + " | ".join([row["work"], *cells, str(row["chosen"])]) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure all networks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, default=HERE / "widths.json")
    args = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    works = [work for work in WORKLOADS if work.programs[: len(NETWORKS)] == NETWORKS]
    result = {"machine": machine(), "rows": [measure(work) for work in works]}
    args.output.write_text(json.dumps(result, indent=1) + "\n")
    print(table(result))


if __name__ == "__main__":
    main()
