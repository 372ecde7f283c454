"""Study files for tests: a small one on real data, and any that is given as plain data."""

from pathlib import Path
from typing import Any

import pytest

from sweep.errors import UsageError
from sweep.spec.files import load_spec, parse_spec
from sweep.spec.study import StudySpec

TINY = """
study_name: tiny
data: {source: sklearn:digits, scale: none, train_rows: 60, label_noise: 0.2}
model: {kind: mlp, hidden: [8]}
training: {optimizer: adam, lr: 2e-2, batch_size: 25, epochs: 4}
search: {n_trials: 14, in_flight: 4, sampler: {type: tpe}}
replicates: {n_folds: 4}
"""


def tiny(folder: Path, **overrides: Any) -> StudySpec:
    """Write the small study into `folder` and load it, its storage beside it.

    Overrides are dotted keys, with `__` for a dot.
    """
    path = folder / "tiny.yaml"
    path.write_text(TINY)
    given = {key.replace("__", "."): value for key, value in overrides.items()}
    given.setdefault("storage", f"sqlite:///{folder}/studies.db")
    return load_spec(path, given)


def parse(**tree: Any) -> StudySpec:
    """Check the study `x` with these keys."""
    return parse_spec({"study_name": "x", **tree}, "x.yaml", Path("."))


def refused(**tree: Any) -> str:
    """Return the one line that refuses the study `x` with these keys."""
    with pytest.raises(UsageError) as error:
        parse(**tree)
    assert "x.yaml" in str(error.value) and "\n" not in str(error.value)
    return str(error.value)
