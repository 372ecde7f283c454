"""Data sets that Hugging Face's `datasets` has saved: folders of Arrow files, read by pyarrow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweep.data.guarded import describe
from sweep.data.refuse import refuse
from sweep.errors import UsageError

# pandas and pyarrow take a while to import: only what reads tables has them.
if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_STATE, _PARTS = "state.json", "dataset_dict.json"


def is_saved(path: Path) -> bool:
    """Tell a folder that `save_to_disk` wrote."""
    try:
        return (path / _STATE).is_file() or (path / _PARTS).is_file()
    except (OSError, ValueError):  # a name too long, or with a NUL in it
        return False


def read_saved(path: Path, where: str) -> pd.DataFrame:
    """Read a folder that `Dataset.save_to_disk` wrote; a number of a class becomes its name.

    Args:
        path: the folder.
        where: what messages call it.

    Raises:
        UsageError: in one line, when it holds several data sets, or cannot be read.
    """
    if (path / _PARTS).is_file():
        names = [file.parent.name for file in sorted(path.glob(f"*/{_STATE}"))]
        one = "train" if "train" in names or not names else names[0]
        hint = f"Name one, {where.rstrip('/')}/{one}, and others in data.validation and data.test"
        refuse("must be one data set", f"parts {', '.join(names)}", where, hint)
    try:
        import pyarrow as pa
    except ImportError as error:
        got, hint = "none installed", "Run pip install pyarrow"
        refuse("must have the package pyarrow", got, where, hint, error)
    try:
        table = pa.concat_tables(_tables(path))
        classes = _classes(table.schema)
        frame: pd.DataFrame = table.to_pandas()
    except UsageError:
        raise
    except Exception as error:  # of Arrow, or of a file that another program has changed
        hint = "Save it anew"
        refuse("must be readable as save_to_disk writes it", describe(error), where, hint, error)
    for name, names in classes.items():
        frame[name] = frame[name].map(dict(enumerate(names))).astype("category")
    return frame


def _tables(path: Path) -> Iterator[pa.Table]:
    """Read the files that the folder's state lists, in order."""
    import pyarrow as pa

    state: dict[str, Any] = json.loads((path / _STATE).read_text(encoding="utf-8"))
    for entry in state["_data_files"]:
        name = Path(entry["filename"]).name  # in the folder, wherever it was saved
        with pa.memory_map(str(path / name)) as file:
            yield pa.ipc.open_stream(file).read_all()


def _classes(schema: pa.Schema) -> dict[str, list[str]]:
    """Return the names of the classes of each column that has some."""
    about = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    features = about.get("info", {}).get("features", {})
    return {
        name: feature["names"]
        for name, feature in features.items()
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
    }
