"""The routes that the pages ask beside the others, by real requests."""

from __future__ import annotations

from sweep.service.curve import Curve
from tests.support.pictured import pictured
from tests.support.served import Served


def test_a_study_that_waits_has_a_curve_without_points(server: Served) -> None:
    server.submit("one")
    curve = Curve.model_validate(server.get("/v1/studies/one/curve", token="read").json)
    assert curve.points == []
    assert server.get("/v1/studies/none/curve").status == 404


def test_outcomes_are_those_of_the_project(server: Served) -> None:
    assert server.get("/v1/outcomes", token="read").json == {"studies": {}}
    pictured(storage=server.service.storage("vision"))
    told = server.get("/v1/outcomes", token="read").json["studies"]
    assert told["made"]["best"] == 1.0
    assert told["made"]["best_params"] == {"alpha": 1e-2}
    other = server.token("read", "speech")
    assert server.get("/v1/outcomes", token=other).json == {"studies": {}}


def test_a_guess_needs_an_uploaded_file(server: Served) -> None:
    folder = server.service.config.folder / "data" / "vision"
    folder.mkdir(parents=True)
    (folder / "rows.csv").write_text("a,label\n" + "".join(f"{i},{i % 2}\n" for i in range(40)))
    told = server.get("/v1/data/rows.csv/guess?target=a")
    assert (told.status, told.json["target"], told.json["task"]) == (200, "a", "regression")
    assert server.get("/v1/data/none.csv/guess").status == 404
    assert server.get("/v1/data/rows.csv/guess", token="read").status == 403
    foreign = server.token("submit", "speech")
    assert server.get("/v1/data/rows.csv/guess", token=foreign).status == 404
