"""Studies on a real service, from Python: handed in, followed over lost connections, taken."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sweep
from sweep.errors import SweepError, UsageError
from sweep.service import job, remote
from sweep.service.client import Client
from tests.support.lossy import lossy
from tests.support.served import Served, served

TINY: dict[str, Any] = {
    "data": {"source": "sklearn:iris", "train_rows": 60},
    "model": {"hidden": [4]},
    "training": {"epochs": 3, "batch_size": 20},
    "search": {
        "n_trials": 6,
        "sampler": {"type": "tpe"},
        "space": {"alpha": {"low": 1e-4, "high": 1e-1}},
    },
    "replicates": {"n_folds": 3},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    limits = {"requests_per_minute": 100_000, "upload_bytes": 5_000}
    with served(tmp_path_factory.mktemp("service"), limits=limits) as running:
        yield running


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service whose studies run."""
    limits = {"requests_per_minute": 100_000}
    with served(tmp_path_factory.mktemp("busy"), supervised=True, limits=limits) as running:
        yield running
        mine = client(running)
        while live := [one for one in mine.jobs() if one["state"] not in remote.ENDED]:
            for one in live:
                mine.study(one["name"]).cancel()
            time.sleep(0.5)


def client(server: Served, role: str = "submit") -> Client:
    return Client(server.origin, server.token(role))


def test_the_package_offers_it() -> None:
    assert sweep.Client is Client
    assert remote.ENDED == job.ENDED


@pytest.mark.parametrize("key", ["", "a b", "a\nb", "é", "x" * 201])
def test_a_key_that_no_header_can_hold_is_one_line(server: Served, key: str) -> None:
    with pytest.raises(UsageError, match="key: must be 1 to 200 ASCII signs"):
        client(server).submit({**TINY, "study_name": "keyed"}, key=key)


def test_it_shows_no_token(server: Served) -> None:
    mine = client(server)
    assert "swp_" not in repr(mine) + repr(mine.study("x"))


def test_a_study_is_queued_listed_cancelled_and_resumed(server: Served) -> None:
    mine = client(server)
    study = mine.submit({"study_name": "waits", **TINY})
    assert mine.submit({"study_name": "waits", **TINY}).name == "waits"
    assert study.state == "queued" and study.status()["spec"]["model"]["hidden"] == [4]
    assert study.cancel() == "cancelled" == study.cancel()
    assert [event.kind for event in study.events()] == ["state", "state", "end"]
    assert study.resume() == "queued"
    for number in range(5):
        mine.submit({"study_name": f"many-{number}", **TINY})
    names = [one["name"] for one in mine.jobs()]
    assert names[:6] == [*(f"many-{number}" for number in range(4, -1, -1)), "waits"]
    assert [one["name"] for one in mine.jobs(limit=2)] == names[:2]
    assert [one["name"] for one in mine.jobs("queued", "wa")] == ["waits"]
    for one in mine.jobs():
        mine.study(one["name"]).cancel()
    assert mine.jobs(["queued", "running"]) == [] and client(server, "read").jobs()


def test_a_study_gets_more_trials(server: Served) -> None:
    study = client(server).submit({"study_name": "more", **TINY})
    n_trials = study.status()["spec"]["search"]["n_trials"]
    changed = study.change(n_trials=n_trials + 1)
    assert changed["name"] == "more"
    assert study.status()["spec"]["search"]["n_trials"] == n_trials + 1
    with pytest.raises(UsageError, match="epochs"):
        study.change(epochs=1)
    with pytest.raises(UsageError, match="n_trials"):
        study.change(n_trials=0)
    study.cancel()


def test_a_second_study_of_a_name_is_refused(server: Served) -> None:
    client(server).submit({"study_name": "taken", **TINY}).cancel()
    with pytest.raises(UsageError, match="seed"):
        client(server).submit({"study_name": "taken", "seed": 5, **TINY})
    with pytest.raises(UsageError, match=r"nothing"):
        client(server).study("nothing").status()
    with pytest.raises(UsageError):
        _ = client(server).study("../me").state


