"""Building blocks of figures: colours, traces and axes, as plotly's JSON.

They are plain dicts, so that a run can draw without the seconds that importing plotly takes. On a
log axis, traces and shapes hold values, but ranges and annotations hold exponents.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal

Trace = dict[str, Any]
Figure = dict[str, Any]
Theme = Literal["dark", "either"]

# Colours on white; `THEMES` has their counterparts on other grounds. The hues are Okabe and Ito's,
# safe for colour-blind readers, darkened until thin lines have a contrast of 4.5.
INK, MUTED = "#1f2933", "#5c6670"
BLUE, ORANGE, GREEN, GREY = "#1769aa", "#bf4f14", "#0e7a61", "#6b7480"
PINK, BROWN = "#a8487e", "#7d6608"
THEMES: dict[Theme, dict[str, str]] = {
    "dark": {
        INK: "#eef1f4", MUTED: "#a9b2bb",
        BLUE: "#6db3f2", ORANGE: "#f39c63", GREEN: "#4fc9a8", GREY: "#98a2ad",
        PINK: "#e697c3", BROWN: "#d9c04a",
    },
    "either": {  # readable on white and on black: optuna-dashboard has both
        INK: "#7d8894", MUTED: "#7d8894",
        BLUE: "#3787cc", ORANGE: "#d4702c", GREEN: "#1f9c7f", GREY: "#87909b",
        PINK: "#c9679f", BROWN: "#a5891f",
    },
}  # fmt: skip
# Translucent, so that they work on both.
GRID, SHADE = "rgba(125,136,148,0.22)", "rgba(125,136,148,0.14)"
BANDS = {BLUE: "rgba(60,140,205,0.24)", ORANGE: "rgba(210,110,50,0.24)", GREY: SHADE,
         GREEN: "rgba(30,150,120,0.24)"}  # fmt: skip
STRENGTHS = [[0.0, "#46508f"], [0.35, "#2d7f92"], [0.7, "#3fb477"], [1.0, "#e0cf35"]]
CLEAR = "rgba(0,0,0,0)"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
TOP = 0.88  # share of a figure's height for the axes; the names of choices stand above
DIGITS = 5  # significant digits of every number in a figure


def recoloured(text: str, theme: Theme) -> str:
    """Replace the colours in a figure's JSON by those of a theme."""
    for light, other in THEMES[theme].items():
        text = text.replace(light, other)
    return text


def rounded(tree: Any) -> Any:
    """Round every number to `DIGITS` significant digits; infinities and NaN become None."""
    if isinstance(tree, float):
        return float(f"{tree:.{DIGITS}g}") if math.isfinite(tree) else None
    if isinstance(tree, dict):
        return {key: rounded(value) for key, value in tree.items()}
    return [rounded(value) for value in tree] if isinstance(tree, list | tuple) else tree


def series(
    name: str, x: Sequence[Any], y: Sequence[Any], colour: str, *,
    hover: str = "%{x:.3g}<br>%{y:.4f}", text: Sequence[str] | None = None, **more: Any,
) -> Trace:  # fmt: skip
    """Draw points joined by a thin line; `text` is a further line of each point's hover text."""
    trace: Trace = {
        "type": "scatter", "name": name, "x": list(x), "y": list(y), "mode": "lines+markers",
        "line": {"color": colour, "width": 1.75},
        "marker": {"color": colour, "size": 5},
        "hovertemplate": hover + ("<br>%{text}" if text else "") + "<extra></extra>",
    }  # fmt: skip
    return trace | ({"text": list(text)} if text else {}) | more


def band(
    x: Sequence[float], low: Sequence[float], high: Sequence[float], colour: str,
    name: str = "± 1 standard error",
) -> Trace:  # fmt: skip
    """Fill the area between two curves."""
    return {
        "type": "scatter", "name": name, "mode": "lines", "fill": "toself",
        "x": [*x, *reversed(x)], "y": [*high, *reversed(low)], "fillcolor": BANDS[colour],
        "line": {"width": 0, "color": colour}, "hoverinfo": "skip", "showlegend": False,
    }  # fmt: skip


def legend_only(name: str, **look: Any) -> Trace:
    """Make a legend entry for a shape, which has none of its own."""
    return {"type": "scatter", "name": name, "x": [None], "y": [None], "hoverinfo": "skip", **look}


