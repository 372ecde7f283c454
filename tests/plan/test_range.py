"""A plan reads a file of rows twice: once for what it holds, once for what its folds learn."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sweep.data import file_rows, origin, problem
from sweep.plan import alpha_max
from sweep.plan.plan import Plan, make_plan
from sweep.spec.files import parse_spec

N, F = 1500, 4
L1: dict[str, Any] = {"model": {"hidden": []}, "penalty": {"norm": "l1"}}
CASES: list[dict[str, Any]] = [
    {}, L1, {"scale": "none"}, {"drop_missing_target": True}, {"train_rows": 500},
    {"penalty": {"norm": "elastic", "l1_ratio": 0.5}}, {"model": {"hidden": [4, 4]}},
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Rows in a .npy and in a Parquet file, which are read in blocks of some hundreds."""
    draw = np.random.default_rng(0)
    X, y = draw.normal(size=(N, F)).astype(np.float32), draw.normal(size=N)
    y[5] = np.nan
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", y)
    np.save(tmp_path / "whole.npy", np.nan_to_num(y))
    table = pd.DataFrame(X, columns=[f"x{place}" for place in range(F)])
    table.assign(y=y, whole=np.nan_to_num(y)).to_parquet(tmp_path / "X.parquet")
    monkeypatch.setattr(file_rows, "BLOCK", 2500)
    monkeypatch.setattr(origin, "BLOCK", 2500)
    monkeypatch.setattr(alpha_max, "STEPS", 5)
    return tmp_path


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many times all numbers of a file were read."""
    found, pread = Counter[str](), os.pread

    def read_bytes(file: int, size: int, offset: int) -> bytes:
        found["rows"] += size
        return pread(file, size, offset)

    monkeypatch.setattr(os, "pread", read_bytes)
    for name in ("rows", "frames", "codes"):
        decode = getattr(origin.Origin, name)

        def counted(
            of: Any, *size: int, decode: Callable[..., Iterator[Any]] = decode
        ) -> Iterator[Any]:
            for part in decode(of, *size):
                found["decoded"] += 4 * np.size(part[1] if isinstance(part, tuple) else part)
                yield part

        monkeypatch.setattr(origin.Origin, name, counted)
    return found


def planned(folder: Path, source: str, case: dict[str, Any]) -> Plan:
    suffix = ".npy" if source == "X.npy" else ""
    sections = ("model", "penalty")
    data = {key: value for key, value in case.items() if key not in sections}
    name, other = ("y", "whole") if "drop_missing_target" in data else ("whole", "y")
    target = name + suffix
    if not suffix:
        data["columns"] = {other: "drop"}
    tree = {
        "study_name": "t", "device": "cpu", "model": {"hidden": [4]},
        "data": {"source": source, "target": target, "stream": True, "task": "regression"} | data,
        "replicates": {"n_folds": 3},
    } | {key: value for key, value in case.items() if key in sections}  # fmt: skip
    return make_plan(parse_spec(tree, "t.yaml", folder))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_planning_reads_an_array_in_a_file_twice(
    folder: Path, read: Counter[str], case: dict[str, Any]
) -> None:
    planned(folder, "X.npy", case)
    assert 1 <= read["rows"] / (4 * N * F) <= 2.01


@pytest.mark.parametrize("case", CASES, ids=str)
def test_planning_decodes_a_parquet_file_twice_and_reads_what_is_decoded_once(
    folder: Path, read: Counter[str], case: dict[str, Any]
) -> None:
    planned(folder, "X.parquet", case)
    first = 1 / F  # column, which may count the rows
    assert 1 <= read["decoded"] / (4 * N * F) <= 2 + first
    assert read["rows"] / (4 * N * F) <= 1


@pytest.mark.parametrize("source", ["X.npy", "X.parquet"])
@pytest.mark.parametrize("case", [{}, L1], ids=str)
def test_the_range_does_not_depend_on_what_is_kept_in_memory(
    folder: Path, monkeypatch: pytest.MonkeyPatch, source: str, case: dict[str, Any]
) -> None:
    spans = []
    for kept in (0, 4 * F * 1100, 1 << 29):  # nothing, the rows of one fold, all
        monkeypatch.setattr(problem, "KEPT_BYTES", kept)
        plan = planned(folder, source, case)
        assert plan.span.alpha_max and plan.problem.streamed and not plan.problem.streamed.kept
        spans.append(plan.span)
    assert spans[0] == spans[1] == spans[2]
