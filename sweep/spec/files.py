"""Study files: read, override and check them; each mistake becomes a message of one line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from sweep.errors import UsageError, did_you_mean, have_it
from sweep.spec.objective import METRICS
from sweep.spec.optimizers import OPTIMIZERS
from sweep.spec.sections import MlpSpec, OwnModelSpec
from sweep.spec.study import DEFAULT_STORAGE, StudySpec
from sweep.spec.tree import read_tree


def load_spec(path: str | Path, overrides: Mapping[str, Any] | Iterable[str] = ()) -> StudySpec:
    """Read a study file.

    Args:
        path: the YAML file; its relative paths start at its own folder.
        overrides: dotted keys to values, or `a.b=c` texts as given to `--set`;
            they win over the file, which wins over the environment and defaults.

    Raises:
        UsageError: the file or an override breaks a rule; in one line.
    """
    path = Path(path)
    tree = read_tree(path, overrides)
    if from_environment := os.environ.get("OPTUNA_STORAGE"):
        tree.setdefault("storage", from_environment)
    return parse_spec(tree, where=str(path), folder=path.parent)


def locate(study: str | Path, storage: str | None = None) -> tuple[str, str]:
    """Return the storage's URL and the name of a study, given as a study file or by name.

    Raises:
        UsageError: the study file cannot be read.
    """
    if Path(study).suffix in (".yaml", ".yml"):
        spec = load_spec(study, {} if storage is None else {"storage": storage})
        return spec.storage, spec.study_name
    return storage_url(storage), str(study)


def storage_url(given: str | None = None) -> str:
    """Return the storage if no study file names one: given, OPTUNA_STORAGE, or the default."""
    return given or os.environ.get("OPTUNA_STORAGE") or DEFAULT_STORAGE


def parse_spec(tree: dict[str, Any], where: str, folder: Path) -> StudySpec:
    """Check a study given as plain data, named `where` in messages."""
    try:
        # Through JSON, so that strict models take a list for a tuple.
        text = json.dumps(tree, default=str)
    except (TypeError, ValueError, RecursionError) as error:  # a list as a key, a loop of aliases
        raise UsageError(
            f"study file: must be plain keys and values, got {error} ({where}). Mend that part"
        ) from None
    try:
        spec = StudySpec.model_validate_json(text)
    except ValidationError as error:
        raise UsageError(one_line(error, where)) from None
    spec._folder = folder
    return spec


def one_line(
    error: ValidationError, where: str, root: type[BaseModel] = StudySpec, what: str = "study file"
) -> str:
    """Return one problem as a line: rule, got, where, what to do. An unknown key comes first.

    Args:
        error: of pydantic, on a tree that was checked against `root`.
        where: the file or whatever the tree came from.
        root: the model.
        what: what messages call the whole tree.
    """
    problems: list[Any] = list(error.errors(include_url=False))
    problem = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
    path = [str(part) for part in problem["loc"] if not _is_branch(part)]
    key = ".".join(path) or what
    if problem["type"] == "extra_forbidden":
        return f"{key}: unknown key ({where}). {_suggest(problem['loc'], root)}"
    if problem["type"] == "missing":
        return f"{key}: must be given ({where}). Add it"
    if problem["type"] == "json_invalid":  # we wrote this JSON: only a surrogate breaks it
        return f"{what}: must be text that can be written as UTF-8 ({where}). Mend that part"
    if problem["type"] == "value_error":  # our own rules, which name the key that is wrong
        return f"{'.'.join([*path, str(problem['ctx']['error'])])} ({where})"
    if problem["type"] == "union_tag_invalid":
        problem = {**problem, "input": problem["ctx"]["tag"]}
        return f"training.optimizer: {_expected(problem, ', '.join(OPTIMIZERS), where)}"
    here = len(problem["loc"]) - any(map(_is_branch, problem["loc"][-1:]))
    same = [p["msg"] for p in problems if p["loc"][:here] == problem["loc"][:here]]
    rule = _WORDS.get(key) or " or ".join(
        dict.fromkeys(text.removeprefix("Input should be ") for text in same)
    )
    hint = _LOG_HINT.get(key.rpartition(".")[2], "")
    return f"{key}: {_expected(problem, rule, where)}{hint}"


# How pydantic names the branches of unions inside an error's location.
_KINDS: dict[str, type[BaseModel]] = {**OPTIMIZERS}
_MODELS: dict[str, type[BaseModel]] = {"mlp": MlpSpec, "own": OwnModelSpec}
_BRANCHES = {*_KINDS, *_MODELS, "constrained-int", "constrained-float", "constrained-str",
             "so-many", "from-to", "in a word", "in keys", "tuple[str, ...]",
             "function-after[_in_float32(), constrained-float]"}  # fmt: skip
_WORDS = {
    "study_name": "letters, digits, '.', '_' or '-', starting with a letter or digit",
    "device": "auto, cpu, cuda or cuda:N",
    "model.source": "python:module:function",
    "objective.metric": f"{', '.join(METRICS)} or python:module:function",
    "engine.address": "local, auto or HOST:PORT",
    "engine.actors": "a number, auto, or min and max",
    "engine.ship": "a list of files, or auto",
}
_LOG_HINT = {
    "low": ". Use auto, or a number > 0 such as 1e-6: the scale is logarithmic",
    "high": ". Use auto, or a number > 0 such as 1e-1: the scale is logarithmic",
}


def _is_branch(part: int | str) -> bool:
    return str(part) in _BRANCHES or str(part).startswith("literal['")


def _expected(problem: Any, rule: str, where: str) -> str:
    text = f"must be {rule}, got {problem['input']!r} ({where})"
    options = [part.strip(" '") for part in rule.replace(" or ", ", ").split(",")]
    texts = isinstance(problem["input"], str)  # of which alone one may be a misspelt option
    hint = did_you_mean(problem["input"], options, listed=False) if texts else ""
    return f"{text}. {hint}" if hint else text


def _suggest(loc: tuple[int | str, ...], root: type[BaseModel]) -> str:
    """Suggest the valid key that is nearest to the unknown one at `loc`."""
    *parents, wrong = map(str, loc)
    keys = sorted(_keys_at(parents, root))
    siblings = next((kinds for kinds in (_KINDS, _MODELS) if parents and parents[-1] in kinds), {})
    owners = [kind for kind, model in siblings.items() if wrong in model.model_fields]
    if owners:
        return f"Only {have_it(owners)}, not {parents[-1]}. Remove it"
    return did_you_mean(wrong, keys)


def _keys_at(parents: list[str], root: type[BaseModel]) -> set[str]:
    models: list[type[BaseModel]] = [root]
    for name in parents:
        branch = {**_KINDS, **_MODELS}.get(name)
        fields = [m.model_fields[name].annotation for m in models if name in m.model_fields]
        inner = [m for field in fields for m in _models_in(field)]
        models = [branch] if branch else inner or models  # the name of a column has no field
    return {key for model in models for key in model.model_fields}


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for part in getattr(annotation, "__args__", ()) for m in _models_in(part)]
