"""Optuna's samplers and pruners, and the space they work on, as a study file asks for them."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import FloatDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from sweep.errors import UsageError, did_you_mean
from sweep.search.design import DesignSampler, levels
from sweep.search.fast_tpe import TPE
from sweep.spec.search import PrunerSpec, SamplerSpec
from sweep.spec.space import HYPERPARAMETERS
from sweep.spec.study import StudySpec

Space = dict[str, FloatDistribution]
Params = dict[str, float]


def make_space(spec: StudySpec, low: float, high: float) -> Space:
    """Return the distribution of every searched parameter; the strength has [low, high]."""
    space: Space = {spec.strength: FloatDistribution(low, high, log=True)}
    for name in HYPERPARAMETERS:
        if bounds := getattr(spec.search.space, name):
            log = getattr(bounds, "log", False)
            space[name] = FloatDistribution(bounds.low, bounds.high, log=log)
    return space


def check_search(spec: StudySpec, span: tuple[float, float]) -> None:
    """Refuse options that the sampler or the pruner does not have, before anything is written.

    Raises:
        UsageError: there is one.
    """
    make_sampler(spec.search.sampler, spec.seed)
    make_pruner(spec.search.pruner, spec.training.epochs)
    make_design(spec, make_space(spec, *span))


def make_design(spec: StudySpec, space: Space) -> list[Params]:
    """Return the params of those first trials that the sampler does not choose.

    tpe and gp: a log grid of the strength, for the trials that are asked before any result is in;
    the sampler would draw them at random. grid: all trials. The order is coarse first, so that a
    study that is cut short has covered the range.
    """
    strength = space[spec.strength]
    if spec.search.sampler.type == "grid":
        return _grid(spec, space)
    if spec.search.sampler.type in ("tpe", "gp"):
        points = levels(strength, spec.in_flight or 1)
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
    counts = list(wanted.values())
    whole = all(isinstance(count, int) and 1 <= count <= MOST for count in counts)
    if not whole or math.prod(counts) > MOST:
        raise UsageError(
            f"search.sampler.points: must be whole numbers with a product of 1 to {MOST}, got"
            f" {wanted}. Lower them"
        )
    grid: list[Params] = [{}]
    for name, count in wanted.items():
        along = levels(space[name], count)
        grid = [{**params, name: level} for params in grid for level in along]
    return grid


def make_sampler(spec: SamplerSpec, seed: int) -> BaseSampler:
    """Make Optuna's sampler with the study file's options and the study's seed.

    Raises:
        UsageError: an option that this sampler does not have, or a value it refuses.
    """
    if spec.type in ("random", "grid"):
        _refuse(spec.model_extra if spec.type == "random" else {}, "search.sampler")
        return optuna.samplers.RandomSampler(seed=seed)
    if spec.type == "design":
        _refuse(spec.model_extra, "search.sampler")
        return DesignSampler()
    made = {
        "tpe": TPE,
        "gp": optuna.samplers.GPSampler,
        "qmc": QMC,
    }[spec.type]
    options = {"seed": seed % 2**32, **(spec.model_extra or {})}
    return _make(made, options, "search.sampler")  # type: ignore[no-any-return]


class QMC(optuna.samplers.QMCSampler):
    """Optuna's QMC, whose point depends on the trial's number alone.

    Optuna counts points in an attribute of the study, and starts another count after every
    change of the space. So an ask that was cut off would lose a point.
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
    offered = valid - {"seed"}  # which is the study's own key
    # Ours derive from Optuna's: messages name what its documentation does.
    name_of = next(c.__name__ for c in made.__mro__ if c.__module__.startswith("optuna."))
    for name in set(options) - valid:
        hint = did_you_mean(name, sorted(offered))
        raise UsageError(f"{where}.{name}: {name_of} has no such option. {hint}")
    for name, value in options.items():
        _check_option(f"{where}.{name}", str(inspect.signature(made).parameters[name]), value)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # offered by name all the same
            return made(**options)
    except Exception as error:  # of any kind: these are Optuna's own checks
        raise UsageError(f"{where}: {name_of} refuses its options, got {error}") from None


# How Optuna annotates the options that a study file can give, and what they may be.
_KINDS: Mapping[str, tuple[type, ...]] = {
    "int": (int,), "float": (int, float), "bool": (bool,), "str": (str,), "None": (type(None),),
}  # fmt: skip
# What Optuna checks no earlier than at the first trial.
_LEAST = {"reduction_factor": 2, "min_resource": 1, "max_resource": 1, "n_ei_candidates": 1}
MOST = 10**6  # of trials, candidates or steps: more take hours or no memory holds them


def _check_option(key: str, parameter: str, value: Any) -> None:
    """Refuse a value that the sampler accepts, but later fails on or never finishes with."""
    kinds = parameter.partition(":")[2].partition("=")[0].strip().strip("'").split(" | ")
    allowed = tuple(kind for name in kinds for kind in _KINDS.get(name, ()))
    if not allowed or kinds[0] not in _KINDS:
        raise UsageError(f"{key}: must be left out of a study file, got {value!r}. Remove it")
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
        raise UsageError(f"{key}: must be {' or '.join(kinds)}, got {value!r}. Mend it")
    if key.endswith(".seed") or not isinstance(value, int | float):
        return
    least = _LEAST.get(key.rpartition(".")[2], 0)
    if not least <= value <= MOST:
        raise UsageError(f"{key}: must be {least} to {MOST}, got {value!r}. Mend it")


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
