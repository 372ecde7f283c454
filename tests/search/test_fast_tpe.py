"""The proposals of TPE are those of Optuna's own sampler, to the last bit."""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import optuna
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import TPESampler
from optuna.samplers._tpe import _truncnorm
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator
from optuna.trial import FrozenTrial, TrialState, create_trial

from sweep.runner import resume
from sweep.search import fast_tpe, samplers
from sweep.search.ask_tell import Search
from sweep.search.fast_tpe import TPE
from sweep.search.samplers import make_sampler, make_space
from sweep.storage.mirror import MirroredStorage
from tests.support.cases import slow_but
from tests.support.studies import tiny

ALPHA = FloatDistribution(1e-5, 1e-1, log=True)
SPACES: dict[str, dict[str, BaseDistribution]] = {
    "one": {"alpha": ALPHA},
    "two": {"lr": FloatDistribution(1e-3, 1e-1, log=True), "momentum": FloatDistribution(0, 1)},
    "four": {
        "alpha": ALPHA,
        "lr": FloatDistribution(1e-3, 1e-1, log=True),
        "momentum": FloatDistribution(-1, 1),
        "l1_ratio": FloatDistribution(0, 1),
    },
}

Direction = Literal["minimize", "maximize"]

optuna.logging.set_verbosity(optuna.logging.ERROR)


class Checked(TPE):
    """TPE that asks Optuna's code first, and counts how often it has answered itself."""

    n_own = 0

    def _sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: Any
    ) -> dict[str, Any]:
        before = self._rng.rng.get_state()
        theirs = TPESampler._sample_relative(self, study, trial, search_space)
        after = repr(self._rng.rng.get_state())
        self._rng.rng.set_state(before)
        ours = super()._sample_relative(study, trial, search_space)
        assert repr(ours) == repr(theirs)
        assert repr(self._rng.rng.get_state()) == after  # what is drawn next is the same too
        return ours

    def _propose(self, *args: Any) -> dict[str, Any] | None:
        found = super()._propose(*args)
        self.n_own += bool(found)
        return found


@contextmanager
def owned(
    folder: Path, sampler: TPESampler, direction: Direction = "minimize"
) -> Iterator[tuple[MirroredStorage, optuna.Study]]:
    mirror = MirroredStorage.open(f"sqlite:///{folder}/studies.db", "s")
    try:
        yield (
            mirror,
            optuna.create_study(
                storage=mirror, study_name="s", sampler=sampler, direction=direction
            ),
        )
    finally:
        mirror.close()


def fill(study: optuna.Study, space: dict[str, Any], count: int) -> None:
    rng = np.random.default_rng(count)
    for _ in range(count):
        params = {
            name: float(np.exp(rng.uniform(np.log(d.low), np.log(d.high))))
            if d.log
            else float(rng.uniform(d.low, d.high))
            for name, d in space.items()
        }
        study.add_trial(create_trial(value=rng.normal(), params=params, distributions=space))


def end(
    study: optuna.Study, trial: optuna.Trial, rng: np.random.Generator, pruned: float, steps: int
) -> None:
    """End a trial in one of the ways that there are; many have equal values."""
    value = float(
        rng.choice([round(rng.normal(), 1), rng.normal(), math.inf], p=[0.5, 0.48, 0.02])
    )
    kind = rng.choice(["complete", "pruned", "fail"], p=[0.9 - pruned, pruned, 0.1])
    for step in range(rng.integers(0, steps + 1) if kind == "pruned" else 2):
        trial.report(float(rng.choice([value, math.nan], p=[0.8, 0.2])), step)
    if kind == "complete":
        study.tell(trial, value)
    else:
        study.tell(trial, state=TrialState.PRUNED if kind == "pruned" else TrialState.FAIL)


