"""Several targets of a table: any list of columns is read as it stands, or refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep.data.dataset import read_rows
from sweep.errors import UsageError
from sweep.spec.data import DataSpec

N = 12
KINDS = {
    "numbers": [f"{i * 7 % 11}.5" for i in range(N)],
    "counts": [f"{i * 5 % 7}" for i in range(N)],
    "labels": [f"{i % 2}" for i in range(N)],
    "words": [["low", "high"][i % 2] for i in range(N)],
    "truths": [["true", "false"][i % 2] for i in range(N)],
    "gaps": ["" if i == 4 else f"{i}" for i in range(N)],
    "marks": ["NA" if i == 6 else f"{i % 2}" for i in range(N)],
    "constant": ["3"] * N,
    "empty": [""] * N,
}
NUMERIC = {"multilabel": {"labels", "truths"}, "regression": {"numbers", "counts", "labels"}}
HOLES = {"gaps", "marks"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("many")
    frame = pd.DataFrame({"feature": [f"{i}.25" for i in range(N)], **KINDS})
    frame.to_csv(made / "t.csv", index=False)
    return made


def columns_of(names: list[str]) -> dict[str, Any]:
    """Leave out what cannot be a feature, so that a refusal is of the targets."""
    return {"empty": {"kind": "drop"}} if "empty" not in names else {}


@given(
    names=st.lists(st.sampled_from([*KINDS, "nowhere", "Numbers"]), min_size=2, max_size=4),
    task=st.sampled_from(["multilabel", "regression"]),
    drop=st.sampled_from([None, True]),
)
def test_any_columns_are_targets_or_one_line(
    folder: Path, names: list[str], task: str, drop: bool | None
) -> None:
    fits = NUMERIC[task] | (
        (HOLES - {"gaps"} if task == "multilabel" else HOLES) if drop else set()
    )
    try:
        data = DataSpec.model_validate(
            {"source": "t.csv", "target": tuple(names), "task": task,
             "drop_missing_target": drop, "columns": columns_of(names)}
        )  # fmt: skip
    except ValueError as error:
        assert len({*names}) < len(names) and "different columns, got one twice" in str(error)
        return
    assert len({*names}) == len(names)
    try:
        rows = read_rows(data, folder)
    except UsageError as error:
        assert "\n" not in str(error) and "t.csv" in str(error)
        assert not {*names} <= fits
        for name in {*names} & {"nowhere", "Numbers"}:
            assert "data.target: must name a column" in str(error), name
        return
    assert {*names} <= fits
    assert rows.targets == tuple(names)
    lost = len({*names} & HOLES) if drop else 0
    assert rows.y.shape == (N - lost, len(names)) and np.isfinite(rows.y).all()
    if not lost and task == "regression":
        expected = np.array([[float(KINDS[name][i]) for name in names] for i in range(N)])
        np.testing.assert_array_equal(rows.y, expected)


@pytest.mark.parametrize("task", ["classification", "binary"])
def test_a_task_of_one_target_refuses_two(task: str) -> None:
    with pytest.raises(ValueError, match=f"must be one column for {task}, got 2"):
        DataSpec.model_validate({"source": "t.csv", "target": ("a", "b"), "task": task})
