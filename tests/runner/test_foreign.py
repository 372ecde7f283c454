"""Trials that another program writes into a study, between runs or while one runs.

What a user enqueues well is trained; all else is left out, and the study is as if it had never
been there. Nothing ends in a traceback.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
import sqlalchemy
from optuna.trial import TrialState, create_trial

import sweep
from sweep.analysis.status import load_study, overview
from sweep.config.export import make_config
from sweep.reporting.page import write_report
from sweep.result import StudyResult
from sweep.runner.progress import Progress
from sweep.spec.study import StudySpec
from sweep.storage.doctor import examine, repair
from tests.support import postgres
from tests.support.cases import few_fast
from tests.support.foreign import KINDS, Write, alpha, everything, write
from tests.support.studies import tiny

N_TRIALS, STOPPED_AT = 8, 5


def small(folder: Path, **overrides: Any) -> StudySpec:
    """Make a study of a linear network that takes a fraction of a second."""
    return tiny(
        folder, data__source="sklearn:iris", data__train_rows=40, data__label_noise=0.0,
        model__hidden=[], training__epochs=2, search__n_trials=N_TRIALS, search__in_flight=2,
        search__space__alpha__low=1e-4, search__space__alpha__high=1e-1, replicates__n_folds=3,
        **{"training__width": 6, **overrides},
    )  # fmt: skip


# --- what becomes of it


def table(study: optuna.Study) -> str:
    """Return all that is stored of every trial but its times and ids."""
    return json.dumps(
        [
            (t.number, t.state.name, t.values, t.params, t.intermediate_values, t.user_attrs)
            for t in study.get_trials(deepcopy=False)
        ],
        default=str,
    )


def attempts_aside(text: str) -> str:
    """Drop the count of attempts: a foreign program that takes a trial cuts it off, as we do."""
    return text.replace(', "attempts": 1', "").replace('"attempts": 1, ', "")


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study that was stopped half way, never to be written again."""
    folder = tmp_path_factory.mktemp("stopped")
    calls = iter(range(10**6))
    result = sweep.run(small(folder), should_stop=lambda: next(calls) >= STOPPED_AT)
    assert result.ending == "interrupted"
    states = [trial.state.name for trial in result.study.trials]
    assert states.count("COMPLETE") >= 2 and states.count("WAITING") >= 1
    return folder


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    return table(sweep.run(small(tmp_path_factory.mktemp("undisturbed"))).study)


@pytest.fixture
def spec(stopped: Path, tmp_path: Path) -> StudySpec:
    shutil.copy(stopped / "studies.db", tmp_path)
    return small(tmp_path)


def read_by_all(spec: StudySpec, folder: Path, best: float | None = None) -> None:
    """Read a study by all that reads: none counts what another program wrote."""
    study = load_study(spec.storage, "tiny")
    result = StudyResult(study)
    assert set(result.trials["state"]) <= {"COMPLETE", "WAITING", "RUNNING"}
    assert len(result.trials) <= N_TRIALS + 2
    assert result.best.value > 0 and math.isfinite(result.best.value)
    assert "beta" not in result.trials and "x" not in result.trials
    assert make_config(study)["best_params"] == result.best.params
    write_report([study], folder / "report.html")
    ours = next(row for row in overview(spec.storage) if row["study"] == "tiny")
    assert ours["best"] == pytest.approx(result.best.value)
    assert ours["n_results"] == int((result.trials["state"] == "COMPLETE").sum())
    if best is not None:
        assert result.best.value == best


def kinds_found(url: str) -> set[str]:
    return {finding.kind for finding in examine(url)} - {"lease", "placeholder", "running"}


def check_between_runs(spec: StudySpec, folder: Path, kind: Write, undisturbed: str) -> None:
    before = load_study(spec.storage, "tiny")
    write(spec.storage, kind)
    read_by_all(spec, folder, StudyResult(before).best.value)
    left = left_out(load_study(spec.storage, "tiny"))
    # A program that asks takes a trial of ours that waits; it is ours until it is ended.
    assert left or len(before.trials) == len(load_study(spec.storage, "tiny").trials)
    assert kinds_found(spec.storage) == ({"foreign"} if left else set())
    result = sweep.run(spec)
    assert attempts_aside(table(result.study)) == undisturbed
    assert len(result.trials) == N_TRIALS
    assert kinds_found(spec.storage) == set()
    read_by_all(spec, folder)
    assert len(result.trial_notes) == bool(left)
    if left:
        check_aside(spec, result.trial_notes[0])


def left_out(study: optuna.Study) -> list[str]:
    lines = StudyResult(study).trial_notes
    assert all("written by another program and left out" in line for line in lines)
    return lines


