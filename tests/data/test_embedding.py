"""Categories as codes: `data.categorical: embed`, from the table to a network of one's own."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import sweep
from sweep.config.export import read_config
from sweep.data.preprocessing import category_sizes, preprocessor
from sweep.errors import UsageError
from sweep.plan.plan import make_plan
from sweep.spec.files import parse_spec
from sweep.spec.study import StudySpec
from sweep.training.cohort import Cohort
from sweep.training.optimizers import Adam
from sweep.training.recipe import Recipe
from tests.benchmarks.contracts import largest_difference, trained
from tests.support.settings import setting_of
from tests.support.studies import parse, refused

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, n_features, n_outputs, categories):
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(n, 2, padding_idx=0) for n in categories)
        self.last = nn.Linear(n_features + len(categories), n_outputs)
    def forward(self, x):
        numbers, codes = x[:, :-len(self.tables)], x[:, -len(self.tables):].long()
        return self.last(torch.cat([numbers, *(t(c) for t, c in zip(self.tables, codes.T))], 1))

def by_name(n_features, n_outputs, width=3, *, categories):
    assert width == 3
    return Net(n_features, n_outputs, categories)

def behind(n_features, n_outputs, width=3, categories=()):
    assert width == 3
    return Net(n_features, n_outputs, categories)

def small(n_features, n_outputs, categories):
    return Net(n_features, n_outputs, [n - 1 for n in categories])

def without(n_features, n_outputs):
    return nn.Linear(n_features, n_outputs)
"""


def table(n: int = 90) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    colour, code = draw.choice(["red", "blue", "grey"], n), draw.integers(1, 5, n)
    size = draw.normal(size=n).round(3)
    good = (colour == "red") ^ (code > 2)
    return pd.DataFrame({"colour": colour, "size": size, "code": code, "good": good.astype(int)})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    table().to_csv(tmp_path / "t.csv", index=False)
    (tmp_path / "nets.py").write_text(NET)
    return tmp_path


def study(folder: Path, function: str = "Net", **sections: Any) -> StudySpec:
    data = {
        "source": "t.csv", "target": "good", "categorical": "embed",
        "columns": {"code": "categorical"}, **sections.pop("data", {}),
    }  # fmt: skip
    tree = {
        "study_name": "x", "device": "cpu", "storage": f"sqlite:///{folder}/s.db", "data": data,
        "model": {"source": f"python:nets:{function}"}, "replicates": {"n_folds": 3},
        "training": {"optimizer": "adam", "epochs": 3}, "search": {"n_trials": 3}, **sections,
    }  # fmt: skip
    return parse_spec(tree, "x.yaml", folder)


@settings(max_examples=40)
@given(
    texts=st.lists(st.sampled_from(["a", "b", "c", None]), min_size=4, max_size=20),
    n_fit=st.integers(1, 20),
)
def test_codes_are_places_among_the_texts_that_training_rows_have(
    texts: list[str | None], n_fit: int
) -> None:
    search = pd.DataFrame({"x": np.arange(len(texts)) * 1.0, "t": pd.Series(texts, dtype=object)})
    fit = search[:n_fit]
    rows = pd.concat([search, pd.DataFrame({"x": [0.0], "t": ["elsewhere"]})], ignore_index=True)
    codes = np.asarray(preprocessor("none", search, fit, embed=True)(rows))[:, -1]
    names, known = sorted({*texts} - {None}, key=str), [*fit.t.dropna()]
    usual = min(known, key=lambda text: (-known.count(text), text)) if known else None
    filled = [usual if text is None else text for text in rows.t]
    assert codes.tolist() == [1 + names.index(t) if t in known else 0 for t in filled]
    assert category_sizes(search) == (1 + len(names),)


def test_columns_of_codes_stand_behind_the_numbers(folder: Path) -> None:
    plan = make_plan(study(folder))
    assert plan.problem.categories == (4, 5)
    x = plan.problem.X[plan.problem.train[0]].numpy()
    assert x.shape == (48, 3)
    assert x[:, 0].mean() == pytest.approx(0, abs=1e-6)
    assert set(x[:, 1]) == {1, 2, 3} and set(x[:, 2]) == {1, 2, 3, 4}


