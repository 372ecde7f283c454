import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
import torch
from optuna.trial import TrialState

import sweep
from sweep.cli.plan import print_plan
from sweep.errors import SweepError, UsageError
from sweep.plan.plan import make_plan
from sweep.result import StudyResult
from sweep.runner import loop, run
from sweep.runner.progress import Progress
from sweep.spec.study import StudySpec
from sweep.storage import lease
from sweep.storage.mirror import MirroredStorage
from sweep.training.cohort import Cohort
from sweep.training.messages import Report
from tests.support.cases import few_fast, slow_but
from tests.support.studies import tiny

EXACT = ["number", "state", "value", "alpha", "train_loss", "norm", "sparsity", "outcome"]


def table(result: StudyResult) -> pd.DataFrame:
    return result.trials[[c for c in EXACT if c in result.trials]]


def interrupting_after(epochs: int) -> Callable[[], bool]:
    """Ask to stop after so many epochs."""
    calls = iter(range(10**6))
    return lambda: next(calls) >= epochs


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> StudyResult:
    """The study as it is, run once."""
    return sweep.run(tiny(tmp_path_factory.mktemp("whole")))


def test_a_study_ends_with_exactly_n_trials_results_and_a_control(whole: StudyResult) -> None:
    result = whole
    assert result.ending == "done"
    assert list(result.trials["number"]) == list(range(14))
    assert set(result.trials["state"]) == {"COMPLETE"}
    baseline = result.study.user_attrs["baseline"]
    assert len(baseline["replicate_values"]) == 4
    assert baseline["penalty"] == 0
    assert result.study.user_attrs["verdict"] == result.verdict


def test_every_trial_stores_both_terms_of_the_objective(whole: StudyResult) -> None:
    for trial in whole.study.trials:
        attrs = trial.user_attrs
        assert trial.value == pytest.approx(sum(attrs["replicate_values"]) / 4)
        assert attrs["penalty"] == pytest.approx(trial.params["alpha"] * attrs["norm"])
        assert attrs["train_loss"] > 0 and 0 <= attrs["val_accuracy"] <= 1
        assert list(trial.intermediate_values) == [1, 2, 3, 4]
        assert trial.intermediate_values[4] == pytest.approx(trial.value)


def test_the_same_seed_gives_the_same_table_twice(tmp_path: Path, whole: StudyResult) -> None:
    again = sweep.run(tiny(tmp_path))
    pd.testing.assert_frame_equal(table(again), table(whole), check_exact=True)


def test_another_seed_gives_another_table(tmp_path: Path, whole: StudyResult) -> None:
    other = table(sweep.run(tiny(tmp_path, seed=1)))
    assert not table(whole)["value"].equals(other["value"])


@pytest.mark.parametrize(
    ("sampler", "pruner"),
    [
        ("tpe", "median"),
        *(pytest.param(sampler, pruner, marks=pytest.mark.slow) for sampler, pruner in (
            ("tpe", "none"), ("random", "none"), ("qmc", "none"), ("grid", "none"), ("gp", "none"),
            ("random", "hyperband"),
        )),
    ],
)  # fmt: skip
def test_the_width_changes_neither_asks_nor_results(
    tmp_path: Path, sampler: str, pruner: str
) -> None:
    tables = []
    for width in (3, 16, 96, 384):  # rounds, as many as in flight, more than there are trials
        spec = tiny(
            tmp_path, storage=f"sqlite:///{tmp_path}/{width}.db", training__width=width,
            search__sampler__type=sampler, search__pruner__type=pruner,
        )  # fmt: skip
        tables.append(table(sweep.run(spec)).sort_values("number"))
    assert ("PRUNED" in set(tables[0]["state"])) == (pruner != "none")
    for other in tables[1:]:
        pd.testing.assert_frame_equal(tables[0], other, rtol=2e-4)


def test_a_running_study_asks_by_results_of_trials_in_flight_before(
    tmp_path: Path, whole: StudyResult
) -> None:
    few = sweep.run(tiny(tmp_path, search__n_trials=6)).trials["alpha"]
    assert list(few) == list(whole.trials["alpha"][:6])


def test_n_trials_is_the_total_and_more_go_on_where_it_stopped(tmp_path: Path) -> None:
    sweep.run(tiny(tmp_path, search__n_trials=6, training__width=16))
    resumed = sweep.run(tiny(tmp_path, training__width=16))
    whole = sweep.run(tiny(tmp_path, study_name="whole", training__width=16))
    pd.testing.assert_frame_equal(table(resumed), table(whole), check_exact=True)


