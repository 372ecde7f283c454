"""The report: one HTML page that works in any browser without a network."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import optuna

from sweep.analysis import balance, lengths
from sweep.analysis.selection import Finished, choices
from sweep.analysis.verdict import verdict
from sweep.config.export import formula
from sweep.config.fitted import of_rows
from sweep.errors import UsageError
from sweep.files import to_yaml, write_whole
from sweep.reporting.comparison import comparison
from sweep.reporting.figures import TITLES, drawn_figures
from sweep.reporting.plotly import THEMES, Figure
from sweep.reporting.tables import Table, fit_table, key_numbers, provenance, studies_table
from sweep.spec.attributes import FIT
from sweep.spec.stored import upgraded

LOOK = {
    "validation_curve": "Look for the valley. To its left the network fits noise: training loss"
    " is low and validation loss is high. To its right the penalty is too strong. The penalty has"
    " helped if the valley lies clearly below the dashed level of no penalty. Bands are one"
    " standard error.",
    "terms": "Training lowers the sum of both terms. As the strength grows, the penalty shrinks"
    " the weights and the data loss rises.",
    "balance": "Each point is a strength. Towards the left the weights become smaller and the"
    " training loss rises. Where the validation loss rises too, the weights are too small.",
    "gap": "How much lower the loss is on rows that the network has seen. A penalty closes the"
    " gap. A small gap alone does not make the network good: look at the validation loss too.",
    "sparsity": "How many inputs a unit uses: k equal weights count as k. Exact zeros come"
    " with L1 only.",
    "weights": "Weights move towards zero as the strength grows. The curves leave out exact zeros:"
    " the legend gives their share.",
    "learning_curves": "A curve that rises again has begun to overfit. A curve that still falls at"
    " the end would gain from more epochs.",
    "training_length": "Dark is a low loss. The line is the strength that would be best if"
    " training ended there. All between the dotted lines do as well within the noise of the folds"
    " (95 %, paired): where these are far apart, the line tells little. If it still moves at the"
    " end, the best strength is that of so many epochs alone. A least loss before the end is"
    " overfitting that no strength has stopped.",
}
HILL = {
    "validation_curve": "Look for the hill. To its left the network fits noise; to its right the"
    " penalty is too strong. The penalty has helped if the hill lies clearly above the dashed"
    " level of no penalty. Bands are one standard error.",
}
FITTED = {
    "n_seeds": "seeds each", "n_rows": "rows to train on", "n_test_rows": "rows to test on",
    "weights_path": "weights", "card_path": "model card",
}  # fmt: skip
COMPARED = (
    "Points are means with one standard error. Dashed lines are each study's level without a"
    " penalty. Compare strengths only between equal norms, and losses only between equal data."
    " Nothing is claimed between studies: the best of several is flattered by being chosen."
)


def write_report(studies: Sequence[optuna.Study], path: Path) -> int:
    """Write the report of one study, or of several side by side, as one HTML file.

    Args:
        studies: studies of this program, each with a finished trial; one or more.
        path: the file, written whole or not at all.

    Returns:
        Its size in bytes.

    Raises:
        UsageError: another program made a study, or the file cannot be written.
        SweepError: a study has no finished trial.
    """
    if path.suffix not in (".html", ".htm"):
        raise UsageError(f"--output: must end in .html, got {path}. Change the suffix")
    page = make_page([(study, Finished.read(study)) for study in studies])
    write_whole(path, page)
    return len(page.encode())


def make_page(studies: Sequence[tuple[optuna.Study, Finished]]) -> str:
    """Return the page of these studies."""
    from plotly.offline import get_plotlyjs

    alone = len(studies) == 1
    sections = [_study(study, finished, i, alone) for i, (study, finished) in enumerate(studies)]
    top = "" if alone else _side_by_side([finished for _, finished in studies])
    names = ", ".join(finished.study_name for _, finished in studies)
    return Template(
        files("sweep.reporting").joinpath("page.html").read_text(encoding="utf-8")
    ).substitute(
        title=escape(f"{names} · sweep"),
        body=top + "".join(sections),
        footer=escape(f"Written by sweep on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC."),
        colours=json.dumps([*THEMES["dark"].items()]),
        plotly=get_plotlyjs(),
    )


def _side_by_side(studies: Sequence[Finished]) -> str:
    told = "".join(
        f'<li><a href="#study-{i}">{escape(finished.study_name)}</a>: '
        f"{escape(verdict(finished))}</li>"
        for i, finished in enumerate(studies)
    )
    drawn = _figure("compared", "Validation curves", COMPARED, comparison(studies), wide=True)
    return (
        f'<header><h1>{len(studies)} studies</h1><ul class="verdict">{told}</ul></header>'
        f"{_table(studies_table(studies), 'The best of each study')}"
        f'<div class="figures">{drawn}</div>'
    )


def _study(study: optuna.Study, finished: Finished, i: int, alone: bool) -> str:
    spec = finished.spec
    heading = "h1" if alone else "h2"
    title = f"<{heading}>{escape(finished.study_name)}</{heading}>"
    about = escape(f"{spec.data.source}, {spec.data.task} · {formula(spec)}")
    said = f'<p class="about">{about}</p><p class="verdict">{escape(verdict(finished))}</p>'
    look = _looks(finished)
    figures = "".join(
        _figure(f"figure-{i}-{name}", TITLES[name], look[name], drawn, name == "validation_curve")
        for name, drawn in drawn_figures(finished).items()
    )
    missing = lengths.without_figure(finished)
    parts = [
        f"<header>{title}{said}</header>",
        _table(key_numbers(finished), _explained(finished)),
        f'<div class="figures">{figures}</div>',
        f"<p>{escape(missing)}.</p>" if missing else "",
        _test_result(study.user_attrs.get(FIT), finished),
        _origin(study),
    ]
    return f'<section id="study-{i}">{"".join(parts)}</section>'


def _looks(finished: Finished) -> dict[str, str]:
    """Return what to look for in each figure, and what this study's tells."""
    length = "".join(f" {said}." for said in lengths.remarks(finished))
    factor = balance.factor_of(finished, finished.choose("best"))
    settled = f" At the best strength: {balance.sentence(factor)}." if factor else ""
    return {
        **LOOK, **(HILL if finished.spec.objective.maximizes else {}),
        "training_length": LOOK["training_length"] + length,
        "terms": LOOK["terms"] + settled,
    }  # fmt: skip


