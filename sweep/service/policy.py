"""What a study that comes over the network may hold: checked before anything else reads it.

A study file of one's own may name any file and any function. One from the network may name files
that were uploaded or stand in the service's data folder, functions of the service's own modules,
and nothing of the machine. A key that is not listed here is refused, so that a new key of study
files stays closed until someone has decided what it may do.
"""

from __future__ import annotations

import json
import math
import operator
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from sweep.files import to_yaml
from sweep.service.refusals import ForbiddenError, TooLargeError, UnreadableError
from sweep.service.sources import check_function, check_rows
from sweep.spec.files import parse_spec
from sweep.spec.sections import MlpSpec
from sweep.spec.study import StudySpec
from sweep.spec.yaml import Limits, YamlError, check_limits, read_yaml

MOST_BYTES = 256 * 1024
TEXT = Limits(size=MOST_BYTES, values=2_000, depth=8, plain=True)
WHERE = "the study as sent"
_NOT_OPEN = ("is not open to studies from the network, got one", "Remove it")

Role = Literal["submit", "admin"]
Format = Literal["yaml", "json"]

# Sections of a study file, and their keys that open no file, call no function and choose nothing
# of the machine. What stands below such a key is its own.
PLAIN: Mapping[str, str] = {
    "": "study_name seed selection",
    "data": "target groups fold split time weight drop_missing_target columns categorical task"
    " quantile"
    " outputs class_weight scale train_rows label_noise test_fraction",
    "model": "kind hidden activation output",
    "training": "optimizer lr batch_size epochs schedule clip_norm augment precision fused"
    " momentum dampening nesterov betas eps smoothing centered lr_decay initial_accumulator"
    " momentum_decay adjust_lr huber_delta focal_gamma label_smoothing",
    "penalty": "norm l1_ratio exempt include",
    "search": "n_trials in_flight timeout_s widenings sampler pruner",
    "search.space": "alpha weight_decay lr momentum l1_ratio",
    "replicates": "scheme n_folds n_repeats n_seeds holdout",
    "objective": "direction choose",
}
SOURCES = frozenset({  # rows, functions
    "data.source", "model.source", "objective.metric", "training.loss",
})  # fmt: skip
MACHINE = frozenset({
    "storage", "device", "engine", "data.stream",
    "training.workers", "training.width", "training.compile", "training.cuda_graph",
})  # fmt: skip
CLOSED = frozenset({  # further files, and what is read of them
    "data.validation", "data.test", "data.images",
})  # fmt: skip
# These name columns; beside features in a .npy file they would name files.
COLUMNS = frozenset(
    f"data.{key}" for key in ("target", "groups", "weight", "fold", "split", "time")
)
LISTED = frozenset(
    f"{section}.{key}".lstrip(".") for section, keys in PLAIN.items() for key in keys.split()
)


class Size(NamedTuple):
    """How much a study may ask for.

    Attributes:
        n_trials: in total.
        epochs: of a training.
        replicates: trainings of a trial.
        units: of all hidden layers.
        weights: between hidden layers, in all replicates of a trial, which may train at once.
        timeout_s: seconds after which no trial starts; a study that says none gets this.
    """

    n_trials: int
    epochs: int
    replicates: int
    units: int
    weights: int
    timeout_s: float


SIZES: Mapping[Role, Size] = {
    "submit": Size(2_000, 10_000, 100, 10_000, 10**8, 24 * 3600),
    "admin": Size(100_000, 10**6, 1_000, 10**5, 10**9, 24 * 3600),
}


@dataclass(frozen=True)
class Policy:
    """What studies of one project may use.

    Attributes:
        folders: where files of rows are looked for, in this order.
        modules: the folder whose functions may be called; None: there are none.
        sizes: how much a study may ask for, by the role of who sends it.
    """

    folders: tuple[Path, ...] = ()
    modules: Path | None = None
    sizes: Mapping[Role, Size] = field(default_factory=lambda: SIZES)


class SentStudy(NamedTuple):
    """A study that the policy allows.

    Attributes:
        spec: the study.
        text: as YAML: what has been checked, and so what is to run.
    """

    spec: StudySpec
    text: str


def check_study(
    body: bytes,
    policy: Policy,
    role: Role = "submit",
    form: Format = "yaml",
    sized: Collection[str] | None = None,
) -> SentStudy:
    """Read and check a study that came over the network.

    Its cost is bounded whatever the body holds.

    Args:
        body: as it came.
        policy: of its project.
        role: of who sends it: how much it may ask for.
        form: what it is written in.
        sized: keys whose size is looked at, where the others were let in before; None: all.

    Raises:
        TooLargeError: it has too many bytes.
        UnreadableError: it is no plain data within the limits.
        ForbiddenError: it asks for what the policy does not allow.
        UsageError: it breaks a rule of study files.
    """
    size = policy.sizes[role]
    tree = read_body(body, form)
    unlisted = _check_keys(tree, policy)
    spec = parse_spec(tree, WHERE, Path("."))
    for key in unlisted:  # which study files have: they refuse a key that they have not
        raise ForbiddenError(key, *_NOT_OPEN)
    _check_size(spec, size, sized)
    if spec.search.timeout_s is None:
        tree["search"] = {**tree.get("search", {}), "timeout_s": size.timeout_s}
        spec = parse_spec(tree, WHERE, Path("."))
    return SentStudy(spec, to_yaml(tree))


