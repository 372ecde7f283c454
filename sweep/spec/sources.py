"""What a study file names that lies elsewhere: its rows, and functions of the user's own."""

from __future__ import annotations

from sweep.spec.objective import OWN
from sweep.spec.study import StudySpec

# What a study's `problem` calls the hashes of its functions' files, which must stay as they were.
HASHES = {
    "model.source": "model_hash", "training.loss": "loss_hash", "objective.metric": "metric_hash",
}  # fmt: skip

# Kinds of files of rows.
FILES = (".csv", ".parquet", ".npz", ".npy", ".svm", ".svmlight", ".libsvm")


def sources_of(spec: StudySpec) -> dict[str, str]:
    """Return the sources of a study by the key that names them: of the rows, then functions."""
    named = {
        "model.source": getattr(spec.model, "source", ""),
        "objective.metric": spec.objective.metric,
        "training.loss": spec.training.loss,
    }
    functions = {key: name for key, name in named.items() if name.startswith(OWN)}
    data = spec.data.files | spec.data.beside
    return {**{f"data.{key}": file for key, file in data.items()}, **functions}
