"""Damage is found, named and mended; nothing else in the storage changes."""

import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import optuna
import pytest
import sqlalchemy
from optuna.samplers import RandomSampler
from optuna.storages import RDBStorage
from optuna.storages._rdb.models import BaseModel
from optuna.trial import TrialState
from sqlalchemy import Engine, Table

from sweep.errors import OwnedElsewhereError, StorageError
from sweep.storage import doctor, lease
from sweep.storage.doctor import Finding, examine, repair
from sweep.storage.engine import open_storage
from sweep.storage.finding import DEEDS
from sweep.storage.mirror import MirroredStorage
from tests.support import postgres
from tests.support.cases import slow_but

INF, NAN = float("inf"), float("nan")
TABLES: list[Table] = [*BaseModel.metadata.sorted_tables, lease.LEASES]

# --- a healthy storage, copied for each test -----------------------------------------------


def fill(url: str) -> None:
    """Study 1 `pair`: another program's, 2 objectives, trials 1 and 2. Study 2 `digits`: ours,
    trials 3 to 8: COMPLETE, COMPLETE, PRUNED, FAIL, COMPLETE (infinite), COMPLETE."""
    storage = open_storage(url)
    pair = optuna.create_study(
        storage=storage, study_name="pair", directions=["minimize", "maximize"]
    )
    for _ in range(2):
        trial = pair.ask()
        trial.suggest_categorical("kind", ["a", "b"])
        pair.tell(trial, [1.0, 2.0])
    storage.engine.dispose()
    mirror = MirroredStorage.open(url, "digits")
    digits = optuna.create_study(
        storage=mirror, study_name="digits", sampler=RandomSampler(seed=0)
    )
    digits.set_user_attr("spec", {"study_name": "digits"})
    complete, pruned, fail = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL
    for state, value in (
        (complete, 0.5), (complete, 0.25), (pruned, None), (fail, None), (complete, INF),
        (complete, 1.0),
    ):  # fmt: skip
        trial = digits.ask()
        trial.suggest_float("alpha", 1e-6, 1.0, log=True)
        for step, report in enumerate((0.5, NAN, INF)):
            trial.report(report, step)
        trial.set_user_attr("outcome", "ok")
        trial.set_user_attr("norm", 2.0)
        trial.storage.set_trial_system_attr(trial._trial_id, "rung", 1)
        digits.tell(trial, value, state)
    mirror.close()


@pytest.fixture(scope="session")
def filled_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("filled") / "studies.db"
    fill(f"sqlite:///{file}")
    return file


@cache
def filled_database() -> str:
    url = postgres.shared_server().database().__enter__()  # it stays as long as the server
    fill(url)
    return str(sqlalchemy.make_url(url).database)


@pytest.fixture
def sqlite_url(tmp_path: Path, filled_file: Path) -> str:
    shutil.copy(filled_file, tmp_path / "studies.db")
    return f"sqlite:///{tmp_path}/studies.db"


@pytest.fixture
def postgres_url() -> Iterator[str]:
    with postgres.shared_server().database(template=filled_database()) as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_url"))


@contextmanager
def connected(url: str) -> Iterator[sqlalchemy.Connection]:
    """A connection that knows nothing of ours: SQLite does not enforce foreign keys on it."""
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        yield connection


def execute(url: str, *statements: str) -> None:
    with connected(url) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
        connection.commit()


def dump(url: str, schema: str = "", first: Iterable[str] = ()) -> dict[str, list[str]]:
    """All rows as text, without the keys that only count rows.

    `first` are statements whose effect is seen here, and nowhere else.
    """
    counted = {"trial_value_id", "trial_intermediate_value_id", "param_id"}
    counted |= {"trial_user_attribute_id", "study_direction_id"}
    rows: dict[str, list[str]] = {}
    with connected(url) as connection:
        for statement in first:
            connection.exec_driver_sql(statement)
        for table in TABLES:
            names = ", ".join(f'"{c.name}"' for c in table.columns if c.name not in counted)
            query = f"SELECT {names} FROM {schema}{table.name}"
            rows[table.name] = sorted(map(repr, connection.exec_driver_sql(query)))
        connection.rollback()
    return rows


