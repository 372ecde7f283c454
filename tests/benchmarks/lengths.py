"""Check what is said of the length of training: the best strength by epoch, and fewer epochs.

    python -m tests.benchmarks.lengths         # a quarter of an hour; writes lengths.json

* studies: the best strength after 15, 20 and 30 epochs, as the curves of a study of 60 tell it,
  beside that of studies of so many epochs, really run (digits, 13 trials of the design each).
  Cost: how much more, on the curve of the study really run, the strength told has than the least,
  in standard errors of that study.
* claims: simulated studies of 13 strengths, read by what `sweep` reads real ones with. How often
  "fewer epochs do better" is claimed: on the folds that chose, and as `sweep` does, on fresh ones.
  With effect 0 every claim is false, and 2.5 % are allowed. Effect 1 is t(K − 1, 0.975) of the
  difference's own standard error.
* drifts: how often "it still moves" and "it has settled" are claimed of a best strength that moves
  by a factor in the second half of training. "Moves" is false for a factor of 1, "settled" for one
  of 1.5 or more: 5 % are allowed. And how often the printed ends hold the true factor.

| noise | what it is |
|---|---|
| own | of each training by itself: it changes slowly from epoch to epoch |
| own, valley | the same; all strengths but the middle one are far worse (else all are alike) |
| shared | of a fold: all strengths and epochs go smoothly up or down with it |
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

import sweep
from sweep.analysis import lengths
from sweep.analysis.course import Best, Course, Drift
from sweep.analysis.selection import Finished
from sweep.search.by_epoch import stored
from sweep.search.earlier import earlier
from sweep.search.point import Point
from sweep.spec.files import load_spec
from sweep.stats import Array, t_quantile
from tests.benchmarks.claims import table as rows_of
from tests.benchmarks.machine import HERE, STUDY, machine
from tests.support.designs import finished

OUTPUT = HERE / "lengths.json"
ENDS, SEEDS, EPOCHS = (15, 20, 30), 10, 60
X = np.linspace(-5, -1, 13)  # log10 of the strengths
AT = np.arange(3, EPOCHS + 1, 3) / EPOCHS  # of training, where a simulated study measures
NOISES, FOLDS, EFFECTS = ("own", "own, valley", "shared"), (4, 8), (0.0, 1.0, 2.0)
FACTORS = (1.0, 1.5, 3.0)
SHAPES = {
    "flat": 0.0,
    "shallow": 0.02,
    "deep": 0.2,
}  # of the curve: loss at a decade from its best
N_CLAIMS, N_DRIFTS = 1000, 400


def noise(rng: np.random.Generator, kind: str, n_folds: int) -> Array:
    """Draw what losses differ from their means by, (strengths, epochs, folds)."""
    if kind != "shared":
        steps = rng.normal(0, 0.03, (len(X), len(AT), n_folds))
        for i in range(1, len(AT)):
            steps[:, i] = 0.9 * steps[:, i - 1] + (1 - 0.9**2) ** 0.5 * steps[:, i]
        return steps
    at, along = X[:, None, None] / 4 + 0.75, AT[None, :, None]
    slopes = rng.normal(0, 0.03, (4, n_folds))
    return np.asarray(slopes[0] + slopes[1] * at + slopes[2] * along + slopes[3] * at * along)


def points_of(losses: Array) -> list[Point]:
    """Make the trials of a study that has these losses, (strengths, epochs, folds)."""
    return [
        Point(
            number, float(10**at), {"alpha": float(10**at)}, float(of[-1].mean()),
            {"replicate_values": of[-1].tolist(), "replicate_curves": stored(of, of.shape[1])},
        )
        for number, (at, of) in enumerate(zip(X, losses, strict=True))
    ]  # fmt: skip


def claimed(rng: np.random.Generator, kind: str, n_folds: int, effect: float) -> tuple[bool, bool]:
    """Simulate a study; say if fewer epochs win on the folds that chose, and on fresh ones."""
    many = noise(np.random.default_rng(0), kind, 1000)
    error = (many[6, 6] - many[6, -1]).std() / n_folds**0.5
    mean = np.ones((len(X), len(AT), 1))
    if kind == "own, valley":
        mean += 0.5 * np.abs(X + 3)[:, None, None]
    mean[:, :-1] -= effect * t_quantile(0.975, n_folds - 1) * error
    points, again = (points_of(mean + noise(rng, kind, n_folds)) for _ in range(2))
    study = finished(points, search={}, replicates={"n_folds": n_folds}, training={"epochs": 60})
    study = replace(study, confirmed=tuple(again))
    found = earlier(study.trials, study.choose("best"), study.spec)
    tested = lengths.on_fresh_folds(study)
    return found is not None, bool(tested and tested[1].told == "better")


def drifted(rng: np.random.Generator, depth: float, n_folds: int, factor: float) -> Drift | None:
    """Simulate the two curves of half way and the end; return what is made of them.

    Folds have best strengths of their own, in part the same at both times.
    """
    end = -3 + np.log10(factor) / 2 * np.array([-1, 1])[:, None]
    own = end + rng.normal(0, 0.3, n_folds) + rng.normal(0, 0.15, (2, n_folds))
    level = rng.normal(0, 0.05, n_folds) + rng.normal(0, 0.02, (2, n_folds))
    losses = 1 + depth * (X[:, None, None] - own) ** 2 + level
    losses = losses + rng.normal(0, 0.01, losses.shape)
    return Course(10**X, (30, 60), losses, (), (n_folds, 1)).drift


def holds(drift: Drift | None, factor: float) -> bool | None:
    """Say whether the ends that are printed hold the true factor; None where there are none."""
    if not drift or not drift.reach:
        return None
    return bool(abs(np.log(drift.after.at / drift.before.at / factor)) <= np.log(drift.reach))


def simulate_claims() -> list[dict[str, Any]]:
    """Return how often fewer epochs are said to do better, a row a cell."""
    found = []
    for effect, kind, n_folds in itertools.product(EFFECTS, NOISES, FOLDS):
        rng = np.random.default_rng([n_folds, len(kind), int(10 * effect)])
        told = np.mean([claimed(rng, kind, n_folds, effect) for _ in range(N_CLAIMS)], axis=0)
        found.append({"effect": effect, "noise": kind, "folds": n_folds,
                      "chosen": told[0], "fresh": told[1]})  # fmt: skip
    return found


def simulate_drifts() -> list[dict[str, Any]]:
    """Return how often a best strength is said to move, and to have settled, a row a cell."""
    found = []
    for factor, (shape, depth), n_folds in itertools.product(FACTORS, SHAPES.items(), FOLDS):
        if depth or factor == 1:
            rng = np.random.default_rng([n_folds, int(1000 * depth), int(10 * factor)])
            drifts = [drifted(rng, depth, n_folds, factor) for _ in range(N_DRIFTS)]
            told = [drift.told if drift else None for drift in drifts]
            shares: dict[str, float | None] = {
                word: told.count(word) / N_DRIFTS for word in ("moves", "settled")
            }
            known = [held for d in drifts if (held := holds(d, factor)) is not None]
            shares["holds"] = sum(known) / len(known) if known else None
            found.append({"factor": factor, "curve": shape, "folds": n_folds, **shares})
    return found


def run_studies(seed: int) -> list[dict[str, Any]]:
    """Run a study of 60 epochs, and those of fewer that it tells of."""

    def done(epochs: int, folder: str) -> sweep.StudyResult:
        return sweep.run(load_spec(STUDY, {
            "seed": seed, "training.epochs": epochs, "study_name": f"of-{epochs}", "device": "cpu",
            "search": {"n_trials": 13, "sampler": {"type": "design"}},
            "storage": f"sqlite:///{folder}/studies.db",
        }))  # fmt: skip

    with tempfile.TemporaryDirectory() as folder:
        course = done(EPOCHS, folder).finished.course
        assert course
        return [
            {"seed": seed, "epochs": end}
            | compared(course.best(course.epochs.index(end)), done(end, folder).finished)
            for end in ENDS
        ]


def compared(told: Best, study: Finished) -> dict[str, Any]:
    """Put what is told of an epoch beside a study that ended there."""
    course, model, se = study.course, study.model, study.choose("best").value_se
    assert course and model and se
    trained = course.best(-1)
    over = np.interp(np.log10(told.at), model.at, model.value) - model.value.min()
    return {
        "told": told.at, "told_alike": told.alike, "trained": trained.at,
        "trained_alike": trained.alike, "cost": float(over / se),
    }  # fmt: skip


def inside(row: dict[str, Any]) -> bool | None:
    """Say whether the study really run has the strength told among those that do as well.

    None where no smooth curve fits that study.
    """
    ends = row["trained_alike"]
    return None if not ends else bool(ends[0] <= row["told"] <= ends[1])


def studies_table(result: dict[str, Any]) -> str:
    """Render the best strengths that one study told, beside those of studies really run."""
    lines = [
        "| epochs | studies | best strength told: median | of studies really run: median |"
        " factor between the two: median / most | within 1.5 |"
        " high / low of the interval told: median | in the interval of the study really run |"
        " cost in SE: median / most |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for end in ENDS:
        rows = [row for row in result["studies"] if row["epochs"] == end]
        told, trained = (np.array([row[key] for row in rows]) for key in ("told", "trained"))
        off = np.exp(np.abs(np.log(told / trained)))
        lines.append(
            f"| {end} | {len(rows)} | {np.median(told):.2g} | {np.median(trained):.2g} |"
            f" {np.median(off):.2f} / {off.max():.2f} | {(off <= 1.5).sum()} | {_width(rows)} |"
            f" {_shared(rows)} | {_costs(rows)} |"
        )
    return "\n".join(lines)


def _width(rows: list[dict[str, Any]]) -> str:
    known = [row["told_alike"][1] / row["told_alike"][0] for row in rows if row["told_alike"]]
    return f"{np.median(known):.2g}" if known else ""


def _shared(rows: list[dict[str, Any]]) -> str:
    known = [told for row in rows if (told := inside(row)) is not None]
    return f"{sum(known)} of {len(known)}"


def _costs(rows: list[dict[str, Any]]) -> str:
    costs = [row["cost"] for row in rows]
    return f"{np.median(costs):.2f} / {max(costs):.2f}"


def claims_table(result: dict[str, Any]) -> str:
    """Render how often fewer epochs are said to do better."""
    head = ("effect", "noise", "folds", "on the folds that chose", "on fresh folds")
    rows = [[c["effect"], c["noise"], c["folds"], f"{c['chosen']:.1%}", f"{c['fresh']:.1%}"]
            for c in result["claims"]]  # fmt: skip
    return rows_of(head, rows)


def drifts_table(result: dict[str, Any]) -> str:
    """Render how often a best strength is said to move, and to have settled."""
    head = ("factor", "curve", "folds", "moves", "settled", "ends hold the factor")
    rows = [[c["factor"], c["curve"], c["folds"], f"{c['moves']:.1%}", f"{c['settled']:.1%}",
             "" if c["holds"] is None else f"{c['holds']:.1%}"]
            for c in result["drifts"]]  # fmt: skip
    return rows_of(head, rows)


def main() -> None:
    """Simulate, run the studies, write after each part, print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", choices=("claims", "drifts", "studies"), help="leave the others")
    args = parser.parse_args()
    result = json.loads(OUTPUT.read_text()) if OUTPUT.exists() else {}
    result["machine"] = machine()
    parts: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "claims": simulate_claims, "drifts": simulate_drifts,
        "studies": lambda: [row for seed in range(1, SEEDS + 1) for row in run_studies(seed)],
    }  # fmt: skip
    for name, part in parts.items():
        if args.only in (None, name):
            result[name] = part()
            OUTPUT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for name, render in (("claims", claims_table), ("drifts", drifts_table),
                         ("studies", studies_table)):  # fmt: skip
        if name in result:
            print(render(result), end="\n\n")


if __name__ == "__main__":
    main()