def test_running_a_finished_study_again_trains_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = table(sweep.run(tiny(tmp_path)))
    monkeypatch.setattr(Cohort, "advance", None)
    pd.testing.assert_frame_equal(table(sweep.run(tiny(tmp_path))), before, check_exact=True)


@pytest.mark.parametrize(
    ("epochs", "search"),
    [
        (0, {}), (7, {"pruner": {"type": "median"}}),
        *(pytest.param(epochs, search, marks=pytest.mark.slow) for epochs, search in (
            (1, {}), (5, {}), (9, {}),
            (7, {"sampler": {"type": "gp"}}),
            (9, {"sampler": {"type": "gp"}}),
            (7, {"pruner": {"type": "hyperband"}}),
            (7, {"sampler": {"type": "random"}, "pruner": {"type": "hyperband"}}),
        )),
    ],
)  # fmt: skip
def test_an_interrupted_study_resumes_to_the_table_of_an_uninterrupted_one(
    tmp_path: Path, epochs: int, search: dict[str, Any]
) -> None:
    given = {f"search__{key}": value for key, value in search.items()}
    stopped = sweep.run(tiny(tmp_path, **given), should_stop=interrupting_after(epochs))
    assert stopped.ending == "interrupted"
    states = {trial.state for trial in stopped.study.trials}
    assert states <= {TrialState.COMPLETE, TrialState.PRUNED, TrialState.WAITING}
    resumed = sweep.run(tiny(tmp_path, **given))
    whole = sweep.run(tiny(tmp_path, storage=f"sqlite:///{tmp_path}/whole.db", **given))
    pd.testing.assert_frame_equal(table(resumed), table(whole), check_exact=True)
    assert "attempts" not in resumed.trials  # a clean stop is nobody's failure