def backups(url: str) -> list[str]:
    """The backups that there are, by URL and prefix of tables."""
    if url.startswith("sqlite"):
        folder = Path(url.removeprefix("sqlite:///")).parent
        return [str(path) for path in folder.iterdir() if ".bak" in path.name]
    query = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'sweep_backup%%'"
    with connected(url) as connection:
        return list(connection.exec_driver_sql(query).scalars())


def dump_backup(url: str, backup: str) -> dict[str, list[str]]:
    if url.startswith("sqlite"):
        return dump(f"sqlite:///{backup}")
    return dump(url, f"{backup}.")


@contextmanager
def closing_storage(url: str) -> Iterator[RDBStorage]:
    """Optuna's own storage, with nothing of ours."""
    storage = RDBStorage(url, engine_kwargs={"poolclass": sqlalchemy.NullPool})
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def read(url: str) -> None:
    """Read everything with plain Optuna."""
    with closing_storage(url) as storage:
        for summary in optuna.get_all_study_summaries(storage):
            study = optuna.load_study(study_name=summary.study_name, storage=storage)
            assert study.directions
            assert [trial.number for trial in study.trials] == list(range(len(study.trials)))
            for trial in study.trials:
                trial._validate()


def reopen(url: str, name: str = "digits") -> list[tuple[int, TrialState]]:
    """Load a study as the next run does."""
    mirror = MirroredStorage.open(url, name)
    study_id = mirror.get_study_id_from_name(name)
    trials = [(trial.number, trial.state) for trial in mirror.get_all_trials(study_id)]
    mirror.close()
    return trials


def kinds(findings: list[Finding]) -> list[tuple[str, str | None, str]]:
    return [(found.kind, found.study, found.severity) for found in findings]


@contextmanager
def on_statement(start: str, deed: Callable[[], None]) -> Iterator[None]:
    """Do something just before the first statement that begins so."""
    met: list[str] = []

    def watch(_: Any, __: Any, statement: str, *rest: Any) -> None:
        if statement.startswith(start) and not met:
            met.append(statement)
            deed()

    sqlalchemy.event.listen(Engine, "before_cursor_execute", watch)
    try:
        yield
    finally:
        sqlalchemy.event.remove(Engine, "before_cursor_execute", watch)
    assert met


# --- the table of damages ------------------------------------------------------------------


class Case(NamedTuple):
    """A damage in SQL, what is found, and the cure in SQL."""

    damage: list[str]
    kind: str
    study: str | None
    cure: list[str]
    before: str = "fails"  # what plain Optuna does then: it fails, or reads (and misreads)
    only: str = ""
    n_findings: int = 1


def fail(trial_id: int, reason: str) -> list[str]:
    attrs = "INSERT INTO trial_user_attributes (trial_id, key, value_json) VALUES"
    return [
        f"DELETE FROM trial_values WHERE trial_id = {trial_id}",
        f"UPDATE trials SET state = 'FAIL' WHERE trial_id = {trial_id}",
        f"DELETE FROM trial_user_attributes WHERE trial_id = {trial_id} "
        "AND key IN ('outcome', 'reason')",
        f"{attrs} ({trial_id}, 'outcome', '\"failed\"')",
        f"{attrs} ({trial_id}, 'reason', '\"sweep doctor: {reason}\"')",
    ]


CHILDREN = [
    "trial_values", "trial_intermediate_values", "trial_params", "trial_user_attributes",
    "trial_system_attributes",
]  # fmt: skip
NO_NUMBER = "its value was no number"
NO_VALUE = "it had not all its values"
ALPHA = "a param could not be read: alpha"


def set_(table: str, content: str, where: str) -> list[str]:
    return [f"UPDATE {table} SET {content} WHERE {where}"]


def delete(table: str, where: str) -> list[str]:
    return [f"DELETE FROM {table} WHERE {where}"]


def number(*numbers: str) -> list[str]:
    """Number trials 3, 4, … of `digits` so."""
    return [
        f"UPDATE trials SET number = {n} WHERE trial_id = {i}" for i, n in enumerate(numbers, 3)
    ]


RIGHT = number("0", "1", "2", "3", "4", "5")
OBJECTIVE_0 = "trial_id = 2 AND objective = 0"

