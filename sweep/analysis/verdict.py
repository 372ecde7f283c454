"""The verdict: sentences that say which strength is best, how sure that is, and if it helps."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sweep.analysis import lengths
from sweep.analysis.gain import Gain
from sweep.analysis.selection import Finished
from sweep.errors import UsageError
from sweep.search.point import Point
from sweep.spec.attributes import COLLAPSED, METRIC, METRIC_SE, OUTCOME, SPARSITY
from sweep.spec.loss_setting import loss_words
from sweep.spec.objective import words_of
from sweep.spec.remarks import sentences
from sweep.spec.splits import is_given
from sweep.spec.study import StudySpec
from sweep.stats import MIN_FOLDS, plus_minus

MOST = 10.0  # a larger factor tells less than the ends of the interval


def verdict(finished: Finished) -> str:
    """Say which strength is best, how sure that is, how much it helps, if the range sufficed."""
    best = finished.choose("best")
    name = finished.spec.strength
    metric = f"validation {finished.spec.objective.words}"
    text = (
        f"{name} = {best.at:.3g}{times(finished)} is best{_others(best, name)}: "
        f"{metric} {plus_minus(best.value, best.value_se)}{_in_units(finished, best)};"
        f" {_help(finished, best)}."
    )
    parts = _beside, _constant, _alike, _model, _wide_enough, _length, _unscored
    text += "".join(part(finished, best) for part in parts)
    return text + "".join(f" {line}." for line in sentences(finished.remarks, name))


def _in_units(finished: Finished, best: Point) -> str:
    error = finished.rmse(best)
    return "" if error is None else f" (rmse {error:.4g} in the target's units)"


def _beside(finished: Finished, best: Point) -> str:
    """Say what the metric beside the loss came to, and why the loss chooses."""
    objective = finished.spec.objective
    if objective.beside is None or METRIC not in best.attrs:
        return ""
    base, words = finished.baseline, words_of(objective.beside)
    told = plus_minus(best.attrs[METRIC], best.attrs.get(METRIC_SE))
    if base and METRIC in base.attrs:
        none = plus_minus(base.attrs[METRIC], base.attrs.get(METRIC_SE))
        told += f", without a penalty {none}"
    return f" Its {words} is {told} on the folds that chose it: {objective.notes[0]}."


def _constant(finished: Finished, best: Point) -> str:
    """Say so where the network has learned nothing, as far as is shown."""
    what = loss_words(finished.spec).constant
    if best.attrs.get(OUTCOME) == COLLAPSED and best.attrs.get(SPARSITY) == 1:
        return f" All its weights are zero: it predicts {what}."
    gone = ""
    if best.attrs.get(OUTCOME) == COLLAPSED:
        gone = " Its weights have shrunk to less than 0.1 % of their size at the start."
    gain = finished.gain_over_constant(best)
    if gain is None or gain.told == "better":
        return gone
    if finished.n_folds == 1:
        level = finished.constants[0].value
        if best.cost < finished.constants[0].cost:
            return gone
        return f"{gone} Predicting {what} does as well on this split ({level:.4f})."
    again, constant = finished.fresh(best), finished.constants[-1]
    if not again:
        return gone
    return (
        f"{gone} It is not shown to be better than predicting {what}, which has"
        f" {constant.value:.4f} on {_fresh_folds(finished)} against {again.value:.4f}"
        f" (paired gain {plus_minus(gain.by, gain.se)}, less than {gain.reach:.3g} standard"
        " errors)."
    )


def _length(finished: Finished, best: Point) -> str:
    return "".join(f" {said}." for said in lengths.claims(finished))


def _unscored(finished: Finished, best: Point) -> str:
    unscored = without_score(finished.spec, finished.unscored_folds)
    return f" {unscored}." if unscored else ""


def without_score(spec: StudySpec, folds: Sequence[int]) -> str:
    """Say that folds have no score since their validation targets are all the same, if any."""
    if not folds:
        return ""
    words, n_folds = spec.task.score.words, math.prod(spec.replicates.folds)
    if len(folds) == n_folds:
        return f"There is no {words}: no fold's validation rows differ in their target"
    return (
        f"The {words} leaves out {len(folds)} of {n_folds} folds, where the targets of all"
        " validation rows are the same"
    )


def _others(choice: Point, strength: str) -> str:
    others = [f"{name} {value:.3g}" for name, value in choice.params.items() if name != strength]
    return f" (with {', '.join(others)})" if others else ""


def _help(finished: Finished, best: Point) -> str:
    strength, base = finished.spec.strength, finished.baseline
    if not finished.has_control:
        return f"the control ({strength} = 0) has not been trained yet"
    gain = finished.gain(best)
    if base is None or gain is None:
        return f"without a penalty ({strength} = 0) training diverged"
    level = f"{strength} = 0{_others_of(base, strength)} has "
    # Where less is better, no penalty that is worse has more of it.
    is_more = gain.by * finished.spec.objective.sign >= 0
    more, size = ("more" if is_more else "less"), plus_minus(abs(gain.by), gain.se)
    more += " (better)" if gain.by < 0 else ""
    if finished.n_folds == 1:
        return (
            f"{level}{base.value:.4f}, {size} {more} on this one split, which cannot show what"
            " other rows would give: seeds vary the first weights alone"
        )
    if not gain.fresh:
        fresh = "a run ends with a test on fresh folds"
        if is_given(finished.spec):
            fresh = "they are given, so that there are no fresh ones to show that it helps"
        return f"{level}{base.value:.4f}, {size} {more} on the folds that chose it; {fresh}"
    return _on_fresh_folds(finished, base, gain, level)


def _on_fresh_folds(finished: Finished, base: Point, gain: Gain, level: str) -> str:
    again = finished.fresh(base)
    assert again
    folds, level = f"on {_fresh_folds(finished)}", f"{level}{again.value:.4f} there"
    size = plus_minus(abs(gain.by), gain.se)
    if gain.told == "better":
        return f"{folds} it beats no penalty by {size} (95 %, paired by fold; {level})"
    if gain.told == "worse":
        return f"{folds} no penalty is better by {size} (95 %, paired by fold; {level})"
    return (
        f"a penalty is not shown to help {folds} ({level}; paired gain"
        f" {plus_minus(gain.by, gain.se)}, less than {gain.reach:.3g} standard errors)"
    )


def _fresh_folds(finished: Finished) -> str:
    return finished.spec.replicates.described("fresh folds")


def _others_of(base: Point, strength: str) -> str:
    others = [f"{k} {v:.3g}" for k, v in base.params.items() if k != strength]
    return f" at {', '.join(others)}" if others else ""


def _alike(finished: Finished, best: Point) -> str:
    try:
        low, high = finished.interval(best)
    except UsageError:
        return ""
    if low == high:
        return ""
    return (
        f" Any {finished.spec.strength} from {low:.3g} to {high:.3g} does as well within the noise"
        " of the folds (95 %, paired)."
    )


def times(finished: Finished) -> str:
    """Say what factor covers the strengths that do as well, where a model of the curve tells."""
    model = finished.deciding
    if not model or not model.trial or finished.n_folds < MIN_FOLDS or model.factor > MOST:
        return ""
    return f", times or divided by {model.factor:.2g},"


def _model(finished: Finished, best: Point) -> str:
    """Say where the model of a design does not choose."""
    model = finished.model
    if not model or finished.spec.search.sampler.type != "design":
        return ""
    if model.doubt:
        return f" The trials decide, as no smooth curve fits them: {model.doubt}."
    if model.trial:
        return ""
    end = "largest" if finished.spec.objective.maximizes else "least"
    return (
        f" The trials decide: the fitted curve is {end} at {model.minimum:.3g}, where none was"
        " trained."
    )


def _wide_enough(finished: Finished, best: Point) -> str:
    (low, high), n = finished.alpha_range, finished.n_widenings
    text = ""
    if n:
        times = "once" if n == 1 else f"{n} times"
        text = f" The range was widened {times}, to {low:.3g} .. {high:.3g}."
    edge = finished.at_edge(best)
    if edge is None:
        return text
    end = low if edge == "low" else high
    where = f" The best lies at the {edge} end of the range ({end:.3g})"
    return f"{text}{where}{_edge(finished, edge)}."


def _edge(finished: Finished, edge: str) -> str:
    name, high = finished.spec.strength, finished.alpha_range[1]
    if edge == "high" and finished.alpha_max and high >= finished.alpha_max * 0.99:
        shown = any(
            point.attrs.get(OUTCOME) == COLLAPSED and point.at >= 0.99 * finished.alpha_max
            for point in finished.trials
        )
        if shown:
            return ", where nothing is left of the weights"
        return ", above which weights shrink to zero if they train for long enough"
    if edge == "high" and finished.alpha_cap and high >= finished.alpha_cap * 0.99:
        return ", above which SGD with this lr is not stable"
    gain = finished.gain(finished.choose("best"))
    se = gain.se if gain else None
    if edge == "low" and gain and se is not None and -gain.reach * se <= gain.by <= se:
        return "; within the noise, smaller values are the same as no penalty"
    return f"; search further with --set search.space.{name}.{edge}=… and --fresh"
