"""The pictures: plotly figures of a finished study."""

from __future__ import annotations

from math import log10
from typing import TYPE_CHECKING, Any

from sweep.errors import UsageError
from sweep.selection import Finished, choices

if TYPE_CHECKING:
    import plotly.graph_objects as go

VALIDATION, TRAINING, CHOICE, LEVEL = "#1f5fbf", "#c9772b", "#2a7d4f", "#777777"


def figure(finished: Finished, name: str) -> go.Figure:
    """Draw a figure by name.

    Raises:
        UsageError: there is no figure of this name.
    """
    if name not in FIGURES:
        raise UsageError(f"figure: must be one of {', '.join(FIGURES)}, got {name!r}")
    return FIGURES[name](finished)


def validation_curve(finished: Finished) -> go.Figure:
    """Draw training and validation loss against the strength, with their standard errors.

    Beside them the level of the α = 0 control and the choices.
    """
    import plotly.graph_objects as go

    spec, strength = finished.spec, finished.spec.strength
    trials = sorted(finished.trials, key=finished.strength)
    x = [finished.strength(trial) for trial in trials]
    value = [trial.value for trial in trials]
    se = [trial.user_attrs["value_se"] or 0.0 for trial in trials]
    clean = "train_loss_clean" if spec.data.label_noise else "train_loss"
    plot = go.Figure()
    plot.add_scatter(
        x=[*x, *x[::-1]], y=[*_sum(value, se), *_sum(value, [-s for s in se])[::-1]],
        fill="toself", fillcolor="rgba(31,95,191,0.15)", line={"width": 0},
        hoverinfo="skip", name="± 1 standard error",
    )  # fmt: skip
    plot.add_scatter(x=x, y=value, mode="lines+markers", name=_metric(finished),
                     line={"color": VALIDATION}, marker={"size": 5})  # fmt: skip
    plot.add_scatter(x=x, y=[t.user_attrs[clean] for t in trials], mode="lines+markers",
                     name="training loss" + (" (true labels)" if spec.data.label_noise else ""),
                     line={"color": TRAINING}, marker={"size": 4})  # fmt: skip
    if finished.baseline:
        plot.add_hline(finished.baseline["value"], line={"color": LEVEL, "dash": "dash"},
                       annotation_text=f"{strength} = 0",
                       annotation_position="top left")  # fmt: skip
    for choice in choices(finished):
        at = choice.params[strength]
        plot.add_vline(at, line={"color": CHOICE, "dash": "dot"})
        # An annotation's place on a log axis is the exponent.
        plot.add_annotation(
            text=f"{choice.selection} {at:.2g}", x=log10(at), yref="y domain", showarrow=False,
            xanchor="left" if choice.selection == "1se" else "right", y=0.98,
        )  # fmt: skip
    plot.update_layout(
        title=f"{finished.study_name}: {_metric(finished)} against {strength}",
        template="plotly_white", legend={"orientation": "h", "y": -0.2},
        xaxis={"type": "log", "title": f"{strength} (log scale)", "exponentformat": "power"},
        yaxis={"title": "mean over replicates"}, margin={"t": 60},
    )  # fmt: skip
    return plot


def _sum(a: list[Any], b: list[Any]) -> list[float]:
    return [x + y for x, y in zip(a, b, strict=True)]


def _metric(finished: Finished) -> str:
    return "validation " + finished.spec.objective.metric.removeprefix("val_")


FIGURES = {"validation_curve": validation_curve}
