"""Time whole jobs, process start to written result, against what people would use instead.

    python -m tests.benchmarks                # --runs 5; a part of `make bench`; 4 minutes a run

Every program does the same work as `sweep`: the same rows, splits, network, epochs, batch,
range of alpha and number of trials. A run is one turn of all; a figure is the median of the runs.
Reading the data, asks, storage and evaluation count. `sweep` on one core is what one-core
programs are compared with, `sweep` on all cores the others. It trains the control alpha = 0
besides.

Where a program would take too long it makes fewer trials. Then its whole job is what it took,
plus the missing trials at the pace of those made: start-up counts once, and asks count as if
they stayed as cheap as the first. Writes results.json and prints the table.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.comparison import Comparison
from tests.benchmarks.machine import HERE, machine
from tests.benchmarks.workloads import WORKLOADS

COLUMNS = (
    "program", "trials made", "whole job, s", "trainings / s", "sweep is", "within 1 SE, s",
    "peak MiB", "differs, SE",
)  # fmt: skip


LEGEND = """\
Medians (and ranges) of whole jobs, process start to written result. ≈: the program made fewer
trials; those missing are added at the pace of the rest, start-up once. "sweep is": whole job ÷
that of `sweep` on as many cores beside it. "within 1 SE": until a trial within one standard error
of the best value of `sweep`. Peak: resident memory summed over processes, shared pages in each.
"differs": values above those of `sweep` at equal alphas, in standard errors.
"""


def table(result: dict[str, Any]) -> str:
    """Render the figures as Markdown: one table a workload."""
    blocks = [LEGEND]
    for work in dict.fromkeys(row["work"] for row in result["rows"]):
        rows = [row for row in result["rows"] if row["work"] == work]
        head = f"**{work}**: {rows[0]['trials']} trials, n = {len(rows[0]['seconds']['runs'])}"
        lines = ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
        blocks += [head, "", *lines, *map(_line, rows), ""]
    return "\n".join(blocks)


def summary(result: dict[str, Any]) -> str:
    """Render in one table how many times faster `sweep` is, on as many cores as the other."""
    rows = result["rows"]
    works = list(dict.fromkeys(row["work"] for row in rows))
    programs = list(dict.fromkeys(row["program"] for row in rows))
    found = {(row["work"], row["program"]): row for row in rows}
    lines = ["| whole job | " + " | ".join(works) + " |", "|---" * (len(works) + 1) + "|"]
    for name in programs:
        cells = []
        for work in works:
            row = found.get((work, name))
            if row is None:
                cells.append("–")
            elif name.startswith("sweep"):
                cells.append(f"{row['seconds']['median']:.1f} s")
            else:
                cells.append(f"{row['sweep_is_times_faster']['median']:.1f}×")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _line(row: dict[str, Any]) -> str:
    sweep = row["program"].startswith("sweep")
    shortened = row["trials_made"] < row["trials"]
    cells = (
        row["program"],
        row["trials_made"],
        ("≈ " if shortened else "") + _cell(row["seconds"], 1),
        _cell(row["trainings_per_second"], 1),
        "" if sweep else _cell(row["sweep_is_times_faster"], 1) + "×",
        _cell(row["seconds_to_within_1se"], 1),
        _cell(row["peak_mib"], 0),
        "" if sweep else _cell(row["differs_by_se"], 2),
    )
    return "| " + " | ".join(map(str, cells)) + " |"


def _cell(figure: dict[str, Any], digits: int) -> str:
    """Write a median, and the range of the runs where there are several."""
    if figure["median"] is None:
        return "–"
    low, high = min(figure["runs"]), max(figure["runs"])
    spread = f" ({low:,.{digits}f}–{high:,.{digits}f})" if len(figure["runs"]) > 1 else ""
    return f"{figure['median']:,.{digits}f}{spread}"


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=60, help="begin no run after so many")
    parser.add_argument("--only", default="", help="workloads whose name contains this")
    parser.add_argument("--quick", action="store_true", help="a rehearsal: no figure is of use")
    parser.add_argument("--output", type=Path, default=HERE / "results.json")
    args = parser.parse_args()
    before = json.loads(args.output.read_text())["rows"] if args.output.exists() else []
    comparisons = [Comparison(work) for work in WORKLOADS if args.only in work.name]
    names = {comparison.work.name for comparison in comparisons}
    others = [row for row in before if row["work"] not in names]
    about = machine() | {"load_before": os.getloadavg()[0]}
    deadline = time.monotonic() + 60 * args.minutes
    result: dict[str, Any] = {}
    for run in range(args.runs):
        if run and time.monotonic() > deadline:
            break
        for comparison in comparisons:
            comparison.run(args.quick)
        rows = others + [row for comparison in comparisons for row in comparison.rows()]
        rows.sort(key=lambda row: [work.name for work in WORKLOADS].index(row["work"]))
        result = {"machine": about, "rows": rows}
        args.output.write_text(json.dumps(result, indent=1) + "\n")
    print(table(result))
    print(about)


if __name__ == "__main__":
    main()
