"""A study's page in optuna-dashboard: a note and the key figures, also during a run.

They go into the study's system attributes, in the form in which optuna-dashboard's `save_note` and
`save_plotly_graph_object` write them. This module does not import optuna-dashboard, and it writes
only what has changed.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from typing import Any

import optuna
from optuna.trial import TrialState

from sweep.analysis import lengths
from sweep.analysis.selection import Finished
from sweep.analysis.verdict import verdict
from sweep.reporting.figures import TITLES, drawn_figures
from sweep.reporting.plotly import Figure, recoloured
from sweep.reporting.tables import Table, key_numbers
from sweep.spec.attributes import CHOSEN, SPEC, VALUE_SE, VERDICT

SHOWN = ("validation_curve", "terms", "balance", "sparsity", "weights", "training_length")
PIECE = 2045  # most characters in one attribute: optuna-dashboard's SYSTEM_ATTR_MAX_LENGTH
PLOT = "dashboard:plot_data:"
NOTE, NOTE_VERSION = "dashboard:note_str:", "dashboard:note_ver"
MARK = "Written by sweep, which leaves the note alone once it is edited"

BUTTONS = ["select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d"]  # buttons to remove
WIDTH = 70  # characters in a row of a legend; the line of an entry takes some 6
GAP = "\N{NO-BREAK SPACE}" * 3  # the page puts no space between columns

Attrs = dict[str, Any]


def publish(study: optuna.Study) -> None:
    """Write the verdict, the note and the key figures into the study, replacing earlier ones.

    The study's owner may call it every few seconds. A note that somebody else wrote or edited
    stays as it is. Before the first finished trial only the note is written.

    Raises:
        UsageError: another program made the study.
    """
    attrs = study._storage.get_study_system_attrs(study._study_id)
    trials = study.get_trials(deepcopy=False)
    begun = any(trial.state == TrialState.COMPLETE for trial in trials)
    foreign = SPEC not in study.user_attrs  # then Finished.read raises
    finished = Finished.read(study) if begun or foreign else None
    said = verdict(finished) if finished else None
    if finished:
        best = finished.choose("best")
        chosen = {"params": best.params, "value": best.value, VALUE_SE: best.value_se}
        for name, content in ((CHOSEN, chosen), (VERDICT, said)):
            if study.user_attrs.get(name) != content:
                study.set_user_attr(name, content)
    _write_note(study, attrs, _note(study, finished, said))
    drawn = drawn_figures(finished, SHOWN) if finished else {}
    for name in SHOWN:
        prefix = f"{PLOT}sweep-{name}:"
        if name in drawn or f"{prefix}0" in attrs:
            empty: Figure = {"data": [], "layout": {}}
            _write(study, attrs, prefix, _plot(name, drawn.get(name, empty)))


def _plot(name: str, drawn: Figure) -> str:
    """Return a figure's JSON with a title inside: the page shows none of its own."""
    title = {"text": TITLES[name], "x": 0.01, "xanchor": "left", "y": 0.98, "yanchor": "top"}
    margin = {**drawn["layout"].get("margin", {}), "t": 58 + 17 * max(2, _legend_rows(drawn))}
    modebar = {**drawn["layout"].get("modebar", {}), "orientation": "h", "remove": BUTTONS}
    layout = {**drawn["layout"], "title": title, "margin": margin, "modebar": modebar}
    text = json.dumps(
        {"data": drawn["data"], "layout": layout}, allow_nan=False, separators=(",", ":")
    )
    return recoloured(text, "either")


def _legend_rows(drawn: Figure) -> int:
    """Estimate how many rows a legend takes in one of the page's two columns."""
    names = [trace["name"] for trace in drawn["data"] if trace.get("showlegend", True)]
    longest = max(map(len, names), default=0)
    return math.ceil(len(names) / max(1, WIDTH // (longest + 6)))


def _note(study: optuna.Study, finished: Finished | None, said: str | None) -> str:
    """Write the note, as Markdown."""
    trials, spec = study.get_trials(deepcopy=False), study.user_attrs[SPEC]
    # Without the trials in training: their number is out of date when somebody reads the note.
    states = Counter(trial.state.name for trial in trials if trial.state.is_finished())
    counts = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    progress = f"Trials ended: {counts or 'none yet'}, of {spec['search']['n_trials']} wanted."
    if finished is None:
        return f"{progress} No trial has ended yet."
    missing = f" {lengths.without_figure(finished)}." if lengths.without_figure(finished) else ""
    return f"**{said}**\n\n{_markdown(key_numbers(finished))}\n\n{progress}{missing}"


def _markdown(table: Table) -> str:
    """Write a table as Markdown."""
    rule = ("---", *["---:"] * (len(table.header) - 1))
    rows = (
        (first, *(GAP + cell for cell in rest)) for first, *rest in (table.header, *table.rows)
    )
    head, *body = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join((head, f"| {' | '.join(rule)} |", *body))


def _write_note(study: optuna.Study, attrs: Attrs, text: str) -> None:
    body, there = _signed(text), _read(attrs, NOTE)
    if there == body or (there and there != _signed(there.rpartition("\n\n*")[0])):
        return
    version = int(attrs.get(NOTE_VERSION, 0)) + 1
    study._storage.set_study_system_attr(study._study_id, NOTE_VERSION, version)
    _write(study, attrs, NOTE, body)


def _signed(text: str) -> str:
    """Add a line with a hash of the text: it shows later whether somebody edited the note."""
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return f"{text}\n\n*{MARK} ({digest}).*"


def _read(attrs: Attrs, prefix: str) -> str:
    pieces: list[str] = []
    while (key := f"{prefix}{len(pieces)}") in attrs:
        pieces.append(attrs[key])
    return "".join(pieces)


def _write(study: optuna.Study, attrs: Attrs, prefix: str, text: str) -> None:
    """Write a text in pieces; pieces left over from a longer text become empty."""
    pieces = [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
    while f"{prefix}{len(pieces)}" in attrs:
        pieces.append("")
    for i, piece in enumerate(pieces):
        if attrs.get(f"{prefix}{i}") != piece:
            study._storage.set_study_system_attr(study._study_id, f"{prefix}{i}", piece)