# What Python decodes is decoded alike from both databases, and damaged on one of them only.
CASES = {
    "a value NULL": Case(
        set_("trial_values", "value = NULL", "trial_id = 3"), "value", "digits",
        fail(3, NO_NUMBER),
    ),
    "values NULL": Case(
        set_("trial_values", "value = NULL", "trial_id IN (3, 4, 8)"), "value", "digits",
        [*fail(3, NO_NUMBER), *fail(4, NO_NUMBER), *fail(8, NO_NUMBER)],
    ),
    "a value NaN": Case(
        set_("trial_values", "value = 'NaN'", "trial_id = 3"), "value", "digits",
        fail(3, NO_NUMBER), only="postgres",
    ),
    "a value of an unknown type": Case(
        set_("trial_values", "value_type = 'HUGE'", "trial_id = 3"), "value", "digits",
        fail(3, NO_NUMBER), only="sqlite",
    ),
    "one of two values NULL": Case(
        set_("trial_values", "value = NULL", OBJECTIVE_0), "value", "pair", fail(2, NO_NUMBER),
    ),
    "a failed trial's value NULL": Case(
        ["INSERT INTO trial_values (trial_id, objective, value_type) VALUES (6, 0, 'FINITE')"],
        "value", "digits", delete("trial_values", "trial_id = 6"),
    ),
    "a failed trial's second value alone": Case(
        ["INSERT INTO trial_values (trial_id, objective, value, value_type) "
         "VALUES (6, 1, 0.5, 'FINITE')"],
        "value", "digits", delete("trial_values", "trial_id = 6"), only="sqlite",
    ),
    "no value": Case(
        delete("trial_values", "trial_id = 4"), "value", "digits", fail(4, NO_VALUE),
    ),
    "the first of two values missing": Case(
        delete("trial_values", OBJECTIVE_0), "value", "pair", fail(2, NO_VALUE),
    ),
    "the second of two values missing": Case(
        delete("trial_values", "trial_id = 2 AND objective = 1"), "value", "pair",
        fail(2, NO_VALUE), before="reads",
    ),
    "an infinite value with a number": Case(
        set_("trial_values", "value = 1", "trial_id = 7"), "mark", "digits",
        set_("trial_values", "value = NULL", "trial_id = 7"),
    ),
    "reports NULL": Case(
        set_("trial_intermediate_values", "intermediate_value = NULL", "step = 0"),
        "intermediate_value", "digits",
        set_("trial_intermediate_values", "intermediate_value_type = 'NAN'", "step = 0"),
    ),
    "a report NaN": Case(
        set_("trial_intermediate_values", "intermediate_value = 'NaN'", "step = 0"),
        "intermediate_value", "digits",
        set_(
            "trial_intermediate_values",
            "intermediate_value = NULL, intermediate_value_type = 'NAN'", "step = 0",
        ),
        before="reads", only="postgres",
    ),
    "NaN reports with a number": Case(
        set_("trial_intermediate_values", "intermediate_value = 1", "step = 1"), "mark", "digits",
        set_("trial_intermediate_values", "intermediate_value = NULL", "step = 1"),
    ),
    "an unknown state": Case(
        set_("trials", "state = 'FAILED'", "trial_id = 6"), "state", "digits",
        fail(6, "its stored state was unknown"), only="sqlite",
    ),
    "a param NULL": Case(
        set_("trial_params", "param_value = NULL", "trial_id = 4"), "param", "digits",
        [*delete("trial_params", "trial_id = 4"), *fail(4, ALPHA)],
    ),
    "params NULL": Case(
        set_("trial_params", "param_value = NULL", "trial_id IN (3, 4)"), "param", "digits",
        [*delete("trial_params", "trial_id IN (3, 4)"), *fail(3, ALPHA), *fail(4, ALPHA)],
    ),
    "a param NaN": Case(
        set_("trial_params", "param_value = 'NaN'", "trial_id = 4"), "param", "digits",
        [*delete("trial_params", "trial_id = 4"), *fail(4, ALPHA)], only="postgres",
    ),
    "a param outside of its choices": Case(
        set_("trial_params", "param_value = 7", "trial_id = 1"), "param", "pair",
        [*delete("trial_params", "trial_id = 1"),
         *fail(1, "a param could not be read: kind")],
    ),
    "a distribution that is no JSON": Case(
        set_("trial_params", "distribution_json = '{'", "trial_id = 4"), "param", "digits",
        [*delete("trial_params", "trial_id = 4"), *fail(4, ALPHA)],
    ),
    "a distribution of no kind": Case(
        set_("trial_params", "distribution_json = '7'", "trial_id = 4"), "param", "digits",
        [*delete("trial_params", "trial_id = 4"), *fail(4, ALPHA)], only="sqlite",
    ),
    "no distribution": Case(
        set_("trial_params", "distribution_json = NULL", "trial_id = 4"), "param", "digits",
        [*delete("trial_params", "trial_id = 4"), *fail(4, ALPHA)], only="sqlite",
    ),
    "a trial's user attr": Case(
        set_("trial_user_attributes", "value_json = '{'", "trial_id = 4 AND key = 'norm'"),
        "attr", "digits", delete("trial_user_attributes", "trial_id = 4 AND key = 'norm'"),
    ),
    "a trial's user attr NULL": Case(
        set_("trial_user_attributes", "value_json = NULL", "trial_id = 4 AND key = 'norm'"),
        "attr", "digits", delete("trial_user_attributes", "trial_id = 4 AND key = 'norm'"),
        only="sqlite",
    ),
    "a trial's system attr": Case(
        set_("trial_system_attributes", "value_json = '{'", "trial_id = 4"), "attr", "digits",
        delete("trial_system_attributes", "trial_id = 4"), only="sqlite",
    ),
    "a study's user attr": Case(
        ["INSERT INTO study_user_attributes (study_id, key, value_json) VALUES (1, 'a', '{')"],
        "attr", "pair", delete("study_user_attributes", "key = 'a'"),
    ),
    "a study's system attr": Case(
        ["INSERT INTO study_system_attributes (study_id, key, value_json) VALUES (2, 'a', '')"],
        "attr", "digits", delete("study_system_attributes", "key = 'a'"), only="sqlite",
    ),
    "a trial row missing": Case(
        delete("trials", "trial_id = 8"), "orphan", None,
        [delete(table, "trial_id = 8")[0] for table in CHILDREN],
        before="reads", only="sqlite", n_findings=5,
    ),
    "attrs of no trial": Case(
        set_("trial_user_attributes", "trial_id = NULL", "trial_id = 4"), "orphan", None,
        delete("trial_user_attributes", "trial_id IS NULL"), before="reads",
    ),
    "a heartbeat of no trial": Case(
        ["INSERT INTO trial_heartbeats (trial_id, heartbeat) VALUES (99, '2026-01-01 00:00:00')"],
        "orphan", None, delete("trial_heartbeats", "trial_id = 99"), before="reads",
        only="sqlite",
    ),
    "a trial of a missing study": Case(
        set_("trials", "study_id = 99", "trial_id = 8"), "orphan", None,
        [delete(table, "trial_id = 8")[0] for table in (*CHILDREN, "trials")], before="reads",
        only="sqlite",
    ),
    "a trial of no study": Case(
        set_("trials", "study_id = NULL", "trial_id = 8"), "orphan", None,
        [delete(table, "trial_id = 8")[0] for table in (*CHILDREN, "trials")], before="reads",
    ),
    "rows of a missing study": Case(
        ["INSERT INTO study_directions (study_id, objective, direction) VALUES (9, 0, 'MINIMIZE')",
         "INSERT INTO study_user_attributes (study_id, key, value_json) VALUES (9, 'spec', '1')",
         "INSERT INTO study_system_attributes (study_id, key, value_json) VALUES (9, 'a', '1')"],
        "orphan", None,
        [delete(f"study_{part}", "study_id = 9")[0]
         for part in ("directions", "user_attributes", "system_attributes")],
        before="reads", only="sqlite", n_findings=3,
    ),
    "a gap in the numbers": Case(
        number("0", "1", "2", "3", "4", "6"), "number", "digits", RIGHT, only="sqlite"
    ),
    "a number twice": Case(
        number("0", "1", "1", "3", "4", "5"), "number", "digits", RIGHT, only="sqlite"
    ),
    "numbers in another order": Case(
        number("0", "2", "1", "3", "4", "5"), "number", "digits", RIGHT, before="reads"
    ),
    "a number NULL": Case(number("0", "NULL", "2", "3", "4", "5"), "number", "digits", RIGHT),
    "a trial deleted whole": Case(
        [delete(table, "trial_id = 5")[0] for table in (*CHILDREN, "trials")], "number", "digits",
        [f"UPDATE trials SET number = {i - 4} WHERE trial_id = {i}" for i in (6, 7, 8)],
    ),
    "no direction": Case(
        delete("study_directions", "study_id = 2"), "direction", "digits",
        ["INSERT INTO study_directions (direction, study_id, objective) VALUES "
         "('MINIMIZE', 2, 0)"],
    ),
}  # fmt: skip


