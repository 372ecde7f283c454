"""The config: the chosen strength, what it equals elsewhere, and where it came from."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna

from sweep.analysis.selection import Finished, Selection
from sweep.config.chosen import Chosen
from sweep.config.elsewhere import elsewhere, equivalents, hold_for
from sweep.errors import UsageError
from sweep.files import to_yaml, write_whole
from sweep.runtime import versions
from sweep.search.point import Point
from sweep.spec import actors
from sweep.spec.attributes import (
    DATA_HASH,
    ENGINE,
    FOLDER,
    METRIC,
    METRIC_SE,
    PROBLEM,
    TRANSFER,
)
from sweep.spec.objective import LOSS
from sweep.spec.study import StudySpec
from sweep.spec.yaml import check_limits, read_text, read_yaml

PACKAGES = ("torch", "optuna", "scikit-learn")
FORMULAS = {
    "l2": "mean loss + alpha * sum of squared weights",
    "l1": "mean loss + alpha * sum of absolute weights",
    "elastic": "mean loss + alpha * (l1_ratio * sum of absolute weights"
    " + (1 - l1_ratio) * sum of squared weights)",
    "decoupled": "weights *= 1 - lr * weight_decay at every step (AdamW), no term of the loss",
}


def formula(spec: StudySpec) -> str:
    """Return in words what is minimised, or what the decay does."""
    return FORMULAS["decoupled" if spec.strength == "weight_decay" else spec.penalty.norm]


def make_config(study: optuna.Study, selection: Selection | None = None) -> dict[str, Any]:
    """Put together the config of a finished study.

    Args:
        study: the study, as Optuna reads it.
        selection: `best` or `1se`; the study file's own by default.

    Raises:
        UsageError, SweepError: see `Finished`.
    """
    finished = Finished.read(study)
    spec, attrs = finished.spec, study.user_attrs
    selection = selection or spec.selection
    choice = finished.choose(selection)
    about = attrs[PROBLEM]
    chosen = Chosen(spec, choice.params, about)
    again = finished.fresh(choice)
    base = finished.fresh(finished.baseline) if finished.baseline else None
    return {
        "study_name": study.study_name,
        "selection": selection,
        "best_params": dict(choice.params),
        "best_value": choice.value,
        "value_se": choice.value_se,
        "n_replicates": spec.n_replicates,
        "n_rows": about["n_rows"],
        "baseline_value": finished.baseline.value if finished.baseline else None,
        # On fresh folds, which chose nothing; null where a run has not come to them.
        "confirmed_value": again.value if again else None,
        "confirmed_se": again.value_se if again else None,
        "confirmed_baseline_value": base.value if base else None,
        **_objective(spec, choice),
        "penalty": {
            "norm": spec.penalty.norm,
            "formula": formula(spec),
            "penalised": about["penalised"],
            "exempt": about["exempt"],
        },
        **_categories(about),
        "equivalents": equivalents(chosen),
        "equivalents_hold_for": hold_for(chosen),
        "elsewhere": elsewhere(chosen),
        **({TRANSFER: attrs[TRANSFER]} if TRANSFER in attrs else {}),
        "spec": spec.model_dump(mode="json"),
        "provenance": _provenance(spec, choice, attrs),
    }


def _categories(about: dict[str, Any]) -> dict[str, Any]:
    """Return the texts of embedded columns, of which the first has code 1 and others 0."""
    found = about.get("refit", {}).get("categories")
    return {"categories": found} if found else {}


def _objective(spec: StudySpec, choice: Point) -> dict[str, Any]:
    """Say what the values are, where they are not the loss or another metric stands beside it."""
    objective, attrs = spec.objective, choice.attrs
    if objective.metric == LOSS:
        return {}
    said = {"value": objective.value, "direction": objective.study_direction}
    if not objective.beside:
        return {"objective": said}
    measured = {"metric_value": attrs.get(METRIC), "metric_se": attrs.get(METRIC_SE)}
    return {"objective": {**said, "metric": objective.beside, **measured}}


def _provenance(spec: StudySpec, choice: Point, attrs: dict[str, Any]) -> dict[str, Any]:
    return {
        "trial_number": choice.number,
        "spec_hash": spec.spec_hash,
        "data_hash": attrs[DATA_HASH],
        "model_hash": attrs[PROBLEM]["model_hash"],
        **{k: v for k, v in attrs[PROBLEM].items() if k == "loss_hash"},
        "device": attrs[PROBLEM]["device"],
        "seed": spec.seed,
        "folder": attrs.get(FOLDER),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(*PACKAGES),
        **({"engine": trained} if (trained := actors.provenance(attrs.get(ENGINE))) else {}),
    }


def write_config(config: dict[str, Any], path: Path) -> None:
    """Write a config as YAML, TOML or JSON, by suffix; whole or not at all.

    Raises:
        UsageError: another suffix, or a folder that cannot be written.
    """
    if path.suffix not in WRITERS:
        raise UsageError(
            f"--output: must end in .yaml, .toml or .json, got {path}. Change the suffix"
        )
    write_whole(path, config_text(_from(path.resolve().parent, config), path.suffix))


def config_text(config: dict[str, Any], suffix: str) -> str:
    """Return a config as the text of a file with this suffix: .yaml, .yml, .json or .toml."""
    return WRITERS[suffix](config)


def _from(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    """Give the study's folder relative to the config's: both may move together."""
    provenance = config.get("provenance") or {}
    if not os.path.isabs(provenance.get("folder") or ""):
        return config
    relative = os.path.relpath(provenance["folder"], folder)
    return {**config, "provenance": {**provenance, "folder": relative}}


def _json(config: dict[str, Any]) -> str:
    return json.dumps(config, indent=2) + "\n"


def _toml(config: dict[str, Any]) -> str:
    return "\n".join(_table(config)).lstrip("\n") + "\n"


def _table(tree: dict[str, Any], prefix: str = "") -> list[str]:
    """Write one table of TOML: plain keys first, then its own tables. TOML has no null."""
    plain = {k: v for k, v in tree.items() if v is not None and not isinstance(v, dict)}
    lines = [f"{key} = {_toml_value(value)}" for key, value in plain.items()]
    for key, value in tree.items():
        if isinstance(value, dict):
            lines += ["", f"[{prefix}{key}]", *_table(value, f"{prefix}{key}.")]
    return lines


def _toml_value(value: Any) -> str:
    """Write a value as JSON does, but for what TOML reads differently: surrogates and DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