@pytest.mark.parametrize(
    "sampler",
    slow_but(("design",), ["design", "tpe", "gp", "qmc", "random", "grid"]),
)
def test_an_ask_that_is_cut_off_half_way_costs_the_sampler_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sampler: str
) -> None:
    """A heartbeat may store half an ask: the trial is there, its params are not."""
    given = {"search__sampler__type": sampler, "search__in_flight": 4}
    set_param, calls = MirroredStorage.set_trial_param, iter(range(10**6))

    def cut(self: MirroredStorage, *args: Any, **kwargs: Any) -> None:
        if next(calls) == 7:
            self.flush()
            raise KeyboardInterrupt
        set_param(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(MirroredStorage, "set_trial_param", cut)
        with pytest.raises(KeyboardInterrupt):
            sweep.run(tiny(tmp_path, **given))
    resumed = sweep.run(tiny(tmp_path, **given))
    whole = sweep.run(tiny(tmp_path, storage=f"sqlite:///{tmp_path}/whole.db", **given))
    pd.testing.assert_frame_equal(table(resumed), table(whole), check_exact=True)


def test_more_trials_ask_for_more_lanes(tmp_path: Path) -> None:
    first = sweep.run(tiny(tmp_path, search__n_trials=1)).study.user_attrs["width"]
    assert sweep.run(tiny(tmp_path)).study.user_attrs["width"] > first


def test_an_exception_in_training_leaves_a_study_that_resumes(
    tmp_path: Path, whole: StudyResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Cohort, "advance", failing_at(6, RuntimeError("broken"), Cohort.advance))
        with pytest.raises(RuntimeError, match="broken"):
            sweep.run(tiny(tmp_path))
    resumed = sweep.run(tiny(tmp_path))
    pd.testing.assert_frame_equal(table(resumed), table(whole), check_exact=True)


def failing_at(
    call: int, error: Exception, advance: Callable[..., Any] | None
) -> Callable[..., Any]:
    calls = iter(range(10**6))

    def fail(self: Cohort, *_: Any) -> Any:
        if next(calls) == call:
            raise error
        assert advance is not None
        return advance(self)

    return fail


@pytest.mark.parametrize("deed", slow_but(("advance",), ["launch", "advance"]))
def test_out_of_memory_halves_the_width_and_loses_no_trial(
    tmp_path: Path, whole: StudyResult, monkeypatch: pytest.MonkeyPatch, deed: str
) -> None:
    error = torch.OutOfMemoryError("no memory")
    monkeypatch.setattr(Cohort, deed, failing_at(6, error, getattr(Cohort, deed)))
    result = sweep.run(tiny(tmp_path))
    assert result.study.user_attrs["width"] == 10
    pd.testing.assert_frame_equal(table(result), table(whole), rtol=2e-4)


def test_memory_for_the_cohort_is_found_by_halving_it(
    tmp_path: Path, whole: StudyResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    init = Cohort.__init__

    def greedy(self: Cohort, *args: Any) -> None:
        if args[-1] > 6:  # what torch says of the CPU's memory
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 2 PiB")
        init(self, *args)

    monkeypatch.setattr(Cohort, "__init__", greedy)
    result = sweep.run(tiny(tmp_path))
    assert result.study.user_attrs["width"] == 5
    pd.testing.assert_frame_equal(table(result), table(whole), rtol=2e-4)


def test_no_memory_for_a_single_lane_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hopeless(*_: Any) -> None:
        raise torch.OutOfMemoryError("no memory")

    monkeypatch.setattr(Cohort, "__init__", hopeless)
    with pytest.raises(SweepError, match="device: must hold one lane"):
        sweep.run(tiny(tmp_path))


def test_other_errors_in_training_are_not_taken_for_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cohort, "__init__", failing_at(0, RuntimeError("shape"), None))
    with pytest.raises(RuntimeError, match="shape"):
        sweep.run(tiny(tmp_path))


def test_an_empty_study_of_the_other_direction_is_refused(tmp_path: Path) -> None:
    spec = tiny(tmp_path)
    optuna.create_study(storage=spec.storage, study_name="tiny", direction="maximize")
    with pytest.raises(UsageError, match="another program made"):
        sweep.run(spec)


def test_the_lease_is_renewed_while_an_epoch_takes_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, advance = tiny(tmp_path, search__n_trials=2, training__epochs=1), Cohort.advance
    renewed = threading.Event()

    def ticks() -> int:
        with closing(sqlite3.connect(tmp_path / "studies.db")) as connection:
            return int(connection.execute("select tick from sweep_leases").fetchone()[0])

    def slow(self: Cohort) -> list[Report]:
        before = ticks()
        while ticks() < before + 2:  # ends by the heartbeat alone
            renewed.wait(0.01)
        renewed.set()
        return advance(self)

    monkeypatch.setattr(run, "HEARTBEAT_S", 0.02)
    monkeypatch.setattr(Cohort, "advance", slow)
    sweep.run(spec)
    assert renewed.is_set()


def test_a_trial_that_diverges_is_pruned_at_its_last_finite_value(tmp_path: Path) -> None:
    spec = tiny(
        tmp_path,
        training={"optimizer": "sgd", "lr": 1.0, "epochs": 6, "batch_size": 25},
        search__space={"lr": {"low": 1e-3, "high": 1e12}, "alpha": {"low": 1e-14, "high": 1e-13}},
        search__sampler__type="random",
    )
    result = sweep.run(spec)
    trials = result.study.trials
    assert len(trials) == 14
    diverged = [t for t in trials if t.user_attrs["outcome"] == "diverged"]
    assert 0 < len(diverged) < 14
    for trial in diverged:
        assert "validation loss" in trial.user_attrs["reason"]
        if trial.state == TrialState.PRUNED:
            assert trial.value == trial.intermediate_values[max(trial.intermediate_values)]
        else:
            assert trial.state == TrialState.FAIL and not trial.intermediate_values
    assert {t.state for t in diverged} <= {TrialState.PRUNED, TrialState.FAIL}


def test_a_collapsed_trial_is_complete_and_named(tmp_path: Path) -> None:
    spec = tiny(
        tmp_path, penalty__norm="l1", search__space__alpha={"low": 1e-5, "high": 1e3},
        training__epochs=8,
    )  # fmt: skip
    outcomes = sweep.run(spec).trials.set_index("outcome")
    assert {"ok", "collapsed"} == set(outcomes.index)
    assert (outcomes.loc[["collapsed"], "norm"] == 0).all()
    assert (outcomes.loc[["collapsed"], "state"] == "COMPLETE").all()


def test_a_pruner_ends_trials_early_and_they_count(tmp_path: Path) -> None:
    spec = tiny(
        tmp_path,
        search__pruner={"type": "median", "n_startup_trials": 2},
        training__width=16,
        training__epochs=6,
    )
    states = list(sweep.run(spec).trials["state"])
    assert len(states) == 14 and "PRUNED" in states


def test_further_parameters_are_searched_and_the_control_takes_the_best_ones(
    tmp_path: Path,
) -> None:
    spec = tiny(tmp_path, search__space={"lr": {"low": 1e-3, "high": 1e-1}})
    result = sweep.run(spec)
    assert result.trials["lr"].nunique() == 14
    control = result.study.user_attrs["baseline"]["params"]
    assert control == {"lr": result.best.params["lr"], "alpha": 0.0}


def test_a_study_with_another_spec_is_refused_and_untouched(tmp_path: Path) -> None:
    before = table(sweep.run(tiny(tmp_path)))
    with pytest.raises(UsageError, match=r"training\.lr was 0\.02, is 0\.01.*--fresh"):
        sweep.run(tiny(tmp_path, training__lr=1e-2, search__n_trials=20))
    pd.testing.assert_frame_equal(table(sweep.run(tiny(tmp_path))), before, check_exact=True)


def test_fresh_starts_over_and_keeps_the_old_study(tmp_path: Path) -> None:
    old = table(sweep.run(tiny(tmp_path)))
    sweep.run(tiny(tmp_path, training__lr=1e-2), fresh=True)
    url = f"sqlite:///{tmp_path}/studies.db"
    kept, new = sorted(optuna.get_all_study_names(storage=url), key=len, reverse=True)
    assert kept.startswith("tiny-2") and new == "tiny"
    assert [t.value for t in optuna.load_study(study_name=kept, storage=url).trials] == list(
        old["value"]
    )


def test_a_study_of_another_program_is_refused(tmp_path: Path) -> None:
    spec = tiny(tmp_path)
    study = optuna.create_study(storage=spec.storage, study_name="tiny")
    study.tell(study.ask(), 1.0)
    with pytest.raises(UsageError, match="another"):
        sweep.run(spec)


def test_a_timeout_stops_asking_and_lets_running_trials_end(tmp_path: Path) -> None:
    result = sweep.run(tiny(tmp_path, search__timeout_s=1e-9))
    assert result.ending == "timeout"
    assert len(result.trials) < 14


def test_progress_counts_results_that_are_stored(tmp_path: Path) -> None:
    spec, seen = tiny(tmp_path), []

    def watch(progress: Progress) -> None:
        reader = optuna.load_study(study_name="tiny", storage=spec.storage)
        stored = reader.get_trials(states=(TrialState.COMPLETE,))
        assert len(stored) == progress.n_results
        seen.append(progress)

    sweep.run(spec, on_progress=watch)
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions) and fractions[-1] == 1
    assert seen[-1].best is not None


