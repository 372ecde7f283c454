"""A new user's way with tables as they are, from `sweep init --from` to `sweep fit`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from sweep.data.guess import guess
from tests.support import real_tables

# What `init --from` leaves out for sure, and what it says of the target.
GUESSES = {
    "titanic": ("survived", "classification", {"name", "ticket", "cabin", "boat"}),
    "cars": ("mpg", "regression", {"name"}),
    "diamonds": ("price", "regression", set()),
    "customers": ("Churn", "classification", {"Customer ID", "Full name", "Remarks", "Reason"}),
}


class User:
    """Someone in a folder with a table."""

    def __init__(self, folder: Path, table: str) -> None:
        self.folder, self.table = folder, table
        getattr(real_tables, table)(folder / f"{table}.csv")

    def types(self, line: str, code: int = 0) -> str:
        """Return what `sweep LINE` prints; it ends with `code`, and never with a traceback."""
        words = [sys.executable, "-m", "sweep", *line.split()]
        done = subprocess.run(words, cwd=self.folder, capture_output=True, text=True, timeout=1500)
        said = done.stdout + done.stderr
        assert done.returncode == code, said
        assert "Traceback" not in said
        return said

    def goes_all_the_way(self, run: str) -> tuple[str, str]:
        """Run, report, export and refit; return what the run and the refit print."""
        ran = self.types(f"run {run}")
        self.types(f"report {self.table}.yaml -o report.html")
        self.types(f"export {self.table}.yaml -o best.yaml")
        fitted = self.types("fit best.yaml -o model.safetensors")
        assert (self.folder / "report.html").stat().st_size > 10_000
        assert "alpha:" in (self.folder / "best.yaml").read_text()
        return ran, fitted


@pytest.mark.parametrize("table", GUESSES)
def test_a_table_is_guessed_as_its_owner_would(table: str, tmp_path: Path) -> None:
    getattr(real_tables, table)(tmp_path / "t.csv")
    found = guess("t.csv", tmp_path)
    dropped = {entry.name for entry in found.columns if entry.sure}
    assert (found.target, found.task, dropped) == GUESSES[table]
    assert (found.problem is None) == (table != "cars")


@pytest.mark.slow
def test_passengers(tmp_path: Path) -> None:
    user = User(tmp_path, "titanic")
    made = user.types("init titanic.yaml --from titanic.csv")
    assert "column boat: drop: it tells survived of 98% of the rows by being empty or not" in made
    assert "alpha_max" in user.types("validate titanic.yaml")
    ran, fitted = user.goes_all_the_way("titanic.yaml")
    assert 0.74 < _number(r"best +\S+ +\S+ ± \S+ +(\S+)", ran) < 0.86
    assert "262 to test" in fitted


@pytest.mark.slow
def test_cars_without_a_target(tmp_path: Path) -> None:
    user = User(tmp_path, "cars")
    made = user.types("init cars.yaml --from cars.csv")
    assert "8 of 392 rows have no mpg" in made
    line = user.types("validate cars.yaml", code=2)
    assert "data.drop_missing_target: true" in line and line.count("\n") == 1
    text = (tmp_path / "cars.yaml").read_text()
    study = text.replace("  # drop_missing_target: true", "  drop_missing_target: true")
    (tmp_path / "cars.yaml").write_text(study)
    said = user.types("validate cars.yaml")
    assert "column 'mpg': 8 of 392 rows have no target and are left out" in said
    assert "column 'horsepower': '?' (6 rows) is read as missing" in said
    ran, _ = user.goes_all_the_way("cars.yaml")
    assert _number(r"best +\S+ +\S+ ± \S+ +(\S+)", ran) > 0.8  # R²


@pytest.mark.slow
def test_stones(tmp_path: Path) -> None:
    user = User(tmp_path, "diamonds")
    user.types("init diamonds.yaml --from diamonds.csv")
    assert "of 54000 rows have a copy" in user.types("validate diamonds.yaml")
    study = tmp_path / "diamonds.yaml"
    text, n_changed = re.subn(r"epochs: \d+", "epochs: 5", study.read_text())
    assert n_changed == 1
    study.write_text(text)  # five see that many rows often enough
    ran, fitted = user.goes_all_the_way("diamonds.yaml")
    assert _number(r"best +\S+ +\S+ ± \S+ +(\S+)", ran) > 0.95  # R²
    assert "in the target's units" in ran and "10800 to test" in fitted


def _number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    assert found, text
    return float(found[1])