FAST = (
    "a value NULL", "one of two values NULL", "a failed trial's value NULL", "no value",
    "the second of two values missing", "an infinite value with a number", "reports NULL",
    "an unknown state", "a param NULL", "a param outside of its choices", "a trial's user attr",
    "a study's system attr", "a trial row missing", "a trial of no study",
    "rows of a missing study", "a number twice", "numbers in another order",
    "a trial deleted whole", "no direction",
)  # fmt: skip


def test_of_each_kind_of_damage_one_is_mended_by_default() -> None:
    assert {CASES[name].kind for name in FAST} == {case.kind for case in CASES.values()}


@pytest.fixture(params=slow_but(FAST, CASES))
def case(request: pytest.FixtureRequest, url: str) -> Case:
    case = CASES[request.param]
    if case.only and not url.startswith(case.only):
        pytest.skip(f"{case.only} only")
    execute(url, *case.damage)
    return case


def test_a_damage_is_found_and_mended_and_nothing_else_changes(url: str, case: Case) -> None:
    if case.before == "fails":
        with pytest.raises(Exception):  # noqa: B017 - whatever Optuna comes to
            read(url)
    else:
        read(url)
    damaged, cured = dump(url), dump(url, first=case.cure)
    assert damaged != cured

    found = examine(url)
    assert kinds(found) == [(case.kind, case.study, "damage")] * case.n_findings
    assert all(finding.mendable and "\n" not in finding.message for finding in found)
    assert (dump(url), backups(url)) == (damaged, [])

    mended = repair(url)
    assert dump(url) == cured
    assert mended.left == []
    assert mended.done == [
        f"study {one.study!r}: {one.message}; {DEEDS[case.kind]}"
        if one.study
        else f"{one.message}; {DEEDS[case.kind]}"
        for one in found
    ]
    assert mended.backup is not None
    assert backups(url) == [mended.backup]
    assert dump_backup(url, mended.backup) == damaged
    read(url)
    reopen(url)
    assert repair(url) == doctor.Repair(None, [], [])
    assert backups(url) == [mended.backup]


