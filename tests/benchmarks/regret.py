"""Measure what a choice of alpha costs against the best one there is: its regret.

    python -m tests.benchmarks.regret          # --seeds 20

The truth of a data set is its own experiment: 200 strengths, 5 seeds that no study has, 8
folds each, so 40 replicates with other test rows, splits, wrong labels and weights. The true
loss of a strength is their mean, interpolated on log alpha; that is what the loss comes to
over draws of the rows, not on the rows of one study. Its best strength is known less sharply
than its least loss (to a factor of 2 on digits and diabetes), so where an interval misses it
the tables tell what that is in loss. A study's regret is the true loss of the alpha it chose
minus the least, in units of a study's standard error: that of the best trial of the TPE study
of the same seed, for all programs alike.

Every program is one study on 8 folds, or on 8 of each of two partitions, with its automatic
range, seeds 1, 2, 3 …; the seed draws test rows, splits, wrong labels, weights and asks. Writes
tests/benchmarks/regret.json after every study, goes on where it stopped, and prints the tables
of the docs.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read by torch as it is imported

import numpy as np
from sklearn.datasets import load_wine

from sweep.analysis.selection import Finished
from sweep.analysis.status import load_study
from sweep.runner.run import run_study
from sweep.spec.files import parse_spec
from sweep.stats import Array, degrees, t_quantile
from tests.benchmarks.machine import machine

OUTPUT = Path(__file__).parent / "regret.json"
EPOCHS, FOLDS = 60, 8
POINTS, TRUTH_SEEDS = 200, (1001, 1002, 1003, 1004, 1005)
Rows = list[dict[str, Any]]


def alcohol() -> dict[str, Array]:
    """Return the wines again, as a regression: a wine's alcohol from the 12 other measurements."""
    X, _ = load_wine(return_X_y=True)
    return {"X": X[:, 1:], "y": X[:, 0]}


@dataclass(frozen=True)
class Task:
    """A data set, its network, and the strengths between which the truth is measured.

    Attributes:
        rows: what makes the data set, where it is not scikit-learn's of this name.
    """

    name: str
    data: Mapping[str, Any]
    hidden: int
    low: float
    high: float
    norm: str = "l2"
    rows: Callable[[], dict[str, Array]] | None = None


DIGITS = {"source": "sklearn:digits", "scale": "none", "train_rows": 300, "label_noise": 0.2}
TASKS = (
    Task("digits", DIGITS, 32, 1e-6, 0.12),
    Task("diabetes", {"task": "regression", "train_rows": 200}, 32, 1e-5, 1.5),
    Task("breast_cancer", {"train_rows": 200}, 16, 1e-5, 1.3),
    Task("wine", {"train_rows": 100}, 16, 5e-6, 0.7),
    Task("digits, l1", DIGITS, 32, 2e-6, 0.2, norm="l1"),
    Task("alcohol", {"task": "regression", "train_rows": 100}, 16, 1e-5, 1.5, rows=alcohol),
)


class Program(NamedTuple):
    """What a study says of its search, and on how many partitions of the rows it trains."""

    search: Mapping[str, Any]
    n_repeats: int = 1

    @property
    def trainings(self) -> int:
        """How many a study makes, without its control and its fresh folds."""
        return int(self.search["n_trials"]) * FOLDS * self.n_repeats


PLAIN, DEFAULT = "tpe, 48 trials", "design, 13 trials, two partitions"
PROGRAMS = {
    PLAIN: Program({"n_trials": 48, "sampler": {"type": "tpe"}}),
    DEFAULT: Program({"n_trials": 13, "sampler": {"type": "design"}}, 2),
    "design, 13 trials": Program({"n_trials": 13, "sampler": {"type": "design"}}),
    "random, 48 trials": Program({"n_trials": 48, "sampler": {"type": "random"}}),
    "grid, 48 points": Program({"n_trials": 48, "sampler": {"type": "grid"}}),
    "grid, 10 points": Program({"n_trials": 10, "sampler": {"type": "grid"}}),
}
FIRST = (PLAIN, DEFAULT, "design, 13 trials")  # measured on all seeds before the others begin