def read_body(body: bytes, form: Format = "yaml") -> dict[str, Any]:
    """Read a body as plain keys and values, within the limits of texts from the network.

    Raises:
        TooLargeError, UnreadableError: it is larger, or no such text.
    """
    if len(body) > MOST_BYTES:
        raise TooLargeError("study", f"must be at most {MOST_BYTES} bytes, got {len(body)}",
                            "Leave out what the defaults say")  # fmt: skip
    try:
        text = body.decode("utf-8")
        tree = read_yaml(text, TEXT) if form == "yaml" else _read_json(text)
        _check_values(tree)
    except UnicodeDecodeError:
        raise UnreadableError("study", "must be text in UTF-8, got other bytes",
                              "Save it as UTF-8") from None  # fmt: skip
    except YamlError as error:
        raise UnreadableError("study", f"must be {error}", "Mend that part") from None
    if not isinstance(tree, dict):
        got = type(tree).__name__
        raise UnreadableError("study", f"must be keys and values, got {got}", "Send a study file")
    return tree


def _read_json(text: str) -> Any:
    def of_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        tree = dict(pairs)
        if len(tree) < len(pairs):
            raise YamlError("JSON without duplicate keys, got one twice")
        return tree

    try:
        tree = json.loads(text, object_pairs_hook=of_pairs)
    except YamlError:
        raise
    except RecursionError:
        raise YamlError(f"at most {TEXT.depth} levels deep, got more") from None
    except ValueError as error:
        raise YamlError(f"valid JSON, got {error}") from None
    check_limits(tree, TEXT)
    return tree


def _check_values(tree: Any) -> None:
    """Refuse what no study needs, and some database or reader fails on."""
    for value in _values(tree):
        if isinstance(value, float) and not math.isfinite(value):
            raise YamlError(f"finite numbers, got {value}")
        if isinstance(value, str) and any(map(_is_control, value)):
            raise YamlError(f"text without control characters, got {value[:40]!r}")


def _values(tree: Any) -> Iterator[Any]:
    if isinstance(tree, dict):
        yield from tree
    parts = tree.values() if isinstance(tree, dict) else tree
    if isinstance(tree, dict | list):
        for part in parts:
            yield from _values(part)
    else:
        yield tree


def _is_control(letter: str) -> bool:
    return unicodedata.category(letter) in ("Cc", "Cs") and letter not in "\t\n\r"


def _check_keys(tree: dict[str, Any], policy: Policy, section: str = "") -> list[str]:
    """Refuse keys and sources that are not allowed; return the keys that nobody has listed."""
    unlisted: list[str] = []
    for name, value in tree.items():
        key = f"{section}.{name}".lstrip(".")
        if key in MACHINE:
            raise ForbiddenError(key, "is set by the service, got one in the study", "Remove it")
        if key in CLOSED:
            raise ForbiddenError(key, *_NOT_OPEN)
        if key in COLUMNS and isinstance(value, str) and value.strip().lower().endswith(".npy"):
            raise ForbiddenError(key, f"must not name a file, got {value[:100]!r}",
                                 "Upload a table, and name its column")  # fmt: skip
        if key in SOURCES:
            _check_source(key, value, policy)
        elif key in PLAIN and isinstance(value, dict):
            unlisted += _check_keys(value, policy, key)
        elif key not in PLAIN and key not in LISTED:
            unlisted.append(key)
    return unlisted


def _check_source(key: str, source: Any, policy: Policy) -> None:
    if not isinstance(source, str):
        return  # study files refuse it
    if source.startswith("python:"):
        check_function(key, source, policy.modules)
    elif key == "data.source":
        check_rows(key, source, policy.folders)


def _check_size(spec: StudySpec, size: Size, sized: Collection[str] | None) -> None:
    hidden = spec.model.hidden if isinstance(spec.model, MlpSpec) else ()
    weights = sum(map(operator.mul, hidden, hidden[1:])) * spec.n_replicates
    for key, value, most, unit in (
        ("search.n_trials", spec.search.n_trials, size.n_trials, ""),
        ("search.in_flight", spec.in_flight or 0, size.n_trials, ""),
        ("search.timeout_s", spec.search.timeout_s or 0, size.timeout_s, ""),
        ("training.epochs", spec.training.epochs, size.epochs, ""),
        (
            "replicates.n_folds",
            spec.n_replicates,
            size.replicates,
            " with n_repeats and n_seeds multiplied",
        ),
        ("model.hidden", sum(hidden), size.units, " units"),
        ("model.hidden", weights, size.weights, " weights in all replicates"),
    ):
        if sized is not None and key not in sized:
            continue
        if not isinstance(value, int | float) or value > most:
            raise ForbiddenError(key, f"must be at most {most:g}{unit}, got {value}", "Lower it")