def test_messages_name_the_rule_the_count_and_the_first_few(sqlite_url: str) -> None:
    execute(
        sqlite_url,
        *number("0", "2", "2", "NULL", "9", "9"),
        "UPDATE trial_intermediate_values SET intermediate_value = NULL WHERE step = 0",
        "UPDATE trial_params SET param_value = NULL WHERE trial_id = 4",
        "UPDATE trial_user_attributes SET value_json = '{' WHERE key = 'norm'",
    )
    assert [finding.message for finding in examine(sqlite_url)] == [
        "6 intermediate values are no numbers (trial id 3, 4, 5, 6, 7, …)",
        "1 params cannot be read (alpha; trial id 4)",
        "6 rows of trial_user_attributes are not JSON (key norm)",
        "trial numbers must be 0, 1, 2, … in the order of trial ids, and 4 are not "
        "(2 → 1, None → 3, 9 → 4, 9 → 5)",
    ]


def test_an_attribute_that_is_not_what_sweep_stored_is_named(sqlite_url: str) -> None:
    insert = "INSERT INTO study_user_attributes (study_id, key, value_json) VALUES"
    execute(sqlite_url, f"{insert} (1, 'baseline', '7')")  # of a study that is not sweep's
    assert examine(sqlite_url) == []
    execute(sqlite_url, f"{insert} (2, 'baseline', '7')")
    (found,) = examine(sqlite_url)
    assert (found.kind, found.study, found.mendable) == ("attribute", "digits", False)
    assert found.message.startswith("its attribute baseline must be as sweep stored it, got 7 (")
    assert repair(sqlite_url).left == [found]


def test_a_message_stays_one_short_line_whatever_the_keys(sqlite_url: str) -> None:
    insert = "INSERT INTO study_user_attributes (study_id, key, value_json) VALUES"
    execute(sqlite_url, *(f"{insert} (1, 'a\n{i}', '{{')" for i in range(9)))
    (found,) = examine(sqlite_url)
    assert found.message == (
        "9 rows of study_user_attributes are not JSON (key a 0, a 1, a 2, a 3, a 4, …)"
    )


