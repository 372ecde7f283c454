"""Measure what a choice of alpha costs against the best one there is: its regret.

    python -m tests.benchmarks.regret          # --seeds 20 --pruned-seeds 10

The truth of a data set is its own experiment: 200 strengths, 5 seeds that no study has, 8
folds each, so 40 replicates with other test rows, splits, wrong labels and weights. The true
loss of a strength is their mean, interpolated on log alpha; that is what the loss comes to
over draws of the rows, not on the rows of one study. Its best strength is known less sharply
than its least loss (to a factor of 2 on digits and diabetes), so where an interval misses it
the tables tell what that is in loss. A study's regret is the true loss of the alpha it chose
minus the least, in units of the study's own standard error: that of the best trial of the
unpruned TPE study of the same seed, for all programs alike.

Every program is one study of 48 trials on 8 folds with its automatic range, seeds 1, 2, 3 …;
the seed draws test rows, splits, wrong labels, weights and asks. Epochs saved by a pruner are
counted. Writes tests/benchmarks/regret.json after every study, goes on where it stopped, and
prints the tables that the README shows.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read by torch as it is imported

import numpy as np

from sweep.analysis.selection import Finished
from sweep.analysis.status import load_study
from sweep.runner.run import run_study
from sweep.spec.files import parse_spec
from sweep.stats import Array, t_quantile
from tests.benchmarks.__main__ import machine

OUTPUT = Path(__file__).parent / "regret.json"
EPOCHS, TRIALS, FOLDS = 60, 48, 8
POINTS, TRUTH_SEEDS = 200, (1001, 1002, 1003, 1004, 1005)
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Task:
    """A data set, its network, and the strengths between which the truth is measured."""

    name: str
    data: dict[str, Any]
    hidden: int
    low: float
    high: float


TASKS = (
    Task("digits", {"scale": "none", "train_rows": 300, "label_noise": 0.2}, 32, 1e-6, 0.12),
    Task("diabetes", {"task": "regression", "train_rows": 200}, 32, 1e-5, 1.5),
    Task("breast_cancer", {"train_rows": 200}, 16, 1e-5, 1.3),
    Task("wine", {"train_rows": 100}, 16, 5e-6, 0.7),
)
PRUNED_TASKS = ("digits", "diabetes", "breast_cancer")
PROGRAMS: dict[str, dict[str, Any]] = {
    "tpe": {},
    "random": {"sampler": {"type": "random"}},
    "grid": {"sampler": {"type": "grid"}},
    "median": {"pruner": {"type": "median"}},
    "hyperband": {"pruner": {"type": "hyperband"}},
    "median from epoch 3": {"pruner": {"type": "median", "n_warmup_steps": 3}},
    "hyperband from epoch 3": {
        "pruner": {"type": "hyperband", "min_resource": 3, "reduction_factor": 3}
    },
}
PRUNERS = tuple(name for name, search in PROGRAMS.items() if "pruner" in search)
CHOICES = {  # as the table names them: program, and which of its strengths
    "`best`": ("tpe", "best"),
    "`1se`": ("tpe", "1se"),
    "random, 48 trials": ("random", "best"),
    "grid, 48 points": ("grid", "best"),
    "no penalty": ("tpe", "none"),
}


# --- running


def trained(
    task: Task, seed: int, search: dict[str, Any], n_repeats: int = 1
) -> tuple[Finished, int]:
    """Run one study in a folder that does not outlive it; return it and its trials' epochs."""
    with tempfile.TemporaryDirectory() as folder:
        tree: dict[str, Any] = {
            "study_name": task.name,
            "seed": seed,
            "storage": f"sqlite:///{folder}/study.db",
            "device": "cpu",
            "data": {"source": f"sklearn:{task.name}", **task.data},
            "model": {"hidden": [task.hidden]},
            "training": {"epochs": EPOCHS},
            "search": {"n_trials": TRIALS, **search},
            "replicates": {"n_folds": FOLDS, "n_repeats": n_repeats},
        }
        spec = parse_spec(tree, task.name, Path("."))
        run_study(spec)
        study = load_study(spec.storage, task.name)
        trials = study.get_trials(deepcopy=False)
        return Finished.read(study), sum(max(t.intermediate_values, default=0) for t in trials)


def measure_truth(task: Task, seed: int) -> dict[str, Any]:
    """Train the dense grid on one seed's 8 folds."""
    span = {"alpha": {"low": task.low, "high": task.high}}
    search = {"n_trials": POINTS, "sampler": {"type": "grid"}, "space": span}
    finished, _ = trained(task, seed, search)
    losses = {trial.params["alpha"]: trial.value for trial in finished.trials}
    assert len(losses) == POINTS and finished.baseline
    return {
        "task": task.name, "seed": seed, "none": round(finished.baseline.value, 5),
        "losses": [round(losses[alpha] or 0.0, 5) for alpha in sorted(losses)],
    }  # fmt: skip


