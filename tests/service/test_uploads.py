"""Uploaded files: whole or not there, never another content under the same name."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
import time
from pathlib import Path

import pytest

from sweep.errors import SweepError
from sweep.service import uploads as module
from sweep.service.refusals import FullError, RefusedError, TakenError, TooLargeError
from sweep.service.uploads import Stored, Uploads

ROWS = b"a,b\n1,2\n"
SHA = hashlib.sha256(ROWS).hexdigest()


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    return Uploads(tmp_path / "data" / "p", 1000)


def send(uploads: Uploads, name: str = "t.csv", *parts: bytes) -> tuple[Stored, bool]:
    incoming = uploads.begin(name)
    try:
        for part in parts or (ROWS,):
            incoming.write(part)
        return incoming.finish()
    finally:
        incoming.discard()


def left(uploads: Uploads) -> list[str]:
    return sorted(path.name for path in uploads.folder.iterdir())


def test_a_file_is_stored_with_its_hash(uploads: Uploads) -> None:
    assert send(uploads, "t.csv", ROWS[:3], b"", ROWS[3:]) == (Stored("t.csv", 8, SHA), True)
    assert uploads.list() == [Stored("t.csv", 8, SHA)]
    assert (uploads.folder / "t.csv").read_bytes() == ROWS
    assert left(uploads) == [".sha256", "t.csv"]


def test_the_same_again_is_the_same_file_and_another_is_refused(uploads: Uploads) -> None:
    send(uploads)
    assert send(uploads) == (Stored("t.csv", 8, SHA), False)
    with pytest.raises(TakenError, match="must have a new name or the same content") as error:
        send(uploads, "t.csv", b"other")
    assert error.value.status == 409
    assert (uploads.folder / "t.csv").read_bytes() == ROWS
    assert left(uploads) == [".sha256", "t.csv"]


def test_raced_uploads_of_one_name_are_one_file(uploads: Uploads) -> None:
    contents = [f"{i}\n".encode() * 50 for i in range(8)]
    won: list[bytes] = []

    def race(content: bytes) -> None:
        try:
            send(uploads, "t.csv", content)
            won.append(content)
        except TakenError:
            pass

    threads = [threading.Thread(target=race, args=[content]) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert (uploads.folder / "t.csv").read_bytes() == won[0]
    assert uploads.list()[0].sha256 == hashlib.sha256(won[0]).hexdigest()


def test_a_lost_hash_is_taken_anew(uploads: Uploads) -> None:
    send(uploads)
    (uploads.folder / ".sha256" / "t.csv").unlink()
    assert uploads.find("t.csv").sha256 == SHA
    assert (uploads.folder / ".sha256" / "t.csv").read_text() == SHA


@pytest.mark.parametrize(
    "name",
    ["../t.csv", "/t.csv", "a/t.csv", ".t.csv", "t", "t.pkl", "t.csv.gz", "t.CSV", "", "t.csv\n",
     ".sha256", "..csv", "é.csv", "x" * 200 + ".csv", "t.csv\0", "-t.csv"],
)  # fmt: skip
def test_a_name_that_leads_elsewhere_is_refused(uploads: Uploads, name: str) -> None:
    with pytest.raises(RefusedError) as error:
        send(uploads, name)
    assert error.value.status == 422 and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [("t.csv", b"PK\3\4"), ("t.csv", b"PAR1"), ("t.csv", b"a\0b"), ("t.npz", ROWS),
     ("t.parquet", ROWS), ("t.csv", b"")],
)  # fmt: skip
def test_a_file_of_another_kind_is_refused(uploads: Uploads, name: str, content: bytes) -> None:
    with pytest.raises(RefusedError):
        send(uploads, name, content)
    assert left(uploads) == []


def test_a_file_too_large_is_refused_before_all_of_it_is_stored(uploads: Uploads) -> None:
    with pytest.raises(TooLargeError) as error:
        send(uploads, "t.csv", *[b"1\n" * 100] * 6)
    assert error.value.status == 413 and left(uploads) == []


def test_a_project_has_a_share_of_the_disk(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SHARES", 1)
    send(uploads, "a.csv", b"1\n" * 400)
    send(uploads, "b.csv", b"1\n" * 400)
    with pytest.raises(FullError) as error:
        send(uploads, "c.csv")
    assert error.value.status == 507
    assert not send(uploads, "b.csv", b"1\n" * 400)[1]


def test_a_full_disk_leaves_nothing(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FullError):
        send(uploads)
    assert left(uploads) == []


def test_a_folder_that_is_none_is_the_services_fault(uploads: Uploads) -> None:
    uploads.folder.parent.write_text("")
    with pytest.raises(SweepError, match="disk: must take files"):
        send(uploads)


def test_what_a_killed_service_left_is_removed_later(uploads: Uploads) -> None:
    folder = uploads.folder
    folder.mkdir(parents=True)
    for name, age_s in ((".part-old", 2 * module.STALE_S), (".part-new", 0)):
        (folder / name).write_text("")
        os.utime(folder / name, (time.time() - age_s,) * 2)
    send(uploads)
    assert left(uploads) == [".part-new", ".sha256", "t.csv"]


def test_files_for_everyone_are_listed_too(uploads: Uploads, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    for name in ("a.csv", "t.csv", "notes.txt"):
        (shared / name).write_text("x\n1\n")
    send(uploads)
    assert uploads.list([shared]) == [Stored("a.csv", 4, None), Stored("t.csv", 8, SHA)]
