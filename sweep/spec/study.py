"""The whole study file: all sections, checked together and frozen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, PrivateAttr, Tag, model_validator

from sweep.errors import have_it
from sweep.spec.base import Section
from sweep.spec.data import DataSpec
from sweep.spec.embed_rules import embed_problem
from sweep.spec.engine import EngineSpec
from sweep.spec.loss_rules import loss_problem
from sweep.spec.objective import ObjectiveSpec
from sweep.spec.optimizers import DECOUPLED, OPTIMIZERS, AdamSpec, SgdSpec, TrainingSpec
from sweep.spec.replicates import ReplicatesSpec
from sweep.spec.search import DESIGN_GRID, DESIGN_REFINED, SearchSpec
from sweep.spec.sections import MlpSpec, OwnModelSpec, PenaltySpec
from sweep.spec.space import HYPERPARAMETERS, AlphaRange
from sweep.spec.split_rules import splits_problem
from sweep.spec.tasks import TASKS, Task

DEFAULT_STORAGE = "sqlite:///studies/out/studies.db"
OPEN_ENDED = ("random", "qmc", "grid")  # samplers that do not learn from results
_CHANGEABLE = (
    "storage", "device", "engine", "selection", "search.n_trials", "search.timeout_s",
    "training.workers", "training.cuda_graph",  # they belong to the device, which may change
    "data.stream",
)  # fmt: skip

Device = Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:[0-9]{1,2})?)$")]


def _model_kind(value: Any) -> str:
    own = "source" in value if isinstance(value, dict) else isinstance(value, OwnModelSpec)
    return "own" if own else "mlp"


class StudySpec(Section):
    """A whole study file."""

    study_name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        max_length=200,
        description="The study's name in the storage, in files and in pictures.",
    )
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(
        0,
        description="Fixes all that is drawn: data splits, first weights, orders of rows and"
        " proposals.",
    )
    storage: str = Field(
        DEFAULT_STORAGE,
        description="Where trials are stored: an Optuna URL of SQLite or PostgreSQL. A relative"
        " path starts in the working folder. Without this key OPTUNA_STORAGE counts, if set.",
    )
    device: Device = Field(
        "auto", description="What trains: auto (a GPU if there is one), cpu, cuda, cuda:1."
    )
    engine: EngineSpec = Field(EngineSpec(), description="Who trains, and where.")
    data: DataSpec = Field(DataSpec(), description="The rows, their split and their scale.")
    model: Annotated[
        Annotated[MlpSpec, Tag("mlp")] | Annotated[OwnModelSpec, Tag("own")],
        Discriminator(_model_kind),
    ] = Field(MlpSpec(), description="The network.")
    training: TrainingSpec = Field(
        AdamSpec(), description="The optimiser, and how long and how it trains."
    )
    penalty: PenaltySpec = Field(PenaltySpec(), description="The norm, and what it spares.")
    search: SearchSpec = Field(SearchSpec(), description="How many trials, proposed how, where.")
    replicates: ReplicatesSpec = Field(
        ReplicatesSpec(), description="How often a trial is trained: folds · repeats · seeds."
    )
    objective: ObjectiveSpec = Field(
        ObjectiveSpec(), description="What a trial's value is, at the end of training."
    )
    selection: Literal["best", "1se"] = Field(
        "best",
        description="What `sweep export` takes. best: the best value. 1se: the largest alpha"
        " whose value is within one standard error of the best; it needs 3 folds.",
    )

    _folder: Path = PrivateAttr(default=Path("."))

    @model_validator(mode="after")
    def _check(self) -> Self:
        for problem in filter(None, map(lambda rule: rule(self), _RULES)):
            raise ValueError(problem)
        return self

    @property
    def folder(self) -> Path:
        """The folder of the study file, where its relative paths start."""
        return self._folder

    @property
    def n_replicates(self) -> int:
        """The lanes that a trial takes: folds times repeats times seeds."""
        return self.replicates.total

    @property
    def strength(self) -> str:
        """Name of the searched strength: `alpha`, or the optimiser's own `weight_decay`."""
        return self.training.strength

    @property
    def task(self) -> Task:
        """What is predicted: its words and its score."""
        return TASKS[self.data.task]

    def values(self, params: Mapping[str, float]) -> dict[str, float]:
        """Return the value of every hyperparameter in a trial: its own, or the study file's.

        It is 0 where the study's optimiser has no such hyperparameter.
        """
        return {
            name: params.get(name, getattr(getattr(self, entry.section), entry.key, 0.0))
            for name, entry in HYPERPARAMETERS.items()
        }

    def ends(self, name: str) -> tuple[float, float]:
        """Return the least and the largest value of a hyperparameter in any trial."""
        bounds = getattr(self.search.space, name)
        return (bounds.low, bounds.high) if bounds else (self.values({})[name],) * 2

    @property
    def in_flight(self) -> int | None:
        """How far asks run ahead of results; None: without a limit.

        A pruner compares a trial with the results that the trial's ask has seen, so it needs one.
        """
        if self.search.in_flight != "auto":
            return self.search.in_flight
        open_ended = self.search.sampler.type in OPEN_ENDED and self.search.pruner.type == "none"
        if open_ended:
            return None
        return DESIGN_GRID if self.search.sampler.type == "design" else 12

    def last_seen(self, number: int) -> int | None:
        """Return the last trial whose result ask `number` depends on; None: on any or none.

        The asks of the design's first two waves all know the wave before; the trial at the
        model's minimum knows both. From there on results come in as in other studies.
        """
        if self.in_flight is None:
            return None
        if self.search.sampler.type != "design" or self.search.in_flight != "auto":
            return number - self.in_flight
        if number < DESIGN_GRID:
            return -1
        both = DESIGN_GRID + DESIGN_REFINED
        return DESIGN_GRID - 1 if number < both else max(both - 1, number - DESIGN_REFINED)

    @property
    def identity(self) -> dict[str, Any]:
        """The part of a spec that must stay equal between the runs of one study."""
        return identity_of(self.model_dump(mode="json"))

    @property
    def spec_hash(self) -> str:
        """A hash of `identity`."""
        return hash_of(without_nulls(self.identity))


