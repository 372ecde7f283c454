"""A first study is guessed from tables of many kinds, and reads."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep.data.dataset import load_dataset
from sweep.data.guess import guess
from sweep.data.sizes import settings_for
from sweep.errors import UsageError
from sweep.spec.files import parse_spec

N = 240
DRAW = np.random.default_rng(0)


def titanic() -> pd.DataFrame:
    survived = DRAW.integers(0, 2, N)
    return pd.DataFrame(
        {
            "PassengerId": np.arange(1, N + 1),
            "Survived": survived,
            "Pclass": DRAW.integers(1, 4, N),
            "Name": [f"Passenger {i}, Mr." for i in range(N)],
            "Sex": DRAW.choice(["male", "female"], N),
            "Age": np.where(DRAW.random(N) < 0.2, np.nan, DRAW.integers(1, 80, N)),
            "Cabin": [f"C{i % 9}" if i < N / 5 else None for i in range(N)],
            "alive": np.where(survived, "yes", "no"),
            "Boat": "RMS",
            "Note": None,
        }
    )


def cars() -> pd.DataFrame:
    power = DRAW.integers(50, 200, N).astype(object)
    power[[3, 60]] = "?"
    mpg = DRAW.normal(24, 6, N).round(1)
    return pd.DataFrame(
        {
            "mpg": np.where(np.arange(N) % 50 == 7, np.nan, mpg),
            "horsepower": power,
            "weight": DRAW.integers(1600, 5000, N),
            "origin": DRAW.integers(1, 4, N),
            "car_name": [f"ford {i}" for i in range(N)],
        }
    )


def diamonds() -> pd.DataFrame:
    carat = DRAW.random(N) + 0.2
    return pd.DataFrame(
        {
            "carat": carat.round(2),
            "cut": DRAW.choice(["Fair", "Good", "Very Good", "Premium", "Ideal"], N),
            "price": (carat * 4000 + DRAW.normal(0, 90, N)).round(),
            "x": DRAW.random(N).round(4),
            "y": DRAW.random(N).round(4),
            "z": DRAW.random(N).round(4),
        }
    )


def patients() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "patient_id": np.repeat(np.arange(500, 500 + N // 4), 4),
            "visit": pd.date_range("2020-01-01", periods=N).strftime("%Y-%m-%d"),
            "dose": DRAW.random(N).round(5),
            "relapse": (DRAW.random(N) < 0.05).astype(int),
        }
    )


def in_doubt() -> pd.DataFrame:
    stray = DRAW.random(N).round(4).astype(object)
    stray[5] = "broken"
    return pd.DataFrame(
        {
            "when": [f"{1 + i % 12:02}/{1 + i % 11:02}/2020" for i in range(N)],
            "cost": [f"1,{i:03}" for i in range(N)],
            "level": stray,
            "sold": DRAW.integers(0, 900, N) / 7,
        }
    )


class Case(NamedTuple):
    """A table, and what is guessed of it."""

    make: Callable[[], pd.DataFrame]
    target: str
    task: str
    sure: Mapping[str, Any]  # entries of data.columns
    proposed: tuple[str, ...] = ()
    remark: str = ""
    groups: tuple[str, ...] = ()


CASES = {
    "names, gaps, a copy of the target": Case(
        titanic, "Survived", "classification",
        dict.fromkeys(("PassengerId", "Name", "alive", "Boat", "Note"), "drop"), ("Cabin",),
    ),
    "a target with gaps": Case(
        cars, "mpg", "regression", {"car_name": "drop"}, remark="5 of 240 rows have no mpg",
    ),
    "ordered texts, and x, y, z beside a price": Case(diamonds, "price", "regression", {}),
    "patients seen several times": Case(
        patients, "relapse", "classification", {}, ("visit",), "imbalanced: ", ("patient_id",),
    ),
    "cells in doubt": Case(
        in_doubt, "sold", "regression",
        {"when": "day-first", "cost": {"thousands": ","}, "level": {"missing": ["broken"]}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_table_is_guessed(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    case.make().to_csv(tmp_path / "table.csv", index=False)
    guessed = guess("table.csv", tmp_path)
    assert (guessed.target, guessed.task, guessed.n_rows) == (case.target, case.task, N)
    assert {entry.name: entry.value for entry in guessed.columns if entry.sure} == case.sure
    assert tuple(entry.name for entry in guessed.columns if not entry.sure) == case.proposed
    assert tuple(entry.name for entry in guessed.groups if entry.sure) == case.groups
    assert case.remark in " ".join(guessed.remarks)
    assert all(entry.why for entry in (*guessed.columns, *guessed.groups))


@pytest.mark.parametrize("name", [name for name in CASES if name != "a target with gaps"])
def test_a_guess_reads(tmp_path: Path, name: str) -> None:
    CASES[name].make().to_csv(tmp_path / "table.csv", index=False)
    guessed = guess("table.csv", tmp_path)
    assert guessed.problem is None
    spec = parse_spec(guessed.study("t"), "t", tmp_path)
    X = load_dataset(spec.data, tmp_path, 0).X
    assert X.shape[1] == guessed.n_features


def test_what_stops_a_study_is_told(tmp_path: Path) -> None:
    cars().to_csv(tmp_path / "table.csv", index=False)
    problem = guess("table.csv", tmp_path).problem
    assert problem is not None
    assert "'mpg' must have a value in every row" in problem


def test_a_parquet_table_is_guessed_alike(tmp_path: Path) -> None:
    frame = titanic()
    frame.to_parquet(tmp_path / "table.parquet")
    guessed = guess("table.parquet", tmp_path)
    assert (guessed.target, guessed.problem) == ("Survived", None)
    assert {entry.name for entry in guessed.columns if entry.sure} == set(CASES[
        "names, gaps, a copy of the target"].sure)  # fmt: skip


# --- the target


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ("a,target,b", "target"),
        ("a,class,label", "label"),
        ("y,a,b", "y"),
        ("x,y,z", "z"),  # three lengths: the last one
        ("a,risk_label,b", "risk_label"),
        ("a,b,c", "c"),
        ("a,b,id", "b"),
    ],
)
def test_the_target_is_chosen_by_name_else_by_place(
    tmp_path: Path, header: str, target: str
) -> None:
    frame = pd.DataFrame(np.random.default_rng(1).random((60, 3)), columns=header.split(","))
    if "id" in frame:
        frame["id"] = np.arange(60)
    frame.to_csv(tmp_path / "table.csv", index=False)
    assert guess("table.csv", tmp_path).target == target


def test_another_target_may_be_asked_for(tmp_path: Path) -> None:
    titanic().to_csv(tmp_path / "table.csv", index=False)
    guessed = guess("table.csv", tmp_path, "Sex")
    assert (guessed.target, guessed.why_target) == ("Sex", "as asked for")
    assert "Survived" in guessed.others


def column(tmp_path: Path, values: Any) -> str:
    a = np.random.default_rng(0).random(len(values))
    frame = pd.DataFrame({"a": a, "z": values})
    frame.to_csv(tmp_path / "t.csv", index=False)
    return guess("t.csv", tmp_path, "z").task


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["no", "yes"] * 30, "classification"),
        ([0.5, 1.5] * 30, "classification"),
        ([3, 4, 5, 6] * 30, "classification"),
        ([*range(60)], "regression"),
        ([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12] * 2, "regression"),  # 2 rows each: too few
        ([0.1, 0.2, 0.3] * 30, "regression"),
        ([True, False] * 30, "classification"),
    ],
)
def test_the_task_follows_from_the_target(tmp_path: Path, values: Any, task: str) -> None:
    assert column(tmp_path, values) == task


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([*range(60)], "; if they count events, say count"),
        ([*range(-5, 55)], None),
        ([*range(1900, 1960)], None),
        ([i / 3 for i in range(60)], None),
        (["no", "yes"] * 30, "; binary has one output for both"),
        ([0, 1] * 30, "; binary has one output for both"),
        (["a", "b", "c"] * 20, None),
    ],
)
def test_tasks_that_it_might_be_too_are_named(
    tmp_path: Path, values: list[Any], said: str | None
) -> None:
    frame = pd.DataFrame({"a": np.random.default_rng(0).random(len(values)), "z": values})
    frame.to_csv(tmp_path / "t.csv", index=False)
    why = guess("t.csv", tmp_path, "z").why_task
    assert ";" not in why if said is None else why.endswith(said)


def test_a_column_that_tells_the_class_by_its_gaps_is_dropped(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 400)
    told = np.where(label, rng.integers(1, 9, 400), np.nan)
    told[:9] = 1  # almost always
    half = np.where(rng.random(400) < 0.5, np.nan, 3.0 + rng.random(400))
    frame = pd.DataFrame({"told": told, "half": half, "a": rng.random(400), "label": label})
    frame.to_csv(tmp_path / "t.csv", index=False)
    found = guess("t.csv", tmp_path)
    assert [entry.name for entry in found.columns if entry.sure] == ["told"]
    assert found.columns[0].why.startswith("tells label of 98% of the rows by being empty")


@pytest.mark.parametrize("name", ["date", "Year", "sold_month", "time"])
def test_a_column_of_times_is_no_target(tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.random(60), "b": rng.random(60), name: 2000 + rng.random(60)})
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert guess("t.csv", tmp_path).target == "b"


# --- what is no study


@pytest.mark.parametrize(
    ("text", "asked", "line"),
    [
        ("a,b\n", None, "must have rows, got none"),
        ("a\n1\n2\n3\n", None, "must have a column to predict 'a' from"),
        ("id,name\n" + "".join(f"{i},n{i}\n" for i in range(60)), None, "got none in table.csv"),
        (
            "id,y\n" + "".join(f"{i},{i % 2}\n" for i in range(60)),
            None,
            "to predict 'y' from, got none that is of use (table.csv). id counts the rows",
        ),
        ("a,b\n1,2\n3,4\n", "c", "--target: must name a column, got 'c'"),
        ("a,b\n1,2\n3,2\n", "b", "--target: must name a column that varies"),
        ("a,a\n1,2\n", None, "must have different column names"),
    ],
)
def test_what_is_no_study_is_refused_in_one_line(
    tmp_path: Path, text: str, asked: str | None, line: str
) -> None:
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(UsageError) as caught:
        guess("table.csv", tmp_path, asked)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


# --- arrays and functions


@pytest.mark.parametrize(
    ("y", "task"),
    [
        (np.stack([np.arange(60) % 2, np.arange(60) % 3 == 0], 1), "multilabel"),
        (np.stack([np.arange(60) % 2 == 0, np.arange(60) % 3 == 0], 1), "multilabel"),
        (np.random.default_rng(0).normal(size=(60, 2)), "regression"),
        (np.eye(3, dtype=int)[np.arange(60) % 3], "classification"),  # is not sure to be labels
        (np.arange(60) % 2, "classification"),
    ],
)
def test_several_targets_are_guessed_where_they_are_sure(
    tmp_path: Path, y: np.ndarray, task: str
) -> None:
    np.savez(tmp_path / "rows.npz", X=np.random.default_rng(1).normal(size=(60, 3)), y=y)
    guessed = guess("rows.npz", tmp_path)
    assert guessed.task == task
    assert (guessed.problem is None) == (task != "classification" or y.ndim == 1)


def test_an_npz_file_is_guessed(tmp_path: Path) -> None:
    X, y = np.random.default_rng(0).random((80, 5)), np.arange(80) % 3
    np.savez(tmp_path / "rows.npz", X=X, y=y)
    guessed = guess("rows.npz", tmp_path)
    assert (guessed.target, guessed.task, guessed.n_features) == (None, "classification", 5)
    assert guessed.problem is None
    assert guessed.remarks == ("80 rows are few: expect wide error bars",)
    with pytest.raises(UsageError, match="--target: only a"):
        guess("rows.npz", tmp_path, "y")


def test_a_function_is_guessed(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "import numpy as np\ndef rows():\n    r = np.random.default_rng(0)\n"
        "    return r.random((50, 2)), r.random(50)\n"
    )
    guessed = guess("python:own:rows", tmp_path)
    assert (guessed.task, guessed.n_rows, guessed.problem) == ("regression", 50, None)


# --- any table


@given(
    cells=st.lists(
        st.tuples(*[st.sampled_from(["", "1", "2.5", "a", "NA", "1,200", "01/02/2020"])] * 3),
        max_size=30,
    )
)
def test_any_table_is_guessed_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, ...]]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    text = io.StringIO()
    pd.DataFrame(cells, columns=["a", "b", "c"]).to_csv(text, index=False)
    (folder / "t.csv").write_text(text.getvalue())
    try:
        guessed = guess("t.csv", folder)
    except UsageError as error:
        assert "\n" not in str(error)
        return
    parse_spec(guessed.study("t"), "t", folder)


@pytest.mark.parametrize("n", [1, 50, 200, 201, 2_000, 2_001, 54_000, 10**7])
def test_settings_suit_the_number_of_rows(n: int) -> None:
    settings = settings_for(n)
    assert 10 <= settings["training"]["epochs"] <= 60
    assert settings["training"]["batch_size"] <= max(n, 16)