def test_many_damages_at_once_are_mended_at_once(url: str) -> None:
    alike = [case for case in CASES.values() if not case.only and case.kind != "number"]
    for case in alike:
        if "INSERT INTO trial" not in case.damage[0]:
            execute(url, *case.damage)
    execute(url, *number("5", "4", "3", "2", "1", "0"))
    mended = repair(url)
    assert mended.left == []
    read(url)
    assert [n for n, _ in reopen(url)] == [0, 1, 2, 3, 4]


def test_a_trial_that_fails_keeps_its_other_attrs_and_gets_its_times(url: str) -> None:
    execute(
        url,
        "UPDATE trials SET state = 'WAITING', datetime_start = NULL, datetime_complete = NULL "
        "WHERE trial_id = 3",
        "UPDATE trial_params SET param_value = NULL WHERE trial_id = 3",
    )
    repair(url)
    with closing_storage(url) as storage:
        trial = storage.get_trial(3)
    trial._validate()
    assert trial.state == TrialState.FAIL
    assert trial.user_attrs == {
        "norm": 2.0,
        "outcome": "failed",
        "reason": "sweep doctor: a param could not be read: alpha",
    }
    assert trial.datetime_start is not None
    assert trial.datetime_complete is not None
    ago = datetime.now() - trial.datetime_complete  # local time, as Optuna gives it
    assert timedelta(0) <= ago < timedelta(minutes=5)


def test_a_running_trial_that_loses_its_value_is_still_to_be_run(sqlite_url: str) -> None:
    execute(
        sqlite_url,
        "UPDATE trials SET state = 'RUNNING' WHERE trial_id = 3",
        "UPDATE trial_values SET value = NULL WHERE trial_id = 3",
    )
    assert kinds(repair(sqlite_url).left) == [("running", "digits", "note")]
    assert reopen(sqlite_url)[0] == (0, TrialState.RUNNING)


# --- what is no damage ---------------------------------------------------------------------


def ask(study: optuna.Study) -> optuna.Trial:
    trial = study.ask()
    trial.suggest_float("alpha", 1e-6, 1.0, log=True)
    trial.report(0.5, 0)
    return trial


def test_an_examination_sees_one_moment_and_keeps_no_writer_waiting(url: str) -> None:
    damage = CASES["a value NULL"].damage
    with on_statement("SELECT count(", lambda: execute(url, *damage)):
        assert examine(url) == []
    assert kinds(examine(url)) == [("value", "digits", "damage")]


@contextmanager
def owned(url: str) -> Iterator[tuple[MirroredStorage, optuna.Study]]:
    """The study as its owner has it, with a trial RUNNING."""
    mirror = MirroredStorage.open(url, "digits")
    study = optuna.load_study(storage=mirror, study_name="digits")
    ask(study)
    mirror.flush()
    yield mirror, study
    mirror._rdb.engine.dispose()


def abandon(url: str) -> None:
    """Leave the study as a killed process does: with its lease, its placeholder, a trial."""
    with owned(url):
        pass
    execute(url, f"UPDATE sweep_leases SET pid = {2**30}")


def test_a_healthy_storage_has_no_finding(url: str) -> None:
    assert examine(url) == []
    assert repair(url) == doctor.Repair(None, [], [])


def test_a_living_owner_is_no_finding(url: str) -> None:
    with owned(url) as (mirror, study):
        assert examine(url) == []
        assert repair(url) == doctor.Repair(None, [], [])
        study.tell(ask(study), 1.0)
        mirror.close()


def test_what_a_killed_owner_leaves_is_notes(url: str) -> None:
    abandon(url)
    sqlite = url.startswith("sqlite")
    found = examine(url)
    lease_left, placeholder, running = (
        ("lease", "digits", "note"),
        ("placeholder", "digits", "note"),
        ("running", "digits", "note"),
    )
    assert kinds(found) == [lease_left, *[placeholder] * sqlite, running]
    assert "pid 1073741824" in found[0].message
    assert "`sweep run` trains them again" in found[-1].message
    cure = ["DELETE FROM sweep_leases", "DELETE FROM trials WHERE study_id IS NULL"]
    left = dump(url, first=cure)
    mended = repair(url)
    assert mended.backup is not None
    assert len(mended.done) == 1 + sqlite
    assert mended.left == [found[-1]]
    assert dump(url) == left
    assert reopen(url)[-1] == (6, TrialState.RUNNING)
    assert repair(url) == doctor.Repair(None, [], mended.left)