def _decay_is_of_l2(spec: StudySpec) -> str | None:
    if spec.penalty.norm != "l2" and (why := spec.training.no_l1):
        return (
            f"penalty.norm: must be l2 with optimizer {spec.training.optimizer}, got"
            f" {spec.penalty.norm}: {why}. Use optimizer adam"
        )
    return None


def _strength_has_its_name(spec: StudySpec) -> str | None:
    space, decays = spec.search.space, spec.strength == "weight_decay"
    if decays and space.alpha != AlphaRange():
        return (
            f"search.space.alpha: {spec.training.optimizer}'s decay is no penalty on the loss, got"
            " alpha. Search weight_decay, or use optimizer adam"
        )
    if not decays and space.weight_decay is not None:
        return (
            f"search.space.weight_decay: only {have_it(DECOUPLED)}, got optimizer "
            f"{spec.training.optimizer}. Search alpha (weight_decay is 2 * alpha)"
        )
    return None


def _hyperparameters_exist(spec: StudySpec) -> str | None:
    for name, entry in HYPERPARAMETERS.items():
        if getattr(spec.search.space, name) is None:
            continue
        owners = [kind for kind, section in OPTIMIZERS.items() if name in section.model_fields]
        if entry.section == "training" and spec.training.optimizer not in owners:
            got = f"got optimizer {spec.training.optimizer}"
            return f"search.space.{name}: only {have_it(owners)}, {got}. Remove it"
        if entry.norms and spec.penalty.norm not in entry.norms:
            norms = " and ".join(entry.norms)
            got = f"got {spec.penalty.norm}"
            return f"search.space.{name}: only norm {norms} has it, {got}. Remove it"
    return None