WRITERS: dict[str, Callable[[dict[str, Any]], str]] = {
    ".yaml": to_yaml, ".yml": to_yaml, ".json": _json, ".toml": _toml,
}  # fmt: skip


def read_config(path: Path) -> dict[str, Any]:
    """Read a config that `write_config` wrote.

    Raises:
        UsageError: the file is missing or no config.
    """
    import tomllib

    try:
        text = read_text(path)
        if path.suffix == ".toml":
            config = tomllib.loads(text)
        elif path.suffix == ".json":
            config = json.loads(text)
        else:
            config = read_yaml(text)
        check_limits(config)
    except OSError as error:
        raise UsageError(
            f"config: must be a readable file, got {path} ({error.strerror or error})."
            " `sweep export STUDY` writes one"
        ) from error
    except Exception as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(
            f"config: must be a readable file, got {first} ({path}). Export it anew"
        ) from None
    parts = {"best_params", "penalty", "spec"}
    whole = isinstance(config, dict) and all(isinstance(config.get(p), dict) for p in parts)
    if not whole:
        raise UsageError(
            f"config: must be a file written by `sweep export`, got other content ({path})."
            " Export it anew"
        )
    return config


def read_params(config: dict[str, Any], spec: StudySpec, path: Path) -> dict[str, float]:
    """Return the chosen params of a config that was read from `path`.

    Raises:
        UsageError: they are no numbers that a study could have chosen.
    """
    params = config["best_params"]
    numbers = all(
        isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1e30
        for value in params.values()
    )
    if not numbers or spec.strength not in params:
        raise UsageError(
            f"best_params: must be numbers with {spec.strength} among them, got {params!r}"
            f" ({path}). Export it anew"
        )
    return {name: float(value) for name, value in params.items()}
