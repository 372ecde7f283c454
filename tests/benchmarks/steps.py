"""A training step on a device: its time, what it is made of, how far from the machine's best.

| symbol | meaning |
|---|---|
| L, H | lanes, hidden units |
| floor | the least time of a step, as floor.py counts: the longer of FLOPs and bytes |

FLOPs are taken at the rate of a large float32 product, bytes at that of a large copy, both
measured in the same run; lanes that fit a cache move their bytes faster than the copy does.

A step is bound by launching its kernels as long as its time hardly depends on L: it stops being
so at the smallest L measured whose step takes BOUND times that of the smallest L, or more.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

import torch
from torch.profiler import ProfilerActivity

from sweep.plan.plan import make_plan
from sweep.spec.files import load_spec
from sweep.training.lanes import Lanes
from tests.benchmarks.contracts import BATCH, FEATURES, ROWS, a_batch, check_captured, made
from tests.benchmarks.floor import flops_and_bytes, seconds, wait
from tests.benchmarks.machine import STUDY
from tests.benchmarks.workloads import RANGE

Row = dict[str, Any]
BOUND = 1.5
SAMPLES, SAMPLE_S = 5, 0.05  # medians of so many; a sample is an epoch or more, to last so long
WARM_S = 0.3  # of epochs on a GPU before they are timed: its clocks rise with its work
PROFILED = 20  # steps
QUEUED = 5  # steps that fit the device's queue of launches, so that the host need not wait
TOP = 8
VARIANTS: Mapping[str, dict[str, bool]] = {
    "eager": {},
    "graph": {"cuda_graph": True},
    "compiled": {"compile": True},
    "compiled, graph": {"compile": True, "cuda_graph": True},
}


def step_times(
    device: torch.device, hidden: Sequence[int], lanes: Sequence[int]
) -> Iterator[list[Row]]:
    """Time a training step over lanes × hidden units, after a warm-up."""
    rows: list[Row] = []
    for units in hidden:
        for width in lanes:
            rows.append({"hidden": units, "lanes": width, **step_time(device, width, units)})
            yield rows


def variant_times(
    device: torch.device, hidden: Sequence[int], lanes: Sequence[int], variants: Sequence[str]
) -> Iterator[list[Row]]:
    """Time a step as it is, compiled, replayed as a part of its epoch's graph, or both."""
    rows: list[Row] = []
    for units in hidden:
        for width in lanes:
            for variant in variants:
                row = {"variant": variant, "hidden": units, "lanes": width}
                rows.append({**row, **step_time(device, width, units, **VARIANTS[variant])})
                yield rows


