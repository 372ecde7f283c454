"""A storage that has lost a table, or rows: every command says so in one line."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sweep.analysis.status import note_fit
from sweep.storage import schema
from tests.conftest import Command
from tests.support.cases import few_fast, slow_but

URL = ("--storage", "sqlite:///tiny.db")
TABLES = [
    table.name for table in (schema.STUDIES, schema.TRIALS, *schema.OF_STUDY, *schema.OF_TRIAL)
]
OTHERS = ["trial_heartbeats", "version_info", "alembic_version", "sweep_leases"]
VERBS = {
    "run": ("run", "tiny.yaml"),
    "resume": ("run", "tiny.yaml", "--n-trials", "8", "--json"),
    "fresh": ("run", "tiny.yaml", "--fresh"),
    "status": ("status", *URL),
    "export": ("export", "tiny.yaml", "-o", "config.yaml"),
    "report": ("report", "tiny.yaml", "-o", "report.html"),
    "doctor": ("doctor", *URL),
    "repair": ("doctor", "--repair", *URL),
    "dashboard": ("dashboard", *URL, "--port", "0"),
}  # fmt: skip


def damage(*statements: str) -> None:
    with closing(sqlite3.connect("tiny.db")) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def tables() -> set[str]:
    with closing(sqlite3.connect("tiny.db")) as connection:
        return {name for (name,) in connection.execute("select name from sqlite_master")}


@pytest.mark.parametrize(
    "table", slow_but(("studies", "study_directions", "trials", "trial_params"), TABLES)
)
def test_a_table_that_is_gone_is_one_line_for_every_command(
    tiny: Path, command: Command, table: str
) -> None:
    damage(f"drop table {table}")
    for verb in VERBS.values():
        ended = command(*verb)
        assert (ended.code, ended.out) == (2, ""), (verb, ended)
        assert ended.err.count("\n") == 1 and f"got none named {table}. Restore" in ended.err, verb
    assert note_fit(URL[1], {"study_name": "tiny"}) is False
    assert table not in tables()  # nobody has made it anew, empty
    assert {path.name for path in tiny.iterdir()} <= {"tiny.yaml", "tiny.db", *LOGS}


LOGS = ("tiny.db-wal", "tiny.db-shm")


@pytest.mark.slow
@pytest.mark.parametrize("table", OTHERS)
@pytest.mark.parametrize("verb", sorted(VERBS.keys() - {"dashboard"}))
def test_a_table_without_results_harms_no_run(
    tiny: Path, command: Command, table: str, verb: str
) -> None:
    damage(f"drop table {table}")
    ended = command(*VERBS[verb])
    assert ended.code in (0, 2) and "Traceback" not in ended.err
    if ended.code:
        assert ended.err.count("\n") == 1
    assert command("run", "tiny.yaml").code == 0
    assert command("status", *URL).code == 0


@pytest.mark.parametrize(
    "rows",
    few_fast(["trial_params", "trial_params where trial_id = 2", "trial_user_attributes"], 2),
)
def test_trials_without_their_parts_are_one_line_for_every_reader(
    tiny: Path, command: Command, rows: str
) -> None:
    damage(f"delete from {rows}")
    for verb in ("run", "resume", "export", "report"):
        ended = command(*VERBS[verb])
        assert ended.code == 2 and ended.err.count("\n") == 1, (verb, ended)
        assert "of every trial, got trial " in ended.err