@pytest.mark.parametrize("seed", slow_but((1, 6, 11), range(12)))
def test_proposals_are_those_of_optuna(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    options: dict[str, Any] = {
        "n_startup_trials": int(rng.integers(0, 15)),
        "n_ei_candidates": int(rng.integers(1, 40)),
        "constant_liar": bool(seed % 3),
        "seed": seed,
    }
    space: dict[str, Any] = dict(list(SPACES.values())[seed % 3])
    lag = int(rng.integers(1, 9))
    direction: Direction = "maximize" if seed % 4 == 3 else "minimize"
    sampler, n_own = Checked(**options), 0
    with owned(tmp_path, sampler, direction) as (mirror, study):
        running: dict[int, optuna.Trial] = {}
        for turn in range(110):
            if turn == 60:  # as a search does that looks further
                name = next(iter(space))
                space[name] = FloatDistribution(
                    space[name].low / 10, space[name].high * 10, log=space[name].log
                )
                mirror.widen(study._study_id, name, space[name])
                n_own, sampler = sampler.n_own, Checked(**options)
                study.sampler = sampler
            if rng.random() < 0.05:  # some of the params, and an end of the range
                name = str(rng.choice(list(space)))
                study.enqueue_trial({name: space[name].high})
            number = len(study.get_trials(deepcopy=False))
            with mirror.view.showing(number - lag if rng.random() < 0.8 else number):
                part = rng.choice(["all", "none", "one"], p=[0.94, 0.03, 0.03])
                asked = {"all": space, "none": {}, "one": dict([next(iter(space.items()))])}
                trial = study.ask(asked[part if turn > 80 or part != "one" else "all"])
            running[trial.number] = trial
            while len(running) >= lag or (running and rng.random() < 0.3):
                oldest_first = sorted(running)
                done = running.pop(oldest_first[0 if rng.random() < 0.8 else -1])
                if rng.random() < 0.05:
                    mirror.requeue_trial(done._trial_id)
                elif not done.params:
                    study.tell(done, state=TrialState.FAIL)
                else:
                    end(study, done, rng, pruned=0.88 if seed % 2 else 0.2, steps=1 + seed % 3)
    assert n_own + sampler.n_own > 50


@pytest.mark.slow
@pytest.mark.parametrize(("space", "trials"), [("one", 1975), ("four", 480), ("two", 960)])
def test_proposals_stay_where_optuna_computes_in_another_way(
    tmp_path: Path, space: str, trials: int
) -> None:
    sampler = Checked(seed=1)
    with owned(tmp_path, sampler) as (_, study):
        fill(study, SPACES[space], trials)
        for turn in range(80):
            trial = study.ask(SPACES[space])
            study.tell(trial, float(np.sin(turn)))
    assert sampler.n_own == 80


@pytest.mark.parametrize(("space", "trials"), [("one", 2030), ("two", 1015), ("four", 505)])
def test_densities_are_those_of_optuna(space: str, trials: int) -> None:
    """Whatever an earlier ask has left, and whether a kernel comes, goes or moves up."""
    searched, rng = SPACES[space], np.random.default_rng(0)
    intervals = [fast_tpe._Interval.of(distribution) for distribution in searched.values()]
    masses = fast_tpe._Masses()
    ends = np.array([[at.first, at.last] for at in intervals])
    at_ends = np.repeat(ends, 3, axis=1)
    values = np.concatenate(
        [at_ends, rng.uniform(ends[:, :1], ends[:, 1:], (len(ends), trials))], axis=1
    )
    values[:, 50:60] = values[:, 40:50]
    for n in [0, 1, 2, 5, 24, 25, 26, 300, *range(trials - 60, trials + 6, 3), trials, 300]:
        chosen = np.delete(values[:, :n], slice(n // 3, n // 3 + n % 5), axis=1)
        mixture = fast_tpe._Mixture(chosen, intervals, masses)
        observed = dict(zip(searched, chosen, strict=True))
        theirs = _ParzenEstimator(observed, searched, fast_tpe.DEFAULTS)
        drawn = mixture.draw(np.random.RandomState(n), 24)
        samples = theirs.sample(np.random.RandomState(n), 24)
        assert drawn.tolist() == [column.tolist() for column in samples.values()]
        for points in (drawn, values[:, 60:100]):
            assert mixture.covers(points)
            named = dict(zip(searched, points, strict=True))
            assert mixture.log_pdf(points).tolist() == theirs.log_pdf(named).tolist()
        anew = _truncnorm._log_gauss_mass(masses._a, masses._b)
        assert masses._masses.tolist() == anew.tolist()


@pytest.mark.slow
def test_proposals_beside_many_trials(tmp_path: Path) -> None:
    sampler = Checked(seed=1)
    with owned(tmp_path, sampler) as (_, study):
        fill(study, SPACES["two"], 9000)
        for turn in range(20):
            study.tell(study.ask(SPACES["two"]), float(np.sin(turn)))
    assert sampler.n_own == 20


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # from Optuna's own code
def test_candidates_beyond_an_end_are_weighed_by_optuna(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rounded(**arguments: Any) -> Any:
        drawn = rvs(**arguments)
        drawn[:, 1::3] = math.log(ALPHA.high) + 1e-9
        return drawn

    rvs = _truncnorm.rvs
    monkeypatch.setattr(_truncnorm, "rvs", rounded)
    sampler = Checked(seed=1)
    with owned(tmp_path, sampler) as (_, study):
        for alpha in np.geomspace(1e-5, 1e-1, 20).tolist():  # the best far from that end
            study.add_trial(
                create_trial(value=alpha, params={"alpha": alpha}, distributions=SPACES["one"])
            )
        study.ask(SPACES["one"])
    assert sampler.n_own == 1


def test_a_study_that_is_another_one_is_read_anew(tmp_path: Path) -> None:
    """What the sampler remembers is compared with what it is shown."""
    sampler = Checked(seed=1)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        sampler._search_space = optuna.search_space.IntersectionSearchSpace(include_pruned=True)
        with owned(tmp_path / name, sampler) as (_, study):
            fill(study, SPACES["one"], 20 if name == "a" else 30)
            study.ask(SPACES["one"])
    assert sampler.n_own == 2


# --- what is left to Optuna ----------------------------------------------------------------


def test_the_installed_optuna_is_the_one_that_is_followed() -> None:
    """If this fails, compare Optuna's TPE with ours, then let FOLLOWED name the new release."""
    assert optuna.__version__ == fast_tpe.FOLLOWED


def test_beside_another_optuna_its_own_code_proposes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast_tpe, "FOLLOWED", "4.9.0")
    sampler = Checked(seed=1)
    with owned(tmp_path, sampler) as (_, study):
        fill(study, SPACES["one"], 20)
        study.ask(SPACES["one"])
    assert sampler.n_own == 0


@pytest.mark.parametrize(
    "distribution",
    [
        CategoricalDistribution(["a", "b"]),
        IntDistribution(1, 9),
        FloatDistribution(0, 1, step=0.25),
    ],
)
def test_other_distributions_are_left_to_optuna(
    tmp_path: Path, distribution: BaseDistribution
) -> None:
    sampler = Checked(seed=1)
    space = {"alpha": ALPHA, "other": distribution}
    with owned(tmp_path, sampler) as (_, study):
        for turn in range(20):
            study.tell(study.ask(space), float(np.sin(turn)))
    assert sampler.n_own == 0


@pytest.mark.parametrize("what", ["constrained", "enqueued outside", "hyperband", "multivariate"])
def test_other_studies_are_left_to_optuna(tmp_path: Path, what: str) -> None:
    sampler = Checked(seed=1, multivariate=False if what == "multivariate" else None)
    with owned(tmp_path, sampler) as (_, study):
        if what == "hyperband":
            study.pruner = optuna.pruners.HyperbandPruner(1, 9)
        if what == "enqueued outside":
            study.enqueue_trial({"alpha": 0.5})
        for turn in range(20):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # out of range, says Optuna
                trial = study.ask(SPACES["one"])
            if what == "constrained":
                trial.set_constraint("c", turn - 9.5)
            study.tell(trial, float(np.sin(turn)))
    assert sampler.n_own == 0


# --- a whole search ------------------------------------------------------------------------


def table(folder: Path, monkeypatch: pytest.MonkeyPatch, made: type[TPESampler]) -> list[Any]:
    """Search with a range that is widened, prunings, divergence and restarts."""
    folder.mkdir()
    spec = tiny(
        folder,
        search__n_trials=160,
        search__space__lr={"low": 1e-3, "high": 1e-1},
        search__sampler__type="tpe",
    )
    monkeypatch.setattr(samplers, "TPE", made)
    low = 1e-4
    for until in (50, 90, 160):
        mirror = MirroredStorage.open(spec.storage, spec.study_name)
        study = optuna.create_study(
            storage=mirror,
            study_name=spec.study_name,
            sampler=make_sampler(spec.search.sampler, spec.seed),
            load_if_exists=True,
        )
        resume.reconcile(mirror, study._study_id)
        asking = Search(mirror, study, spec, make_space(spec, low, 1e-1), epochs=4)
        running: list[tuple[int, Any]] = []
        while (asking.new or 0) < until and asking.wanted:
            if asking.new == 70:
                low /= 10
                asking.widen(make_space(spec, low, 1e-1), {70: {"alpha": low}})
            while asking.ready and len(running) < 4:
                running.append(asking.ask())
            number, params = running.pop(0)
            value = abs(math.log(params["alpha"] / 3e-5)) + round(math.sin(number), 1)
            asking.report(number, 2, value)
            if number % 11 == 3:
                asking.tell_diverged(number, "for a test")
            else:
                asking.tell(number, TrialState.COMPLETE, value, {"outcome": "ok", "n": number})
        mirror.close()
    trials = optuna.load_study(storage=spec.storage, study_name=spec.study_name).trials
    return [(t.number, t.state, t.values, t.params, t.system_attrs, t.user_attrs) for t in trials]


def test_a_search_tries_what_it_would_try_with_optuna_s_sampler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = table(tmp_path / "ours", monkeypatch, TPE)
    theirs = table(tmp_path / "theirs", monkeypatch, TPESampler)
    assert ours == theirs and len(ours) >= 160