# --- running


def trained(task: Task, seed: int, program: Program) -> tuple[Finished, int]:
    """Run one study in a folder that does not outlive it; return it and its trials' epochs."""
    with tempfile.TemporaryDirectory() as folder:
        source = {"source": f"sklearn:{task.name}"}
        if task.rows:
            source = {"source": "rows.npz"}
            np.savez(f"{folder}/rows.npz", **task.rows())  # type: ignore[arg-type]
        tree: dict[str, Any] = {
            "study_name": "one",
            "seed": seed,
            "storage": f"sqlite:///{folder}/study.db",
            "device": "cpu",
            "data": {**source, **task.data},
            "model": {"hidden": [task.hidden]},
            "training": {"epochs": EPOCHS},
            "penalty": {"norm": task.norm},
            "search": program.search,
            "replicates": {"n_folds": FOLDS, "n_repeats": program.n_repeats},
        }
        spec = parse_spec(tree, task.name, Path(folder))
        run_study(spec)
        study = load_study(spec.storage, "one")
        trials = study.get_trials(deepcopy=False)
        return Finished.read(study), sum(max(t.intermediate_values, default=0) for t in trials)


def measure_truth(task: Task, seed: int) -> dict[str, Any]:
    """Train the dense grid on one seed's 8 folds."""
    span = {"alpha": {"low": task.low, "high": task.high}}
    search = {"n_trials": POINTS, "sampler": {"type": "grid"}, "space": span}
    finished, _ = trained(task, seed, Program(search))
    losses = {trial.params["alpha"]: trial.value for trial in finished.trials}
    assert len(losses) == POINTS and finished.baseline
    return {
        "task": task.name, "seed": seed, "none": round(finished.baseline.value, 5),
        "losses": [round(losses[alpha] or 0.0, 5) for alpha in sorted(losses)],
    }  # fmt: skip


def measure_study(task: Task, name: str, seed: int, program: Program) -> dict[str, Any]:
    """Run one study and keep what it chose."""
    wall, cpu = time.perf_counter(), time.process_time()
    finished, epochs = trained(task, seed, program)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    best, gain = finished.choose("best"), finished.gain(finished.choose("best"))
    assert gain
    return {
        "task": task.name, "program": name, "seed": seed,
        "alpha": _short(best.params["alpha"]), "value": _short(best.value),
        "se": _short(best.value_se), "alpha_1se": _short(finished.choose("1se").params["alpha"]),
        "interval": [_short(end) for end in finished.interval(best)],
        "gain": [_short(part) for part in (gain.by, gain.se)],
        "range": [_short(end) for end in finished.alpha_range],
        "epochs": epochs, "seconds": round(wall, 2), "cpu_seconds": round(cpu, 2),
    }  # fmt: skip


def _short(x: float | None) -> float:
    assert x is not None
    return float(f"{x:.5g}")


Wanted = Iterable[tuple[Task, str, int, Program]]


def wanted(seeds: int) -> Wanted:
    """Yield the studies in the order in which they are measured."""
    for names in (FIRST, [name for name in PROGRAMS if name not in FIRST]):
        for seed, task, name in itertools.product(range(1, seeds + 1), TASKS, names):
            yield task, name, seed, PROGRAMS[name]


def run(result: dict[str, Any], tasks: Iterable[Task], studies: Wanted, output: Path) -> None:
    """Measure what the result does not hold yet; write it after every study."""
    truths = {(row["task"], row["seed"]) for row in result["truths"]}
    done = {(row["task"], row["program"], row["seed"]) for row in result["studies"]}
    for task, seed in itertools.product(tasks, TRUTH_SEEDS):
        if (task.name, seed) not in truths:
            result["truths"].append(measure_truth(task, seed))
            write(result, output)
    for task, name, seed, program in studies:
        if (task.name, name, seed) not in done:
            result["studies"].append(measure_study(task, name, seed, program))
            write(result, output)


