"""An earlier end of training that looks better than the whole of it, among all trials and epochs.

The least of so many losses flatters: nothing is claimed on the folds that chose it. Where it beats
the chosen trial even there, it is worth a training on fresh folds (`search.confirmation`), which
tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sweep.search.by_epoch import FoldCurves
from sweep.search.point import Point
from sweep.spec.objective import LOSS
from sweep.spec.study import StudySpec
from sweep.stats import MIN_FOLDS, degrees, errors, t_quantile

LATEST = 0.75  # of training: what ends later is hardly a shorter one


class Earlier(NamedTuple):
    """A trial, and the epoch at which its training would end."""

    point: Point
    epoch: int


def ends_tell(spec: StudySpec) -> bool:
    """Say whether losses by epoch are what shorter trainings come to, as the study values them."""
    return spec.training.ends_anywhere and spec.objective.value == LOSS


def earlier(points: Sequence[Point], best: Point, spec: StudySpec) -> Earlier | None:
    """Return the trial and the epoch with the least loss, if it is worth a test.

    It is where it beats the end of the chosen trial by a paired t-test on their own folds, which
    is too easy. None where losses by epoch tell nothing, or are not known.

    Args:
        points: the trials with a value.
        best: the chosen one.
        spec: of the study.
    """
    whole, (n_folds, n_repeats) = FoldCurves.read(best.attrs), spec.replicates.folds
    if whole is None or n_folds < MIN_FOLDS or not ends_tell(spec):
        return None
    read = ((point, FoldCurves.read(point.attrs)) for point in points)
    found = [(point, curves.losses) for point, curves in read if curves and curves.like(whole)]
    early = np.array(whole.epochs) <= LATEST * whole.epochs[-1]
    if not found or not early.any():
        return None
    losses = np.array([each[early] for _, each in found])
    i, j = np.unravel_index(losses.mean(2).argmin(), losses.shape[:2])
    lead = whole.losses[-1] - losses[i, j]
    error = float(errors(lead[None], n_repeats)[0])
    if lead.mean() <= t_quantile(0.975, degrees(n_folds, n_repeats)) * error:
        return None
    return Earlier(found[i][0], whole.epochs[j])