def test_an_expired_lease_is_a_note(sqlite_url: str) -> None:
    with owned(sqlite_url):
        execute(sqlite_url, "UPDATE sweep_leases SET expires = 0")
        found = [finding.kind for finding in examine(sqlite_url)]
    assert found == ["lease", "placeholder", "running"]


def test_a_lease_of_a_study_that_does_not_exist_is_a_note(url: str) -> None:
    with owned(url):
        execute(url, "UPDATE sweep_leases SET study_id = 99")
        execute(url, "DELETE FROM trials WHERE study_id IS NULL")
        found = examine(url)
    assert kinds(found)[0] == ("lease", None, "note")
    assert "study id 99" in found[0].message
    assert repair(url).left == found[1:]


def test_running_trials_of_another_program_are_noted_and_left_alone(url: str) -> None:
    execute(url, "UPDATE trials SET state = 'RUNNING' WHERE trial_id = 2")
    before = dump(url)
    (note,) = examine(url)
    assert kinds([note]) == [("running", "pair", "note")]
    assert not note.mendable
    assert "another program" in note.message
    assert repair(url) == doctor.Repair(None, [], [note])
    assert dump(url) == before


# --- what cannot be mended -----------------------------------------------------------------


def test_the_direction_of_another_program_is_not_guessed(url: str) -> None:
    execute(url, "DELETE FROM study_directions WHERE study_id = 1")
    before = dump(url)
    (found,) = examine(url)
    assert kinds([found]) == [("direction", "pair", "damage")]
    assert not found.mendable
    assert repair(url) == doctor.Repair(None, [], [found])
    assert dump(url) == before


def test_a_lost_direction_is_that_of_the_objective(url: str) -> None:
    spec = '{"study_name": "digits", "objective": {"metric": "auc"}}'
    execute(
        url, f"UPDATE study_user_attributes SET value_json = '{spec}' WHERE key = 'spec'",
        "DELETE FROM study_directions WHERE study_id = 2",
    )  # fmt: skip
    assert kinds(examine(url)) == [("direction", "digits", "damage")]
    repair(url)
    storage = optuna.storages.RDBStorage(url)
    study = optuna.load_study(study_name="digits", storage=storage)
    assert study.direction == optuna.study.StudyDirection.MAXIMIZE
    storage.engine.dispose()


def test_a_row_that_no_check_knows_is_found_by_reading(sqlite_url: str) -> None:
    execute(sqlite_url, "UPDATE trials SET datetime_start = 'yesterday' WHERE trial_id = 4")
    (found,) = examine(sqlite_url)
    assert kinds([found]) == [("unreadable", "digits", "damage")]
    assert not found.mendable
    assert "yesterday" in found.message
    assert repair(sqlite_url) == doctor.Repair(None, [], [found])


def test_a_broken_file_is_found_and_not_written(sqlite_url: str) -> None:
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    execute(sqlite_url, "UPDATE trial_values SET value = NULL WHERE trial_id = 3")
    with closing(sqlite3.connect(file)) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (size,) = raw.execute("PRAGMA page_size").fetchone()
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'trial_params'"
        (page,) = raw.execute(query).fetchone()
    content = bytearray(file.read_bytes())
    content[(page - 1) * size : page * size] = bytes(size)
    file.write_bytes(content)
    (found,) = examine(sqlite_url)
    assert kinds([found]) == [("file", None, "damage")]
    assert not found.mendable
    assert ".recover" in found.message
    assert "\n" not in found.message
    assert repair(sqlite_url) == doctor.Repair(None, [], [found])
    assert file.read_bytes() == content


def test_a_missing_storage_is_not_made(tmp_path: Path) -> None:
    for act in (examine, repair):
        with pytest.raises(StorageError, match="must exist"):
            act(f"sqlite:///{tmp_path}/no.db")
    assert list(tmp_path.iterdir()) == []


# --- SQLite's log --------------------------------------------------------------------------


