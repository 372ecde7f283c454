"""`sweep transfer`: what it prints, stores and hands on."""

import json
from pathlib import Path

import pytest

import sweep
from sweep.config.export import read_config
from tests.conftest import Command

STUDY = """\
study_name: small
storage: sqlite:///small.db
device: cpu
data: {source: sklearn:digits, scale: none, train_rows: 120, label_noise: 0.2}
model: {hidden: [8]}
training: {lr: 2e-2, batch_size: 40, epochs: 15}
search: {n_trials: 13, sampler: {type: design}}
replicates: {n_folds: 3}
"""


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(STUDY)
    return "small.yaml"


@pytest.mark.slow
def test_a_ladder_is_run_said_and_used(study: str, command: Command) -> None:
    done = command("transfer", study, "--rows", "480")
    assert done.code == 0, done.err
    assert [line for line in done.out.splitlines() if line.endswith(":")] == [
        "small:", "small-rows-30:", "small-rows-60:",
    ]  # fmt: skip
    assert " is best for 480 rows, times or divided by " in done.out

    # What was trained is not trained again.
    again = command("transfer", study, "--rows", "480", "--json")
    found = json.loads(again.out)
    assert found["sizes"] == [30, 60, 120]
    assert found["study_name"] == "small"
    assert f"alpha = {found['strength']:.3g} is best" in done.out

    config = read_config(sweep.load_result(study).export("config.yaml"))
    assert config["transfer"] == {key: found[key] for key in config["transfer"]}


def test_a_stop_is_told_and_taken_up_again(study: str, command: Command) -> None:
    timeout = ("--set", "search.timeout_s=1e-9")
    done = command("transfer", study, *timeout)
    assert (done.code, done.out.splitlines()[-1][:30]) == (130, "stopped, everything is saved; ")
    done = command("transfer", study, *timeout, "--json")
    assert done.code == 130
    assert json.loads(done.out) == {"study_name": "small", "ending": "stopped"}


@pytest.mark.slow
def test_rows_are_those_of_a_refit_by_default(study: str, command: Command) -> None:
    done = command("transfer", study, "--json", "--set", "data.train_rows=400",
                   "--set", "search.n_trials=8")  # fmt: skip
    assert json.loads(done.out)["size"] == 1438  # all but the test rows


@pytest.mark.slow
def test_best_strengths_at_the_end_of_their_range_are_no_line(
    study: str, command: Command
) -> None:
    narrow = ("--set", "search.space.alpha={low: 3e-5, high: 6e-4}")
    done = command("transfer", study, "--rows", "240", *narrow)
    assert done.code == 2 and "is best" not in done.out
    line = done.err.splitlines()[-1]
    assert "the best strength of each size within its range, got an end of it: " in line


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (("--rows", "2000"), "--rows: must be at most 10 times what was trained, 120, got 2000"),
        (("--rows", "9", "--hidden", "9"), "--hidden: must stand without --rows, got both"),
        (("--hidden", "9", "--set", "model.hidden=[]"), "--hidden: must be of a study"),
        (("--set", "replicates.n_folds=2"), "must have 3 folds or more"),
        (("--set", "search.space.lr={low: 1e-3, high: 1}", "--set", "search.sampler.type=tpe"),
         "search the strength alone"),
    ],
)  # fmt: skip
def test_what_cannot_be_followed_is_one_line(
    args: tuple[str, ...], line: str, study: str, command: Command
) -> None:
    done = command("transfer", study, *args)
    assert done.code == 2
    assert line in done.err.splitlines()[-1]