def test_results_are_published_now_and_then_and_at_the_end(tmp_path: Path) -> None:
    calls: list[float] = []
    began = time.monotonic()
    run.run_study(tiny(tmp_path), publish=lambda _: calls.append(time.monotonic() - began))
    assert 1 <= len(calls) <= 1 + calls[-1] / loop.PUBLISH_S


def test_the_lease_is_renewed_well_within_its_life() -> None:
    assert 2 * run.HEARTBEAT_S < lease.LIFE_S


OFFERED: list[dict[str, Any]] = [
    {"training": {"optimizer": "adamw", "epochs": 3, "lr": 1e-2}},
    {"training": {"optimizer": "sgd", "momentum": 0.9, "nesterov": True, "epochs": 3}},
    {
        "training": {
            "optimizer": "muon",
            "epochs": 3,
            "clip_norm": 0.5,
            "augment": ["noise", "mixup"],
            "schedule": {"type": "linear", "warmup": 0.2},
        }
    },
    {"training__precision": "bfloat16", "training__schedule": "one_cycle"},
    {"training__fused": False, "search__n_trials": 3},
    {"training__batch_size": "full", "training__schedule": "cosine"},
    {"penalty": {"norm": "elastic", "l1_ratio": 0.3}},
    {"replicates": {"n_folds": 1, "n_seeds": 3}},
    {"replicates": {"n_folds": 1}},
    {"objective__metric": "val_error"},
    {"model__hidden": [8, 8], "model__activation": "tanh"},
    {"search__sampler": {"type": "gp", "n_startup_trials": 4}, "search__n_trials": 7},
    {"search__pruner__type": "hyperband"},
]


@pytest.mark.parametrize("overrides", few_fast(OFFERED, 2))
def test_what_a_study_file_offers_runs(tmp_path: Path, overrides: dict[str, Any]) -> None:
    spec = tiny(tmp_path, **{"search__n_trials": 6, **overrides})
    result = sweep.run(spec)
    assert len(result.trials) == spec.search.n_trials
    assert result.verdict