def _design_has_one_strength(spec: StudySpec) -> str | None:
    search = spec.search
    if search.sampler.type != "design":
        return None
    if others := search.searched_too:
        return (
            f"search.sampler.type: design searches {spec.strength} alone, got"
            f" {' and '.join(others)} too. Remove search.space.{others[0]}, or use tpe"
        )
    if search.pruner.type != "none":
        return (
            "search.pruner.type: must be none with sampler design, whose model needs whole"
            f" trainings, got {search.pruner.type}. Remove it, or use sampler tpe"
        )
    return None


def _nesterov_needs_momentum(spec: StudySpec) -> str | None:
    momentum = spec.search.space.momentum
    nesterov = isinstance(spec.training, SgdSpec) and spec.training.nesterov
    if not momentum or not nesterov or momentum.low:
        return None
    return f"search.space.momentum.low: must be > 0 with nesterov, got {momentum.low}. Raise it"


def _1se_needs_folds(spec: StudySpec) -> str | None:
    if spec.selection == "1se" and spec.replicates.n_folds < 3:
        return (
            f"selection: 1se must have replicates.n_folds of 3 or more, got"
            f" {spec.replicates.n_folds}. Raise it, or use best"
        )
    return None


def _data_go_together(spec: StudySpec) -> str | None:
    embedded = embed_problem(spec.data, spec.model, spec.training)
    return splits_problem(spec.data, spec.replicates) or embedded


def _loss_is_of_task(spec: StudySpec) -> str | None:
    return loss_problem(spec.data, spec.training)


def _metric_is_of_task(spec: StudySpec) -> str | None:
    return spec.objective.problem(spec.data.task)


def _one_engine_trains(spec: StudySpec) -> str | None:
    if spec.engine.kind != "ray":
        return None
    device, gpus, workers = spec.device, spec.engine.gpus, spec.training.workers
    if workers != 1:
        return (
            f"training.workers: must be 1 with engine.kind ray, whose actors train, got {workers}."
            " Set it to 1, and engine.actors"
        )
    if ":" in device:
        return (
            f"device: must be auto, cpu or cuda with engine.kind ray, got {device}: Ray chooses"
            " each actor's GPU. Use cuda"
        )
    if device == "cpu" and gpus not in ("auto", 0):
        return f"engine.gpus: must be 0 with device cpu, got {gpus:g}. Remove it, or use cuda"
    if device == "cuda" and gpus == 0:
        return "engine.gpus: must be more than 0 with device cuda, got 0. Remove it"
    return None


_RULES = (
    _one_engine_trains,
    _decay_is_of_l2,
    _strength_has_its_name,
    _hyperparameters_exist,
    _design_has_one_strength,
    _nesterov_needs_momentum,
    _1se_needs_folds,
    _metric_is_of_task,
    _data_go_together,
    _loss_is_of_task,
)


def identity_of(tree: dict[str, Any]) -> dict[str, Any]:
    """Return a spec, given as plain data, without the keys that may change between runs."""
    search = tree.get("search", {})
    hyperband = search.get("pruner", {}).get("type") == "hyperband"  # draws from the name
    kept = {
        key: {k: v for k, v in part.items() if f"{key}.{k}" not in _CHANGEABLE}
        if isinstance(part, dict)
        else part
        for key, part in tree.items()
        if key not in _CHANGEABLE
    }
    return kept if hyperband else {k: v for k, v in kept.items() if k != "study_name"}


def without_nulls(tree: Any) -> Any:
    """Leave out keys without a value: TOML has no null."""
    if not isinstance(tree, dict):
        return tree
    return {key: without_nulls(value) for key, value in tree.items() if value is not None}


def hash_of(identity: dict[str, Any]) -> str:
    """Hash plain data."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a study file, for editors."""
    return StudySpec.model_json_schema()