@pytest.mark.parametrize("function", ["Net", "by_name", "behind"])
def test_a_function_gets_how_many_codes_there_are(folder: Path, function: str) -> None:
    module = make_plan(study(folder, function)).factory()
    sizes = [table.num_embeddings for table in module.tables]  # type: ignore[union-attr]
    assert sizes == [4, 5]


def test_fused_is_serial(folder: Path) -> None:
    fused = sweep.run(study(folder))
    plain = sweep.run(
        study(folder, training={"optimizer": "adam", "epochs": 3, "fused": False},
              storage=f"sqlite:///{folder}/plain.db")
    )  # fmt: skip
    for a, b in zip(fused.study.trials, plain.study.trials, strict=True):
        assert a.params == b.params
        assert a.value == pytest.approx(b.value, rel=1e-5)


def test_fused_is_serial_in_double_precision_beside_a_neighbour_that_diverges(
    folder: Path,
) -> None:
    plan = make_plan(study(folder))
    data, places = plan.problem.to("cpu", torch.float64), len(plan.problem.replicates)
    recipe = Recipe(Adam(), epochs=4, batch_size=16)
    settings = {
        "a": setting_of(1e-3, 0.05),
        "b": setting_of(0.1, 0.02),
        "c": setting_of(0.0, 0.03),
    }
    wild = setting_of(math.nan, 0.01)  # its slot is free after an epoch
    beside = {0: [("wild", wild), *[(name, settings[name]) for name in "ab"]]}
    starts = beside | {1: [("c", settings["c"])]}
    fused = trained(Cohort(data, plan.factory, recipe, 3 * places), starts)
    assert fused["wild"].diverged is not None
    for name, setting in settings.items():
        serial = Cohort(data, plan.factory, replace(recipe, fused=False), 1)
        alone = trained(serial, {0: [(name, setting)]})
        assert largest_difference(fused[name], alone[name]) < 1e-9


def test_a_config_has_the_texts_of_the_codes(folder: Path) -> None:
    result = sweep.run(study(folder))
    result.export(folder / "best.yaml")
    tree = read_config(folder / "best.yaml")
    assert tree["categories"] == {"colour": ["blue", "grey", "red"], "code": ["1", "2", "3", "4"]}


@pytest.mark.parametrize(
    ("tree", "line"),
    [
        ({"data": {"categorical": "embed"}},
         "data.categorical: embed must have a network of your own, got the mlp"),
        ({"data": {"categorical": "embed"}, "model": {"source": "python:a:b"},
          "training": {"augment": ["noise"]}},
         "training.augment: must leave codes of categories as they are, got noise"),
        ({"data": {"categorical": "one"}}, "data.categorical: "),
    ],
)  # fmt: skip
def test_what_does_not_go_with_codes_is_refused(tree: dict[str, Any], line: str) -> None:
    assert refused(**tree).startswith(line)


def test_without_the_key_nothing_is_embedded() -> None:
    assert parse().data.categorical is None


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"function": "without"},
         "model.source: the function must take `categories` too, got (n_features, n_outputs)"),
        ({"data": {"columns": {"colour": "drop"}}},
         "data.categorical: embed must have columns of texts, got none (t.csv)"),
        ({"data": {"source": "sklearn:iris", "target": None, "columns": None}},
         "data.categorical: embed must have columns of texts, got none (sklearn:iris)"),
    ],
)  # fmt: skip
def test_data_and_functions_that_do_not_fit_are_refused(
    folder: Path, changes: dict[str, Any], line: str
) -> None:
    with pytest.raises(UsageError) as caught:
        make_plan(study(folder, **changes))
    assert line in str(caught.value) and "\n" not in str(caught.value)


def test_a_table_that_is_too_small_is_refused_before_anything_trains(folder: Path) -> None:
    rare = table()
    rare.loc[rare.index[-1], "colour"] = "white"  # the last code, in none of the first rows
    rare.to_csv(folder / "t.csv", index=False)
    make_plan(study(folder))
    with pytest.raises(UsageError, match=r"^model: must accept rows .*index out of range"):
        make_plan(study(folder, "small"))
