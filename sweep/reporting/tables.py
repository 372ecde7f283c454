"""The tables beside the figures: key numbers, studies, a refit's metrics, provenance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
import optuna
from sqlalchemy import make_url

from sweep.analysis.balance import factor_of
from sweep.analysis.notes import trial_notes
from sweep.analysis.selection import Finished, compared
from sweep.analysis.verdict import MOST
from sweep.config.fitted import METRICS, Estimate
from sweep.errors import hide_passwords
from sweep.reporting.overlays import metric_words, sign, training_words
from sweep.runtime import versions
from sweep.search.point import Point
from sweep.spec.actors import provenance_line
from sweep.spec.attributes import (
    ALPHA_RANGE,
    DATA_HASH,
    DIVERGED,
    ENGINE,
    INPUTS_USED,
    METRIC,
    METRIC_SE,
    NORM,
    OUTCOME,
    PROBLEM,
    SPARSITY,
    SPEC_HASH,
    measured_loss,
)
from sweep.spec.loss_setting import alters_labels
from sweep.spec.objective import LOSS, words_of
from sweep.spec.study import StudySpec
from sweep.stats import MIN_FOLDS, plus_minus
from sweep.storage.foreign import own_trials

PACKAGES = ("optuna", "plotly")
DASH = "–"  # where there is no number
Cell = Callable[[Point], str]


@dataclass(frozen=True)
class Table:
    """A table of texts; the first column names the rows."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def key_numbers(finished: Finished) -> Table:
    """Return the key numbers of no penalty and of the choices, a column each."""
    columns = compared(finished)
    score = finished.spec.task.score
    train = measured_loss(alters_labels(finished.spec))
    rows: list[tuple[str, Cell]] = [
        *((sign(finished.spec) if name == finished.spec.strength else name, _param(name))
          for name in finished.trials[0].params),
        (metric_words(finished.spec), lambda point: plus_minus(point.value, point.value_se)),
        *([("… on fresh folds", _fresh(finished))] if finished.confirmed else []),
        *_of_objective(finished),
        (f"validation {score.words}", _number(score.attribute, score.form)),
        (training_words(finished.spec), _number(train, ".4f")),
        ("norm of the weights", _number(NORM, ".4g")),
        ("exact zeros", _number(SPARSITY, ".1%")),
        ("inputs used by a unit", _number(INPUTS_USED, ".3g")),
    ]  # fmt: skip
    body = [(name, *map(tell, columns.values())) for name, tell in rows]
    gain = finished.gain(finished.choose("best"))
    fresh = gain is not None and gain.fresh

    def gained(point: Point) -> str:
        """Write a gain over no penalty, if it is on the folds that the row speaks of."""
        gain = finished.gain(point)
        none = point.number is None and point.at in (0, inf)
        return DASH if none or gain is None or gain.fresh != fresh else _gain(finished, point)

    gains = (
        "gain, on fresh folds" if fresh else "gain over no penalty",
        *map(gained, columns.values()),
    )
    at = len(finished.trials[0].params) + (2 if finished.confirmed else 1)
    if any(factor_of(finished, point) for point in columns.values()):
        body.append(("layers' penalties differ by", *map(_balance(finished), columns.values())))
    fitted = [
        (name, *(text if column == "best" else DASH for column in columns))
        for name, text in _of_model(finished)
    ]
    return Table(("", *columns), (*body[:at], gains, *body[at:], *fitted))


def _of_objective(finished: Finished) -> list[tuple[str, Cell]]:
    """Return the metric beside the loss, or the loss in the target's units."""
    beside = finished.spec.objective.beside

    def metric(point: Point) -> str:
        known = METRIC in point.attrs
        return plus_minus(point.attrs[METRIC], point.attrs.get(METRIC_SE)) if known else DASH

    def rmse(point: Point) -> str:
        error = finished.rmse(point)
        return DASH if error is None else f"{error:.4g}"

    rows: list[tuple[str, Cell]] = []
    if beside:
        rows.append((f"validation {words_of(beside)}", metric))
    if finished.target_scales and finished.spec.objective.value == LOSS:
        rows.append(("rmse, in the target's units", rmse))
    return rows


def _of_model(finished: Finished) -> list[tuple[str, str]]:
    """Return what a smooth model of the curve says of the best strength, and how well it fits."""
    model = finished.model
    if model is None:
        return []
    end = "maximum" if finished.spec.objective.maximizes else "minimum"
    if model.doubt:
        return [(f"{end} of a smooth curve", "none fits")]  # the verdict says why, if it matters
    within = 1.0 if finished.n_folds < MIN_FOLDS else model.factor
    factor = f", × or ÷ {within:.2g}" if 1 < within <= MOST else ""
    missed = np.abs(model.missed)
    return [
        (f"{end} of a smooth curve", f"{model.minimum:.3g}{factor}"),
        ("it misses left-out trials by", f"{np.median(missed):.2g} (median)"),
    ]


