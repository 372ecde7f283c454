"""Compare the runs of several programs on one workload."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import optuna

from tests.benchmarks.job import Trial
from tests.benchmarks.timing import Run, timed
from tests.benchmarks.workloads import QUICK, Program, Workload

STEEP = 5.0  # standard errors above the best, where the curve is too steep to interpolate


@dataclass(frozen=True)
class Outcome:
    """What a program did in one run.

    Attributes:
        ses: standard errors of the trials' values; empty where a program gives none.
        controls: trials trained besides, with alpha = 0.
    """

    run: Run
    cores: int
    trials: list[Trial]
    ses: list[float]
    controls: int = 0

    @property
    def best(self) -> Trial:
        return min(self.trials, key=lambda trial: trial.value)

    def whole(self, trials: int) -> float:
        """Return the seconds of the whole job at so many trials.

        Those that were not made are counted at the pace of the rest, from the end of the first
        trial on each core: what the first ones load counts once.
        """
        missing, first = trials - len(self.trials), self.cores
        if missing <= 0:
            return self.run.seconds
        ends = sorted(trial.ended for trial in self.trials)
        return self.run.seconds + missing * (ends[-1] - ends[first - 1]) / (len(ends) - first)

    def reached(self, value: float) -> float | None:
        """Return the seconds from the start until a trial came to this value."""
        ends = [trial.ended for trial in self.trials if trial.value <= value]
        return min(ends) - self.run.began if ends else None


class Comparison:
    """The outcomes of all programs on one workload, run by run."""

    def __init__(self, work: Workload):
        self.work = work
        self._programs = [program for program in work.programs if program.is_here]
        for program in set(work.programs) - set(self._programs):
            print(f"  {work.name}: {program.name} is left out, not installed", file=sys.stderr)
        self._found: dict[str, list[Outcome]] = {program.name: [] for program in self._programs}

    def run(self, quick: bool) -> None:
        """Run every program once, one after another."""
        for program in self._programs:
            with tempfile.TemporaryDirectory() as folder:
                outcome = done(program, self.work, Path(folder), quick)
            self._found[program.name].append(outcome)
            seconds = f"{outcome.run.seconds:.1f} s"
            print(f"  {self.work.name}: {program.name} {seconds}", file=sys.stderr)

    def rows(self) -> list[dict[str, Any]]:
        """Return the figures of the programs."""
        return [row(program, self.work, self._found) for program in self._programs]


def done(
    program: Program, work: Workload, folder: Path, quick: bool, limit_s: float | None = None
) -> Outcome:
    """Run a program once, for so many seconds at most."""
    trials = work.trials_of(program)
    if quick:
        work, trials = replace(work, sets=(*work.sets, *QUICK)), 4
    run = timed(program.command(work, folder, trials), program.threads, limit_s)
    _, found, written = run.output.rpartition('{"trials": ')
    if found:
        trials_made = [Trial(*trial) for trial in json.loads(found + written)["trials"]]
        return Outcome(run, program.cores, trials_made, [])
    return stored(run, program, folder)


def stored(run: Run, program: Program, folder: Path) -> Outcome:
    """Read the trials of the one study in a program's storage."""
    storage = optuna.storages.RDBStorage(program.storage(folder))
    (summary,) = optuna.get_all_study_summaries(storage)
    study = optuna.load_study(study_name=summary.study_name, storage=storage)
    trials, ses = [], []
    for trial in study.trials:
        assert trial.value is not None and trial.datetime_start and trial.datetime_complete
        began, ended = trial.datetime_start.timestamp(), trial.datetime_complete.timestamp()
        trials.append(Trial(trial.params["alpha"], trial.value, began, ended))
        ses.append(trial.user_attrs.get("value_se") or float("nan"))
    storage.engine.dispose()
    return Outcome(run, program.cores, trials, ses, int("baseline" in study.user_attrs))


def row(program: Program, work: Workload, found: dict[str, list[Outcome]]) -> dict[str, Any]:
    """Return the figures of a program: medians over the runs, ratios of the runs side by side."""
    outcomes, reference = found[program.name], found[program.sweep]
    trials, controls = len(reference[0].trials), outcomes[0].controls
    trainings = (trials + controls) * work.replicates
    whole = [outcome.whole(trials) for outcome in outcomes]
    pairs = list(zip(outcomes, reference, strict=True))
    return {
        "work": work.name,
        "program": program.name,
        "cores": program.cores,
        "trials": trials,
        "trials_made": len(outcomes[0].trials),
        "trainings": trainings,
        "seconds_measured": figures([outcome.run.seconds for outcome in outcomes]),
        "seconds": figures(whole),
        "trainings_per_second": figures([trainings / seconds for seconds in whole]),
        "sweep_is_times_faster": figures(
            [seconds / ours.run.seconds for seconds, (_, ours) in zip(whole, pairs, strict=True)]
        ),
        "seconds_to_within_1se": figures([a.reached(within(b)) for a, b in pairs]),
        "peak_mib": figures([outcome.run.peak_mib for outcome in outcomes]),
        "best_value": figures([outcome.best.value for outcome in outcomes]),
        "best_alpha": figures([outcome.best.alpha for outcome in outcomes]),
        "differs_by_se": figures([difference(a, b) for a, b in pairs]),
    }


def figures(values: Sequence[float | None]) -> dict[str, Any]:
    """Return the median of the runs and the runs; none where a run has no value."""
    known = [value for value in values if value is not None]
    middle = median(known) if len(known) == len(values) else None
    return {"median": middle, "runs": list(values)}


def within(sweep: Outcome) -> float:
    """Return the largest value within one standard error of the best."""
    return sweep.best.value + sweep.ses[sweep.trials.index(sweep.best)]


def difference(other: Outcome, sweep: Outcome) -> float | None:
    """Return how far another program's values lie above those of `sweep` at the same strength.

    In standard errors of `sweep`, averaged over the other's trials where the curve of `sweep` is
    within STEEP of them of its best; between two strengths it is interpolated on log alpha.
    """
    order = np.argsort([trial.alpha for trial in sweep.trials])
    at = np.log([sweep.trials[place].alpha for place in order])
    where = np.log([trial.alpha for trial in other.trials])
    values = np.interp(where, at, [sweep.trials[place].value for place in order])
    ses = np.interp(where, at, [sweep.ses[place] for place in order])
    flat = values <= sweep.best.value + STEEP * (within(sweep) - sweep.best.value)
    gaps = (np.array([trial.value for trial in other.trials]) - values) / ses
    return float(gaps[flat].mean()) if flat.any() else None
