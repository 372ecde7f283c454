"""Folders as Hugging Face's `Dataset.save_to_disk` writes them (as of datasets 5.2)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

PET = {"label": {"names": ["cat", "dog", "emu"], "_type": "ClassLabel"}}  # features, in part


def pets(n: int = 60) -> dict[str, list[Any]]:
    """Draw columns of numbers, texts and classes."""
    draw = np.random.default_rng(0)
    return {
        "a": draw.normal(size=n).tolist(),
        "colour": [("red", "blue")[i % 2] for i in range(n)],
        "label": [i % 3 for i in range(n)],
    }


def save(folder: Path, columns: dict[str, list[Any]], features: Any, n_files: int = 1) -> None:
    """Write columns of equal length, in so many files."""
    folder.mkdir(parents=True)
    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    table = table.set_column(0, "a", table["a"].cast(pa.float32()))
    about = json.dumps({"info": {"features": features}})
    table = table.replace_schema_metadata({"huggingface": about})
    names = [f"data-{i:05}-of-{n_files:05}.arrow" for i in range(n_files)]
    size = -(-len(table) // n_files)
    for i, name in enumerate(names):
        path = str(folder / name)
        with pa.OSFile(path, "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
            stream.write_table(table[i * size : (i + 1) * size])
    state = {"_data_files": [{"filename": name} for name in names], "_format_type": None}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text(json.dumps({"features": features}))