@pytest.mark.slow
@pytest.mark.alone
def test_a_study_killed_again_and_again_ends_with_the_table_of_an_uninterrupted_one(
    tmp_path: Path,
) -> None:
    spec = tiny(tmp_path, training__epochs=40)
    whole = sweep.run(tiny(tmp_path, study_name="whole", training__epochs=40))
    command = [sys.executable, "-m", "sweep", "run", str(tmp_path / "tiny.yaml"), "--json",
               "--storage", spec.storage, "--set", "training.epochs=40"]  # fmt: skip
    moments = random.Random(0)
    for results in (0, 0, 4, 6, 9, 12):  # none of a wave is cut off three times
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while process.poll() is None and stored_results(tmp_path) < results:
            time.sleep(0.01)
        time.sleep(moments.random() * (3 if results == 0 else 0.3))  # the first are in start-up
        process.kill()
        process.wait()
    resumed = sweep.run(spec)
    pd.testing.assert_frame_equal(table(resumed), table(whole), check_exact=True)


def stored_results(folder: Path) -> int:
    """Count a study's finished trials as another process sees them; 0 before there are any."""
    query = """select count(*) from trials join studies using (study_id)
               where study_name = 'tiny' and state = 'COMPLETE'"""
    with closing(sqlite3.connect(folder / "studies.db", timeout=60)) as connection:
        return int(connection.execute(query).fetchone()[0])


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"search__sampler": {"type": "tpe", "n_ei": 3}}, r"search\.sampler\.n_ei: TPESampler"),
        ({"search__pruner": {"type": "median", "n": 3}}, r"search\.pruner\.n: MedianPruner"),
        (
            {"search__sampler": {"type": "grid", "points": 3}},
            r"search\.sampler\.points: must give",
        ),
    ],
)
def test_options_of_others_are_refused_before_anything_is_written(
    tmp_path: Path, overrides: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        sweep.run(tiny(tmp_path, **overrides))
    assert not (tmp_path / "studies.db").exists()


def with_a_constant_group(folder: Path) -> StudySpec:
    """Make a study of four groups as folds, in one of which all targets are 5."""
    draw = np.random.default_rng(0)
    X, groups = draw.normal(size=(80, 3)), np.arange(80) % 4
    y = np.where(groups == 2, 5.0, X[:, 0] + draw.normal(size=80))
    np.savez(folder / "rows.npz", X=X, y=y, groups=groups)
    return tiny(
        folder, data__source="rows.npz", data__task="regression", data__label_noise=0.0,
        data__train_rows=None, data__test_fraction=0.0, search__n_trials=4,
    )  # fmt: skip


def test_a_fold_whose_targets_are_constant_says_so_and_has_no_r2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = with_a_constant_group(tmp_path)
    result = sweep.run(spec)
    said = "R² leaves out 1 of 4 folds, where the targets of all validation rows are the same"
    assert said in result.verdict
    assert len(result.study.user_attrs["problem"]["unscored_folds"]) == 1
    assert all(-10 < r2 < 1 for r2 in result.trials["val_r2"])
    assert -10 < result.study.user_attrs["baseline"]["val_r2"] < 1
    print_plan({}, make_plan(spec))
    assert said in capsys.readouterr().out


OWN = {
    "model": (
        "model: {source: 'python:own:make'}",
        "from torch import nn\n"
        "def make(n_features, n_outputs):\n    return nn.Linear(n_features, n_outputs)\n",
    ),
    "loss": (
        "training: {loss: 'python:own:rows'}",
        "from torch.nn.functional import nll_loss\n"
        "def rows(outputs, targets):\n"
        "    return nll_loss(outputs.log_softmax(-1), targets, reduction='none')\n",
    ),
    "metric": (
        "objective: {metric: 'python:own:of', direction: maximize}",
        "def of(predictions, targets):\n    return 0.5\n",
    ),
}


@pytest.mark.parametrize("what", OWN)
def test_a_study_does_not_go_on_with_a_function_whose_file_has_changed(
    tmp_path: Path, what: str
) -> None:
    key, text = OWN[what]
    (tmp_path / "own.py").write_text(text)
    path = tmp_path / "study.yaml"
    path.write_text(
        f"study_name: own\nstorage: sqlite:///{tmp_path}/s.db\ndevice: cpu\n"
        f"data: {{source: 'sklearn:iris', train_rows: 60}}\nreplicates: {{n_folds: 3}}\n{key}\n"
    )
    few = {"training.epochs": 2, "search.sampler.type": "random"}
    sweep.run(sweep.load_spec(path, {**few, "search.n_trials": 2}))
    (tmp_path / "own.py").write_text(f"{text}# another\n")
    with pytest.raises(UsageError, match=f"the {what}'s file has other content"):
        sweep.run(sweep.load_spec(path, {**few, "search.n_trials": 3}))
