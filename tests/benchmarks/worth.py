"""What the parts that could be left out are worth: the table of docs/structure.md.

    python -m tests.benchmarks.worth           # a minute; writes worth.json

`training.compile`: a step of the default study with it and without, on one core, in turns.
The own TPE: an ask with its tell beside that of Optuna's TPESampler, in turns, which proposes
the same. `training.cuda_graph`: the operations that a step issues one by one, where a graph issues
one, and how long that takes this core: a step of lanes so small that nothing else takes time. What
a replayed step takes, a GPU must tell (`make bench-gpu`). The doctor: the damages in the table of
its tests, and how many of them keep Optuna from reading the study.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # read by torch as it is imported

import optuna
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from sweep.search.fast_tpe import TPE
from tests.benchmarks.contracts import REPLICATES, a_batch, made
from tests.benchmarks.machine import HERE, machine
from tests.benchmarks.steps import step_time
from tests.benchmarks.storage import ask_cost

OUTPUT = HERE / "worth.json"
HIDDEN, LANES, TURNS = (32, 128), 104, 3
TRIALS = (100, 1000, 10_000)


def compiled() -> list[dict[str, Any]]:
    """Return how many times as long a compiled step takes, and the seconds of compiling."""
    rows = []
    for hidden in HIDDEN:
        turns = [
            [step_time(torch.device("cpu"), LANES, hidden, compile=on) for on in (False, True)]
            for _ in range(TURNS)
        ]
        ratios = [on["step_ms"] / off["step_ms"] for off, on in turns]
        first = turns[0][1]["compile_s"]  # later turns find the code that this one made
        rows.append({"hidden": hidden, "times_as_long": ratios, "compile_s": first})
    return rows


def asks() -> list[dict[str, Any]]:
    """Return the milliseconds of an ask with its tell, of the own TPE and of Optuna's."""
    rows = []
    for trials in TRIALS:
        turns = []
        for _ in range(TURNS):
            with tempfile.TemporaryDirectory() as folder:
                kinds = {"own": TPE(seed=0), "optuna": optuna.samplers.TPESampler(seed=0)}
                turns.append({
                    name: ask_cost(f"sqlite:///{folder}/{name}.db", trials, sampler)
                    for name, sampler in kinds.items()
                })  # fmt: skip
        ratios = [turn["optuna"] / turn["own"] for turn in turns]
        medians = {name: median(turn[name] for turn in turns) for name in turns[0]}
        rows.append({"trials": trials, **medians, "times_as_long": ratios})
    return rows


class _Issued(TorchDispatchMode):
    """Count the operations that a device would be given: views are not."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.operations += not func.is_view
        return func(*args, **(kwargs or {}))


def issued() -> dict[str, Any]:
    """Return how many operations a step issues, and the milliseconds of a step of the smallest."""
    device = torch.device("cpu")
    lanes = made(device, REPLICATES, 1)
    with torch.no_grad(), _Issued() as count:
        batch = a_batch(lanes)
        lanes._step(batch, lanes.problem.rows(batch))
    times = [step_time(device, REPLICATES, 1)["step_ms"] for _ in range(TURNS)]
    return {"operations": count.operations, "step_ms": times}


def table(result: dict[str, Any]) -> str:
    """Render the figures as Markdown."""
    from tests.storage.test_doctor import CASES

    compiled = "; ".join(
        f"{row['hidden']} hidden units: a step takes {median(row['times_as_long']):.2f} times as"
        f" long, after {row['compile_s']:.0f} s of compiling"
        for row in result["compiled"]
    )
    asks = ", ".join(
        f"{median(row['times_as_long']):.1f} at {row['trials']:,}" for row in result["asks"]
    )
    graph = result["issued"]
    blind = sum(case.before == "fails" for case in CASES.values())
    rows = {
        "`training.compile`": f"On one CPU core: {compiled}. On a GPU: not measured.",
        "`training.cuda_graph`": f"A step issues {graph['operations']} operations one by one,"
        f" which takes the host {min(graph['step_ms']):.2f} ms however fast the device is; a graph"
        " issues one. What a replayed step takes on a GPU: not measured (`make bench-gpu`).",
        "own TPE (`search/fast_tpe.py`)": "The same proposals as Optuna's, whose ask with"
        f" its tell takes so many times as long beside so many trials: {asks}.",
        "`sweep doctor` (`storage/doctor.py`)": f"Its tests hold {len(CASES)} damages. It finds"
        f" and mends all, and changes no other row; {blind} of them keep Optuna from reading.",
    }
    lines = ["| part | worth |", "|---|---|", *(f"| {k} | {v} |" for k, v in rows.items())]
    return "\n".join(lines)


def main() -> None:
    """Measure, write the file, print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, default=OUTPUT)
    args = parser.parse_args()
    torch.set_num_threads(1)
    folder = tempfile.TemporaryDirectory()
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder.name  # or it finds what it compiled another day
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with folder:
        result = {"machine": machine(), "compiled": compiled(), "issued": issued(), "asks": asks()}
    args.output.write_text(json.dumps(result, indent=1) + "\n")
    print(table(result))


if __name__ == "__main__":
    main()
