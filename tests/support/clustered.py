"""A study that is run on Ray in a folder of its own, and what it comes to."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.clusters import Keeper, Outcome, Program
from tests.support.tables import Table, n_ended, table

# Long enough to be hit in the middle, with trials waiting while others train.
TREE = """
study_name: tiny
device: cpu
data: {source: "sklearn:digits", scale: none, train_rows: 300, label_noise: 0.2}
model: {hidden: [64]}
training: {optimizer: adam, lr: 2e-2, batch_size: 50, epochs: 40}
search: {n_trials: 24, in_flight: 8, sampler: {type: tpe}}
replicates: {n_folds: 4}
"""
KINDS = {
    "none": (),
    "median": ("search.pruner={type: median, n_startup_trials: 3, n_warmup_steps: 3}",),
    "lr": (
        "search.space.lr={low: 1e-3, high: 1e-1}",
        "search.pruner={type: median, n_startup_trials: 3, n_warmup_steps: 3}",
    ),
    "design": ("search.sampler.type=design", "search.in_flight=auto"),
}  # fmt: skip


class Study:
    """A study in a folder of its own."""

    def __init__(self, folder: Path, kind: str = "none", tree: str = TREE):
        self.folder, self.database = folder, folder / "studies.db"
        self._kind = KINDS[kind]
        folder.mkdir(exist_ok=True)
        (folder / "tiny.yaml").write_text(tree)

    def start(self, at: Keeper, *sets: str, **engine: object) -> Program:
        """Start it, with these keys of `engine`; on the keeper's cluster, if it has one."""
        given = {"address": at.address or "local", **engine}
        keys = [f"engine.{key}={value}" for key, value in given.items()]
        return self._start(at, "engine.kind=ray", *keys, *sets)

    def run(self, at: Keeper, *sets: str, **engine: object) -> Table:
        """Train it to its end, and return what it came to."""
        assert_done(self.start(at, *sets, **engine).outcome())
        return self.table()

    def run_locally(self, at: Keeper) -> Table:
        assert_done(self._start(at).outcome())
        return self.table()

    def doctor(self, at: Keeper) -> str:
        """Return what is wrong with the storage: nothing, if all is well."""
        url = f"sqlite:///{self.database}"
        outcome = at.start(self.folder, "-m", "sweep", "doctor", "--storage", url).outcome()
        return "" if outcome.code == 0 else outcome.out + outcome.err

    def table(self) -> Table:
        return table(self.database)

    @property
    def n_ended(self) -> int:
        return n_ended(self.database)

    def _start(self, at: Keeper, *sets: str) -> Program:
        options = [part for text in (*self._kind, *sets) for part in ("--set", text)]
        storage = ["--storage", f"sqlite:///{self.database}", "--json"]
        return at.start(self.folder, "-m", "sweep", "run", "tiny.yaml", *storage, *options)


def assert_done(outcome: Outcome) -> None:
    assert (outcome.code, outcome.err) == (0, ""), outcome
    assert json.loads(outcome.out)["ending"] == "done"


def assert_one_line(outcome: Outcome, *words: str, code: int = 1) -> None:
    assert (outcome.code, outcome.out) == (code, ""), outcome
    assert outcome.err.startswith("sweep: ") and outcome.err.count("\n") == 1, outcome
    for word in words:
        assert word in outcome.err