def studies_table(studies: Sequence[Finished]) -> Table:
    """Return the best of each study, a row each."""
    header = (
        "study", "penalty", "best strength", "validation", "on fresh folds", "no penalty",
        "gain (paired)", "score", "zeros", "trials",
    )  # fmt: skip
    return Table(header, tuple(_study_row(finished) for finished in studies))


def _study_row(finished: Finished) -> tuple[str, ...]:
    best, base = finished.choose("best"), finished.baseline
    strength = finished.spec.strength
    norm = "decoupled" if strength == "weight_decay" else finished.spec.penalty.norm
    score = finished.spec.task.score
    tell = _number(score.attribute, score.form)
    return (
        finished.study_name, norm, f"{sign(finished.spec)} = {best.at:.3g}",
        plus_minus(best.value, best.value_se), _fresh(finished)(best),
        plus_minus(base.value, base.value_se) if base
        else "diverged" if finished.has_control else DASH,
        _gain(finished, best), f"{score.words} {tell(best)}",
        _number(SPARSITY, ".1%")(best), str(len(finished.trials)),
    )  # fmt: skip


def fit_table(content: Mapping[str, Any], spec: StudySpec) -> Table | None:
    """Return a refit's metrics: a row a metric, a column for each of the networks compared.

    Each part of `content` that holds means with standard errors becomes a column.
    """
    parts = {
        name: {key: value for key, value in part.items() if _is_estimate(value)}
        for name, part in content.items()
        if isinstance(part, Mapping)
    }
    columns = {name: part for name, part in parts.items() if part}
    if not columns:
        return None
    metrics = dict.fromkeys(metric for part in columns.values() for metric in part)
    rows = tuple(
        (METRICS.get(metric, metric), *(_estimate(part.get(metric)) for part in columns.values()))
        for metric in metrics
    )
    header = (_network(name, content[name].get("params", {}), spec) for name in columns)
    return Table(("", *header), rows)


def _network(name: str, params: Mapping[str, float], spec: StudySpec) -> str:
    """Name a refit's column: by its strength if its networks share one."""
    if spec.strength in params:
        return f"{sign(spec)} = {params[spec.strength]:.3g}"
    return f"{name} (paired)"


def provenance(study: optuna.Study) -> list[tuple[str, str]]:
    """Return where a study's numbers come from, as names and texts, without passwords."""
    attrs, trials = study.user_attrs, own_trials(study)
    about, low_high = attrs.get(PROBLEM, {}), attrs[ALPHA_RANGE]
    states = Counter(trial.state.name for trial in trials)
    diverged = sum(trial.user_attrs.get(OUTCOME) == DIVERGED for trial in trials)
    ended = max((t.datetime_complete for t in trials if t.datetime_complete), default=None)
    found = [
        ("trials", ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
         + (f" ({diverged} diverged)" if diverged else "")),
        *(("note", line) for line in trial_notes(study)),
        ("range", " to ".join(f"{end:.3g}" for end in low_high)),
        ("ended", ended.isoformat(" ", "minutes") if ended else DASH),
        ("device", about.get("device") or DASH),
        ("trained on", provenance_line(attrs.get(ENGINE))),
        ("storage", storage_name(study)),
        ("spec_hash", attrs.get(SPEC_HASH)),
        ("data_hash", attrs.get(DATA_HASH)),
        ("model_hash", about.get("model_hash")),
        ("written with", ", ".join(f"{name} {at}" for name, at in versions(*PACKAGES).items())),
    ]  # fmt: skip
    return [(name, text) for name, text in found if text]


def storage_name(study: optuna.Study) -> str:
    """Return the URL of a study's storage without its password."""
    storage = getattr(study._storage, "_backend", study._storage)
    engine = getattr(storage, "engine", None)
    if engine is None:
        return "memory"
    return hide_passwords(make_url(engine.url).render_as_string(hide_password=True))


def _param(name: str) -> Cell:
    return lambda point: f"{point.params[name]:.3g}" if name in point.params else DASH


def _number(name: str, form: str) -> Cell:
    def cell(point: Point) -> str:
        number = point.attrs.get(name)
        return DASH if number is None else format(number, form)

    return cell


def _fresh(finished: Finished) -> Cell:
    def cell(point: Point) -> str:
        constant = bool(finished.constants) and point == finished.constants[0]
        again = finished.constants[-1] if constant else finished.fresh(point)
        return DASH if again is None else plus_minus(again.value, again.value_se)

    return cell


def _balance(finished: Finished) -> Cell:
    def cell(point: Point) -> str:
        factor = factor_of(finished, point)
        return DASH if factor is None else f"× {factor:.3g}"

    return cell


def _gain(finished: Finished, choice: Point) -> str:
    gain = finished.gain(choice)
    return DASH if gain is None else plus_minus(gain.by, gain.se)


def _is_estimate(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("mean"), int | float)


def _estimate(value: Mapping[str, Any] | None) -> str:
    return DASH if value is None else str(Estimate(value["mean"], value.get("se")))
