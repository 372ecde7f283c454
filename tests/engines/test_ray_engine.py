"""A whole study with real Ray; slow. Its books are tried without Ray, in fast tests."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sweep
from sweep.engines.hire import hired
from sweep.engines.ray_engine import RayEngine
from tests.runner.test_run import table
from tests.support.studies import tiny


@pytest.mark.slow
def test_actors_give_the_same_trials_also_where_one_is_killed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    alone = tiny(tmp_path, storage=f"sqlite:///{tmp_path}/alone.db", training__epochs=40)
    spec = tiny(tmp_path, training__epochs=40, engine={"kind": "ray", "actors": 2})
    before = signal.getsignal(signal.SIGTERM)
    killed: list[int] = []
    environment = dict(os.environ)
    with hired(spec) as engine:
        assert isinstance(engine, RayEngine)

        def kill_one(_: object) -> None:
            hosts = engine.facts().get("hosts", {}).values()
            if not killed and sum(host["living"] for host in hosts) == 2:
                killed.append(engine.pids()[0])
                os.kill(killed[0], signal.SIGKILL)

        together = sweep.result.run(spec, engine=engine, on_progress=kill_one)
        assert killed and sum(host["lost"] for host in engine.facts()["hosts"].values()) == 1
    pd.testing.assert_frame_equal(table(sweep.run(alone)), table(together), check_exact=True)
    assert capfd.readouterr() == ("", "")  # of all that Ray says of a lost process
    assert signal.getsignal(signal.SIGTERM) == before
    assert dict(os.environ) == environment
    assert "ray" in sys.modules and not sys.modules["ray"].is_initialized()


@pytest.mark.slow
def test_actors_read_the_rows_that_one_of_them_has_decoded(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(draw.normal(size=(120, 4)), columns=[*"abcd"])
    frame = frame.assign(text=draw.choice(["x", "y", "z"], 120), y=np.arange(120) % 2)
    frame.to_parquet(tmp_path / "t.parquet", row_group_size=50)
    data = {"source": "t.parquet", "target": "y"}
    storage = f"sqlite:///{tmp_path}/alone.db"
    alone = tiny(tmp_path, storage=storage, data={**data, "stream": False})
    engine = {"kind": "ray", "actors": 2}
    spec = tiny(tmp_path, data={**data, "stream": True}, engine=engine)
    pd.testing.assert_frame_equal(
        table(sweep.run(alone)), table(sweep.run(spec)), check_exact=True
    )