def check_aside(spec: StudySpec, line: str) -> None:
    count = int(line.split()[0])
    assert f"{count} trial" in line and "moved to the study 'tiny (other programs)'" in line
    aside = load_study(spec.storage, "tiny (other programs)")
    assert [trial.number for trial in aside.trials] == list(range(count))
    assert all(trial.user_attrs["sweep:left_out"] for trial in aside.trials)


def check_while_it_runs(spec: StudySpec, folder: Path, kind: Write, undisturbed: str) -> None:
    told: list[Progress] = []

    def disturb(progress: Progress) -> None:
        told.append(progress)
        if len(told) == 3:
            write(spec.storage, kind)

    result = sweep.run(spec, on_progress=disturb)
    assert result.ending == "done"
    assert table(load_study(spec.storage, "tiny")) == undisturbed
    read_by_all(spec, folder)
    assert kinds_found(spec.storage) == set()


def test_a_run_takes_no_notice_of_all_kinds_between_runs(
    spec: StudySpec, tmp_path: Path, undisturbed: str
) -> None:
    check_between_runs(spec, tmp_path, everything, undisturbed)


def test_a_run_takes_no_notice_of_all_kinds_while_it_runs(
    tmp_path: Path, undisturbed: str
) -> None:
    check_while_it_runs(small(tmp_path), tmp_path, everything, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_takes_no_notice_between_runs(
    kind: str, spec: StudySpec, tmp_path: Path, undisturbed: str
) -> None:
    check_between_runs(spec, tmp_path, KINDS[kind], undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_takes_no_notice_while_it_runs(kind: str, tmp_path: Path, undisturbed: str) -> None:
    check_while_it_runs(small(tmp_path), tmp_path, KINDS[kind], undisturbed)


@pytest.fixture
def database() -> Iterator[str]:
    with postgres.shared_server().database() as url:
        yield url


@pytest.mark.slow
@pytest.mark.parametrize("check", ["between", "while"])
def test_postgresql_is_no_different(
    check: str, database: str, tmp_path: Path, undisturbed: str
) -> None:
    spec = small(tmp_path, storage=database)
    if check == "while":
        check_while_it_runs(spec, tmp_path, everything, undisturbed)
        return
    calls = iter(range(10**6))
    sweep.run(spec, should_stop=lambda: next(calls) >= STOPPED_AT)
    check_between_runs(spec, tmp_path, everything, undisturbed)


# --- what a user enqueues


def _waiting(study: optuna.Study) -> None:
    study.add_trial(create_trial(state=TrialState.WAITING, **alpha(0.03)))


ENQUEUED: dict[str, Write] = {
    "enqueue_trial": lambda study: study.enqueue_trial({"alpha": 0.03}),
    "a trial that waits": _waiting,
    "with attributes": lambda study: study.enqueue_trial({"alpha": 0.03}, user_attrs={"by": "me"}),
}


def by_hand(result: StudyResult) -> dict[int, float]:
    trials = [trial for trial in result.study.trials if trial.user_attrs.get("enqueued")]
    assert all(t.state == TrialState.COMPLETE and t.value is not None for t in trials)
    return {trial.number: trial.params["alpha"] for trial in trials}


@pytest.mark.parametrize("how", few_fast(ENQUEUED, 2))
def test_a_strength_enqueued_between_runs_is_trained_as_the_users_own(
    how: str, spec: StudySpec, undisturbed: str
) -> None:
    n_before = len(load_study(spec.storage, "tiny").trials)
    write(spec.storage, ENQUEUED[how])
    waiting = StudyResult(load_study(spec.storage, "tiny"))
    number = f"trial #{n_before}"
    room = "`sweep run` trains as many as search.n_trials leaves room for"
    assert waiting.trial_notes == [f"{number} was enqueued; {room}"]
    assert len(waiting.trials) == n_before
    assert kinds_found(spec.storage) == {"enqueued"}
    result = sweep.run(spec)
    assert by_hand(result) == {n_before: 0.03}
    assert result.trial_notes == [f"{number} was enqueued by hand, not chosen by the search"]
    assert [trial.number for trial in result.study.trials] == list(range(N_TRIALS))
    rows, expected = json.loads(table(result.study)), json.loads(undisturbed)
    assert rows[:n_before] == expected[:n_before]
    assert kinds_found(spec.storage) == set()


def test_a_strength_enqueued_while_a_study_runs_is_trained(tmp_path: Path) -> None:
    told: list[Progress] = []

    def disturb(progress: Progress) -> None:
        told.append(progress)
        if len(told) == 2:
            write(f"sqlite:///{tmp_path}/studies.db", ENQUEUED["enqueue_trial"])
            write(f"sqlite:///{tmp_path}/studies.db", KINDS["better than any"])
            write(f"sqlite:///{tmp_path}/studies.db", ENQUEUED["a trial that waits"])

    result = sweep.run(small(tmp_path), on_progress=disturb)
    assert list(by_hand(result).values()) == [0.03, 0.03]
    assert list(result.trials["number"]) == list(range(N_TRIALS))
    enqueued, moved = result.trial_notes
    assert "were enqueued by hand" in enqueued and "1 trial of other programs" in moved
    assert kinds_found(result.study._storage._backend.url) == set()  # type: ignore[attr-defined]


def test_a_strength_enqueued_after_the_last_trial_waits_for_more_trials(tmp_path: Path) -> None:
    spec = small(tmp_path)
    sweep.run(spec)
    write(spec.storage, ENQUEUED["enqueue_trial"])
    assert len(sweep.run(spec).trials.query("state == 'COMPLETE'")) == N_TRIALS
    more = spec.model_copy(
        update={"search": spec.search.model_copy(update={"n_trials": N_TRIALS + 1})}
    )
    assert by_hand(sweep.run(more)) == {N_TRIALS: 0.03}


def test_an_enqueued_strength_keeps_its_number_when_a_run_is_cut_off(
    spec: StudySpec, tmp_path: Path
) -> None:
    write(spec.storage, ENQUEUED["enqueue_trial"])
    shutil.copytree(tmp_path, tmp_path / "whole")
    whole = sweep.run(small(tmp_path / "whole"))
    calls = iter(range(10**6))
    assert sweep.run(spec, should_stop=lambda: next(calls) >= 1).ending == "interrupted"
    assert table(sweep.run(spec).study) == table(whole.study)


# --- other places, and studies of earlier versions


def test_the_doctor_puts_them_aside_and_the_study_goes_on_as_if_they_had_never_been(
    spec: StudySpec, tmp_path: Path, undisturbed: str
) -> None:
    write(spec.storage, everything)
    mended = repair(spec.storage)
    assert mended.left == [] or {one.kind for one in mended.left} == {"running"}
    assert any("moved them to a study of their own" in line for line in mended.done)
    assert mended.backup is not None
    assert repair(spec.storage).done == []
    read_by_all(spec, tmp_path)
    assert attempts_aside(table(sweep.run(spec).study)) == undisturbed


def forget(url: str, statement: str) -> None:
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


def test_a_study_of_an_earlier_version_has_no_count_of_asks(
    spec: StudySpec, tmp_path: Path, undisturbed: str
) -> None:
    forget(spec.storage, "DELETE FROM study_system_attributes WHERE key = 'sweep:asked'")
    check_between_runs(spec, tmp_path, KINDS["optimized"], undisturbed)


def test_a_foreign_trial_among_own_ones_leaves_its_number_to_be_trained(
    tmp_path: Path, undisturbed: str
) -> None:
    spec = small(tmp_path)
    sweep.run(spec)
    for part in ("trial_user_attributes", "trial_intermediate_values"):
        numbers = "SELECT trial_id FROM trials WHERE number IN (0, 3)"
        forget(spec.storage, f"DELETE FROM {part} WHERE trial_id IN ({numbers})")
    # What the run's end said, when the best of these was still its own.
    forget(spec.storage, "DELETE FROM study_user_attributes WHERE key IN ('verdict', 'chosen')")
    assert kinds_found(spec.storage) == {"foreign"}
    read_by_all(spec, tmp_path)
    result = sweep.run(spec)
    assert table(result.study) == undisturbed
    check_aside(spec, result.trial_notes[0])
    aside = load_study(spec.storage, "tiny (other programs)").trials
    before = [row for row in json.loads(undisturbed) if row[0] in (0, 3)]
    assert [[trial.values, trial.params] for trial in aside] == [row[2:4] for row in before]


@pytest.mark.parametrize("width", few_fast([3, 12], 2))
def test_the_trials_do_not_depend_on_the_width_either(
    width: int, tmp_path: Path, undisturbed: str
) -> None:
    told: list[Progress] = []

    def disturb(progress: Progress) -> None:
        told.append(progress)
        if len(told) == 3:
            write(f"sqlite:///{tmp_path}/studies.db", everything)

    result = sweep.run(small(tmp_path, training__width=width), on_progress=disturb)
    params = [row[3] for row in json.loads(undisturbed)]
    assert [trial.params for trial in result.study.trials] == [pytest.approx(p) for p in params]
