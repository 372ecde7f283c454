"""Figures of a few single strengths: the distribution of weights, and the loss by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10

import numpy as np

from sweep.reporting.overlays import sign
from sweep.reporting.plotly import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    Figure,
    Trace,
    axis,
    compose,
    loss_axis,
    series,
)
from sweep.reporting.points import FEW, View, common
from sweep.search.point import Point
from sweep.spec.attributes import SPARSITY, WEIGHT_COUNTS
from sweep.training.messages import WEIGHT_EDGES

RARE = 0.002  # the share of weights that may lie outside the figure
Numbers = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Places = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


def weights(view: View) -> Figure | None:
    """Draw the distribution of the weights with no penalty, the best one, and a strong one."""
    named, base = view.examples, view.control
    shown = {"none": base, "best": named["best"], "strong": named.get("strong")}
    counted = {
        name: at for name, at in shown.items() if at and common([at], WEIGHT_COUNTS, SPARSITY)
    }
    if not counted:
        return None
    size = reach(list(counted.values()))
    traces = [_outline(view, name, at, size / 40) for name, at in counted.items()]
    heights = [y for trace in traces for y in trace["y"] if y > 0] or [1.0]
    floor = min(heights) / 2  # the height of empty bins: a log axis has no 0
    for trace in traces:
        trace["y"] = [max(y, floor) for y in trace["y"]]
    return compose(
        {"data": traces},
        xaxis=axis("weight", range=[-size, size]),
        yaxis=axis(
            "density (log scale)", type="log", exponentformat="power", dtick=1,
            range=[log10(floor), log10(max(heights)) + 0.1],
        ),
    )  # fmt: skip


def learning_curves(view: View) -> Figure | None:
    """Draw the validation loss by epoch of a weak, the chosen and a strong strength."""
    colours = {"weak": GREY, "best": BLUE, "1se": GREEN, "strong": ORANGE}
    traces = [
        series(
            f"{name}: {_params(view, at)}", sorted(at.epochs),
            [at.epochs[epoch] for epoch in sorted(at.epochs)], colours[name], mode="lines",
            hover=f"{name}, epoch %{{x}}<br>%{{y:.4f}}",
            line={"color": colours[name], "width": 2.5 if name == "best" else 1.75},
        )
        for name, at in view.examples.items()
        if len(at.epochs) > 1
    ]  # fmt: skip
    if not traces:
        return None
    return compose(
        {"data": traces},
        xaxis=axis("epoch", rangemode="tozero"),
        yaxis=loss_axis("mean validation loss", [y for trace in traces for y in trace["y"]]),
    )


def _outline(view: View, name: str, at: Point, width: float) -> Trace:
    colour = {"none": GREY, "best": BLUE, "strong": ORANGE}[name]
    edges, heights = density(at, width)
    label = _params(view, at) + (f" ({name})" if name != "none" else "")
    share = at.attrs[SPARSITY]
    zeros = f", {share:.1%} exact zeros" if share >= FEW else ""
    return series(
        label + zeros, edges, [*heights, heights[-1]], colour, mode="lines",
        hover=f"{label}<br>weight %{{x:.3f}}<br>density %{{y:.3g}}",
        line={"color": colour, "width": 1.75, "shape": "hv"},
    )  # fmt: skip


def _params(view: View, at: Point) -> str:
    """Name a strength, and those of the other params that differ from the best trial's."""
    best = view.choices["best"].params
    others = [f", {name} {value:.3g}" for name, value in at.params.items()
              if name != view.spec.strength and value != best[name]]  # fmt: skip
    return f"{sign(view.spec)} = {at.at:.3g}{''.join(others)}"


def reach(items: Sequence[Point]) -> float:
    """Return the size that only a share `RARE` of these trials' non-zero weights exceeds."""
    edges, counts = _edges(), np.sum([_counts(item) for item in items], axis=0)
    middle = len(counts) // 2
    folded = counts[middle:] + counts[middle::-1]  # by size; the middle bin twice
    outside = folded.sum() - folded.cumsum()
    return float(edges[middle + 1 + int(np.argmax(outside <= RARE * folded.sum()))])


def density(item: Point, width: float) -> tuple[list[float], list[float]]:
    """Return the edges of bins, and the density of weights in each bin.

    Bins are at least `width` wide, except the outermost, and symmetric about 0. Exact zeros are
    left out, but the density is relative to all weights: its integral is the share of weights
    that are not zero.
    """
    edges, counts = _edges(), _counts(item)
    total = sum(item.attrs[WEIGHT_COUNTS])
    places = _coarser(edges, width)
    x = edges[places]
    y = np.add.reduceat(counts, places[:-1]) / (total * np.diff(x))
    return x.tolist(), y.tolist()


def _coarser(edges: Numbers, width: float) -> Places:
    """Choose edges at least `width` apart, symmetric about the middle bin."""
    middle, last = len(edges) // 2, len(edges) - 1
    right = [next((i for i in range(middle, last) if 2 * edges[i] >= width), last)]
    while right[-1] < last:
        far = (i for i in range(right[-1] + 1, last) if edges[i] - edges[right[-1]] >= width)
        right.append(next(far, last))
    return np.array([*(last - i for i in reversed(right)), *right])


def _counts(item: Point) -> Numbers:
    """Return the counts of weights that are not exactly zero."""
    counts = np.array(item.attrs[WEIGHT_COUNTS], dtype=np.float64)
    # The sparsity is a mean over replicates, which all have equally many weights.
    counts[len(counts) // 2] -= round(item.attrs[SPARSITY] * counts.sum())
    return counts.clip(0)


def _edges() -> Numbers:
    return np.array(WEIGHT_EDGES)
