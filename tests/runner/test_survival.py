"""A sweep survives anything: killed, stopped or starved, its table is an uninterrupted one's."""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial
from sqlalchemy.pool import NullPool

from tests.support import postgres, survival
from tests.support.cases import few_fast
from tests.support.studies import TINY
from tests.support.survival import Crew, Fault, Outcome, Run

N_TRIALS = 24
# Three slots where four trials may be in flight, beside the control: slots are refilled at
# different epochs, and a trial waits. With a pruner trainings have unequal lengths too.
COMMON = (f"search.n_trials={N_TRIALS}", "training.width=12")
KINDS = {
    "tpe": (),
    "random": (
        "search.sampler.type=random", "training.epochs=6",
        "search.pruner={type: median, n_startup_trials: 2, n_warmup_steps: 1}",
    ),
    "hyperband": ("search.pruner.type=hyperband", "training.epochs=6"),
    "design": ("search.sampler.type=design", "search.in_flight=auto"),
    "long": ("training.epochs=300",),  # past the moments at which it is killed
}  # fmt: skip
ENDED = ("COMPLETE", "PRUNED", "FAIL")
SLOW = pytest.mark.slow  # of many alike; some of each stay among the fast ones
Rows = list[dict[str, str]]
Whole = Callable[[str], Rows]


@pytest.fixture(scope="module")
def crew() -> Iterator[Crew]:
    with survival.crew() as made:
        yield made


@dataclass(frozen=True)
class Study:
    """A study in a folder of its own, its storage beside it unless given."""

    crew: Crew
    folder: Path
    kind: str = "tpe"
    storage: str = ""
    name: str = "tiny"

    @property
    def url(self) -> str:
        return self.storage or f"sqlite:///{self.folder}/studies.db"

    @property
    def args(self) -> list[str]:
        sets = [*COMMON, *KINDS[self.kind], f"study_name={self.name}"]
        return ["run", "tiny.yaml", "--storage", self.url, *(f"--set={text}" for text in sets)]

    def start(self, *faults: Fault, quiet: bool = True, **conditions: Any) -> Run:
        self.write_file()
        options = ["--json"] if quiet else []
        return self.crew.start(self.folder, *self.args, *options, faults=faults, **conditions)

    def run(self, *faults: Fault, **conditions: Any) -> Outcome:
        return self.start(*faults, **conditions).wait()

    def write_file(self) -> None:
        self.folder.mkdir(exist_ok=True)
        if not self.gate("tiny.yaml").exists():  # others may be reading it
            self.gate("tiny.yaml").write_text(TINY)

    def rows(self) -> Rows:
        """The table of trials, as plain Optuna reads it."""
        reader = RDBStorage(self.url)
        try:
            study_id = reader.get_study_id_from_name(self.name)
            return [_row(trial) for trial in reader.get_all_trials(study_id)]
        except KeyError:
            return []  # killed before the study was made
        finally:
            reader.remove_session()
            reader.engine.dispose()

    def results(self) -> int:
        """How many trials have ended, as another process sees them."""
        query = """select count(*) from trials join studies using (study_id)
                   where study_name = :name and state in ('COMPLETE', 'PRUNED', 'FAIL')"""
        return int(self.select(query)[0][0])

    def select(self, query: str) -> list[Any]:
        engine = sqlalchemy.create_engine(self.url, poolclass=NullPool)
        with engine.connect() as connection:
            return list(connection.execute(sqlalchemy.text(query), {"name": self.name}))

    def gate(self, name: str = "gate") -> Path:
        return self.folder / name

    def at(self, run: Run, name: str = "gate") -> Path:
        """Wait until a process holds at its gate."""
        run.until(self.gate(f"{name}.reached").exists)
        return self.gate(name)