def read(path: Path) -> dict[str, Any]:
    """Return the result so far; figures of other machines or versions are not mixed in."""
    fresh = {"machine": machine(), "truths": [], "studies": []}
    found = json.loads(path.read_text()) if path.exists() else fresh
    if found["machine"] != fresh["machine"]:
        raise SystemExit(f"{path} was made elsewhere: name another --output, or remove it")
    return found


def write(result: dict[str, Any], path: Path) -> None:
    """Write the result, one measurement a line; the file appears whole or not at all."""
    parts = [f'"machine": {json.dumps(result["machine"])}']
    for kind in ("truths", "studies"):
        rows = ",\n ".join(json.dumps(row) for row in result[kind])
        parts.append(f'"{kind}": [\n {rows}\n]')
    beside = path.with_suffix(".tmp")
    beside.write_text("{" + ",\n".join(parts) + "}\n")
    os.replace(beside, path)
    last = (result["studies"] or result["truths"])[-1]
    print({key: last[key] for key in last if key != "losses"}, file=sys.stderr, flush=True)


# --- tables


@dataclass(frozen=True)
class Truth:
    """True losses of a data set, on its dense grid."""

    log_alphas: Array
    losses: Array
    none: float

    @classmethod
    def of(cls, result: dict[str, Any], task: Task) -> Truth:
        """Average the seeds."""
        rows = [row for row in result["truths"] if row["task"] == task.name]
        losses = np.mean([row["losses"] for row in rows], axis=0)
        none = float(np.mean([row["none"] for row in rows]))
        return cls(np.log(np.geomspace(task.low, task.high, POINTS)), losses, none)

    @property
    def best(self) -> float:
        """The best strength."""
        return float(np.exp(self.log_alphas[self.losses.argmin()]))

    def loss(self, alpha: float) -> float:
        """Return the true loss of a strength."""
        return float(np.interp(np.log(alpha), self.log_alphas, self.losses))


def judged(result: dict[str, Any], tasks: Iterable[Task], plain: str = PLAIN) -> Rows:
    """Return the studies, each with what the truth makes of it; `plain` names TPE's."""
    truths = {task.name: Truth.of(result, task) for task in tasks}
    of_plain = {(r["task"], r["seed"]): r for r in result["studies"] if r["program"] == plain}
    return [
        row | _judged(row, truths[row["task"]], of_plain[row["task"], row["seed"]])
        for row in result["studies"]
        if (row["task"], row["seed"]) in of_plain
    ]


def _judged(row: dict[str, Any], truth: Truth, plain: dict[str, Any]) -> dict[str, Any]:
    """Say what the truth makes of a study; `plain` is TPE's of the same seed."""
    least, loss, (gain, gain_se) = truth.losses.min(), truth.loss(row["alpha"]), row["gain"]
    low, high = row["interval"]
    program = PROGRAMS.get(row["program"])
    reach = t_quantile(0.975, degrees(FOLDS, program.n_repeats if program else 1))
    return {
        "best": (loss - least) / plain["se"],
        "1se": (truth.loss(row["alpha_1se"]) - least) / plain["se"],
        "none": (truth.none - least) / plain["se"],
        "decades": np.log10(high / low),
        "beside": (truth.loss(float(np.clip(truth.best, low, high))) - least) / plain["se"],
        "interval holds": low <= truth.best <= high,
        "gain holds": abs(gain - (truth.none - loss)) <= reach * gain_se,
        "value holds": abs(row["value"] - loss) <= reach * row["se"],
        "plain": plain | {"best": (truth.loss(plain["alpha"]) - least) / plain["se"]},
    }


def table(result: dict[str, Any]) -> str:
    """Render what was measured as the tables of the docs: regrets, and what the default says."""
    rows = judged(result, TASKS)
    return "\n\n".join([_regrets(rows), _errors(rows, result)])


