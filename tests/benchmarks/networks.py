"""How fast networks of the user's own train, against a plain torch loop of the same network.

    python -m tests.benchmarks.networks [--turns 3] [--lanes 8 32 128] [--only NAME…]

One thread; CPU seconds (`time.process_time`) of whole trainings: every step, the validation after
each epoch, what is measured at the end. The plain loop has tensors instead of a DataLoader,
torch's fused Adam, and the penalty as its weight_decay. Both take turns, after a warm-up: a ratio
is the median of those of turns. `floor` is what the products and convolutions of a training would
take at the rate of a large product, and its sigmoids, tanhs and exponentials at that of a sigmoid,
both measured in the same turns. It writes its JSON after each network, with the machine's load,
and prints the table.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # read by torch as it is imported

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from sweep.data.problem import Problem
from sweep.runtime import keep_freed_memory
from sweep.training.cohort import Cohort
from sweep.training.linalg import product
from sweep.training.optimizers import FusedAdam
from sweep.training.recipe import Recipe
from sweep.training.weights import weight_names
from tests.benchmarks.machine import HERE, machine
from tests.benchmarks.own_nets import CLASSES, NETWORKS, Network
from tests.support.problems import made_up
from tests.support.settings import setting_of

LANES = (8, 32, 128)
ROWS, VAL_ROWS, BATCH, FOLDS = 300, 100, 50, 8
ALPHA, LR = 1e-4, 1e-3
PLAIN = 4  # trainings of the plain loop in a turn
SIDE, PRODUCTS = 768, 10  # of the large product
ENTRIES, SIGMOIDS = 64 * 1024, 200  # of the sigmoid
CURVED = {"sigmoid", "tanh", "safe_softmax", "softmax", "log_softmax", "gelu"}  # operators


def problem_of(net: Network, n_folds: int = FOLDS) -> Problem:
    """Draw rows of the network's shape, and as many to validate on in each fold."""
    folds, sizes = [(fold, 0) for fold in range(n_folds)], [VAL_ROWS] * n_folds
    return made_up("classification", folds, net.shape, n=ROWS, val_sizes=sizes,
                   dtype=torch.float32, n_outputs=CLASSES)  # fmt: skip