def _row(trial: FrozenTrial) -> dict[str, str]:
    attrs = {key: value for key, value in trial.user_attrs.items() if key != "attempts"}
    parts = {
        "number": trial.number, "state": trial.state.name, "params": trial.params,
        "distributions": trial.distributions, "values": trial.values,
        "intermediate": sorted(trial.intermediate_values.items()),
        "attrs": sorted(attrs.items()), "system": sorted(trial.system_attrs.items()),
    }  # fmt: skip
    return {name: part if name == "state" else repr(part) for name, part in parts.items()}


@pytest.fixture(scope="module")
def whole(crew: Crew, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """The tables of uninterrupted runs."""
    known: dict[str, Rows] = {}

    def table(kind: str) -> Rows:
        if kind not in known:
            study = Study(crew, tmp_path_factory.mktemp(kind), kind)
            assert_done(study.run())
            known[kind] = study.rows()
            assert [row["number"] for row in known[kind]] == [str(n) for n in range(N_TRIALS)]
            assert {row["state"] for row in known[kind]} <= {"COMPLETE", "PRUNED"}
        return known[kind]

    return table


def assert_done(outcome: Outcome) -> None:
    assert (outcome.code, outcome.err) == (0, ""), outcome
    summary = json.loads(outcome.out)
    assert (summary["ending"], summary["n_trials"]) == ("done", N_TRIALS)


def assert_one_line(outcome: Outcome, code: int, *words: str) -> None:
    assert outcome.code == code, outcome
    if "one process at a time" in outcome.err or "did not renew" in outcome.err:
        assert json.loads(outcome.out)["ending"] == "owned_elsewhere", outcome  # for a supervisor
    else:
        assert outcome.out == "", outcome
    assert outcome.err.startswith("sweep: "), outcome
    assert outcome.err.count("\n") == 1 and "Traceback" not in outcome.err, outcome
    for word in words:
        assert word in outcome.err


def assert_nothing_wrong(study: Study, table: Rows) -> None:
    """What has ended is already as in the whole table, and was not changed or told again."""
    for row in study.rows():
        if row["state"] in ENDED:  # a range that is widened later is given to all trials
            assert row | {"distributions": ""} == table[int(row["number"])] | {"distributions": ""}
    lines = _ledger(study)
    kept = Counter(number for word, number in lines if word == "kept")
    assert set(kept.values()) <= {1}, "a result that was safe was trained again"


def assert_survived(study: Study, table: Rows, *, driven: bool = True) -> None:
    assert study.rows() == table
    if driven:
        assert_nothing_wrong(study, table)
        told = {number for word, number in _ledger(study) if word == "told"}
        assert told == {row["number"] for row in table}
    assert study.select("select count(*) from trials where study_id is null") == [(0,)]
    assert study.select("select count(*) from sweep_leases") == [(0,)]


def _ledger(study: Study) -> list[list[str]]:
    ledger = study.folder / "ledger"
    return [line.split() for line in ledger.read_text().splitlines()] if ledger.exists() else []


def survive(study: Study, table: Rows, *killings: tuple[Fault, ...], driven: bool = True) -> None:
    """Kill run after run, look at what each has left, and let the last one end."""
    for faults in killings:
        assert study.run(*faults).code == -signal.SIGKILL, faults
        assert_nothing_wrong(study, table)
    assert_done(study.run())
    assert_survived(study, table, driven=driven)


# --- kill -9 at every point ----------------------------------------------------------------

# Point -> when it is reached, in one run after another: beyond the first waves at the end.
MOMENTS = {
    "study made": (1,),
    "ids reserved": (1, 1),
    "ask half flushed": (3, 9),
    "asked": (5, 10),
    "report flushed": (7, 40),
    "telling": (2, 10),
    "tell half flushed": (2, 9),
    "told": (2, 10),
    "half written": (3, 5),
    "written": (3, 5),
    "committed": (3, 6),
    "flushed": (3, 5),
    "epoch": (9, 15),
}


@pytest.mark.slow
@pytest.mark.parametrize("point", MOMENTS)
def test_a_kill_at_any_point_of_a_run_loses_nothing(
    crew: Crew, whole: Whole, tmp_path: Path, point: str
) -> None:
    kind = ("tpe", "random")[list(MOMENTS).index(point) % 2]
    killings = [(Fault(point, n),) for n in MOMENTS[point]]
    survive(Study(crew, tmp_path, kind), whole(kind), *killings)


@pytest.mark.slow
def test_kills_at_the_ends_of_the_design_s_waves_lose_nothing(
    crew: Crew, whole: Whole, tmp_path: Path
) -> None:
    points = (("told", 8), ("ask half flushed", 2), ("told", 3), ("tell half flushed", 1))
    killings = [(Fault(point, n),) for point, n in points]
    survive(Study(crew, tmp_path, "design"), whole("design"), *killings)


@pytest.mark.slow
@pytest.mark.parametrize("point", [p for p, moments in MOMENTS.items() if moments[-1] > 1])
def test_kills_at_any_point_of_a_run_lose_nothing_with_a_pruner_that_takes_notes(
    crew: Crew, whole: Whole, tmp_path: Path, point: str
) -> None:
    first, second = MOMENTS[point]
    killings = [(Fault("told", 5),), (Fault(point, first + 1),), (Fault(point, second - 2),)]
    survive(Study(crew, tmp_path, "hyperband"), whole("hyperband"), *killings)


STOP = (Fault("epoch", 14, "interrupt"),)
IN_RESTART = {
    "while the queue is put in order": ("trial put back", 2),
    "after the queue was put in order": ("reconciled", 1),
}
AT_THE_END = {
    "while trials are put back": ("trial put back", 2),
    "when trials are put back": ("put back", 1),
    "when the lease is given back": ("lease given back", 1),
    "before that is committed": ("placeholders gone", 2),
    "when all is closed": ("closed", 1),
}


@pytest.mark.slow
@pytest.mark.parametrize("moment", IN_RESTART)
def test_a_kill_while_a_killed_run_is_taken_up_loses_nothing(
    crew: Crew, whole: Whole, tmp_path: Path, moment: str
) -> None:
    killed, again = (Fault("report flushed", 20),), (Fault(*IN_RESTART[moment]),)
    survive(Study(crew, tmp_path, "random"), whole("random"), killed, again)


@pytest.mark.slow
@pytest.mark.parametrize("moment", AT_THE_END)
def test_a_kill_while_an_interrupted_run_ends_loses_nothing(
    crew: Crew, whole: Whole, tmp_path: Path, moment: str
) -> None:
    ending = (*STOP, Fault(*AT_THE_END[moment]))
    survive(Study(crew, tmp_path), whole("tpe"), ending)


@pytest.mark.parametrize("statements", few_fast([[24], [8, 24, 40, 56]], 2))
def test_a_kill_while_the_database_is_made_leaves_one_that_can_be_used(
    crew: Crew, whole: Whole, tmp_path: Path, statements: list[int]
) -> None:
    killings = [(Fault("statement", n),) for n in statements]
    survive(Study(crew, tmp_path), whole("tpe"), *killings)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tpe", "random", "hyperband"])
def test_kills_between_any_two_statements_of_a_run_lose_nothing(
    crew: Crew, whole: Whole, tmp_path: Path, kind: str
) -> None:
    """A run has some 300 statements; its start alone takes about 60."""
    draw = random.Random(kind)
    for part in range(3):
        study = Study(crew, tmp_path / str(part), kind)
        killings = [(Fault("statement", draw.randrange(65, 110)),) for _ in range(2)]
        survive(study, whole(kind), (Fault("statement", draw.randrange(1, 160)),), *killings)


# --- kill -9, Ctrl-C and SIGTERM at any time -----------------------------------------------


def real(study: Study, *options: str) -> subprocess.Popen[str]:
    """Start a study as a shell does."""
    study.write_file()
    return subprocess.Popen(
        [sys.executable, "-m", "sweep", *study.args, *options],
        cwd=study.folder, env={**os.environ, "PYTHONPATH": str(survival.ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def stored(study: Study) -> int:
    """How many trials have ended, 0 before there are any."""
    try:
        return study.results()
    except sqlalchemy.exc.OperationalError:  # no file, no tables, or a lock while they are made
        return 0


def wait_for_results(study: Study, process: subprocess.Popen[str], wanted: int) -> None:
    while stored(study) < wanted:
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


def kill_at_random(study: Study, draw: random.Random, n_kills: int) -> int:
    """Kill a study that often, each time after a further result; return how often it died.

    A trial that is cut off three times fails, by design: hence the further result.
    """
    died = 0
    for k in range(n_kills):
        process = real(study, "--json")
        if k:  # the first one is killed in its start
            wait_for_results(study, process, min(stored(study) + 1, N_TRIALS - 1))
        time.sleep(draw.random() * (0.3 if k else 4))  # half a wave, or the whole start
        process.kill()
        process.communicate()
        died += process.returncode == -signal.SIGKILL
    return died


@pytest.mark.slow
@pytest.mark.alone
def test_thirty_kills_at_random_moments_of_real_sweeps_lose_nothing(
    crew: Crew, whole: Whole, tmp_path: Path
) -> None:
    table = whole("long")
    studies = [Study(crew, tmp_path / str(n), "long") for n in range(3)]

    def kill_and_finish(study: Study) -> int:
        died = kill_at_random(study, random.Random(study.folder.name), 10)
        process = real(study, "--json")
        out, err = process.communicate()
        assert_done(Outcome(process.returncode, out, err))
        return died

    with ThreadPoolExecutor(2) as pool:
        died = sum(pool.map(kill_and_finish, studies))
    for study in studies:
        assert_survived(study, table, driven=False)
    assert died == 30


def test_a_run_that_is_asked_to_stop_saves_and_says_how_to_go_on(
    crew: Crew, whole: Whole, tmp_path: Path
) -> None:
    study = Study(crew, tmp_path)
    for number, epoch in ((signal.SIGINT, 7), (signal.SIGTERM, 13)):
        run = study.start(Fault("epoch", epoch, "hold", f"{epoch}"), quiet=False)
        gate = study.at(run, f"{epoch}")
        run.send_signal(number)
        run.until_it_says("stopping after this epoch")
        gate.touch()
        outcome = run.wait()
        assert outcome.code == 130
        said = "stopped, everything is saved; go on with: sweep run tiny.yaml --set "
        assert outcome.out.startswith(said) and outcome.out.count("\n") == 1
        again = shlex.split(outcome.out.partition("go on with: ")[2])
        asked = [part for text in study.args for part in text.split("=", 1)]
        assert sorted(again) == sorted(["sweep", *asked])
        assert "Traceback" not in outcome.err
        assert "RUNNING" not in {row["state"] for row in study.rows()}
        assert_nothing_wrong(study, whole("tpe"))
    survive(study, whole("tpe"))


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=SLOW)])
def test_a_second_signal_stops_a_run_in_the_middle_of_an_epoch(
    crew: Crew, whole: Whole, tmp_path: Path, number: signal.Signals
) -> None:
    study = Study(crew, tmp_path)
    run = study.start(Fault("epoch", 11, "hold"))  # of which nobody lets it go
    study.at(run)
    run.send_signal(number)
    run.until_it_says("once more to stop at once")
    run.send_signal(number)
    outcome = run.wait()
    assert outcome.code == 130 and "Traceback" not in outcome.err
    assert "RUNNING" not in {row["state"] for row in study.rows()}
    survive(study, whole("tpe"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tpe", "random"])
def test_a_run_that_is_interrupted_at_once_at_any_point_loses_nothing(
    crew: Crew, whole: Whole, tmp_path: Path, kind: str
) -> None:
    """The exception rises from anywhere: out of half an ask, half a tell, half a flush."""
    study, table = Study(crew, tmp_path, kind), whole(kind)
    for point in MOMENTS:
        interrupt_at_once(study, Fault(point, 1 if point in ("study made", "ids reserved") else 2))
        assert_nothing_wrong(study, table)
    survive(study, table)


@pytest.mark.slow
def test_a_run_that_is_interrupted_at_once_while_it_describes_its_study_can_be_repeated(
    crew: Crew, whole: Whole, tmp_path: Path
) -> None:
    study = Study(crew, tmp_path)
    for n in range(1, 10):
        interrupt_at_once(study, Fault("study described", n))
    survive(study, whole("tpe"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tpe", "random", "hyperband"])
def test_interrupts_between_any_two_statements_of_a_run_lose_nothing(
    crew: Crew, whole: Whole, tmp_path: Path, kind: str
) -> None:
    draw, interrupts = random.Random(kind), 0
    study = Study(crew, tmp_path, kind)
    for n in [*range(1, 70, 9), *(draw.randrange(60, 110) for _ in range(4))]:
        outcome = study.run(*[Fault("statement", n, "interrupt")] * 2)
        if outcome.code == 0:  # what was left of the study took fewer statements
            break
        assert outcome.code == 130 and "Traceback" not in outcome.err, (n, outcome)
        interrupts += 1
        assert_nothing_wrong(study, whole(kind))
    assert interrupts >= 8
    survive(study, whole(kind))


def interrupt_at_once(study: Study, fault: Fault) -> None:
    twice = [replace(fault, deed="interrupt")] * 2
    outcome = study.run(*twice)
    assert outcome.code == 130 and "Traceback" not in outcome.err, (fault, outcome)


@pytest.mark.slow
def test_real_sweeps_that_are_interrupted_lose_nothing(
    crew: Crew, whole: Whole, tmp_path: Path
) -> None:
    study = Study(crew, tmp_path, "long")
    for wanted, numbers in (
        (2, [signal.SIGINT]), (7, [signal.SIGTERM]), (12, [signal.SIGINT, signal.SIGINT])
    ):  # fmt: skip
        process = real(study)
        wait_for_results(study, process, wanted)
        for number in numbers:
            process.send_signal(number)
        out, err = process.communicate()
        assert process.returncode == 130 and "Traceback" not in err
        if len(numbers) == 1:
            assert "go on with: sweep run tiny.yaml" in out
        assert "RUNNING" not in {row["state"] for row in study.rows()}
    survive(study, whole("long"), driven=False)  # the real ones keep no ledger


# --- several processes and a dashboard -----------------------------------------------------


@contextmanager
def dashboard(crew: Crew, url: str, folder: Path) -> Iterator[list[str]]:
    """Poll a dashboard on a storage all the while; give its answers to requests."""
    run = crew.start(folder, "dashboard", "--storage", url, "--port", "0")
    out = Path(run.files[0])
    run.until(lambda: re.search(r"http://\S+/", out.read_text()))
    found = re.search(r"http://\S+(?=/)", out.read_text())
    assert found is not None
    answers: list[str] = []
    done = threading.Event()

    def poll() -> None:
        while not done.is_set():
            for path in ("/api/studies", "/api/studies/1?after=0"):
                try:
                    with urllib.request.urlopen(found[0] + path, timeout=60) as answer:
                        json.load(answer)
                        answers.append("fine")
                except (OSError, ValueError) as error:
                    answers.append(f"{path}: {error!r}")

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        yield answers
    finally:
        done.set()
        thread.join()
        run.send_signal(signal.SIGINT)
        run.wait()


def test_of_four_processes_on_one_study_one_runs_and_three_are_refused(
    crew: Crew, whole: Whole, tmp_path: Path
) -> None:
    study = Study(crew, tmp_path)
    runs = [study.start(Fault("epoch", 2, "hold")) for _ in range(4)]
    while sum(run.ended() for run in runs) < 3 or not study.gate("gate.reached").exists():
        assert not all(run.ended() for run in runs), [run.wait() for run in runs]
    with dashboard(crew, study.url, tmp_path) as answers:
        study.gate().touch()
        outcomes = sorted(run.wait() for run in runs)
    assert set(answers) == {"fine"}
    assert_done(outcomes[0])
    for refused in outcomes[1:]:
        assert_one_line(refused, 1, "one process at a time may run it")
    assert_survived(study, whole("tpe"))


@pytest.mark.slow
def test_four_studies_in_one_file_run_side_by_side(
    crew: Crew, whole: Whole, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/studies.db"
    kinds = ("tpe", "random", "tpe", "random")  # hyperband would draw by the study's name
    studies = [
        Study(crew, tmp_path / str(n), kind, url, f"study-{n}") for n, kind in enumerate(kinds)
    ]
    runs = [study.start(Fault("epoch", 2, "hold")) for study in studies]
    gates = [study.at(run) for study, run in zip(studies, runs, strict=True)]
    with dashboard(crew, url, tmp_path) as answers:
        for gate in gates:
            gate.touch()
        outcomes = [run.wait() for run in runs]
    assert set(answers) == {"fine"}
    for outcome in outcomes:
        assert_done(outcome)
    for study in studies:
        assert_survived(study, whole(study.kind))


# --- an owner that slept past its lease ----------------------------------------------------


def dump(folder: Path) -> list[str]:
    """All tables."""
    with closing(sqlite3.connect(folder / "studies.db")) as connection:
        return list(connection.iterdump())


EXPIRED = (
    "select count(*) from sweep_leases where expires < (julianday('now') - 2440587.5) * 86400"
)


@pytest.mark.parametrize(
    ("meanwhile", "heartbeat_s"),  # the loop wakes first, or the heartbeat
    [("has ended", 1000.0), pytest.param("is under way", 1.5, marks=SLOW)],
)
def test_an_owner_that_slept_past_its_lease_writes_nothing(
    crew: Crew, whole: Whole, tmp_path: Path, meanwhile: str, heartbeat_s: float
) -> None:
    study = Study(crew, tmp_path)
    sleeper = study.start(
        Fault("epoch", 12, "hold"), Fault("attempt", 1, "mark", "marks"),
        life_s=1.0, heartbeat_s=heartbeat_s,
    )  # fmt: skip
    gate = study.at(sleeper)
    sleeper.send_signal(signal.SIGSTOP)
    while not study.select(EXPIRED)[0][0]:
        time.sleep(0.01)
    # Its own lease is as good as usual: the sleeper must not win it back.
    other = study.start(
        Fault("epoch", 9 if meanwhile == "is under way" else 10**6, "hold", "other")
    )
    if meanwhile == "is under way":
        study.at(other, "other")
    else:
        assert_done(other.wait())
    before, marks = dump(tmp_path), (tmp_path / "marks").stat().st_size
    sleeper.send_signal(signal.SIGCONT)
    if heartbeat_s < 1000:
        sleeper.until(lambda: (tmp_path / "marks").stat().st_size > marks)
    gate.touch()
    assert_one_line(sleeper.wait(), 1, "did not renew")
    assert dump(tmp_path) == before
    if meanwhile == "is under way":
        study.gate("other").touch()
        assert_done(other.wait())
    assert study.rows() == whole("tpe")


# --- PostgreSQL that fails -----------------------------------------------------------------


CUTS = (4, 9, 15, 22, 29)  # epochs


@pytest.mark.slow
def test_connections_that_postgresql_ends_cost_nothing(
    crew: Crew, whole: Whole, tmp_path: Path
) -> None:
    server = postgres.shared_server()
    with server.database() as url:
        study = Study(crew, tmp_path, storage=url)
        run = study.start(*(Fault("epoch", n, "hold", f"{n}") for n in CUTS))
        for n in CUTS:
            gate = study.at(run, f"{n}")
            server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                f" WHERE datname = '{sqlalchemy.make_url(url).database}'"
            )
            gate.touch()
        assert_done(run.wait())
        assert_survived(study, whole("tpe"))


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["between two flushes", "before a commit", "after a commit"])
def test_a_postgresql_that_is_restarted_costs_nothing(
    crew: Crew, whole: Whole, tmp_path: Path, moment: str
) -> None:
    point, n = {
        "between two flushes": ("epoch", 15),
        "before a commit": ("written", 9),
        "after a commit": ("committed", 9),
    }[moment]
    server = postgres.new_server()
    try:
        url = server.url.render_as_string(hide_password=False)
        study = Study(crew, tmp_path, storage=url)
        run = study.start(Fault(point, n, "hold"), Fault("attempt", 1, "mark", "marks"))
        gate = study.at(run)
        server.stop("immediate")
        marks = (tmp_path / "marks").stat().st_size
        gate.touch()
        run.until(lambda: (tmp_path / "marks").stat().st_size > marks + 2)  # in vain
        server.start()
        assert_done(run.wait())
        assert_survived(study, whole("tpe"))
    finally:
        server.remove()


@pytest.mark.slow
@pytest.mark.parametrize("point", ["asked", "tell half flushed", "told", "written", "committed"])
def test_a_kill_of_a_run_on_postgresql_loses_nothing(
    crew: Crew, whole: Whole, tmp_path: Path, point: str
) -> None:
    with postgres.shared_server().database() as url:
        killings = [(Fault(point, n),) for n in MOMENTS[point]]
        survive(Study(crew, tmp_path, "random", storage=url), whole("random"), *killings)


# --- no space, no right, no log, no lock ---------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ({"max_pages": 30}, "full"),
        ({"max_bytes": 160_000}, "disk I/O error"),
    ],
    ids=["no pages left", "file too large"],
)
def test_a_disk_that_is_full_is_one_line_and_the_run_goes_on_when_there_is_space(
    crew: Crew, whole: Whole, tmp_path: Path, limit: dict[str, int], words: str
) -> None:
    study = Study(crew, tmp_path)
    outcome = study.run(**limit)
    assert 0 < study.results() < N_TRIALS, outcome
    assert_one_line(outcome, 1, words)
    assert_nothing_wrong(study, whole("tpe"))
    survive(study, whole("tpe"))


@pytest.mark.parametrize("exists", [False, True])
def test_a_run_in_a_folder_without_write_permission_is_one_line(
    crew: Crew, tmp_path: Path, exists: bool
) -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders let nobody in
        study = Study(crew, tmp_path, storage=f"sqlite:///{name}/studies.db")
        if exists:
            assert study.run(Fault("epoch", 9)).code == -signal.SIGKILL
        for path in Path(name).iterdir():
            path.chmod(0o444)
        Path(name).chmod(0o555)
        outcome = study.run(Fault("storage opened", 1, "step down"))
        Path(name).chmod(0o755)
    assert_one_line(outcome, 2, "written")


@pytest.mark.parametrize(
    ("journal", "words"), [("delete", "got mode delete"), ("locking protocol", "locking protocol")]
)
def test_a_filesystem_on_which_wal_does_not_work_is_one_line(
    crew: Crew, tmp_path: Path, journal: str, words: str
) -> None:
    assert_one_line(Study(crew, tmp_path).run(journal=journal), 2, words)


@pytest.mark.slow
@pytest.mark.parametrize("busy_s", [0.05, None])  # the run waits for the lock, or SQLite does
def test_a_database_that_another_program_locks_for_a_while_is_waited_for(
    crew: Crew, whole: Whole, tmp_path: Path, busy_s: float | None
) -> None:
    study, marks = Study(crew, tmp_path), tmp_path / "marks"
    run = study.start(
        Fault("epoch", 15, "hold"), Fault("attempt", 1, "mark", "marks"), busy_s=busy_s
    )
    gate = study.at(run)
    with closing(sqlite3.connect(tmp_path / "studies.db", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        before, further = marks.stat().st_size, 1 if busy_s is None else 4
        gate.touch()
        run.until(lambda: marks.stat().st_size >= before + further)
        connection.execute("ROLLBACK")
    assert_done(run.wait())
    assert_survived(study, whole("tpe"))
