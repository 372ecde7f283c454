"""Parts of every figure over the strength: its axis, curves, levels, and marks at the choices."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial

from sweep.reporting.plotly import (
    GREEN,
    GREY,
    INK,
    ORANGE,
    SHADE,
    STRENGTHS,
    TOP,
    Figure,
    Trace,
    band,
    legend_only,
    level,
    log_axis,
    series,
)
from sweep.reporting.points import Quantity, View, about
from sweep.search.point import Point
from sweep.spec.attributes import DIVERGED, OUTCOME
from sweep.spec.loss_setting import alters_labels
from sweep.spec.study import StudySpec

SIGNS = {"alpha": "α", "weight_decay": "weight decay"}
AXES = {"alpha": "penalty strength α", "weight_decay": "weight decay"}
INTERVAL = "as good, within noise"
MOST = 300  # stopped trials marked
DRAWN = 200  # positions at which a smooth curve is drawn
ROW = 15  # pixels from one name above a figure to the next


def sign(spec: StudySpec) -> str:
    """Return the sign of the strength."""
    return SIGNS[spec.strength]


def metric_words(spec: StudySpec) -> str:
    """Return the objective in words."""
    return f"validation {spec.objective.words}"


def training_words(spec: StudySpec) -> str:
    """Return the words for the training loss that compares with validation."""
    return "training loss" + (" (true labels)" if alters_labels(spec) else "")


def strength_axis(view: View, found: Sequence[Point]) -> dict[str, Any]:
    """Return the log axis of the strength; its title names the other params if they are fixed."""
    strength, first = view.spec.strength, found[0].params
    fixed = [
        f"{name} {value:.3g}"
        for name, value in first.items()
        if name != strength and all(point.params.get(name) == value for point in found)
    ]
    below = f"<br>at {', '.join(fixed)}" if fixed else ""  # a phone has no room beside it
    return log_axis(f"{AXES[strength]} (log scale){below}", [point.at for point in found])


def curve(
    name: str, found: Sequence[Point], of: Quantity, colour: str, *,
    joined: bool = True, banded: bool = False, form: str = ".4f",
) -> list[Trace]:  # fmt: skip
    """Draw a quantity over the strength: a line or points, with or without an error band."""
    if not found:
        return []
    x, y = [point.at for point in found], [of(point) for point in found]
    drawn = series(
        name, x, y, colour, hover=f"<b>%{{x:.3g}}</b><br>{name} %{{y:{form}}}%{{text}}",
        text=[_error(point, banded) + _about(point) for point in found],
        mode="lines+markers" if joined else "markers",
    )  # fmt: skip
    if not banded or not any(point.value_se for point in found):
        return [drawn]
    low = [point.value - (point.value_se or 0.0) for point in found]
    high = [point.value + (point.value_se or 0.0) for point in found]
    return [band(x, low, high, colour), drawn]


def fitted(view: View) -> list[Trace]:
    """Draw the smooth model of the curve with its band, where it fits the trials.

    Left out far above the minimum, where its values are drawn together (`search.curve`).
    """
    model = view.finished.model
    if model is None or model.doubt:
        return []
    values = [point.value for point in model.points]
    shown = np.flatnonzero(model.clear)[:: -(-len(model.at) // DRAWN)]
    x = model.strengths[shown].tolist()
    least = min(values) / 2 if min(values) > 0 else -np.inf  # a log axis has no 0
    inside = (min(values), None) if view.spec.objective.maximizes else (least, max(values))
    low, high = (end[shown].clip(*inside).tolist() for end in model.band())
    name = f"smooth curve (misses left-out trials by {np.median(np.abs(model.missed)):.2g})"
    line = series(
        name, x, model.value[shown].tolist(), GREEN, mode="lines",
        hover="<b>%{x:.3g}</b><br>smooth curve %{y:.4f}",
        line={"color": GREEN, "width": 2, "dash": "dot"},
    )  # fmt: skip
    return [band(x, low, high, GREEN, "± 1 deviation of the smooth curve"), line]


def by_colour(
    view: View, name: str, found: Sequence[Point], of: Quantity, colour: str, *,
    x: Quantity | None = None,
) -> Trace:  # fmt: skip
    """Draw a quantity over the strength as points, coloured by another param.

    With `x`: over `x`, coloured by the strength.
    """
    strength = view.spec.strength
    shown = strength if x else next(param for param in found[0].params if param != strength)
    text = [
        _error(point, x is None) + "".join(f"<br>{k} {v:.3g}" for k, v in point.params.items())
        + _about(point)
        for point in found
    ]  # fmt: skip
    return series(
        name, [x(point) if x else point.at for point in found], [of(p) for p in found], colour,
        hover=f"{name} %{{y:.4f}}%{{text}}", text=text, mode="markers",
        marker={"size": 8, "line": {"color": colour, "width": 1}}
        | _scale(shown, [point.params[shown] for point in found], shown in (strength, "lr")),
    )  # fmt: skip


def level_of(view: View, of: Quantity, *, with_se: bool = False, axis: str = "y") -> Figure:
    """Draw a quantity of the control as a horizontal line across the figure."""
    base = view.control
    height = of(base) if base else None
    if base is None or height is None:
        return {"data": []}
    return level(f"{sign(view.spec)} = 0", height, base.value_se if with_se else None, axis)


def level_of_constant(view: View, drawn: Sequence[float]) -> Figure:
    """Draw the level of predicting a constant, unless it is worse than all that is drawn."""
    constants, sign = view.finished.constants, view.spec.objective.sign
    if not constants or constants[0].cost > max(sign * value for value in drawn):
        return {"data": []}
    return level("a constant", constants[0].value, None, dash="dot")


def at_choices(view: View, *, explained: bool = False) -> Figure:
    """Draw a line at each choice, and shade the interval of strengths as good as the best.

    The names stand between `TOP` and the figure's top. The legend names the shade if `explained`.
    """
    found = {name: point.at for name, point in view.choices.items()}
    places = [point.at for point in view.points]
    middle = (min(places) * max(places)) ** 0.5
    same = len(found) > 1 and len(set(found.values())) == 1
    names = {"best, 1se": found["best"]} if same else found
    across = {"yref": "paper", "y0": 0, "y1": TOP, "xref": "x"}
    lines = [
        {"type": "line", "x0": at, "x1": at, **across,
         "line": {"color": INK, "width": 1.25, "dash": "dot" if name == "1se" else "solid"}}
        for name, at in names.items()
    ]  # fmt: skip
    texts = [
        # In rows, and towards the middle, so that names neither overlap nor leave the figure.
        {"text": f"<b>{name}</b> {at:.3g}", "x": log10(at), "xref": "x", "yref": "paper", "y": TOP,
         "yanchor": "bottom", "yshift": 1 + row * ROW, "showarrow": False,
         "xanchor": "left" if at < middle else "right", "xshift": -4 if at < middle else 4,
         "font": {"color": INK, "size": 12}}
        for row, (name, at) in enumerate(names.items())
    ]  # fmt: skip
    interval = [view.interval] if view.interval else []
    shade = [
        {"type": "rect", "x0": low, "x1": high, **across, "layer": "below", "fillcolor": SHADE,
         "line": {"width": 0}}
        for low, high in interval
    ]  # fmt: skip
    swatch = {"symbol": "square", "size": 12, "color": "rgba(125,136,148,0.35)"}
    named = [legend_only(INTERVAL, mode="markers", marker=swatch) for _ in interval if explained]
    return {"data": named, "layout": {"shapes": [*shade, *lines], "annotations": texts}}


def at_stopped(view: View) -> Figure:
    """Mark the strengths of trials without a value at the bottom of the figure, on axis y2."""
    found: Sequence[FrozenTrial] = view.finished.stopped
    kinds = {
        "diverged": ([t for t in found if _diverged(t)], "x-thin", ORANGE),
        "pruned": ([t for t in found if not _diverged(t)], "line-ns", GREY),
    }
    height = {"overlaying": "y", "domain": [0, TOP], "range": [0, 1], "visible": False}
    return {
        "layout": {"yaxis2": height} if found else {},
        "data": [
            series(
                f"{name} ({len(trials)})", [t.params[view.spec.strength] for t in trials[:MOST]],
                [0.025] * len(trials[:MOST]), colour, mode="markers", yaxis="y2",
                hover="<b>%{x:.3g}</b><br>%{text}", text=[_ending(t, name) for t in trials[:MOST]],
                marker={"symbol": symbol, "size": 8, "line": {"color": colour, "width": 1.5}},
            )
            for name, (trials, symbol, colour) in kinds.items()
            if trials
        ],
    }  # fmt: skip


def _diverged(trial: FrozenTrial) -> bool:
    return trial.user_attrs.get(OUTCOME) == DIVERGED


def _ending(trial: FrozenTrial, name: str) -> str:
    return f"trial {trial.number} {name} after epoch {max(trial.intermediate_values, default=0)}"


def _error(point: Point, shown: bool) -> str:
    return f" ± {point.value_se:.2g}" if shown and point.value_se is not None else ""


def _about(point: Point) -> str:
    return f"<br>{about(point)}" if about(point) else ""


def _scale(name: str, values: Sequence[float], log: bool) -> dict[str, Any]:
    """Colour markers by a param, with a colour bar that explains it."""
    bar: dict[str, Any] = {
        "title": {"text": SIGNS.get(name, name), "side": "right"}, "thickness": 9, "len": 0.9,
        "outlinewidth": 0, "ticks": "outside", "ticklen": 3, "tickfont": {"size": 11},
    }  # fmt: skip
    if log:
        low, high = log10(min(values)), log10(max(values))
        bar |= {"tickprefix": "10<sup>", "ticksuffix": "</sup>"}
        bar |= {"dtick": 1} if high - low > 1.5 else {"nticks": 4}
    shown = [log10(value) if log else value for value in values]
    return {"color": shown, "colorscale": STRENGTHS, "colorbar": bar}
