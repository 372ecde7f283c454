"""Ask and tell: Optuna's samplers and pruners on the owner's study."""

from __future__ import annotations

import difflib
import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import FloatDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, Trial, TrialState

from sweep.errors import UsageError
from sweep.seeds import derive
from sweep.spec import PrunerSpec, SamplerSpec, StudySpec
from sweep.storage import MirroredStorage
from sweep.tpe import TPE

MAX_REPORTS = 100
Space = dict[str, FloatDistribution]
Params = dict[str, float]


def make_space(spec: StudySpec, low: float, high: float) -> Space:
    """Return the distribution of every searched parameter; the strength has [low, high]."""
    space: Space = {spec.strength: FloatDistribution(low, high, log=True)}
    wanted = spec.search.space
    if wanted.lr:
        space["lr"] = FloatDistribution(wanted.lr.low, wanted.lr.high, log=wanted.lr.log)
    for name in ("momentum", "l1_ratio"):
        if bounds := getattr(wanted, name):
            space[name] = FloatDistribution(bounds.low, bounds.high)
    return space


def check_search(spec: StudySpec, span: tuple[float, float]) -> None:
    """Refuse options that are not the sampler's or the pruner's, before anything is written.

    Raises:
        UsageError: there is one.
    """
    make_sampler(spec.search.sampler)
    make_pruner(spec.search.pruner, spec.training.epochs)
    make_design(spec, make_space(spec, *span))


def make_design(spec: StudySpec, space: Space) -> list[Params]:
    """Return the params of the first trials, where the sampler is not the one to choose them.

    For tpe and gp a log grid of the strength, as many as are asked before any result is in:
    a sampler would draw them at random. For grid all trials. Coarse first, so that a study
    cut short, or run with fewer trials, has covered the range.
    """
    strength = space[spec.strength]
    if spec.search.sampler.type == "grid":
        return _grid(spec, space)
    if spec.search.sampler.type in ("tpe", "gp"):
        points = _levels(strength, spec.in_flight or 1)
        return [{spec.strength: point} for point in points]
    return []


def _grid(spec: StudySpec, space: Space) -> list[Params]:
    options = spec.search.sampler.model_extra or {}
    wanted = options.get("points", {} if len(space) > 1 else {spec.strength: spec.search.n_trials})
    if set(options) - {"points"} or not isinstance(wanted, dict) or set(wanted) != set(space):
        raise UsageError(
            f"search.sampler.points: must give the number of points of {', '.join(space)},"
            f" got {options or 'nothing'}. Write points: {{"
            + ", ".join(f"{name}: 8" for name in space)
            + "}"
        )
    grid: list[Params] = [{}]
    for name, count in wanted.items():
        levels = _levels(space[name], count)
        grid = [{**params, name: level} for params in grid for level in levels]
    return grid


def _levels(distribution: FloatDistribution, count: int) -> list[float]:
    """Spread `count` points over a range, both ends included, the coarse ones first."""
    low, high = distribution.low, distribution.high
    if count == 1:
        return [float(np.sqrt(low * high) if distribution.log else (low + high) / 2)]
    spread = np.geomspace if distribution.log else np.linspace
    points = np.clip(spread(low, high, count), low, high)  # rounding may step outside
    bits = (count - 1).bit_length()
    order = sorted(range(count), key=lambda i: int(f"{i:0{bits}b}"[::-1], 2))
    return [float(points[index]) for index in order]


def make_sampler(spec: SamplerSpec) -> BaseSampler:
    """Make Optuna's sampler with the study file's options.

    Raises:
        UsageError: an option that this sampler does not have, or a value it refuses.
    """
    if spec.type in ("random", "grid"):
        _refuse(spec.model_extra if spec.type == "random" else {}, "search.sampler")
        return optuna.samplers.RandomSampler(seed=spec.seed)
    made = {
        "tpe": TPE,
        "gp": optuna.samplers.GPSampler,
        "qmc": _Sequence,
    }[spec.type]
    options = {"seed": spec.seed % 2**32, **(spec.model_extra or {})}
    return _make(made, options, "search.sampler")  # type: ignore[no-any-return]