def _explained(finished: Finished) -> str:
    replicates = finished.spec.replicates
    n, folds = finished.spec.n_replicates, replicates.n_folds
    if n == 1:
        return "A single training each: there is no standard error."
    over, pairs = (
        (replicates.described(), "fold") if folds > 1 else ("the seeds of one split", "seed")
    )
    maximizes = finished.spec.objective.maximizes
    end, of_curve = ("largest", "maximum") if maximizes else ("smallest", "minimum")
    by_curve = finished.deciding and finished.deciding.trial
    best = f"the trial at the {of_curve} of the smooth curve" if by_curve else f"the {end} value"
    told = f"Mean over {n} replicates ± standard error over {over}. best: {best}"
    if len(choices(finished)) > 1:
        told += "; 1se: the largest strength within one standard error of it"
    return f"{told}. Gains are paired by {pairs}."


def _figure(name: str, title: str, look: str, drawn: Figure, wide: bool = False) -> str:
    data = json.dumps(drawn, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    series = ", ".join(trace["name"] for trace in drawn["data"])
    return (
        f'<figure{" class=wide" if wide else ""} aria-labelledby="{name}-title">'
        f'<h3 id="{name}-title">{escape(title)}</h3>'
        f'<div class="plot" id="{name}" role="img" aria-label="{escape(f"{title}: {series}")}">'
        f"</div><figcaption>{escape(look)}</figcaption>"
        f'<script type="application/json" id="{name}-data">{data}</script></figure>'
    )


def _table(table: Table, caption: str) -> str:
    look = "scroll wide-table" if len(table.header) > 5 else "scroll"
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in table.header)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td>{escape(cell).replace('± ', '±&nbsp;')}</td>" for cell in row[1:])
        + "</tr>"
        for row in table.rows
    )
    return (
        f'<div class="{look}" tabindex="0" role="region" aria-label="{escape(caption)}">'
        f"<table><caption>{escape(caption)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _test_result(fit: Mapping[str, Any] | None, finished: Finished) -> str:
    """Show the metrics on test rows if the study has been refitted."""
    table = fit_table(fit, finished.spec) if fit else None
    if fit is None or table is None:
        return ""
    rows = [(label, str(fit[key])) for key, label in FITTED.items() if key in fit]
    notes = list(fit.get("warnings", []))
    chosen = [choice.params for choice in choices(finished).values()]
    if fit.get("chosen", {}).get("params") not in chosen:
        notes.append("the study has gone on since this refit, and now chooses other params")
    caption = (
        "Refitted networks, measured on rows that the search never saw: mean ± standard error"
        " over seeds"
    )
    if names := of_rows(fit.get("errors_over", {})):
        caption += f", of {' and '.join(names)} over the test rows too"
    told = _pairs([*rows, *(("note", note) for note in notes)])
    return f"<h3>Test result</h3>{_table(table, caption)}{told}"


def _origin(study: optuna.Study) -> str:
    return (
        f"<h3>Where this comes from</h3>{_pairs(provenance(study))}"
        "<details><summary>The study file, with every default</summary>"
        f"<pre>{escape(to_yaml(upgraded(study.user_attrs['spec'])))}</pre></details>"
    )


def _pairs(rows: Iterable[tuple[str, str]]) -> str:
    told = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in rows)
    return f"<dl>{told}</dl>"