def measure_study(
    task: Task, program: str, seed: int, search: dict[str, Any], n_repeats: int = 1
) -> dict[str, Any]:
    """Run one study and keep what it chose."""
    wall, cpu = time.perf_counter(), time.process_time()
    finished, epochs = trained(task, seed, search, n_repeats)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    best, gain = finished.choose("best"), finished.gain(finished.choose("best"))
    assert gain
    return {
        "task": task.name, "program": program, "seed": seed,
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


def run(result: dict[str, Any], seeds: int, pruned_seeds: int, output: Path) -> None:
    """Measure what the result does not hold yet; write it after every study."""
    truths = {(row["task"], row["seed"]) for row in result["truths"]}
    studies = {(row["task"], row["program"], row["seed"]) for row in result["studies"]}
    for task, seed in itertools.product(TASKS, TRUTH_SEEDS):
        if (task.name, seed) not in truths:
            result["truths"].append(measure_truth(task, seed))
            write(result, output)
    for seed, task, program in itertools.product(range(1, seeds + 1), TASKS, PROGRAMS):
        wanted = program not in PRUNERS or (task.name in PRUNED_TASKS and seed <= pruned_seeds)
        if wanted and (task.name, program, seed) not in studies:
            result["studies"].append(measure_study(task, program, seed, PROGRAMS[program]))
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


def table(result: dict[str, Any]) -> str:
    """Render what was measured as the README's tables."""
    truths = {task.name: Truth.of(result, task) for task in TASKS}
    plain = {(r["task"], r["seed"]): r for r in result["studies"] if r["program"] == "tpe"}
    rows = [
        row | _judged(row, truths[row["task"]], plain[row["task"], row["seed"]])
        for row in result["studies"]
    ]
    return "\n\n".join([_regrets(rows), _errors(rows, truths), _pruning(rows)])


def _judged(row: dict[str, Any], truth: Truth, plain: dict[str, Any]) -> dict[str, Any]:
    """Say what the truth makes of a study; `plain` is TPE's of the same seed."""
    least, loss, (gain, gain_se) = truth.losses.min(), truth.loss(row["alpha"]), row["gain"]
    low, high = row["interval"]
    reach = t_quantile(0.975, FOLDS - 1)
    return {
        "best": (loss - least) / plain["se"],
        "1se": (truth.loss(row["alpha_1se"]) - least) / plain["se"],
        "none": (truth.none - least) / plain["se"],
        "decades": np.log10(high / low),
        "beside": (truth.loss(float(np.clip(truth.best, low, high))) - least) / plain["se"],
        "interval holds": low <= truth.best <= high,
        "gain holds": abs(gain - (truth.none - loss)) <= reach * gain_se,
        "value holds": abs(row["value"] - loss) <= reach * row["se"],
        "saved": 1 - row["epochs"] / (TRIALS * EPOCHS),
        "lower": row["alpha"] < plain["alpha"] / 2,
        "plain": plain | {"best": (truth.loss(plain["alpha"]) - least) / plain["se"]},
    }


def _of(rows: Rows, task: str, program: str) -> Rows:
    return [row for row in rows if (row["task"], row["program"]) == (task, program)]


def _share(told: list[bool]) -> str:
    return f"{sum(told)} of {len(told)}"


def _spread(rows: Rows, key: str) -> str:
    values = [row[key] for row in rows]
    return f"{np.median(values):.2f} / {np.quantile(values, 0.9):.2f}"


def _median(rows: Rows, key: str) -> float:
    return float(np.median([row[key] for row in rows]))


def _rendered(head: str, lines: list[str]) -> str:
    return "\n".join([f"| {head} |", "|---" * (head.count("|") + 1) + "|", *lines])


def _regrets(rows: Rows) -> str:
    """Render choices by data sets: regret, and how often it is at most 1."""
    lines = []
    for name, (program, key) in CHOICES.items():
        of = [_of(rows, task.name, program) for task in TASKS]
        cells = [f"{_spread(found, key)}; {_share([r[key] <= 1 for r in found])}" for found in of]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    names = " | ".join(task.name for task in TASKS)
    return _rendered(f"regret in SE: median / 90 %; at most 1 | {names}", lines)


def _errors(rows: Rows, truths: dict[str, Truth]) -> str:
    """Render how often what a study says of its best strength is true."""
    lines = []
    for name, truth in truths.items():
        found = _of(rows, name, "tpe")
        holds = (
            _share([r[f"{what} holds"] for r in found]) for what in ("interval", "gain", "value")
        )
        lines.append(
            f"| {name} | {truth.best:.2g} | {truth.losses.min():.3f} | {truth.none:.3f} "
            f"| {_median(found, 'se'):.3f} | {_median(found, 'decades'):.1f} "
            f"| {max(row['beside'] for row in found):.2f} | {' | '.join(holds)} |"
        )
    return _rendered(
        "data | best alpha | loss there | with none | SE of a study | interval, decades "
        "| misses the least by at most, SE | holds the best | gain ± t·SE holds "
        "| value ± t·SE holds",
        lines,
    )


def _pruning(rows: Rows) -> str:
    """Render what pruners save and cost, against the unpruned study of the same seed."""
    lines = []
    for pruner, name in itertools.product(PRUNERS, PRUNED_TASKS):
        found = _of(rows, name, pruner)
        plain = [row["plain"] for row in found]
        cpu = " → ".join(f"{_median(rows, 'cpu_seconds'):.1f}" for rows in (plain, found))
        lines.append(
            f"| {pruner} | {name} | {100 * np.mean([row['saved'] for row in found]):.0f} % "
            f"| {cpu} | {_spread(plain, 'best')} | {_spread(found, 'best')} "
            f"| {_share([row['lower'] for row in found])} |"
        )
    return _rendered(
        "pruner | data | epochs saved | CPU s | regret without | with | alpha under half",
        lines,
    )


def main() -> None:
    """Run what is missing and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--pruned-seeds", type=int, default=10)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    args = parser.parse_args()
    result = read(args.output)
    run(result, args.seeds, args.pruned_seeds, args.output)
    print(table(result))
    print(result["machine"])


if __name__ == "__main__":
    main()
