"""What the terminal shows while something trains: bars, and the values over α in one line."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sweep.spec.actors import actors_line

if TYPE_CHECKING:
    from sweep.runner.progress import Progress

BLOCKS = "▁▂▃▄▅▆▇█"
N_COLUMNS = 40


@contextmanager
def progress_bar(hidden: bool) -> Iterator[Callable[[Progress], None]]:
    """Show a bar, the rest time, the lowest trial so far and the values over α, on stderr.

    Lowest, or highest, and not best: what is best is chosen by the curve through all trials.
    """
    if hidden:
        yield lambda progress: None
        return
    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar
    from rich.text import Text

    columns = (
        TextColumn("{task.fields[done]}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[leader]}"),
    )
    console = Console(stderr=True)
    bar = Bar(*columns, console=console)
    task = bar.add_task("", total=1.0, done="", leader="")
    latest: Progress | None = None

    def draw() -> Group:
        now = latest  # it changes in another thread
        if now is None:
            return Group(bar)
        done, leader = f"{now.n_results}/{now.n_trials} trials", _leader(now)
        bar.update(task, completed=now.fraction, done=done, leader=leader)
        return Group(bar, *map(Text, below(now)))

    live = Live(get_renderable=draw, console=console, refresh_per_second=10)

    def show(progress: Progress) -> None:
        nonlocal latest
        latest = progress
        if not live.is_started:
            live.start()  # not before there is something to show: a refusal is one line

    try:
        yield show
    finally:
        if live.is_started:
            draw()  # the bar as it is now
            latest = None  # the outcome shows the curve again
            live.stop()
            if not console.is_terminal:  # where rich leaves the cursor behind the bar
                console.line()


def below(progress: Progress) -> list[str]:
    """Return the lines below the bar: who trains on a cluster, and the values over α."""
    curve = curve_line(progress.strength, progress.span, progress.curve, progress.sign)
    return [*filter(None, [actors_line(progress.engine)]), curve]


def curve_line(
    strength: str, span: tuple[float, float], curve: Sequence[tuple[float, float]],
    sign: float = 1.0,
) -> str:  # fmt: skip
    """Draw the values over the strength's log range in one line: blank is unknown.

    A column is as high as its best trial; the worst tenth is cut off, or one trial far out
    would leave nothing to see of the rest. `sign`: -1 where high is good, else low is.
    """
    low, high = math.log(span[0]), math.log(span[1])
    columns: dict[int, float] = {}
    for at, value in curve:
        place = (math.log(at) - low) / (high - low) * N_COLUMNS
        column = min(max(int(place), 0), N_COLUMNS - 1)
        columns[column] = min(sign * value, columns.get(column, sign * value))
    if not columns:
        return ""
    values = sorted(columns.values())
    least, most = values[0], values[int(0.9 * (len(values) - 1))]
    scale = (len(BLOCKS) - 1) / (most - least) if most > least else 0.0
    blocks = BLOCKS if sign > 0 else BLOCKS[::-1]
    drawn = "".join(
        blocks[min(round((columns[c] - least) * scale), len(blocks) - 1)] if c in columns else " "
        for c in range(N_COLUMNS)
    )
    return f"{strength} {span[0]:.1e} │{drawn}│ {span[1]:.1e}"


def _leader(progress: Progress) -> str:
    if progress.best is None:
        return ""
    params = ", ".join(f"{name} {value:.3g}" for name, value in progress.best.params.items())
    which = "lowest" if progress.sign > 0 else "highest"
    return f"{which} {pm(progress.best.value, progress.best.value_se)} at {params}"


@contextmanager
def epochs_bar(hidden: bool) -> Iterator[Callable[[int, int], None]]:
    """Show how many epochs of all are done, on stderr."""
    from rich.console import Console
    from rich.progress import Progress as Bar

    bar = Bar(console=Console(stderr=True), transient=True, disable=hidden)
    task = bar.add_task("training")

    def show(done: int, total: int) -> None:
        bar.start()
        bar.update(task, completed=done, total=total)

    try:
        yield show
    finally:
        if bar.live.is_started:  # else a refusal would come after an empty line
            bar.stop()


def pm(value: float, se: float | None) -> str:
    """Write a value with its standard error."""
    from sweep.stats import plus_minus  # imports numpy, which `--help` does without

    return plus_minus(value, se)