def within(result: dict[str, Any], key: str = "best") -> tuple[int, int]:
    """Return in how many studies of the default regret is at most 1, and how many there are."""
    found = [row for row in judged(result, TASKS) if row["program"] == DEFAULT]
    return sum(bool(row[key] <= 1) for row in found), len(found)


def of(rows: Rows, task: str, program: str) -> Rows:
    """Return the studies of a program on a data set."""
    return [row for row in rows if (row["task"], row["program"]) == (task, program)]


def share(told: list[bool]) -> str:
    """Say how many are true."""
    return f"{sum(told)} of {len(told)}"


def median(rows: Rows, key: str) -> float:
    """Return the median of a measure."""
    return float(np.median([row[key] for row in rows]))


def rendered(head: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """Render a table."""
    rows = [head := [*head], ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _regrets(rows: Rows) -> str:
    """Render choices by data sets: regret, and by how much it differs from TPE's."""
    names = [task.name for task in TASKS]
    choices = [(name, name, "best") for name in PROGRAMS]
    choices += [("`1se` of the default", DEFAULT, "1se"), ("no penalty", PLAIN, "none")]
    lines = []
    for told, program, key in choices:
        found = [row for row in rows if row["program"] == program]
        if not found:
            continue
        by_task = [of(found, name, program) for name in names]
        cells = [_spread(some, key) for some in (*by_task, found)]
        trainings = str(PROGRAMS[program].trainings) if key == "best" else ""
        within = share([row[key] <= 1 for row in found])
        lines.append([told, trainings, *cells, within, _against_plain(found, told, key)])
        if program in FIRST[1:] and key == "best":
            apart = [_against_plain(some, told, key) for some in by_task]
            lines.append([f"{told}, less TPE's, ± SE", "", *apart, "", "", ""])
    head = [
        "regret in SE: mean / 90 %",
        "trainings",
        *names,
        "all",
        "at most 1",
        "less TPE's, ± SE",
    ]
    return rendered(head, lines)


def _spread(rows: Rows, key: str) -> str:
    if not rows:
        return "–"
    values = [row[key] for row in rows]
    return f"{np.mean(values):.2f} / {np.quantile(values, 0.9):.2f}"


def _against_plain(rows: Rows, told: str, key: str) -> str:
    """Say the mean difference to TPE's studies of the same seeds, with its standard error."""
    off = np.array([row[key] - row["plain"]["best"] for row in rows])
    if told == PLAIN or key != "best" or len(off) < 2:
        return ""
    return f"{off.mean():+.3f} ± {off.std(ddof=1) / len(off) ** 0.5:.3f}"


def _errors(rows: Rows, result: dict[str, Any]) -> str:
    """Render how often what a study of the default says of its best strength is true."""
    lines = []
    for task in TASKS:
        found, truth = of(rows, task.name, DEFAULT), Truth.of(result, task)
        if not found:
            continue
        holds = [
            share([r[f"{what} holds"] for r in found]) for what in ("interval", "gain", "value")
        ]
        lines.append([
            task.name, f"{truth.best:.2g}", f"{truth.losses.min():.3f}", f"{truth.none:.3f}",
            f"{median(found, 'se'):.3f}", f"{median(found, 'decades'):.1f}",
            f"{max(row['beside'] for row in found):.2f}", *holds,
        ])  # fmt: skip
    head = (
        "data", "best alpha", "loss there", "with none", "SE of a study", "interval, decades",
        "misses the least by at most, SE", "holds the best", "gain ± t·SE holds",
        "value ± t·SE holds",
    )  # fmt: skip
    return rendered(head, lines)


def main() -> None:
    """Run what is missing and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    args = parser.parse_args()
    result = read(args.output)
    run(result, TASKS, wanted(args.seeds), args.output)
    print(table(result))
    print(result["machine"])


if __name__ == "__main__":
    main()
