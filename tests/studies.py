"""Small studies on real data, for tests that run whole ones."""

from pathlib import Path
from typing import Any

from sweep.spec import StudySpec
from sweep.studyfile import load_spec

TINY = """
study_name: tiny
data: {source: sklearn:digits, scale: none, train_rows: 60, label_noise: 0.2}
model: {kind: mlp, hidden: [8]}
training: {optimizer: adam, lr: 2e-2, batch_size: 25, epochs: 4}
search: {n_trials: 14, in_flight: 4}
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
