"""A config says beside each equivalent what it holds for, and gives formulas for other rows."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import sweep
from sweep.config.chosen import Chosen
from sweep.config.elsewhere import elsewhere
from sweep.config.export import make_config, read_config
from sweep.data.dataset import load_dataset
from tests.conftest import made_study
from tests.support.configs import exported

DIABETES = {"source": "sklearn:diabetes", "task": "regression"}
TWO = {"source": "sklearn:breast_cancer", "train_rows": 100}
LINEAR: dict[str, Any] = {"hidden": []}
ADAMW = {"optimizer": "adamw", "batch_size": 50}
STUDIES: dict[str, dict[str, Any]] = {
    f"{name} {norm}": {"data": data, "model": LINEAR, "penalty": {"norm": norm}}
    for name, data in {
        "numbers": DIABETES, "not scaled": {**DIABETES, "scale": "none"},
        "two classes": TWO, "classes": {"source": "sklearn:iris"},
    }.items()
    for norm in ("l2", "l1", "elastic")
} | {
    "network": {"data": {"source": "sklearn:iris"}, "training": {"batch_size": 20}},
    "network of numbers": {"data": {**DIABETES, "train_rows": 100}},
    "adamw": {"data": {"source": "sklearn:iris"}, "training": ADAMW},
}  # fmt: skip
SPARSE = {"norm": "elastic", "l1_ratio": 0.3}


def config_of(folder: Path, **tree: Any) -> dict[str, Any]:
    if tree.get("penalty", {}).get("norm") == "elastic":
        tree["penalty"] = SPARSE
    return read_config(exported(folder, strength=0.03, **tree))


@pytest.mark.parametrize("tree", STUDIES.values(), ids=STUDIES)
def test_each_number_is_what_its_formula_gives(tree: dict[str, Any], tmp_path: Path) -> None:
    there = config_of(tmp_path, **tree)["elsewhere"]
    symbols = there.pop("symbols")
    assert there
    for program, entry in there.items():
        formulas = dict(part.split(" = ") for part in entry["formula"].split(", "))
        words = {"formula", "use", "data", "holds_for"}
        assert formulas.keys() == entry.keys() - words, program
        for name, formula in formulas.items():
            assert eval(formula, {"ceil": math.ceil, **symbols}) == pytest.approx(entry[name])


@pytest.mark.parametrize("tree", STUDIES.values(), ids=STUDIES)
def test_the_code_has_the_numbers_in_it(tree: dict[str, Any], tmp_path: Path) -> None:
    there = config_of(tmp_path, **tree)["elsewhere"]
    for program in there.keys() - {"symbols", "timescale"}:
        numbers = [value for value in there[program].values() if isinstance(value, float)]
        assert numbers and all(repr(number) in there[program]["use"] for number in numbers)


@pytest.mark.parametrize("name", ["made.yaml", "made.toml", "made.json"])
def test_a_file_of_any_kind_has_them(name: str, tmp_path: Path) -> None:
    path = exported(tmp_path, data=DIABETES, model=LINEAR, name=name)
    there = read_config(path)["elsewhere"]
    assert there["sklearn_ridge"] == {
        "alpha": 3.54,
        "formula": "alpha = strength * rows",
        "use": "make_pipeline(StandardScaler(), Ridge(alpha=3.54)).fit(X, y)",
        "holds_for": "raw X and y; 354 rows of sklearn:diabetes with `scaled=False`,"
        " all but the test rows",
    }


def test_the_rows_are_those_of_the_refit_not_of_a_fold(tmp_path: Path) -> None:
    path = exported(tmp_path, strength=0.01, data=DIABETES, model=LINEAR)
    config = read_config(path)
    done = sweep.fit(path)
    assert config["elsewhere"]["symbols"]["rows"] == done.n_rows == 354
    assert config["n_rows"] == done.n_search_rows == 236
    assert config["equivalents"]["sklearn_ridge_alpha"] == pytest.approx(0.01 * 236)
    assert config["equivalents_hold_for"] == (
        "features and target of mean 0 and deviation 1, 236 rows (n_rows);"
        " for raw data see elsewhere"
    )


def test_texts_are_not_scaled_and_the_config_says_so(tmp_path: Path) -> None:
    rows = pd.DataFrame({"size": np.arange(60.0), "kind": [*"abc"] * 20, "y": np.arange(60.0) % 7})
    rows.to_csv(tmp_path / "rows.csv", index=False)
    data = {"source": "rows.csv", "target": "y", "task": "regression"}
    config = config_of(tmp_path, data=data, model=LINEAR)
    assert config["equivalents_hold_for"].startswith("numbers (not texts) and target of mean 0")


def test_the_deviation_is_that_of_the_raw_target(tmp_path: Path) -> None:
    path = exported(tmp_path, data=DIABETES, model=LINEAR)
    spec = sweep.load_config(path).spec
    y = load_dataset(spec.data, tmp_path, spec.seed).y
    symbols = read_config(path)["elsewhere"]["symbols"]
    assert symbols["sd_y"] == pytest.approx(np.std(y))


def test_data_that_need_more_than_the_rows_are_said_so(tmp_path: Path) -> None:
    data = {"source": "sklearn:iris", "train_rows": 60, "label_noise": 0.2, "scale": "none"}
    config = config_of(tmp_path, data=data, model=LINEAR)
    logistic = config["elsewhere"]["sklearn_logistic_regression"]
    assert logistic["holds_for"] == (
        "raw X and y; 60 rows of sklearn:iris, drawn as for the first seed of `sweep fit`,"
        " 20% of the labels made wrong"
    )
    assert logistic["use"].startswith("LogisticRegression(C=")  # nothing is scaled
    assert config["equivalents_hold_for"].startswith("features as they are, 60 rows")


def test_a_strength_of_0_has_no_solver(tmp_path: Path) -> None:
    spec = sweep.load_config(exported(tmp_path, data=DIABETES, model=LINEAR)).spec
    refit = {"n_rows": 354, "target_deviation": 77.0, "all_numbers": True, "flat": True}
    about = {"n_outputs": 1, "penalised": ["layers.0.weight"], "refit": refit}
    there = elsewhere(Chosen(spec, {"alpha": 0.0}, about))
    assert there.keys() == {"symbols", "torch", "optax", "keras"}


def test_an_own_network_is_told_of_keras_other_regularizers(tmp_path: Path) -> None:
    net = "from torch import nn\ndef net(n_features, n_outputs):\n    return nn.Linear(10, 1)\n"
    (tmp_path / "nets.py").write_text(net)
    own = config_of(tmp_path, data=DIABETES, model={"source": "python:nets:net"})
    assert "recurrent_regularizer" in own["elsewhere"]["keras"]["holds_for"]
    mlp = config_of(tmp_path, data=DIABETES, model=LINEAR)
    assert "recurrent_regularizer" not in mlp["elsewhere"]["keras"]["holds_for"]


def test_a_penalty_on_biases_is_none_that_layers_and_solvers_have(tmp_path: Path) -> None:
    config = config_of(tmp_path, data=DIABETES, model=LINEAR, penalty={"include": ["*.bias"]})
    assert config["elsewhere"].keys() == {"symbols", "torch", "optax"}
    assert config["equivalents"].keys() == {"torch_weight_decay"}


def test_a_study_of_an_earlier_version_is_exported_without_them() -> None:
    config = make_config(made_study({1e-3: [1.0, 2.0, 3.0]}))
    assert config["elsewhere"] == {}
    assert config["equivalents"] == {"torch_weight_decay": 2e-3, "keras_l2": 1e-3}
