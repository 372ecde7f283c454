"""Exported configs of studies that were never run, for tests of what comes after the export."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sweep.config.export import make_config, write_config
from sweep.plan.plan import make_plan
from sweep.spec.files import parse_spec
from tests.conftest import made_study


def exported(
    folder: Path, *, strength: float = 1e-2, name: str = "out/made.yaml",
    more_params: Mapping[str, float] | None = None, changes: Mapping[str, Any] | None = None,
    **tree: Any,
) -> Path:  # fmt: skip
    """Export a study whose one trial has `strength`, as if it had been searched on the data.

    Args:
        folder: of the study.
        strength, more_params: params of the trial.
        name: of the config, from the folder.
        changes: keys of the config to write otherwise.
        tree: sections of the study file.
    """
    tree = {
        "device": "cpu", "replicates": {"n_folds": 3},
        "model": {"hidden": [4, 3]},  # deep enough that no time goes into alpha_max
        "training": {"optimizer": "adam", "epochs": 4, "batch_size": 20}, **tree,
    }  # fmt: skip
    plan = make_plan(parse_spec({"study_name": "made", **tree}, "made", folder))
    attrs = {"data_hash": plan.dataset.content_hash, "problem": plan.about}
    study = made_study(
        {strength: [1.0] * plan.spec.n_replicates}, spec=tree, more_params=more_params, attrs=attrs
    )
    path = folder / name
    write_config({**make_config(study), **(changes or {})}, path)
    return path
