"""How the cost of a training grows: with lanes, width, rows, and trials in the study.

    python -m tests.benchmarks.growth         # a part of `make bench`; half a minute

A training is the default study's on random rows of its shapes: 60 epochs of 300 rows in batches
of 50, network 64-H-10 with H = 32, 64 lanes at once, one thread; one thing at a time is changed.
Each epoch is timed with its validation, the median of 5 after a warm-up, times 60. Asks (TPE)
are timed with the tell and the write, beside so many finished trials. Writes growth.json and
growth.png and prints the table.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

os.environ["OMP_NUM_THREADS"] = "1"  # read by torch as it is imported

import optuna
import torch

from sweep.data.problem import Problem
from sweep.runtime import keep_freed_memory
from sweep.search.fast_tpe import TPE
from sweep.training.lanes import Lanes
from sweep.training.modules import MLP
from sweep.training.optimizers import FusedAdam
from sweep.training.recipe import Recipe
from tests.benchmarks.machine import HERE, machine
from tests.benchmarks.storage import ask_cost
from tests.support.settings import setting_of

FEATURES, CLASSES, EPOCHS, BATCH, VALID = 64, 10, 60, 50, 180
LANES, HIDDEN, ROWS = 64, 32, 300
TIMED = 5
TICKS = [digit * 10**power for power in range(4) for digit in (1, 2, 5)]
Point = tuple[int, float]  # what is changed, milliseconds


def problem(rows: int) -> Problem:
    """Make random rows of the default study's shapes, with one replicate."""
    generator = torch.Generator().manual_seed(0)
    n = rows + VALID
    x = torch.rand(n, FEATURES, generator=generator)
    y = (x @ torch.randn(FEATURES, CLASSES, generator=generator)).argmax(1)
    order = torch.randperm(n, generator=generator)
    return Problem(
        X=x, y=y, y_clean=y, train=order[None, :rows], val=order[None, rows:],
        val_size=torch.tensor([VALID]), y_scale=torch.ones(1), y_mean=torch.zeros(1),
        replicates=((0, 0),),
        task="classification", n_outputs=CLASSES, feature_shape=(FEATURES,),
    )  # fmt: skip


def training_ms(lanes: int = LANES, hidden: int = HIDDEN, rows: int = ROWS) -> float:
    """Return the milliseconds a training takes."""
    recipe = Recipe(FusedAdam(), epochs=EPOCHS, batch_size=BATCH)
    made = Lanes(
        problem(rows), lambda: MLP(FEATURES, (hidden,), CLASSES, "relu"), recipe, lanes, 1
    )
    made.reset(range(lanes), range(1), [setting_of(1e-3, 2e-2)] * lanes)
    seconds = []
    for _ in range(TIMED + 1):
        begin = time.perf_counter()
        made.train_epoch()
        made.validate(range(1))
        seconds.append(time.perf_counter() - begin)
    return 1e3 * median(seconds[1:]) * EPOCHS / lanes


def ask_ms(trials: int) -> float:
    """Return the milliseconds of an ask, a tell and their write beside so many trials."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/asks.db"
        return ask_cost(url, trials, TPE(seed=0))


SERIES: dict[str, tuple[str, tuple[int, ...], Callable[[int], float]]] = {
    "lanes": ("ms a training", (1, 4, 16, 64, 256, 1024, 4096), lambda n: training_ms(lanes=n)),
    "hidden units": ("ms a training", (8, 32, 128, 512, 2048), lambda n: training_ms(hidden=n)),
    "rows": ("ms a training", (100, 300, 1000, 3000, 10_000), lambda n: training_ms(rows=n)),
    "trials in the study": ("ms an ask and tell", (100, 300, 1000, 3000, 10_000), ask_ms),
}


def measure(largest: int) -> dict[str, list[Point]]:
    """Measure all series up to the largest values."""
    found: dict[str, list[Point]] = {}
    for name, (unit, values, call) in SERIES.items():
        found[name] = []
        for value in (value for value in values if value <= largest):
            found[name].append((value, call(value)))
            print(f"  growth: {name} {value}: {found[name][-1][1]:.2f} {unit}", file=sys.stderr)
    return found


def table(series: dict[str, list[Point]]) -> str:
    """Render the series as Markdown."""
    blocks = []
    for name, points in series.items():
        blocks += [
            f"| {name} | " + " | ".join(f"{value:,}" for value, _ in points) + " |",
            "|---" * (len(points) + 1) + "|",
            f"| {SERIES[name][0]} | " + " | ".join(f"{ms:,.2f}" for _, ms in points) + " |",
            "",
        ]
    return "\n".join(blocks)


def draw(series: dict[str, list[Point]], path: Path) -> None:
    """Draw the series as four pictures in one, both axes logarithmic."""
    from plotly.subplots import make_subplots

    figure = make_subplots(1, len(series), horizontal_spacing=0.06)
    for column, (name, points) in enumerate(series.items(), 1):
        x, y = zip(*points, strict=True)
        figure.add_scatter(x=x, y=y, mode="lines+markers", row=1, col=column, name=name,
                           line_color="#2a6f97")  # fmt: skip
        figure.update_xaxes(type="log", title_text=name, dtick=1, row=1, col=column)
        decades = [math.floor(math.log10(min(y))), math.ceil(math.log10(max(y)))]
        figure.update_yaxes(
            type="log",
            title_text=SERIES[name][0],
            tickvals=TICKS,
            range=decades,
            row=1,
            col=column,
        )
    figure.update_layout(
        showlegend=False, template="plotly_white", margin={"l": 50, "r": 10, "t": 10, "b": 50}
    )
    figure.write_image(path, width=1200, height=320, scale=1.5)


def main() -> None:
    """Measure, write, draw and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--largest", type=int, default=10_000, help="leave larger values out")
    parser.add_argument("--output", type=Path, default=HERE / "growth.json")
    args = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    torch.set_num_threads(1)
    keep_freed_memory()
    series = measure(args.largest)
    result = {"machine": machine(), "series": series}
    args.output.write_text(json.dumps(result, indent=1) + "\n")
    print(table(series))
    draw(series, args.output.with_suffix(".png"))


if __name__ == "__main__":
    main()