class _Sequence(optuna.samplers.QMCSampler):
    """Optuna's QMC, whose point depends on the trial's number alone.

    Optuna counts points in an attribute of the study, and in another one after every change
    of the space: an ask that was cut off would cost a point.
    """

    number = 0

    def _find_sample_id(self, study: optuna.Study, search_space: Any) -> int:
        return self.number


def make_pruner(spec: PrunerSpec, epochs: int) -> BasePruner:
    """Make Optuna's pruner with the study file's options.

    The best strength grows with training time, so that early losses favour weak penalties:
    unless the file says otherwise, nothing is pruned in the first half of training.

    Raises:
        UsageError: an option that this pruner does not have, or a value it refuses.
    """
    if spec.type == "none":
        _refuse(spec.model_extra, "search.pruner")
        return optuna.pruners.NopPruner()
    half = max(1, epochs // 2)
    kinds: dict[str, tuple[type[BasePruner], dict[str, int]]] = {
        "median": (optuna.pruners.MedianPruner, {"n_warmup_steps": half}),
        "hyperband": (
            optuna.pruners.HyperbandPruner,
            {"min_resource": half, "max_resource": epochs, "reduction_factor": 2},
        ),
    }
    made, defaults = kinds[spec.type]
    return _make(made, {**defaults, **(spec.model_extra or {})}, "search.pruner")  # type: ignore[no-any-return]


def _refuse(options: Mapping[str, Any] | None, where: str) -> None:
    for name in options or {}:
        raise UsageError(f"{where}.{name}: unknown key. This type has no options of its own")


def _make(made: type[Any], options: dict[str, Any], where: str) -> Any:
    valid = set(inspect.signature(made).parameters)
    # Ours derive from Optuna's: messages name what its documentation does.
    name_of = next(c.__name__ for c in made.__mro__ if c.__module__.startswith("optuna."))
    for name in set(options) - valid:
        close = difflib.get_close_matches(name, valid, 1)
        hint = f"Did you mean {close[0]}?" if close else f"Valid: {', '.join(sorted(valid))}"
        raise UsageError(f"{where}.{name}: {name_of} has no such option. {hint}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # offered by name all the same
            return made(**options)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{where}: {name_of} refuses its options, got {error}") from None


class Search:
    """Propose trials and take their results, on one study that this process owns.

    Ask k, and whether trial k is pruned, depend on (study seed, k) and on the results of trials
    0…k − in_flight alone, whatever has finished meanwhile: so the table of trials does not
    depend on how many are trained at once, and survives a restart.
    """

    def __init__(self, storage: MirroredStorage, study: optuna.Study, spec: StudySpec,
                 space: Space, epochs: int):  # fmt: skip
        self._storage, self.study, self._spec, self._space = storage, study, spec, space
        self._design = dict(enumerate(make_design(spec, space)))
        self._stride = -(-epochs // MAX_REPORTS)
        self._epochs = epochs
        self._trials: dict[int, Trial] = {}
        self._waiting = [t.number for t in self._all((TrialState.WAITING,))]
        finished = self._all()
        self._n = len(finished)
        self._finished = {t.number for t in finished if t.state.is_finished()}
        self._n_settled = 0  # trials before the first that has not finished
        self.n_results = sum(is_result(trial) for trial in finished)

    def _all(self, states: Sequence[TrialState] | None = None) -> list[FrozenTrial]:
        return self.study.get_trials(
            deepcopy=False, states=None if states is None else tuple(states)
        )

    @property
    def wanted(self) -> bool:
        """Whether the results so far and those under way are fewer than n_trials."""
        return self.n_results + len(self._trials) < self._spec.search.n_trials

    @property
    def ready(self) -> bool:
        """Whether another trial is wanted and its ask has all the results it depends on."""
        if not self.wanted:
            return False
        while self._n_settled in self._finished:
            self._n_settled += 1
        ahead = self._spec.in_flight
        return ahead is None or self._next - ahead < self._n_settled

    @property
    def _next(self) -> int:
        return self._waiting[0] if self._waiting else self._n

    @property
    def new(self) -> int | None:
        """The number of the next trial, where that is one never asked before."""
        return None if self._waiting else self._n

    def known_to(self, number: int) -> list[FrozenTrial]:
        """Return the trials whose results an ask may depend on."""
        return self._all()[: max(0, self._seen_by(number) + 1)]

    def widen(self, space: Space, first: Mapping[int, Params]) -> None:
        """Go on in a wider space; `first` holds params of trials that no sampler chooses."""
        self._space = space
        self._design |= first
        for name, distribution in space.items():
            self._storage.widen(self.study._study_id, name, distribution)
        # A sampler remembers the space that it has seen so far.
        self.study.sampler = make_sampler(self._spec.search.sampler)

    def ask(self) -> tuple[int, Params]:
        """Return the next trial's number and params."""
        number = self._next
        if self._spec.search.sampler.type == "gp":  # it would start from its last fit
            self.study.sampler = make_sampler(self._spec.search.sampler)
        reseed(self.study.sampler, derive(self._spec.seed, "ask", number) % 2**32)
        if isinstance(self.study.sampler, _Sequence):
            self.study.sampler.number = number
        if self._waiting:
            self._waiting.pop(0)
        else:
            self._n += 1
            if number in self._design:
                self.study.enqueue_trial(self._design[number])
        with self._storage.showing(self._seen_by(number)):
            trial = self.study.ask(self._space)  # type: ignore[arg-type]
        assert trial.number == number, "another process asks this study"
        self._trials[number] = trial
        return number, {name: float(value) for name, value in trial.params.items()}

    def report(self, number: int, epoch: int, loss: float) -> bool:
        """Store an intermediate value; return whether the pruner gives the trial up."""
        if epoch % self._stride and epoch != self._epochs:
            return False
        trial = self._trials[number]
        trial.report(loss, epoch)
        if self._spec.search.pruner.type == "none":
            return False
        with self._storage.showing(self._seen_by(number), whole=number):
            return trial.should_prune()

    def _seen_by(self, number: int) -> int:
        """Return the last trial whose result may matter to trial `number`."""
        return number - (self._spec.in_flight or 0)

    def tell(
        self, number: int, state: TrialState, value: float | None, attrs: Mapping[str, Any]
    ) -> None:
        """End a trial; attributes first, since a finished trial is frozen."""
        trial = self._trials.pop(number)
        self._storage.set_trial_user_attrs(trial._trial_id, attrs)
        self.study.tell(number, value, state)
        self._finished.add(number)
        self.n_results += 1

    def give_back(self, number: int) -> None:
        """Put a trial back in the queue, where the next ask finds it under its own number."""
        trial = self._trials.pop(number)
        self._storage.requeue_trial(trial._trial_id)
        self._waiting = sorted([*self._waiting, number])

    def tell_diverged(self, number: int, reason: str) -> None:
        """End a trial at its last finite loss, so that samplers learn to stay away."""
        curve = self._all()[number].intermediate_values
        state = TrialState.PRUNED if curve else TrialState.FAIL
        self.tell(number, state, None, {"outcome": "diverged", "reason": reason})


def is_result(trial: FrozenTrial) -> bool:
    """Tell whether a trial counts towards n_trials: it ended by its training."""
    if trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
        return True
    return trial.state == TrialState.FAIL and trial.user_attrs.get("outcome") == "diverged"


def rank(strength: str) -> Callable[[FrozenTrial], tuple[float, float]]:
    """Return the key by which COMPLETE trials are ordered: of equal values the strongest first."""
    return lambda trial: (trial.values[0], -trial.params[strength])


def reseed(sampler: BaseSampler, seed: int) -> None:
    """Set every generator inside a sampler.

    Optuna's own `reseed_rng` takes no seed, and one seed for the study would repeat its
    start-up points after a restart. QMC keeps its one sequence, which lies in its seed.
    """
    for name in ("_random_sampler", "_independent_sampler"):
        if inner := getattr(sampler, name, None):
            reseed(inner, seed)
    if generator := getattr(sampler, "_rng", None):
        generator.rng.seed(seed)