@pytest.mark.parametrize("busy", [False, True])
def test_a_long_log_is_a_note_and_is_emptied_unless_a_reader_needs_it(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, busy: bool
) -> None:
    monkeypatch.setattr(doctor, "WAL_BYTES", 1000)
    monkeypatch.setattr("sweep.storage.engine.BUSY_S", 0.1)
    file = sqlite_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(file)) as reader:  # as long as it lives, so does the log
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM trials").fetchall()
        execute(sqlite_url, "UPDATE trial_user_attributes SET value_json = '3.0'")
        if not busy:
            reader.rollback()
        (note,) = examine(sqlite_url)
        assert kinds([note]) == [("wal", None, "note")]
        mended = repair(sqlite_url)
        assert mended.backup is None
        assert (mended.left, len(mended.done)) == (([note], 0) if busy else ([], 1))
        assert (Path(f"{file}-wal").stat().st_size == 0) == (not busy)


# --- owners, and failures ------------------------------------------------------------------


def test_an_owned_study_is_not_repaired(url: str) -> None:
    with owned(url):
        execute(url, *CASES["a value NULL"].damage, *CASES["one of two values NULL"].damage)
        before = dump(url)
        with pytest.raises(
            OwnedElsewhereError, match=r"'digits'.*can be repaired, and pid \d+ on"
        ) as caught:
            repair(url)
        assert "\n" not in str(caught.value)
        assert dump(url) == before
        assert backups(url) == []


def test_another_study_is_repaired_beside_a_living_owner(url: str) -> None:
    case = CASES["one of two values NULL"]
    with owned(url) as (mirror, study):
        execute(url, *case.damage)
        cured = dump(url, first=case.cure)
        assert repair(url).left == []
        assert dump(url) == cured
        study.tell(ask(study), 1.0)
        mirror.close()
    assert reopen(url)[-1] == (7, TrialState.COMPLETE)


def test_nobody_can_take_a_study_while_it_is_repaired(postgres_url: str) -> None:
    seen: list[list[tuple[int, TrialState]]] = []
    run = threading.Thread(target=lambda: seen.append(reopen(postgres_url)))

    def meanwhile() -> None:
        run.start()
        run.join(0.4)  # in vain

    execute(postgres_url, *CASES["a gap in the numbers"].damage)
    with on_statement("UPDATE trials SET number", meanwhile):
        repair(postgres_url)
    run.join()
    assert [n for n, _ in seen[0]] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "error",
    [
        sqlalchemy.exc.OperationalError("", {}, sqlite3.OperationalError("disk is full")),
        KeyboardInterrupt(),
    ],
    ids=["disk full", "interrupt"],
)
@pytest.mark.parametrize("start", ["DELETE FROM trial_values", "DELETE FROM sweep_leases"])
def test_a_repair_that_fails_half_way_changes_nothing(
    url: str, error: BaseException, start: str
) -> None:
    execute(url, *CASES["reports NULL"].damage, *CASES["a value NULL"].damage)
    before = dump(url)

    def interrupted() -> None:
        raise error

    with (
        on_statement(start, interrupted),
        pytest.raises((StorageError, KeyboardInterrupt)) as caught,
    ):
        repair(url)
    assert "\n" not in str(caught.value)
    assert dump(url) == before
    assert backups(url) == []


def test_without_a_backup_nothing_is_repaired(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError("read-only folder")

    execute(sqlite_url, *CASES["a value NULL"].damage)
    before = dump(sqlite_url)
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(StorageError, match="read-only folder"):
        repair(sqlite_url)
    assert dump(sqlite_url) == before
    assert backups(sqlite_url) == []


def test_a_backup_is_never_overwritten(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Noon(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Noon":
            return cls(2026, 1, 2, 12, 0, 0)

    monkeypatch.setattr(doctor, "datetime", Noon)
    execute(url, *CASES["a value NULL"].damage)
    first = repair(url).backup
    assert first is not None
    assert first.endswith(
        "studies.db.20260102-120000.bak"
        if url.startswith("sqlite")
        else "sweep_backup_20260102_120000"
    )
    kept = dump_backup(url, first)
    execute(url, *CASES["no value"].damage)
    with pytest.raises(StorageError, match=r"must be a new|already exists"):
        repair(url)
    assert dump_backup(url, first) == kept
    assert kinds(examine(url)) == [("value", "digits", "damage")]


def test_a_backup_is_one_file_as_private_as_its_database(sqlite_url: str) -> None:
    Path(sqlite_url.removeprefix("sqlite:///")).chmod(0o600)
    execute(sqlite_url, *CASES["a value NULL"].damage)
    backup = repair(sqlite_url).backup
    assert backup is not None
    assert Path(backup).stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(backup)) as raw:
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert backups(sqlite_url) == [backup]
