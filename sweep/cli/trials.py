"""What the terminal shows of trials that the search has not chosen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import optuna


def print_trial_notes(*studies: optuna.Study) -> None:
    """Print which trials of studies users enqueued or other programs wrote, if any."""
    from sweep.analysis.notes import trial_notes

    for study in studies:
        for line in trial_notes(study):
            print(f"note: {line}")


def print_report(path: Path, size_bytes: int, studies: Sequence[optuna.Study]) -> None:
    """Print where a report is, and what is to be known of its studies' trials."""
    print(f"{path} ({size_bytes / 1e6:.1f} MB, needs no network)")
    print_trial_notes(*studies)


def n_trials(study: optuna.Study, state: str | None = None) -> int:
    """Count a study's own trials, or those in a state."""
    from sweep.storage.foreign import own_trials

    return sum(state in (None, trial.state.name) for trial in own_trials(study))
