"""What only a GPU can show, in one command of less than 8 minutes.

    make bench-gpu                 # python -m tests.benchmarks.gpu [--device cuda] [--runs 3]

| stage | what it finds |
|---|---|
| fused_is_serial, slots_are_bitwise_equal, no_step_waits | the contracts (contracts.py) |
| step_times | a training step over lanes × hidden units (steps.py) |
| launch_bound | the lanes from which a step takes 1.5 times that of the fewest lanes, or more |
| floor | rates of a large product and a large copy, and the steps' share of the least time |
| trainings_alone, parts, whole_jobs | the plain loop, torch.func and `sweep` (peers.py) |
| the contracts with `_graphs`, replay_is_eager | those of epochs that are CUDA graphs |
| graph_times | a step without and with graphs; capturing |
| profiles | kernels and calls of a step, time on host and device, the longest operators |
| compiled_times | as graph_times, of compiled steps; compiling |

Needs torch, optuna, pandas, scikit-learn, pydantic, sqlalchemy, ruamel.yaml, scipy and this
checkout on the path. `--device cpu --quick` rehearses it on one core, in about a minute, all but
what is about graphs.
The JSON file is written anew after every stage and within long ones, so that a run cut short
leaves what it has. A stage that fails leaves what it found, its error in one line under
`<stage>_error` and where it was raised under `<stage>_traceback`; the others run, and the exit
code is 1. What may harm the process, captures and the profiler, comes last.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import json
import logging
import os
import platform
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

os.environ.setdefault("TEARDOWN_CUPTI", "0")  # read by torch: a second profile may fail otherwise

import torch

from tests.benchmarks import __main__ as jobs
from tests.benchmarks import contracts, peers, steps
from tests.benchmarks.floor import rates
from tests.benchmarks.machine import HERE, machine
from tests.benchmarks.peers import has_command_line

Stage = Callable[[], Iterator[Any]]
RESERVE_S = 150.0  # for the stages after the whole jobs
HANGS_S = 20.0  # after the time that it may take
TOLD = 6000  # characters of a traceback
HIDDEN, LANES = (32, 128, 512), (8, 32, 64, 128, 256, 512, 1024, 2048, 4096)
PROFILES = ((32, 104), (32, 1024), (128, 104), (128, 1024))
GRAPH_HIDDEN, GRAPH_LANES = (32, 128), (104, 512, 1024)
COMPILED_HIDDEN, COMPILED_LANES = (32,), (104, 1024)  # compiling takes its time
QUICK_HIDDEN, QUICK_LANES, QUICK_PROFILES = (8, 32), (8, 32, 64), ((8, 16), (32, 104))


def stages(args: argparse.Namespace, found: dict[str, Any]) -> dict[str, Stage]:
    """Return the stages in their order; each yields what it has so far, at last all of it."""
    device, quick, runs = args.device, args.quick, args.runs
    deadline = time.monotonic() + 60 * args.minutes
    hidden = QUICK_HIDDEN if quick else HIDDEN
    lanes = LANES if device.type == "cuda" and not quick else QUICK_LANES  # a core is busy by then
    rate: dict[str, float] = {}

    def times() -> list[steps.Row]:
        if not found["step_times"]:
            raise RuntimeError("needs step_times, which found nothing")
        return list(found["step_times"])

    def launch_bound() -> Iterator[Any]:
        yield steps.launch_bound(times())

    def floor() -> Iterator[Any]:
        rate.update(rates(device))
        yield steps.floor([], rate)  # the rates are of use without the steps too
        yield steps.floor(times(), rate)

    def on_cuda(stage: Stage) -> Stage:
        return stage if device.type == "cuda" else lambda: iter(["not done: no CUDA"])

    def graph_times() -> Iterator[Any]:
        return steps.variant_times(device, GRAPH_HIDDEN, GRAPH_LANES, ("eager", "graph"))

    def compiled_times() -> Iterator[Any]:
        variants = "compiled", "compiled, graph"
        return steps.variant_times(device, COMPILED_HIDDEN, COMPILED_LANES, variants)

    return {
        "fused_is_serial": lambda: contracts.fused_is_serial(device),
        "slots_are_bitwise_equal": lambda: contracts.slots_are_bitwise_equal(device),
        "no_step_waits": lambda: contracts.no_step_waits(device),
        "step_times": lambda: steps.step_times(device, hidden, lanes),
        "launch_bound": launch_bound,
        "floor": floor,
        "trainings_alone": lambda: peers.trainings_alone(device, runs, quick, rate or None),
        "parts": lambda: peers.parts(device, runs, quick),
        "whole_jobs": lambda: peers.whole_jobs(device, runs, quick, deadline - RESERVE_S),
        "replay_is_eager": on_cuda(lambda: contracts.replay_is_eager(device)),
        "fused_is_serial_graphs": on_cuda(lambda: contracts.fused_is_serial(device, True)),
        "slots_are_bitwise_equal_graphs": on_cuda(
            lambda: contracts.slots_are_bitwise_equal(device, True)
        ),
        "graph_times": on_cuda(graph_times),
        "profiles": lambda: steps.profiles(device, QUICK_PROFILES if quick else PROFILES),
        "compiled_times": on_cuda(compiled_times),
    }


def run(name: str, stage: Stage, found: dict[str, Any], output: Path) -> None:
    """Run a stage, and write what is found whenever there is more."""
    begin = time.perf_counter()
    try:
        gc.collect()  # what one stage has kept, the next, or its processes, may need
        with suppress(RuntimeError):
            torch.cuda.empty_cache()
        for figures in stage():
            found[name] = figures
            write(found, output)
    except (Exception, SystemExit) as error:
        found.setdefault(name, None)
        found[f"{name}_error"] = one_line(error)
        found[f"{name}_traceback"] = traceback.format_exc()[-TOLD:]
        print(f"{name}: {found[f'{name}_error']}", file=sys.stderr)
    found[f"{name}_s"] = round(time.perf_counter() - begin, 2)
    write(found, output)
    print(f"{name} {found[f'{name}_s']} s", file=sys.stderr, flush=True)


def one_line(error: BaseException) -> str:
    """Return the kind of an error with the first and the last line of its message."""
    lines = str(error).strip().splitlines() or [""]
    ends = lines[:1] + lines[1:][-1:]
    return " … ".join((f"{type(error).__name__}: {ends[0][:200]}", *(e[:300] for e in ends[1:])))


def write(found: dict[str, Any], output: Path) -> None:
    part = output.with_name(f".{output.name}.part")
    part.write_text(json.dumps(found, indent=1) + "\n")
    part.replace(output)


class _Kept(logging.Handler):
    """Keep what the package logs: why work could not be captured, for one."""

    def __init__(self, found: dict[str, Any]):
        super().__init__()
        self._lines: list[str] = found.setdefault("log", [])

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(record.getMessage())


def about(device: torch.device) -> dict[str, Any]:
    """Return the device, its size and the versions."""
    how = "python -m sweep" if has_command_line() else "sweep.run"
    told = {"device": platform.machine(), **machine(), "sweep_is_run_by": how}
    if device.type == "cuda":
        card = torch.cuda.get_device_properties(device)
        told |= {
            "device": card.name,
            "capability": f"{card.major}.{card.minor}",
            "multiprocessors": card.multi_processor_count,
            "memory_mib": card.total_memory >> 20,
            "l2_mib": getattr(card, "L2_cache_size", 0) >> 20,
            "cuda": torch.version.cuda,
            **clocks(),
        }
    return told


def clocks() -> dict[str, str]:
    """Return driver, largest clocks and power limit of the first card, where they can be asked."""
    asked = "driver_version", "clocks.max.sm", "clocks.max.mem", "power.limit"
    command = ["nvidia-smi", f"--query-gpu={','.join(asked)}", "--format=csv,noheader"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
        return dict(zip(asked, told.stdout.splitlines()[0].split(", "), strict=True))
    except (OSError, subprocess.SubprocessError, IndexError, ValueError):
        return {}


def table(found: dict[str, Any]) -> str:
    """Render the figures as Markdown; what is missing is left out."""
    blocks = [_steps(found), _variants(found), _profiles(found), _alone(found), _parts(found)]
    if rows := found.get("whole_jobs"):
        blocks.append(jobs.table({"rows": rows}))
    return "\n\n".join(filter(None, blocks))


def _steps(found: dict[str, Any]) -> str:
    times, shares = found.get("step_times") or [], (found.get("floor") or {}).get("rows", [])
    ends = {row["hidden"]: row["lanes"] for row in found.get("launch_bound") or []}
    share = {(row["hidden"], row["lanes"]): row["share_of_floor"] for row in shares}
    lanes = list(dict.fromkeys(row["lanes"] for row in times))
    step = {(row["hidden"], row["lanes"]): row["step_ms"] for row in times}
    rows = []
    for hidden in dict.fromkeys(row["hidden"] for row in times):
        cells = [
            f"{step[hidden, n]:.2f} ({share.get((hidden, n), float('nan')):.0%})"
            if (hidden, n) in step
            else "–"
            for n in lanes
        ]
        rows.append([hidden, *cells, ends.get(hidden) or "–"])
    head = ["ms a step (share of floor): hidden", *(f"{n:,} lanes" for n in lanes)]
    return _markdown([*head, "not launch-bound from"], rows)


def _variants(found: dict[str, Any]) -> str:
    stages = (found.get(name) for name in ("graph_times", "compiled_times"))
    times = [row for rows in stages if isinstance(rows, list) for row in rows]
    rows = [
        [row["variant"], row["hidden"], row["lanes"], _number(row["step_ms"], 3),
         _number(row.get("compile_s"), 1), _number(row.get("capture_s"))]
        for row in times
    ]  # fmt: skip
    head = ["step", "hidden", "lanes", "ms", "compiling and first step, s"]
    return _markdown([*head, "capturing and first epoch, s"], rows)


def _profiles(found: dict[str, Any]) -> str:
    head = ["profile: hidden", "lanes", "step, ms", "host, ms", "device, ms", "kernels", "calls"]
    rows = [
        [row["hidden"], row["lanes"], _number(row["step_ms"]), _number(row["host_ms"]),
         _number(row["device_ms"]), _number(row["kernels"], 0), _number(row["calls"], 0),
         ", ".join(f"{top['name'].removeprefix('aten::')} {top['share']:.0%}"
                   for top in row["top"][:4])]
        for row in found.get("profiles") or []
    ]  # fmt: skip
    return _markdown([*head, "longest"], rows)


def _alone(found: dict[str, Any]) -> str:
    rows = [
        [row["program"], row["trainings_made"], _number(row["ms_a_training"]["median"], 3),
         f"{row['sweep_is_times_faster']['median']:.1f}×",
         "–" if row["share_of_floor"] is None else f"{row['share_of_floor']:.1%}"]
        for row in found.get("trainings_alone") or []
    ]  # fmt: skip
    head = ["training alone", "trainings made", "ms a training", "sweep is", "share of floor"]
    return _markdown(head, rows)


def _parts(found: dict[str, Any]) -> str:
    rows = found.get("parts") or []
    names = list(rows[0]["seconds"]) if rows else []
    cells = [[row["work"], *(_number(row["seconds"][name]) for name in names)] for row in rows]
    return _markdown(["seconds of a study, without its start", *names], cells)


def _number(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def _markdown(head: list[str], rows: list[list[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) if rows else ""


def main() -> None:
    """Run the stages in turn."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", type=torch.device, default="cuda")
    parser.add_argument("--runs", type=int, help="turns of each program; 3, of a rehearsal 1")
    parser.add_argument("--minutes", type=float, default=7.5, help="begin no turn that ends later")
    parser.add_argument("--quick", action="store_true", help="a rehearsal: no figure is of use")
    parser.add_argument("--output", type=Path, default=HERE / "gpu.json")
    args = parser.parse_args()
    if args.device.type == "cuda" and not torch.cuda.is_available():
        parser.error("--device: there is no usable GPU, got cuda. Use --device cpu --quick")
    args.runs = args.runs or (1 if args.quick else 3)
    torch.set_num_threads(1)  # as in the jobs
    faulthandler.dump_traceback_later(60 * args.minutes + HANGS_S, exit=True)  # it hangs
    found = about(args.device)
    logging.getLogger("sweep").addHandler(_Kept(found))
    write(found, args.output)
    todo = stages(args, found)
    for name, stage in todo.items():
        run(name, stage, found, args.output)
    print(table(found))
    failed = [name for name in todo if f"{name}_error" in found]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
