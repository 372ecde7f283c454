"""Several studies beside each other: their validation curves in one figure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from sweep.analysis.selection import Finished
from sweep.reporting.overlays import curve, metric_words, sign
from sweep.reporting.plotly import (
    BLUE,
    BROWN,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    Figure,
    Trace,
    compose,
    log_axis,
    loss_axis,
    series,
)
from sweep.reporting.points import View
from sweep.search.point import Point

HUES = (BLUE, ORANGE, GREEN, PINK, BROWN, GREY)


def comparison(studies: Sequence[Finished]) -> Figure:
    """Draw the validation curves of studies, and the level of each one's α = 0 control.

    A study that searches other params too is shown as points until its line is trained.
    """
    views = [View(finished) for finished in studies]
    traces = [
        trace for i, view in enumerate(views) for trace in _of_study(view, HUES[i % len(HUES)])
    ]
    words = dict.fromkeys(metric_words(view.spec) for view in views)
    signs = dict.fromkeys(sign(view.spec) for view in views)
    places = [point.at for view in views for point in view.path]
    heights = [y for trace in traces for y in trace["y"] if y is not None]
    return compose(
        {"data": traces},
        xaxis=log_axis(f"{' or '.join(signs)} (log scale)", places),
        yaxis=loss_axis(" or ".join(words), heights),
    )


def _of_study(view: View, colour: str) -> list[Trace]:
    """Draw one study's curve, and its level without a penalty across its range."""
    name, found = escape(view.finished.study_name), view.path
    traces = curve(name, found, lambda point: point.value, colour, joined=view.is_curve)
    traces[0] |= {"error_y": _errors(found), "legendgroup": name}
    base = view.control
    if base is None:
        return traces
    ends = [found[0].at, found[-1].at]
    level = series(
        f"{name} without a penalty", ends, [base.value] * 2, colour, mode="lines",
        line={"color": colour, "width": 1.5, "dash": "dash"}, showlegend=False, legendgroup=name,
        hover=f"{name} without a penalty<br>%{{y:.4f}}",
    )  # fmt: skip
    return [*traces, level]


def _errors(found: Sequence[Point]) -> dict[str, object]:
    sizes = [point.value_se or 0.0 for point in found]
    return {"type": "data", "array": sizes, "thickness": 0.75, "width": 0}