@pytest.mark.slow
def test_what_came_of_a_study_is_taken(busy: Served, tmp_path: Path) -> None:
    study = client(busy).submit({"study_name": "whole", **TINY})
    with pytest.raises(UsageError):
        study.config()
    assert study.wait(120)["state"] == "done"
    trials = study.trials
    assert len(trials) == 6 and list(trials.columns)[-1] == "replicate_values"
    local = sweep.load_result("whole", busy.service.storage("vision")).trials
    assert [*trials["value"]] == [*local["value"]]
    config = study.config(path=tmp_path / "c.yaml")
    assert config.alpha == study.config("best").alpha > 0
    assert config.path == tmp_path / "c.yaml" and study.config().path is None
    assert study.report(tmp_path / "r.html").lstrip().lower().startswith("<!doctype html")
    assert (tmp_path / "r.html").exists()


@pytest.mark.slow
def test_events_over_lost_connections_have_no_gap_and_no_repeat(busy: Served) -> None:
    long = {**TINY, "search": {**TINY["search"], "n_trials": 24}}
    long["training"] = {"epochs": 60, "batch_size": 20}
    with lossy(busy.port) as way:
        study = Client(way.url, busy.token()).submit({"study_name": "followed", **long})
        over = threading.Event()

        def lose() -> None:
            while not over.wait(0.7):
                way.cut()

        thief = threading.Thread(target=lose)
        thief.start()
        try:
            seen = list(study.events())
        finally:
            over.set()
            thief.join()
    kept = busy.service.watch.events.since(busy.service.queue.find("vision", "followed").id)
    assert [event.id for event in seen] == [event.id for event in kept]
    assert seen[-1].kind == "end" and seen[-1].data["state"] == "done"
    assert len([event for event in seen if event.kind == "trial"]) == 24


def test_events_of_a_resumed_study_do_not_end_with_its_first_end(server: Served) -> None:
    study = client(server).submit({"study_name": "again", **TINY})
    study.cancel()
    study.resume()
    study.cancel()
    assert [event.kind for event in study.events()].count("end") == 2


def test_a_wait_has_an_end(server: Served) -> None:
    study = client(server).submit({"study_name": "slow", **TINY})
    with pytest.raises(SweepError, match="must end within 0 s"):
        study.wait(0)
    study.cancel()


@pytest.mark.slow
def test_the_rows_of_a_study_go_with_it(busy: Served, tmp_path: Path) -> None:
    rows = "".join(f"{i % 7},{i % 3},{'ab'[i % 2]}\n" for i in range(60))
    (tmp_path / "my table.csv").write_text("a,b,kind\n" + rows)
    (tmp_path / "study.yaml").write_text(
        "study_name: own-rows\ndata: {source: my table.csv, target: kind}\n"
        "model: {hidden: [4]}\ntraining: {epochs: 3, batch_size: 20}\n"
        "search: {n_trials: 4}\nreplicates: {n_folds: 3}\n"
    )
    study = client(busy).submit(tmp_path / "study.yaml", overrides=["search.n_trials=3"])
    client(busy).submit(tmp_path / "study.yaml", overrides=["search.n_trials=3"])
    names = [one["name"] for one in client(busy).files()]
    assert len(names) == 1 and names[0].startswith("my-table-")
    assert study.wait(120)["state"] == "done"
    assert study.config().spec.data.source == names[0] and len(study.trials) == 3


def test_rows_too_large_are_refused_before_they_are_sent(server: Served, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n" + "1,2\n" * 2000)
    (tmp_path / "s.yaml").write_text("study_name: x\ndata: {source: t.csv, target: b}")
    with pytest.raises(UsageError, match=r"data\.source: must be at most 5000 bytes, got 8004"):
        client(server).submit(tmp_path / "s.yaml")