def step_time(device: torch.device, width: int, hidden: int, **options: bool) -> Row:
    """Time a step; options are those of `made`.

    Compiling is timed by the first step and capturing by the first epoch, which come to more:
    a step, and the warm-up with a replay. What the process has compiled before of the same shapes
    is not compiled again.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    trained, steps = made(device, width, hidden, **options), -(-ROWS // BATCH)
    once: Row = {}
    if options.get("compile"):
        with torch.no_grad():  # as within an epoch, or it is compiled once more there
            rows = a_batch(trained)
            x = trained.problem.rows(rows)
            once["compile_s"] = seconds(device, lambda: trained._step(rows, x))
    first = seconds(device, trained.train_epoch)
    if options.get("cuda_graph"):
        once["capture_s"] = first
    check_captured(trained)
    begin = time.perf_counter()
    while device.type == "cuda" and time.perf_counter() - begin < WARM_S:
        seconds(device, trained.train_epoch)
    epochs = max(1, min(500, int(SAMPLE_S / seconds(device, trained.train_epoch))))

    def sample() -> None:
        for _ in range(epochs):
            trained.train_epoch()

    times = [1e3 * seconds(device, sample) / (epochs * steps) for _ in range(SAMPLES)]
    row = {
        "step_ms": median(times),
        "step_ms_runs": times,
        "us_per_lane": 1e3 * median(times) / width,
        **once,
    }
    if device.type == "cuda":
        row["peak_mib"] = torch.cuda.max_memory_allocated(device) / 2**20
    return row


def launch_bound(times: Sequence[Row]) -> list[Row]:
    """Say for each H from how many lanes on a step is not bound by its launches; None: beyond."""
    found: list[Row] = []
    for hidden in dict.fromkeys(row["hidden"] for row in times):
        rows = sorted((r for r in times if r["hidden"] == hidden), key=lambda row: row["lanes"])
        limit = BOUND * rows[0]["step_ms"]
        ended = (row["lanes"] for row in rows if row["step_ms"] >= limit)
        found.append({"hidden": hidden, "lanes": next(ended, None)})
    return found


def floor(times: Sequence[Row], rate: dict[str, float]) -> Row:
    """Compare the steps with the floor."""
    rows, of_one = [], {hidden: least(hidden) for hidden in {row["hidden"] for row in times}}
    for row in times:
        flops, moved = (row["lanes"] * each for each in of_one[row["hidden"]])
        floor_ms = 1e3 * max(flops / rate["flop_s"], moved / rate["byte_s"])
        rows.append(
            {"hidden": row["hidden"], "lanes": row["lanes"], "mflop": flops / 1e6,
             "mbyte": moved / 1e6, "floor_ms": floor_ms, "step_ms": row["step_ms"],
             "share_of_floor": floor_ms / row["step_ms"]}
        )  # fmt: skip
    return {"gflop_s": rate["flop_s"] / 1e9, "gbyte_s": rate["byte_s"] / 1e9, "rows": rows}


def least(hidden: int) -> tuple[float, float]:
    """Return FLOPs and bytes of one lane's step.

    A study of one epoch, of one batch, without validation rows is a step; but for the weights,
    which its evaluation would read.
    """
    changes = (
        f"data.train_rows={BATCH}", f"model.hidden=[{hidden}]", "training.batch_size=full",
        "training.epochs=1", "device=cpu", *RANGE,
    )  # fmt: skip
    plan = make_plan(load_spec(STUDY, changes))
    assert plan.problem.feature_shape == (FEATURES,)
    problem = replace(plan.problem, val=plan.problem.val[:, :0])
    flops, moved = flops_and_bytes(replace(plan, problem=problem))
    return flops, moved - 4 * plan.layout.size


def profiles(device: torch.device, shapes: Sequence[tuple[int, int]]) -> Iterator[list[Row]]:
    """Profile a step at each (H, L)."""
    rows: list[Row] = []
    for hidden, width in shapes:
        lanes = made(device, width, hidden)
        times = host_and_step_ms(device, lanes)
        rows.append({"hidden": hidden, "lanes": width, **times, **profile(device, lanes)})
        yield rows
    if device.type == "cuda" and not all(row["kernels"] for row in rows):
        raise RuntimeError("the profiler saw no kernel: may this user read the GPU's counters?")


def host_and_step_ms(device: torch.device, lanes: Lanes) -> Row:
    """Return milliseconds of a step: for the host to queue it, and until it has ended."""
    batch, queueing, whole = a_batch(lanes), [], []
    for _ in range(2 * SAMPLES):
        wait(device)
        begin = time.perf_counter()
        for _ in range(QUEUED):
            lanes._step(batch, lanes.problem.rows(batch))
        queueing.append(time.perf_counter() - begin)
        wait(device)
        whole.append(time.perf_counter() - begin)
    half = slice(SAMPLES, None)  # the first ones warm up
    return {
        "host_ms": 1e3 * median(queueing[half]) / QUEUED,
        "step_ms": 1e3 * median(whole[half]) / QUEUED,
    }


def profile(device: torch.device, lanes: Lanes) -> Row:
    """Count what a step runs, and where its time goes: on the device, or without one the host.

    Kernels are those of the device, copies and fills among them; calls are PyTorch's operators
    that no other one called. device_ms is the sum of the kernels' times. Shares are of the time
    in kernels, each counted at the operator that launched it; without a device of the operators'
    own time on the host.
    """
    batch, on_device = a_batch(lanes), device.type == "cuda"
    activities = [ProfilerActivity.CPU, *[ProfilerActivity.CUDA] * on_device]

    def record(steps: int) -> Any:
        with torch.profiler.profile(activities=activities) as recorded:
            for _ in range(steps):
                lanes._step(batch, lanes.problem.rows(batch))
            wait(device)
        return recorded

    record(1)  # the first one loads the profiler
    recorded = record(PROFILED)
    events = recorded.events()
    kernels = [e for e in events if e.device_type.name == "CUDA" and not _is_note(e)]
    calls = [e for e in events if e.name.startswith("aten::") and e.cpu_parent is None]
    of_kernels = sum(e.time_range.elapsed_us() for e in kernels)
    return {
        "kernels": len(kernels) / PROFILED if kernels else None,
        "calls": len(calls) / PROFILED,
        "device_ms": of_kernels / PROFILED / 1e3 if kernels else None,
        "top": _top(recorded.key_averages(), bool(kernels)),
        "top_kernels": _shares([(e.name[:90], 1, e.time_range.elapsed_us()) for e in kernels]),
    }


def _top(averages: Any, on_device: bool) -> list[Row]:
    field = "self_device_time_total" if on_device else "self_cpu_time_total"
    operators = [e for e in averages if e.key.startswith("aten::")]
    return _shares([(e.key, e.count, getattr(e, field)) for e in operators])


def _shares(parts: Sequence[tuple[str, int, float]]) -> list[Row]:
    """Add up (name, count, time) by name; return the TOP with the longest time."""
    count, spent = dict[str, int](), dict[str, float]()
    for name, times, duration in parts:
        count[name] = count.get(name, 0) + times
        spent[name] = spent.get(name, 0.0) + duration
    whole = sum(spent.values()) or 1.0
    names = sorted(spent, key=lambda name: -spent[name])[:TOP]
    return [
        {"name": name, "a_step": count[name] / PROFILED, "share": spent[name] / whole}
        for name in names
    ]


def _is_note(event: Any) -> bool:
    """Tell a mark of the profiler or of a user from a kernel."""
    return bool(getattr(event, "is_user_annotation", False))
