"""Sentences on the length of training: does the best strength move, would fewer epochs do."""

from __future__ import annotations

from sweep.analysis.course import SETTLED, Best, Drift
from sweep.analysis.gain import Gain
from sweep.analysis.selection import Finished
from sweep.search.by_epoch import FoldCurves
from sweep.search.earlier import Earlier, earlier, ends_tell
from sweep.stats import errors, plus_minus


def claims(finished: Finished) -> list[str]:
    """Return what is shown: that the best strength moves or has settled; that fewer epochs win."""
    return [said for said in (_drift(finished), _sooner(finished)) if said]


def remarks(finished: Finished) -> list[str]:
    """Return what is claimed, and what is not shown, beside the figure of losses by epoch."""
    if not ends_tell(finished.spec):
        return []
    drift = finished.course.drift if finished.course else None
    said = claims(finished)
    if drift and drift.told is None:
        said.insert(0, f"{_both(finished, drift)}: it is not shown to move, nor to have settled")
    if not _sooner(finished):
        said.append("No earlier end of training is shown to do better")
    return said


def without_figure(finished: Finished) -> str | None:
    """Say why losses by epoch tell nothing of shorter trainings; None where they do."""
    training = finished.spec.training
    if training.ends_anywhere:
        return None
    return (
        f"There is no picture of the loss by epoch and {finished.spec.strength}: the learning rate"
        f" ({training.rate.words}) depends on how many epochs there are, so the loss on the way is"
        " not that of a shorter training"
    )


def on_fresh_folds(finished: Finished) -> tuple[Earlier, Gain, float] | None:
    """Return an earlier end of training, how much it gains on fresh folds, its loss there.

    None where none is worth a test, or before it.
    """
    best = finished.choose("best")
    sooner = earlier(finished.trials, best, finished.spec)
    if not sooner:
        return None
    fresh = finished.fresh(best), finished.fresh(sooner.point)
    whole, other = (FoldCurves.read(point.attrs) if point else None for point in fresh)
    if not whole or not other or not whole.like(other):
        return None
    losses = other.losses[other.epochs.index(sooner.epoch)]
    lead = whole.losses[-1] - losses
    se = float(errors(lead[None], finished.folds[1])[0])
    return sooner, Gain(float(lead.mean()), se, finished.reach, fresh=True), float(losses.mean())


def _drift(finished: Finished) -> str | None:
    drift = finished.course.drift if finished.course and ends_tell(finished.spec) else None
    if not drift or not drift.told:
        return None
    if drift.told == "settled":
        return (
            f"{_both(finished, drift)}: it has settled (95 %), as these are less than a factor of"
            f" {SETTLED:.2g} apart"
        )
    assert drift.reach
    low, high = drift.factor / drift.reach, drift.factor * drift.reach
    return (
        f"{_both(finished, drift)}: it still moves with training, by a factor of"
        f" {drift.factor:.2g} ({low:.2g} to {high:.2g}, 95 %). So it is the best for this many"
        " epochs alone"
    )


def _both(finished: Finished, drift: Drift) -> str:
    return (
        f"The best {finished.spec.strength} is {_around(drift.before)} after {drift.epoch} epochs"
        f" and {_around(drift.after)} after {drift.last}"
    )


def _around(best: Best) -> str:
    """Write a strength with the ends of those that do as well, where they are known."""
    if not best.alike:
        return f"{best.at:.2g}"
    low, high = best.alike
    return f"{best.at:.2g} ({low:.2g} to {high:.2g} do as well)"


def _sooner(finished: Finished) -> str | None:
    tested = on_fresh_folds(finished)
    if not tested or tested[1].told != "better":
        return None
    (point, epoch), gain, loss = tested
    folds = finished.spec.replicates.described("fresh folds")
    return (
        f"Fewer epochs do better: {finished.spec.strength} = {point.at:.3g} after {epoch} of"
        f" {finished.spec.training.epochs} has {loss:.4f} on {folds}, lower by"
        f" {plus_minus(gain.by, gain.se)} (95 %, paired by fold)"
    )