def level(
    name: str, value: float, se: float | None, axis: str = "y", dash: str = "dash"
) -> Figure:
    """Draw a broken horizontal line and its error band, as shapes, with a legend entry."""
    across = {"xref": "paper", "x0": 0, "x1": 1, "yref": axis, "layer": "below"}
    shapes: list[Any] = [
        {"type": "line", "y0": value, "y1": value, **across,
         "line": {"color": GREY, "width": 1.5, "dash": dash}},
    ]  # fmt: skip
    if se:
        shapes.append(
            {"type": "rect", "y0": value - se, "y1": value + se, **across, "fillcolor": SHADE,
             "line": {"width": 0}}
        )  # fmt: skip
    shown = f"{name}: {value:.4g}" + (f" ± {se:.2g}" if se else "")
    look = {"mode": "lines", "line": {"color": GREY, "width": 1.5, "dash": dash}}
    return {"data": [legend_only(shown, **look)], "layout": {"shapes": shapes}}


def axis(title: str, **more: Any) -> dict[str, Any]:
    """Return an axis with its title."""
    return {
        "title": {"text": title, "standoff": 10}, "gridcolor": GRID, "zeroline": False,
        "linecolor": GRID, "tickcolor": GRID, "ticks": "outside", "ticklen": 4,
        "automargin": True, **more,
    }  # fmt: skip


def log_axis(title: str, values: Iterable[float], **more: Any) -> dict[str, Any]:
    """Return a log axis that reaches a little beyond all values, labelled by powers of ten."""
    found = [value for value in values if value > 0]
    low, high = math.log10(min(found, default=1.0)), math.log10(max(found, default=1.0))
    pad = 0.03 * (high - low) or 0.5
    low, high = low - pad, high + pad
    return axis(title, type="log", range=[low, high], **_log_ticks(low, high), **more)


def loss_axis(title: str, values: Iterable[float], **more: Any) -> dict[str, Any]:
    """Return an axis for losses: log if the largest would make the others look equal."""
    found = [value for value in values if math.isfinite(value)]
    if found and min(found) > 0 and max(found) > 30 * min(found):
        ticks = _log_ticks(math.log10(min(found)), math.log10(max(found)))
        return axis(f"{title} (log scale)", type="log", **ticks, **more)
    return axis(title, nticks=7, **more)


def _log_ticks(low: float, high: float) -> dict[str, Any]:
    """Label a log axis between two exponents: powers of ten, or 1, 2, 5 if those are too few."""
    if high - low > 1.6:
        return {"exponentformat": "power", "dtick": 1}
    powers = range(math.floor(low), math.ceil(high))
    every = [(m, power) for power in powers for m in (1, 2, 5)]
    found = [(m, power) for m, power in every if low <= math.log10(m) + power <= high]
    if len(found) < 2:
        return {"nticks": 4}
    texts = [f"{m}×10<sup>{p}</sup>" if abs(p) > 3 else f"{m * 10.0**p:g}" for m, p in found]
    return {"tickvals": [m * 10.0**power for m, power in found], "ticktext": texts}


def compose(*parts: Figure, **layout: Any) -> Figure:
    """Join parts into one figure: their traces and shapes, in this order, in one layout."""
    base: dict[str, Any] = {
        "paper_bgcolor": CLEAR, "plot_bgcolor": CLEAR,
        "font": {"family": FONT, "size": 13, "color": MUTED},
        "margin": {"l": 56, "r": 14, "t": 20, "b": 48},
        "showlegend": True,
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom",
                   "font": {"color": INK}},
        "hovermode": "closest", "hoverlabel": {"font": {"family": FONT, "size": 13}},
        "modebar": {"orientation": "v", "bgcolor": CLEAR, "color": GREY, "activecolor": INK},
        "dragmode": False,
    }  # fmt: skip
    for part in parts:
        for key, content in part.get("layout", {}).items():
            base[key] = [*base.get(key, []), *content] if isinstance(content, list) else content
    traces = [trace for part in parts for trace in part["data"]]
    rounded_figure: Figure = rounded({"data": traces, "layout": {**base, **layout}})
    return rounded_figure
