"""How a database is opened, to read and to write, and studies in it renamed."""

import os
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Container, Iterator
from contextlib import closing, contextmanager
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy import URL, event, make_url

from sweep.errors import OwnedElsewhereError, StorageError
from sweep.storage import engine
from sweep.storage.engine import _make_file, open_storage, prepare, rename_study
from tests.support import postgres
from tests.support.mirrors import Own, assert_mirrored, opened, plain_reader, run_trials

NAN, INF = float("nan"), float("inf")


@pytest.fixture(scope="session")
def of_optuna(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that Optuna itself has made, empty; making it takes longer than most tests."""
    path = tmp_path_factory.mktemp("of_optuna") / "studies.db"
    RDBStorage(f"sqlite:///{path}").engine.dispose()
    return path


@cache
def _server_s_template() -> str:
    url = postgres.shared_server().database().__enter__()  # it stays as long as the server
    RDBStorage(url).engine.dispose()
    return str(make_url(url).database)


@pytest.fixture
def sqlite_url(tmp_path: Path, of_optuna: Path) -> str:
    return f"sqlite:///{shutil.copy(of_optuna, tmp_path)}"


@pytest.fixture
def postgres_url() -> Iterator[str]:
    with postgres.shared_server().database(_server_s_template()) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_url"))


def test_a_reader_s_mistyped_path_is_refused_and_nothing_is_made(tmp_path: Path) -> None:
    path = tmp_path / "there" / "studies.db"
    for how in ({"create": False}, {"read_only": True}):
        with pytest.raises(StorageError, match=r"must exist to be read, got no file .*--storage"):
            open_storage(f"sqlite:///{path}", **how)
    assert not list(tmp_path.iterdir())


def test_an_existing_database_is_opened_to_be_read(sqlite_url: str) -> None:
    with opened(sqlite_url, create=False) as reader:
        assert reader.get_all_studies() == []


# --- read-only


def test_the_database_refuses_what_a_read_only_storage_would_write(url: str) -> None:
    with plain_reader(url) as writer:
        study = optuna.create_study(storage=writer, study_name="a")
        study.add_trial(create_trial(value=1.0))
        waiting = writer.create_new_trial(study._study_id)
    writes: list[Callable[[RDBStorage], Any]] = [
        lambda s: s.create_new_study([optuna.study.StudyDirection.MINIMIZE], "b"),
        lambda s: s.set_study_user_attr(study._study_id, "key", 1),
        lambda s: s.set_study_system_attr(study._study_id, "key", 1),
        lambda s: s.set_trial_user_attr(waiting, "key", 1),
        lambda s: s.set_trial_state_values(waiting, TrialState.FAIL),
        lambda s: s.delete_study(study._study_id),
    ]
    with opened(url, read_only=True) as reader:
        for write in writes:
            with pytest.raises(StorageInternalError) as refused:
                write(reader)
            assert "read" in str(refused.value.__cause__)  # readonly database, read-only transact.
        assert [s.study_name for s in reader.get_all_studies()] == ["a"]
        assert len(reader.get_all_trials(study._study_id)) == 2


def test_opening_read_only_changes_nothing_of_a_database_that_optuna_made(url: str) -> None:
    with opened(url, read_only=True) as reader, reader.engine.connect() as connection:
        if reader.engine.dialect.name == "sqlite":
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "delete"
        assert not reader.engine.dialect.has_table(connection, "sweep_leases")


def test_a_path_with_signs_that_mean_something_in_a_url_is_read(
    tmp_path: Path, of_optuna: Path
) -> None:
    path = shutil.copy(of_optuna, tmp_path / "a b%20#c&é.db")
    url = URL.create("sqlite", database=str(path)).render_as_string()
    with opened(url, read_only=True) as reader:
        assert reader.get_all_studies() == []
    assert [found.name for found in tmp_path.iterdir()] == ["a b%20#c&é.db"]


NO_STUDIES = r"version_info.*Run a study first.*--storage"


def test_a_file_without_studies_is_one_line_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "poems.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE poems (line TEXT)")
    before = path.read_bytes()
    with pytest.raises(StorageError, match=NO_STUDIES):
        open_storage(f"sqlite:///{path}", read_only=True)
    assert path.read_bytes() == before


def test_a_server_without_studies_is_one_line() -> None:
    with (
        postgres.shared_server().database() as url,
        pytest.raises(StorageError, match=NO_STUDIES) as refused,
    ):
        open_storage(url, read_only=True)
    assert "\n" not in str(refused.value)


# --- whole studies, read as Optuna reads them


@pytest.fixture
def somewhere_else(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Half an hour off the full hour of UTC."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def varied_study(storage: RDBStorage) -> int:
    """Make a study with everything that a trial can hold."""
    study = optuna.create_study(
        storage=storage, study_name="varied", directions=["minimize", "maximize"]
    )
    space = {
        "z": FloatDistribution(1e-4, 1.0, log=True),
        "a": IntDistribution(1, 9, step=2),
        "m": CategoricalDistribution(("x", None, 2.5, True)),
    }
    for state, choice in product(
        (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL), ("x", None, 2.5)
    ):
        study.add_trial(
            create_trial(
                state=state,
                values=[INF, -INF] if state == TrialState.COMPLETE else None,
                params={"z": 0.25, "a": 7, "m": choice},
                distributions=dict(space),
                intermediate_values={3: NAN, 1: INF, 2: -INF, 0: 0.5},
                user_attrs={"é": [1, {"b": None}], "a": "text"},
                system_attrs={"s": 1.5},
            )
        )  # fmt: skip
    study.enqueue_trial({"z": 0.5})
    study.ask()
    study.enqueue_trial({"z": 0.125})
    study.add_trial(create_trial(values=[1.0, 2.0]))
    other = optuna.create_study(storage=storage, study_name="other")
    other.add_trial(create_trial(value=0.0))
    study.tell(study.ask(space), [1.0, 2.0])  # its id lies behind the other study's
    study.enqueue_trial({"z": 0.0625})
    return study._study_id


def held(trials: list[FrozenTrial]) -> list[str]:
    """Write down everything that trials hold: NaN equals itself there."""
    return [
        repr(
            (
                (t.number, t._trial_id, t.state, t.values, t.datetime_start, t.datetime_complete),
                (list(t.params.items()), list(t.distributions.items())),  # their order counts
                sorted(t.intermediate_values.items()),
                (sorted(t.user_attrs.items()), sorted(t.system_attrs.items())),
            )
        )
        for t in trials
    ]


@pytest.mark.usefixtures("somewhere_else")
@pytest.mark.parametrize("how", [{}, {"create": False}, {"read_only": True}])
def test_trials_are_those_that_optuna_reads(url: str, how: dict[str, bool]) -> None:
    choices: list[Container[TrialState] | None] = [
        None, (), (TrialState.RUNNING, TrialState.WAITING), {TrialState.COMPLETE},
    ]  # fmt: skip
    with opened(url) as writer:
        study_id = varied_study(writer)
    with plain_reader(url) as optunas, opened(url, **how) as ours:
        for states in choices:
            expected = held(optunas.get_all_trials(study_id, states=states))
            assert held(ours.get_all_trials(study_id, states=states)) == expected
        ids = [trial._trial_id for trial in optunas.get_all_trials(study_id)]
        assert len(ids) == 13
        for known, above in product([set(), {ids[0]}, set(ids[::2])], [-1, ids[1], ids[-1]]):
            asked = (study_id, None, known, above)
            assert held(ours._get_trials(*asked)) == held(optunas._get_trials(*asked))


def test_a_cache_in_front_keeps_up(url: str) -> None:
    with plain_reader(url) as writer, opened(url, read_only=True) as reader:
        study = optuna.create_study(storage=writer, study_name="a")
        cached = optuna.storages.get_storage(reader)
        assert cached.get_all_trials(study._study_id) == []
        early, late = study.ask(), study.ask()
        study.tell(late, 1.0)
        for change in (
            lambda: None,
            lambda: early.report(0.5, 1),
            lambda: study.tell(early, 2.0),
            lambda: study.add_trial(create_trial(value=3.0)),
        ):
            change()
            expected = held(writer.get_all_trials(study._study_id))
            assert held(cached.get_all_trials(study._study_id)) == expected


def test_an_unknown_study_is_a_key_error_as_with_optuna(url: str) -> None:
    with plain_reader(url) as optunas, opened(url, read_only=True) as ours:
        for storage in (optunas, ours):
            with pytest.raises(KeyError):
                storage.get_all_trials(7)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE trial_values SET value = NULL",
        "UPDATE trial_user_attributes SET value_json = '{'",
        "UPDATE trial_params SET distribution_json = '{}'",
        "UPDATE trial_intermediate_values SET intermediate_value_type = 'NONSENSE'",
        "UPDATE trials SET state = 'NONSENSE'",
    ],
)
def test_a_damaged_study_raises_what_it_raises_with_optuna(sqlite_url: str, damage: str) -> None:
    with opened(sqlite_url) as writer:
        study_id = varied_study(writer)
        with writer.engine.begin() as connection:
            assert connection.exec_driver_sql(damage).rowcount
    with plain_reader(sqlite_url) as optunas, pytest.raises(Exception) as expected:
        optunas.get_all_trials(study_id)
    with opened(sqlite_url, read_only=True) as ours, pytest.raises(expected.type):
        ours.get_all_trials(study_id)


def test_a_study_of_a_server_is_read_as_it_stood_at_one_moment(postgres_url: str) -> None:
    with plain_reader(postgres_url) as writer, opened(postgres_url, read_only=True) as reader:
        study = optuna.create_study(storage=writer, study_name="a")
        trial = study.ask()
        told: list[FrozenTrial] = []

        @event.listens_for(reader.engine, "after_cursor_execute")
        def _(*about: Any) -> None:
            if "FROM trial_values" in about[2] and not told:  # before the query for the trial
                told.append(study.tell(trial, 1.0))

        (seen,) = reader.get_all_trials(study._study_id)
        assert told
        assert (seen.state, seen.values) == (TrialState.RUNNING, None)
        (seen,) = reader.get_all_trials(study._study_id)
        assert (seen.state, seen.values) == (TrialState.COMPLETE, [1.0])


@pytest.mark.parametrize("options", [{"create": False}, {"read_only": True}])
def test_another_program_s_file_is_refused_and_left_as_it_was(
    tmp_path: Path, options: dict[str, bool]
) -> None:
    path = tmp_path / "theirs.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t(a)")
    before = path.read_bytes()
    with pytest.raises(StorageError, match=NO_STUDIES):
        open_storage(f"sqlite:///{path}", **options)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["theirs.db"]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://localhost:abc/x", "must be an SQLAlchemy URL"),
        ("sqlite:///a?b.db", "%3F"),
        ("sqlite:///a%00b.db", "null"),
        ("sqlite:///t.db?timeout=abc", "timeout|float|abc"),
    ],
)
def test_a_url_that_will_not_do_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StorageError, match=words) as error:
        open_storage(url)
    assert "\n" not in str(error.value)


# --- opening to write


@pytest.fixture(params=["sqlite", "postgres"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/new.db"
    else:
        with postgres.shared_server().database() as url:
            yield url


def _not_a_database(folder: Path) -> str:
    (folder / "notes.db").write_text("Not a database, though it ends like one.\n" * 50)
    return f"sqlite:///{folder}/notes.db"


def _below_a_file(folder: Path) -> str:
    (folder / "file").write_text("")
    return f"sqlite:///{folder}/file/deep/studies.db"


def _a_folder(folder: Path) -> str:
    return f"sqlite:///{folder}"


def _other_schema(folder: Path) -> str:
    url = f"sqlite:///{folder}/old.db"
    open_storage(url).engine.dispose()
    with sqlite3.connect(folder / "old.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v9.9.9.z'")
    connection.close()
    return url


@pytest.mark.parametrize(
    ("make_url", "says"),
    [
        (lambda _: "studies.db", "SQLAlchemy URL"),
        (lambda _: "", "SQLAlchemy URL"),
        (lambda _: "nosql://host/studies", "sqlite or postgresql"),
        (lambda _: "mysql://host/studies", "sqlite or postgresql"),
        (lambda _: "sqlite://", "a file"),
        (lambda _: "sqlite:///:memory:", "a file"),
        (lambda _: "sqlite:///file:x?mode=memory&cache=shared&uri=true", "a file"),
        (lambda folder: f"sqlite:///file:{folder}/x.db?vfs=unix-none&uri=true", "WAL"),
        (lambda _: "postgresql+pg8000://host/studies", r"sweep\[postgres\]"),
        (lambda _: "postgresql+nosuch://host/studies", "nosuch"),
        (lambda _: "postgresql://sweep:secret@127.0.0.1:1/studies", "server"),
        (_not_a_database, "not a database"),
        (_below_a_file, "Not a directory|File exists"),
        (_a_folder, "unable to open"),
        (_other_schema, "v9.9.9.z|schema"),
    ],
)
def test_what_cannot_be_opened_is_one_line(
    tmp_path: Path, make_url: Callable[[Path], str], says: str
) -> None:
    with pytest.raises(StorageError, match=says) as caught:
        open_storage(make_url(tmp_path))
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("storage")
    assert "secret" not in message


@contextmanager
def _as_nobody() -> Iterator[None]:
    """Root may write anywhere, so step down for a moment."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.mark.parametrize("exists", [False, True])
def test_a_read_only_folder_is_one_line(exists: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = f"sqlite:///{folder}/studies.db"
        if exists:
            with plain_reader(url):
                pass
        folder.chmod(0o555)
        with _as_nobody(), pytest.raises(StorageError, match="written") as caught:
            open_storage(url)
        folder.chmod(0o755)
    assert "\n" not in str(caught.value)


def test_a_study_in_a_read_only_folder_is_read() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, url = Path(name), f"sqlite:///{name}/studies.db"
        storage = open_storage(url)
        optuna.create_study(study_name="study", storage=storage).set_user_attr("key", 1)
        storage.engine.dispose()  # and with its last connection SQLite's log
        folder.chmod(0o555)
        with _as_nobody():
            (study,) = open_storage(url, read_only=True).get_all_studies()
            assert (study.study_name, study.user_attrs) == ("study", {"key": 1})
        folder.chmod(0o755)
        assert [path.name for path in folder.iterdir()] == ["studies.db"]


def test_missing_folders_are_made(tmp_path: Path) -> None:
    open_storage(f"sqlite:///{tmp_path}/studies/out/studies.db").engine.dispose()
    assert (tmp_path / "studies/out/studies.db").exists()


def test_preparing_writes_nothing(tmp_path: Path) -> None:
    prepare(f"sqlite:///{tmp_path}/new/studies.db")
    assert not [*tmp_path.iterdir()]
    with pytest.raises(StorageError, match="must be an SQLAlchemy URL"):
        prepare("studies.db")


def test_a_path_that_nobody_may_look_at_is_one_line() -> None:
    with pytest.raises(StorageError, match="File name too long"):
        prepare(f"sqlite:////{'a' * 300}/studies.db")


def test_a_new_file_appears_whole_with_the_mode_of_sqlites_own(
    tmp_path: Path, of_optuna: Path
) -> None:
    path = tmp_path / "new" / "studies.db"
    before = os.umask(0)
    try:
        _make_file(make_url(f"sqlite:///{path}"), create=True)
    finally:
        os.umask(before)
    assert contents(path).keys() - contents(of_optuna).keys() == {"sweep_leases"}
    assert path.stat().st_mode & 0o777 == 0o644
    assert [*path.parent.iterdir()] == [path]


def test_a_file_or_a_link_that_is_there_is_left_alone(tmp_path: Path) -> None:
    file, link = tmp_path / "file.db", tmp_path / "link.db"
    file.write_bytes(b"")
    link.symlink_to(tmp_path / "elsewhere.db")
    for path in (file, link):
        _make_file(make_url(f"sqlite:///{path}"), create=True)
    assert file.read_bytes() == b"" and link.is_symlink() and not link.exists()
    open_storage(f"sqlite:///{link}").engine.dispose()
    assert link.is_symlink() and (tmp_path / "elsewhere.db").exists()


@pytest.mark.parametrize("way", ["a link", "no link", "no image"])
def test_a_new_file_is_as_optuna_makes_it_and_nothing_lies_beside_it(
    tmp_path: Path, of_optuna: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("no links here")

    if way == "no link":
        monkeypatch.setattr(os, "link", refuse)
    elif way == "no image":
        monkeypatch.setattr(engine, "_blank", lambda: None)
    path = tmp_path / "studies.db"
    open_storage(f"sqlite:///{path}").engine.dispose()
    assert [*tmp_path.iterdir()] == [path]
    made, optunas = contents(path), contents(of_optuna)
    assert "CREATE TABLE sweep_leases" in str(made.pop("sweep_leases"))
    assert made == optunas and made["alembic_version"][1]


def contents(path: Path) -> dict[str, tuple[str, list[Any]]]:
    """Return how each table and index is made, and its rows."""
    with closing(sqlite3.connect(path)) as connection:
        made = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
        return {
            name: (sql, [*connection.execute(f"SELECT * FROM {name}")] if kind == "table" else [])
            for kind, name, sql in made
        }


def test_a_bare_postgresql_url_finds_the_driver(postgres_url: str) -> None:
    storage = open_storage(postgres_url.replace("postgresql+psycopg://", "postgresql://"))
    assert storage.engine.driver == "psycopg"
    storage.engine.dispose()


def test_a_new_database_can_be_opened_by_several_at_once(new_url: str) -> None:
    opened: list[RDBStorage] = []
    start = threading.Barrier(4)

    def open_one() -> None:
        start.wait()
        opened.append(open_storage(new_url))

    threads = [threading.Thread(target=open_one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 4
    for storage in opened:
        storage.engine.dispose()


def test_optunas_storage_still_reads_all_trials_through_one_method() -> None:
    assert callable(RDBStorage._get_trials)


# --- another name for a study


def test_a_renamed_study_leaves_its_name_free(url: str, own: Own) -> None:
    mirror, study = own(url)
    run_trials(study, 2)
    mirror.close()
    assert rename_study(url, "digits", "digits-old")
    assert not rename_study(url, "digits", "digits-older")
    mirror, study = own(url)
    assert study.trials == []
    with plain_reader(url) as reader:
        assert len(optuna.load_study(storage=reader, study_name="digits-old").trials) == 2
        assert_mirrored(mirror, reader)


def test_a_study_that_runs_is_not_renamed(url: str, own: Own) -> None:
    mirror, _ = own(url)
    with pytest.raises(OwnedElsewhereError):
        rename_study(url, "digits", "digits-old")
    mirror.flush()


def test_a_name_that_is_taken_gets_a_number(url: str, own: Own) -> None:
    for name in ("digits", "old", "old-2"):
        own(url, name)[0].close()
    assert rename_study(url, "digits", "old")
    with plain_reader(url) as reader:
        assert {*optuna.get_all_study_names(reader)} == {"old", "old-2", "old-3"}


@pytest.mark.parametrize("new", ["a\0b", "a" * 513])
def test_a_study_is_not_renamed_to_a_name_that_will_not_do(url: str, own: Own, new: str) -> None:
    own(url)[0].close()
    with pytest.raises(StorageError) as caught:
        rename_study(url, "digits", new)
    assert "\n" not in str(caught.value)
    own(url)
