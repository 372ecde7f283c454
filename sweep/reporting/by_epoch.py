"""The loss over epoch and strength as a map, with the best strength of every epoch."""

from __future__ import annotations

import numpy as np

from sweep.analysis.course import Best, Course
from sweep.reporting.overlays import AXES, sign
from sweep.reporting.plotly import Figure, Trace, axis, compose, log_axis, series
from sweep.reporting.points import View

COLUMNS, ROWS = 32, 40  # of the map, at most
FAR = 1.5  # colours end where the loss is so many times as far above the least as a typical one
LOSSES = [[0.0, "#2f3a7d"], [0.3, "#2d7f92"], [0.65, "#7cc08a"], [1.0, "#f2ead0"]]
LINE, HALO = "#f0641e", "#10151c"  # on the map, which is the same on every ground

Places = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


def training_length(view: View) -> Figure | None:
    """Draw the mean validation loss over epoch and strength, and the best strength by epoch.

    None where a step depends on how many follow, or losses by epoch are not known.
    """
    course = view.finished.course
    if course is None or not view.spec.training.ends_anywhere:
        return None
    places = np.unique(np.linspace(0, len(course.epochs) - 1, COLUMNS).round().astype(int))
    epochs = [course.epochs[place] for place in places]
    best = [course.best(int(place)) for place in places]
    name = f"best {sign(view.spec)} of each epoch"
    hover = f"best {sign(view.spec)} after %{{x}} epochs: %{{y:.3g}}"
    halo = series(
        name, epochs, [each.at for each in best], HALO, mode="lines", showlegend=False,
        hoverinfo="skip", line={"color": HALO, "width": 5},
    )  # fmt: skip
    line = series(
        name, epochs, [each.at for each in best], LINE, mode="lines", hover=hover,
        text=[_around(each) for each in best], line={"color": LINE, "width": 2.5},
    )  # fmt: skip
    lines = [*_ends(epochs, best), halo, line, _least(view, course)]
    return compose(
        {"data": [_map(view, course, places), *lines]},
        xaxis=axis("epoch", showgrid=False),
        yaxis=log_axis(f"{AXES[view.spec.strength]} (log scale)", course.strengths.tolist()),
    )


def _around(best: Best) -> str:
    if not best.alike:
        return "how sure that is, is not known"
    low, high = best.alike
    return f"{low:.3g} to {high:.3g} do as well (95 %)"


def _ends(epochs: list[int], best: list[Best]) -> list[Trace]:
    """Draw the ends of the strengths that do as well as the best one, where they are known."""
    dotted = {"color": LINE, "width": 1.5, "dash": "dot"}
    return [
        series(
            "as good as the best (95 %)", epochs,
            [each.alike[end] if each.alike else None for each in best], LINE, mode="lines",
            hoverinfo="skip", showlegend=not end, line=dotted,
        )
        for end in (0, 1)
    ]  # fmt: skip


def _map(view: View, course: Course, places: Places) -> Trace:
    """Draw the losses as colours, in between the strengths by straight lines over their logs."""
    x = np.log10(course.strengths)
    rows = np.linspace(x[0], x[-1], ROWS)
    losses = np.array([np.interp(rows, x, course.mean[:, place]) for place in places]).T
    least, typical = float(losses.min()), float(np.median(losses[:, -1]))
    most = least + FAR * (typical - least) or float(losses.max())
    bar = {
        "title": {"text": "mean validation loss", "side": "right"}, "thickness": 9, "len": 0.95,
        "outlinewidth": 0, "ticks": "outside", "ticklen": 3, "nticks": 6, "tickfont": {"size": 11},
    }  # fmt: skip
    return {
        "type": "heatmap", "name": "mean validation loss", "showlegend": False,
        "x": [course.epochs[place] for place in places], "y": (10**rows).tolist(),
        "z": losses.tolist(), "zmin": least, "zmax": most, "colorscale": LOSSES, "colorbar": bar,
        "hovertemplate": f"epoch %{{x}}, {sign(view.spec)} %{{y:.3g}}<br>loss %{{z:.4f}}"
        "<extra></extra>",
    }  # fmt: skip


def _least(view: View, course: Course) -> Trace:
    """Mark the least loss of all."""
    i, j = np.unravel_index(course.mean.argmin(), course.mean.shape)
    epoch, strength = course.epochs[j], float(course.strengths[i])
    mark = {"symbol": "circle-open", "size": 12, "color": LINE, "line": {"width": 3}}
    return series(
        f"least loss: {course.mean[i, j]:.4g} after epoch {epoch}", [epoch], [strength], LINE,
        mode="markers", marker=mark, hover=f"least loss {course.mean[i, j]:.4f}<br>epoch %{{x}}, "
        f"{sign(view.spec)} %{{y:.3g}}",
    )  # fmt: skip
