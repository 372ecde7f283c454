"""What a supervisor is and gives to the processes of studies; how they live: `test_survival`."""

import subprocess
import sys
from pathlib import Path

import pytest

from sweep.service.claims import Claims, Ending, Limits
from sweep.service.database import Database
from sweep.service.jobs import Queue
from sweep.service.supervisor import Setup, Supervisor, environment, last_line
from tests.support.queued import submission


def test_who_supervises_loads_nothing_that_trains() -> None:
    """The process of a service stays small, and runs no code of its users."""
    code = (
        "import sys; import sweep.service.supervisor, sweep.service.jobs\n"
        "print([name for name in sys.modules"
        " if name.split('.')[0] == 'torch' or name.startswith(('sweep.runner', 'sweep.data'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_a_process_knows_nothing_of_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWEEP_TOKEN", "swp_secret")
    monkeypatch.setenv("OPTUNA_STORAGE", "sqlite:///another.db")
    monkeypatch.setenv("HOME", "/home/alice")
    given = environment(3)
    assert "SWEEP_TOKEN" not in given and "OPTUNA_STORAGE" not in given
    assert (given["OMP_NUM_THREADS"], given["PYTHONSAFEPATH"]) == ("3", "1")
    assert given["HOME"] == "/home/alice"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", ""),
        (b"\n \n", ""),
        (b"one\ntwo\n\n", "two"),
        (b"2026-01-02 03:04:05,678 ended: crashed\n", "ended: crashed"),
        (b"x" * 9000 + b"\nlast \xff", "last \ufffd"),
    ],
)
def test_the_last_line_of_a_log(tmp_path: Path, content: bytes, line: str) -> None:
    (tmp_path / "log").write_bytes(content)
    assert last_line(tmp_path / "log") == line
    assert last_line(tmp_path / "none") == ""


def test_a_project_without_a_storage_is_refused(sqlite_database: Database, tmp_path: Path) -> None:
    queue = Queue(sqlite_database)
    queue.submit(submission())
    supervisor = Supervisor(Claims(sqlite_database), Setup(tmp_path), Limits())
    supervisor.tick()  # claims it
    supervisor.tick()  # settles it
    job = queue.find("vision", "one")
    assert (job.state, job.message) == (
        "failed",
        "project: must have a storage, got vision. Add it to the config",
    )


def test_a_process_that_cannot_be_begun_is_tried_later(
    sqlite_database: Database, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    queue = Queue(sqlite_database)
    queue.submit(submission(storage=f"sqlite:///{tmp_path}/studies.db"))
    supervisor = Supervisor(Claims(sqlite_database), Setup(tmp_path / "file"), Limits())
    supervisor.tick()
    supervisor.tick()
    job = queue.find("vision", "one")
    assert (job.state, job.ending, job.attempts) == ("waiting", "unstarted", 0)
    assert "Not a directory" in job.message
    assert supervisor.trouble == ""


def test_a_database_that_is_away_is_noted_and_gone_on_with(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = Supervisor(Claims(sqlite_database), Setup(tmp_path), Limits())
    before = supervisor.beat_at
    path = Path(str(sqlite_database.engine.url.database))
    sqlite_database.close()
    path.rename(path.with_suffix(".away"))
    path.mkdir()
    supervisor.tick()
    assert "unable to open" in supervisor.trouble and supervisor.beat_at == before
    path.rmdir()
    path.with_suffix(".away").rename(path)
    supervisor.tick()
    assert supervisor.trouble == "" and supervisor.beat_at > before


def test_a_study_that_nobody_began_is_begun_again_at_once(
    sqlite_database: Database, tmp_path: Path
) -> None:
    """Its supervisor died between claiming it and starting its process."""
    queue = Queue(sqlite_database)
    queue.submit(submission())
    code = (
        "import sys; from sweep.service.claims import Claims, Limits;"
        "from sweep.service.database import Database;"
        "Claims(Database.open(sys.argv[1])).claim(Limits())"
    )
    url = sqlite_database.engine.url.render_as_string()
    subprocess.run([sys.executable, "-c", code, url], check=True)
    assert queue.find("vision", "one").state == "starting"
    supervisor = Supervisor(Claims(sqlite_database), Setup(tmp_path), Limits(0, 0))
    supervisor.tick()
    job = queue.find("vision", "one")
    assert (job.state, job.ending, job.attempts) == ("queued", "lost", 0)
    run = Claims(sqlite_database).claim(Limits())
    assert run is not None and run.job.attempts == 1
    Claims(sqlite_database).settle(job.id, run.token, Ending("done", n_trials=6))
