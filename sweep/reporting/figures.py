"""The figures of a study: its validation curve, and figures that explain the curve.

Each is a plain dict of plotly's JSON, made without importing plotly. A figure is None if the
study lacks the numbers that it shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from sweep.analysis.selection import Finished
from sweep.errors import UsageError
from sweep.reporting.by_epoch import training_length
from sweep.reporting.closeups import learning_curves, weights
from sweep.reporting.overlays import (
    at_choices,
    at_stopped,
    by_colour,
    curve,
    fitted,
    level_of,
    level_of_constant,
    metric_words,
    sign,
    strength_axis,
    training_words,
)
from sweep.reporting.plotly import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    TOP,
    Figure,
    Trace,
    axis,
    compose,
    log_axis,
    loss_axis,
    series,
)
from sweep.reporting.points import (
    FEW,
    Quantity,
    View,
    common,
    training_loss,
    validation_loss,
    value_of,
)
from sweep.search.point import Point
from sweep.spec.attributes import INPUTS_USED, NORM, PENALTY, SPARSITY, TRAIN_LOSS
from sweep.spec.objective import LOSS

if TYPE_CHECKING:
    import plotly.graph_objects as go

TITLES = {
    "validation_curve": "Validation curve",
    "terms": "The two terms of the objective",
    "balance": "Data loss against the norm",
    "gap": "Generalisation gap",
    "sparsity": "What the penalty does to the weights",
    "weights": "Distribution of the weights",
    "learning_curves": "Learning curves",
    "training_length": "Loss by epoch and strength",
}
NORMS = {"l2": "‖W‖₂²", "l1": "‖W‖₁", "elastic": "(r‖W‖₁ + (1 − r)‖W‖₂²)"}
LINE = "line through the best trial"


def figure(finished: Finished, name: str) -> go.Figure:
    """Draw a figure by name.

    Raises:
        UsageError: there is no figure of this name, or the study lacks its numbers.
    """
    if name not in FIGURES:
        raise UsageError(f"figure: must be one of {', '.join(FIGURES)}, got {name!r}")
    import plotly.graph_objects as go

    drawn = FIGURES[name](View(finished))
    if drawn is None:
        raise UsageError(
            f"figure: must be one that {finished.study_name} has the numbers for, got {name!r}."
            f" Take {', '.join(drawn_figures(finished))}, or run the study anew with --fresh"
        )
    return go.Figure(drawn)


def drawn_figures(finished: Finished, names: Iterable[str] = TITLES) -> dict[str, Figure]:
    """Draw the figures that the study has the numbers for."""
    view = View(finished)
    every = {name: FIGURES[name](view) for name in names}
    return {name: drawn for name, drawn in every.items() if drawn is not None}


def validation_curve(view: View) -> Figure:
    """Draw training and validation loss against the strength, with their standard errors.

    Beside them: the level of the α = 0 control, the choices, and trials that were stopped. If
    other params are searched too, all trials are coloured by the first of these, and the line of
    strengths at the best trial's other params is drawn once it has been trained.
    """
    found, way, name = view.points, view.along, metric_words(view.spec)
    traces = curve(name if view.is_alone else LINE, way, value_of, BLUE, banded=True)
    if not view.is_alone:
        traces = [by_colour(view, name, found, value_of, BLUE), *traces]
    if view.spec.objective.value == LOSS:
        # Another metric and a training loss cannot share an axis.
        traces += curve(training_words(view.spec), way, training_loss(view), ORANGE)
        name = "mean loss"
    return compose(
        {"data": [*fitted(view), *traces]},
        level_of(view, value_of, with_se=True),
        level_of_constant(view, _heights(traces)),
        at_choices(view, explained=True),
        at_stopped(view),
        xaxis=strength_axis(view, found),
        yaxis=loss_axis(name, _heights(traces), domain=[0, TOP]),
    )


def terms(view: View) -> Figure | None:
    """Draw both terms of the objective and their sum against the strength."""
    found, joined = common(view.path, TRAIN_LOSS, PENALTY), view.is_curve
    if not found:  # adamw: its decay is no term of the loss
        return None
    smoothed = " (smoothed labels)" if view.spec.training.label_smoothing else ""
    data = "data loss" + (" (noisy labels)" if view.spec.data.label_noise else smoothed)
    parts: list[tuple[str, Quantity, str]] = [
        (data, lambda at: at.attrs[TRAIN_LOSS], ORANGE),
        (f"penalty α{_norm(view)}", lambda at: at.attrs[PENALTY], GREEN),
        ("their sum", lambda at: at.attrs[TRAIN_LOSS] + at.attrs[PENALTY], INK),
    ]
    traces = [t for name, of, hue in parts for t in curve(name, found, of, hue, joined=joined)]
    return compose(
        {"data": traces},
        at_choices(view),
        xaxis=strength_axis(view, found),
        yaxis=axis("mean over replicates", rangemode="tozero", domain=[0, TOP]),
    )


def balance(view: View) -> Figure | None:
    """Draw data loss against norm, one point a strength: how one is paid for by the other.

    Strengths at which nearly all weights are zero are left out.
    """
    found = view.with_weights(common(view.points, NORM))
    if len(found) < 2:
        return None
    traces = [
        *_through_norms(view, training_words(view.spec), found, training_loss(view), ORANGE),
        *_through_norms(view, "validation loss", found, validation_loss(view), BLUE),
    ]
    norms = [x for trace in traces for x in trace["x"]]
    return compose(
        {"data": traces},
        xaxis=log_axis(f"norm {_norm(view)} (log scale)", norms),
        yaxis=loss_axis("mean loss", _heights(traces)),
    )


def gap(view: View) -> Figure | None:
    """Draw the generalisation gap: validation loss minus training loss."""
    of_training, of_validation = training_loss(view), validation_loss(view)

    def size(at: Point) -> float | None:
        training, validation = of_training(at), of_validation(at)
        return None if training is None or validation is None else validation - training

    found, joined = [at for at in view.path if size(at) is not None], view.is_curve
    if len(found) < len(view.path):  # a line has no loss where the error rate is the objective
        found, joined = [at for at in view.points if size(at) is not None], view.is_alone
    if not found:
        return None
    name = f"validation minus {training_words(view.spec)}"
    return compose(
        {"data": curve(name, found, size, BLUE, joined=joined)},
        level_of(view, size),
        at_choices(view),
        xaxis=strength_axis(view, found),
        yaxis=axis("difference of losses", zeroline=True, zerolinecolor=GREY, domain=[0, TOP]),
    )


def sparsity(view: View) -> Figure | None:
    """Draw the share of exact zeros, and how many inputs a unit uses, against the strength.

    Without exact zeros in any trial, their panel is left out.
    """
    found, joined = common(view.path, SPARSITY, INPUTS_USED), view.is_curve
    if not found:
        return None
    used = curve(
        "inputs used by a unit", found, lambda at: at.attrs[INPUTS_USED], BLUE,
        joined=joined, form=".3g",
    )  # fmt: skip
    level = level_of(view, lambda at: at.attrs.get(INPUTS_USED))
    x, y = strength_axis(view, found), axis("inputs per unit", rangemode="tozero")
    if all(at.attrs[SPARSITY] < FEW for at in found):
        return compose(
            {"data": used}, level, at_choices(view), xaxis=x, yaxis=y | {"domain": [0, TOP]}
        )
    zeros = curve(
        "exact zeros", found, lambda at: at.attrs[SPARSITY], GREEN, joined=joined, form=".1%"
    )
    return compose(
        {"data": [{**trace, "yaxis": "y2"} for trace in zeros] + used},
        level,
        at_choices(view),
        xaxis={**x, "anchor": "y"},
        yaxis={**y, "domain": [0, 0.42]},
        yaxis2=axis("zeros", domain=[0.47, TOP], tickformat=".0%", range=[-0.03, 1.03]),
    )


def _through_norms(
    view: View, name: str, found: list[Point], loss: Quantity, colour: str
) -> list[Trace]:
    """Draw a loss against the norm, and the control as the point where the path begins."""
    symbol = "circle" if colour == ORANGE else "diamond"
    drawn = by_colour(view, name, found, loss, colour, x=lambda at: at.attrs[NORM])
    drawn["marker"]["symbol"] = symbol
    if colour == BLUE:
        drawn["marker"]["showscale"] = False
    if view.is_alone:
        drawn |= {"mode": "lines+markers", "line": {"color": colour, "width": 1}}
    base = view.control
    height = loss(base) if base else None
    if base is None or height is None:
        return [drawn]
    start = series(
        f"{name}, {sign(view.spec)} = 0", [base.attrs[NORM]], [height], colour,
        mode="markers", showlegend=False, hover=f"{name}, {sign(view.spec)} = 0<br>%{{y:.4f}}",
        marker={"symbol": f"{symbol}-open", "size": 13, "color": colour, "line": {"width": 2}},
    )  # fmt: skip
    return [drawn, start]


def _norm(view: View) -> str:
    return NORMS[view.spec.penalty.norm]


def _heights(traces: list[Trace]) -> list[float]:
    return [y for trace in traces for y in trace["y"] if y is not None]


FIGURES: dict[str, Callable[[View], Figure | None]] = {
    "validation_curve": validation_curve,
    "terms": terms,
    "balance": balance,
    "gap": gap,
    "sparsity": sparsity,
    "weights": weights,
    "learning_curves": learning_curves,
    "training_length": training_length,
}