def train_plainly(net: Network, problem: Problem, r: int) -> list[float]:
    """Train one network as a plain loop does; return the validation loss after each epoch."""
    torch.manual_seed(r)
    model = net.make()
    weights, named = set(weight_names(model)), [*model.named_parameters()]
    groups = [
        {"params": [p for n, p in named if n in weights], "weight_decay": 2 * ALPHA},
        {"params": [p for n, p in named if n not in weights], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.Adam(groups, lr=LR, fused=True)
    x_val, y_val = problem.X[problem.val[r]], problem.y_clean[problem.val[r]]
    losses = []
    for _ in range(net.epochs):
        model.train()
        for rows in problem.train[r][torch.randperm(ROWS)].split(BATCH):
            optimizer.zero_grad()
            F.cross_entropy(model(problem.X[rows]), problem.y[rows]).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            losses.append(float(F.cross_entropy(model(x_val), y_val)))
    return losses


def train_fused(cohort: Cohort) -> None:
    """Train a trial in each slot to its end."""
    for trial in range(cohort.n_slots):
        cohort.start(trial, setting_of(ALPHA * (1 + trial), LR))
    while cohort.trials:
        cohort.advance()


def multiply(a: Tensor) -> None:
    """Make the large product a few times."""
    for _ in range(PRODUCTS):
        product(a, a)


def curve(a: Tensor) -> None:
    """Take the sigmoid a few times."""
    for _ in range(SIGMOIDS):
        torch.sigmoid(a)


class Curved(TorchDispatchMode):
    """Count the entries of which a sigmoid, a tanh or an exponential is taken."""

    entries = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Count, and go on."""
        out = func(*args, **(kwargs or {}))
        if func.overloadpacket.__name__.strip("_") in CURVED:
            self.entries += out.numel()
        return out


def counts(net: Network, problem: Problem) -> tuple[float, int]:
    """Count the operations of one training's products, and the entries of its curved functions."""
    products, curved = FlopCounterMode(display=False), Curved()  # type: ignore[no-untyped-call]
    # The layers in their plain forms, whose operators are counted.
    plain_forms = torch.backends.mkldnn.flags(enabled=False), sdpa_kernel(SDPBackend.MATH)
    with plain_forms[0], plain_forms[1], products, curved:
        train_plainly(net, problem, 0)
    return products.get_total_flops(), curved.entries


def cpu_s(work: Callable[[], object]) -> float:
    """Return the CPU seconds that something takes."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def measure(net: Network, turns: int, lanes: Sequence[int]) -> dict[str, Any]:
    """Measure a network: ms of one training, plain and at each number of lanes."""
    problem, side, line = problem_of(net), torch.randn(1, SIDE, SIDE), torch.randn(ENTRIES)
    recipe = Recipe(FusedAdam(), net.epochs, BATCH)
    work: dict[str, tuple[Callable[[], object], int]] = {
        "product": (partial(multiply, side), PRODUCTS),
        "sigmoid": (partial(curve, line), SIGMOIDS),
        "plain": (lambda: [train_plainly(net, problem, r) for r in range(PLAIN)], PLAIN),
    }
    for n in lanes:
        cohort = Cohort(problem, net.make, recipe, n)
        train_fused(cohort)  # a warm-up
        work[str(n)] = (partial(train_fused, cohort), n)
    train_plainly(net, problem, 0)
    spent: dict[str, list[float]] = {key: [] for key in work}
    for _ in range(turns):
        for key, (call, times) in work.items():
            spent[key].append(1e3 * cpu_s(call) / times)
    ms = {key: median(values) for key, values in spent.items()}
    ratios = {
        key: median(p / f for p, f in zip(spent["plain"], values, strict=True))
        for key, values in spent.items()
    }
    rate = 2e-6 * SIDE**3 / ms.pop("product")  # GFLOP/s
    sigmoid_ns = 1e6 * ms.pop("sigmoid") / ENTRIES
    operations, entries = counts(net, problem)
    return {
        "bar": net.bar, "turns": turns, "load": os.getloadavg()[0], "ms": ms,
        "ratios": {str(n): ratios[str(n)] for n in lanes},
        "gflops": rate, "sigmoid_ns": sigmoid_ns,
        "floor_ms": 1e-6 * (operations / rate + entries * sigmoid_ns),
    }  # fmt: skip


def table(rows: dict[str, Any]) -> str:
    """Render the figures as Markdown: ms of a training, and how many times as fast that is."""
    lanes = sorted({n for row in rows.values() for n in row["ratios"]}, key=int)
    head = ["network", "plain loop", *(f"{n} lanes" for n in lanes), "bar", "floor", "n", "load"]
    lines = [head, ["---"] * len(head)]
    for name, row in rows.items():
        ms, ratios = row["ms"], row["ratios"]
        cells = [f"{ms[n]:.1f} ({ratios[n]:.1f}×)" if n in ratios else "–" for n in lanes]
        ends = f"{row['bar']}×", f"{row['floor_ms']:.1f}", str(row["turns"]), f"{row['load']:.0f}"
        lines.append([name, f"{ms['plain']:.1f}", *cells, *ends])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def measure_each(
    only: Sequence[str], output: Path, measured: Callable[[Network], dict[str, Any]],
    of: Callable[[dict[str, Any]], str],
) -> None:  # fmt: skip
    """Measure the networks whose names contain one of some words; print a row of each."""
    torch.set_num_threads(1)
    keep_freed_memory()
    result: dict[str, Any] = {"machine": machine(), "rows": {}}
    for name, net in NETWORKS.items():
        if any(part in name for part in only):
            result["rows"][name] = row = measured(net)
            output.write_text(json.dumps(result, indent=1) + "\n")
            print(of({name: row}).splitlines()[-1], flush=True)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure all networks, or those whose names contain what is given."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, default=HERE / "networks.json")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--lanes", type=int, nargs="*", default=LANES)
    parser.add_argument("--only", nargs="*", default=[""])
    args = parser.parse_args(argv)
    measured = partial(measure, turns=args.turns, lanes=args.lanes)
    measure_each(args.only, args.output, measured, table)


if __name__ == "__main__":
    main()
