"""What is said of trials that the search has not chosen: by users, or by other programs."""

from __future__ import annotations

import optuna
from optuna.trial import TrialState

from sweep.spec.attributes import ENQUEUED, OTHERS
from sweep.storage.foreign import counted, left_out, sort_study, waits


def trial_notes(study: optuna.Study) -> list[str]:
    """Return a line each: trials enqueued, trained or not; trials left out; trials put aside."""
    found, aside = sort_study(study), study.user_attrs.get(OTHERS)
    lines = []
    chosen = [trial for trial in found.own if trial.user_attrs.get(ENQUEUED)]
    if ended := [trial for trial in chosen if trial.state != TrialState.WAITING]:
        lines.append(f"{counted(ended)} enqueued by hand, not chosen by the search")
    waiting = [trial for trial in chosen if trial.state == TrialState.WAITING]
    if waiting := sorted([*waiting, *found.enqueued], key=lambda trial: trial.number):
        lines.append(waits(waiting))
    if found.foreign:
        lines.append(
            f"{left_out(found.foreign)}. `sweep run` and `sweep doctor --repair` move them"
        )
    if isinstance(aside, dict) and {"study", "trials"} <= aside.keys():
        count = f"{aside['trials']} trial{'s' * (aside['trials'] != 1)}"
        lines.append(f"{count} of other programs moved to the study {aside['study']!r}")
    return lines
