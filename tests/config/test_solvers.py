"""scikit-learn and glmnet find the refit's own function from raw data and the config alone."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import sklearn.compose
import sklearn.impute
import sklearn.linear_model
import sklearn.neural_network
import sklearn.pipeline
import sklearn.preprocessing
import torch
from safetensors import safe_open
from sklearn.exceptions import ConvergenceWarning
from torch import nn

import sweep
from sweep.config.export import read_config
from sweep.data.dataset import load_dataset, noisy_labels
from tests.support import real
from tests.support.cases import few_fast
from tests.support.configs import exported
from tests.support.glmnet import glmnet
from tests.support.own_loop import plain_optimizer

Array = np.ndarray[Any, np.dtype[np.float64]]
MODULES = (
    sklearn.compose, sklearn.impute, sklearn.linear_model, sklearn.neural_network,
    sklearn.pipeline, sklearn.preprocessing,
)  # fmt: skip
NAMES = {name: value for module in MODULES for name, value in vars(module).items()}
# Long enough, with a learning rate that ends at 0, to be at the optimum.
FULL: dict[str, Any] = {"batch_size": "full", "schedule": "cosine"}
CONVERGED: dict[str, dict[str, Any]] = {
    "regression": {**FULL, "optimizer": "adam", "lr": 0.1, "epochs": 500},
    "classification": {**FULL, "optimizer": "sgd", "lr": 0.5, "momentum": 0.9, "epochs": 500},
}
NUMBERS: dict[str, dict[str, Any]] = {
    "numbers": {"source": "sklearn:diabetes", "task": "regression"},
    "not scaled": {"source": "rows.npz", "task": "regression", "scale": "none"},
    "a table": {"source": "rows.csv", "target": "price", "task": "regression"},
}
CLASSES: dict[str, dict[str, Any]] = {
    "three classes": {"source": "sklearn:iris"},
    "two classes": {"source": "two.npz"},
    "wrong labels": {"source": "sklearn:iris", "label_noise": 0.2},
    "a table": {"source": "rows.csv", "target": "town"},
}


def cases(sources: dict[str, dict[str, Any]], **norms: str) -> pytest.MarkDecorator:
    """List sources with the norms that each is looked at with."""
    listed = [(name, norm) for name, some in norms.items() for norm in some.split()]
    return pytest.mark.parametrize(
        ("data", "norm"),
        few_fast(((sources[name.replace("_", " ")], norm) for name, norm in listed), 2),
        ids=[" ".join(case) for case in listed],
    )  # fmt: skip


def write_sources(folder: Path) -> None:
    """Write rows whose target has a deviation far from 1, two classes, and a table with gaps."""
    draw = np.random.default_rng(5)
    X = draw.normal(size=(90, 5)) * [1, 2, 1, 0.5, 1] + 1
    y = 3 * X[:, 0] - 2 * X[:, 1] + draw.normal(size=90)
    np.savez(folder / "rows.npz", X=X, y=y)
    np.savez(folder / "two.npz", X=X, y=(y > np.median(y)) * 1)
    table = pd.DataFrame(X[:, :3], columns=["a", "b", "c"])
    table["side"] = draw.choice(["left", "middle", "right"], 90)
    table["town"] = np.where(X[:, 2] + draw.normal(size=90) > 1, "north", "south")
    table["price"] = 100 * y + 40 * (table["side"] == "right")
    table.loc[::9, "a"] = np.nan
    table.loc[::11, "side"] = np.nan
    table.to_csv(folder / "rows.csv", index=False)


class Refitted(NamedTuple):
    """A refit, and what a user has of it: raw rows, and the config."""

    config: dict[str, Any]
    X: Any
    y: Array
    out: Array  # (n, C) of the network for these rows, in the target's own units
    W: Array


def refit(folder: Path, data: dict[str, Any], strength: float, norm: str) -> Refitted:
    write_sources(folder)
    training = CONVERGED[data.get("task", "classification")]
    if norm == "l1":  # alone it leaves directions in which nothing pulls
        training = {**training, "epochs": 1500}
    path = exported(
        folder, strength=strength, data=data, model={"hidden": []}, penalty={"norm": norm},
        training=training,
    )  # fmt: skip
    done = sweep.fit(path)
    rows = load_dataset(done.spec.data, folder, done.spec.seed)
    X, y = rows.X, noisy_labels(rows, done.spec.data.label_noise, done.spec.seed)
    out, W = outputs(done.weights_path, X)
    if data["source"].endswith(".csv"):  # as a user reads it
        table = pd.read_csv(folder / "rows.csv")
        X = table[table["b"].isin(rows.X["b"])].drop(columns=data["target"])
    return Refitted(read_config(path), X, y, out, W)


def outputs(weights: Path, X: Any) -> tuple[Array, Array]:
    """Return the network's outputs (n, C) for raw rows, in the target's own units; its weights."""
    with safe_open(weights, "pt") as file:
        about = json.loads(file.metadata()["sweep"])
        W, b = (file.get_tensor(f"0.{name}").double().numpy() for name in ("weight", "bias"))
    if "features" in about:
        X = np.stack([_column(X[part["column"]], part) for part in about["features"]], 1)
    elif "mean" in about:
        X = (X - about["mean"]) / about["scale"]
    target = about.get("target", {"mean": 0, "scale": 1})
    return (X @ W.T + b) * target["scale"] + target["mean"], W


def _column(cells: Any, part: dict[str, Any]) -> Array:
    filled = cells.where(cells.notna(), part["fill"])
    if "is" in part:
        return np.asarray(filled == part["is"], float)
    return np.asarray((filled.to_numpy(float) - part["mean"]) / part["scale"])


def softmax(z: Array) -> Array:
    p = np.exp(z - z.max(1, keepdims=True))
    return np.asarray(p / p.sum(1, keepdims=True))


def used(entry: dict[str, Any], X: Any, y: Array, **names: Any) -> Any:
    """Run the code of an equivalent on raw data."""
    return eval(entry["use"], {**NAMES, "X": X, "y": y, **names})


# --- linear models


@cases(NUMBERS, numbers="l2 l1 elastic", not_scaled="l2 l1 elastic", a_table="l2 elastic")
def test_numbers_are_fitted_on_raw_rows(norm: str, data: dict[str, Any], tmp_path: Path) -> None:
    done = refit(tmp_path, data, 0.3, norm)
    there = done.config["elsewhere"]
    name = {"l2": "ridge", "l1": "lasso", "elastic": "elastic_net"}[norm]
    model = used(there[f"sklearn_{name}"], done.X, done.y)
    assert np.abs(model.predict(done.X) - done.out[:, 0]).max() < 1e-4 * done.y.std()
    coefs = getattr(model, "steps", [("", model)])[-1][1].coef_
    np.testing.assert_array_equal(coefs == 0, done.W[0] == 0)
    assert norm != "l1" or 0 < (coefs == 0).sum() < coefs.size
    if data["source"].endswith(".csv"):  # whose texts glmnet would scale
        assert "glmnet" not in there
    else:
        out = glmnet(there["glmnet"]["use"], done.X, done.y)
        assert np.abs(out - done.out).max() < 1e-4 * done.y.std()


@cases(
    CLASSES, two_classes="l2 l1 elastic", three_classes="l2 l1 elastic", wrong_labels="l2",
    a_table="l2 elastic",
)  # fmt: skip
def test_classes_are_fitted_on_raw_rows(norm: str, data: dict[str, Any], tmp_path: Path) -> None:
    done = refit(tmp_path, data, 0.03, norm)
    there, expected = done.config["elsewhere"], softmax(done.out)
    model = used(there["sklearn_logistic_regression"], done.X, done.y)
    assert np.abs(model.predict_proba(done.X) - expected).max() < 1e-4
    if data["source"].endswith(".csv"):
        assert "glmnet" not in there
    else:
        out = glmnet(there["glmnet"]["use"], done.X, done.y)
        p = softmax(out) if out.shape[1] > 1 else softmax(np.hstack([-out, out]) / 2)
        assert np.abs(p - expected).max() < 1e-4


@pytest.mark.slow
@cases({**NUMBERS, **CLASSES}, **dict.fromkeys(
    ("numbers", "not_scaled", "two_classes", "three_classes"), "l2 l1 elastic"
))  # fmt: skip
def test_glmnet_itself_fits_raw_rows(norm: str, data: dict[str, Any], tmp_path: Path) -> None:
    real.needs_r()
    numbers = data.get("task") == "regression"
    done = refit(tmp_path, data, 0.3 if numbers else 0.03, norm)
    found = real.glmnet(done.config["elsewhere"]["glmnet"]["use"], done.X, done.y, tmp_path)
    expected, scale = (done.out, done.y.std()) if numbers else (softmax(done.out), 1.0)
    assert np.abs(found - expected).max() < 1e-4 * scale


# --- scikit-learn's networks

EPOCHS, ALPHA = 12, 0.02
SGD, ADAM = {"optimizer": "sgd", "lr": 0.05}, {"optimizer": "adam", "lr": 0.02}
TRAININGS = {
    "sgd": SGD,
    "momentum": {**SGD, "momentum": 0.9},
    "nesterov": {**SGD, "momentum": 0.9, "nesterov": True},
    "adam": {**ADAM, "eps": 1e-12},
    "adam, as it is": ADAM,
}


def network(n_outputs: int) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, n_outputs)).double()


def started(kind: Any, first: nn.Sequential) -> Any:
    """Start scikit-learn's MLP from the weights of a network, rows in their order."""
    layers = iter([layer for layer in first if isinstance(layer, nn.Linear)])

    class Started(kind):  # type: ignore[misc]
        def _init_coef(self, fan_in: int, fan_out: int, dtype: Any) -> tuple[Array, Array]:
            layer = next(layers)
            return layer.weight.detach().numpy().T.copy(), layer.bias.detach().numpy().copy()

    return lambda **options: Started(shuffle=False, **options)


def trained(training: dict[str, Any], X: Array, y: Array, size: int, n_outputs: int) -> Array:
    """Train on mean loss + alpha times the squared weights; return outputs in y's units."""
    model, numbers = network(n_outputs), n_outputs == 1
    optimizer = plain_optimizer(training, model.parameters())
    shift, scale = (y.mean(), y.std()) if numbers else (0.0, 1.0)
    x = torch.as_tensor((X - X.mean(0)) / X.std(0))
    target = torch.as_tensor((y - shift) / scale) if numbers else torch.as_tensor(y)
    for _ in range(EPOCHS):
        for rows in torch.arange(len(x)).split(size):
            out, wanted = model(x[rows]), target[rows]
            loss = (
                (out[:, 0] - wanted).square().mean()
                if numbers
                else nn.functional.cross_entropy(out, wanted)
            )
            squares = sum(p.square().sum() for p in model.parameters() if p.ndim == 2)
            optimizer.zero_grad()
            (loss + ALPHA * squares).backward()
            optimizer.step()
    return np.asarray(model(x).detach().numpy() * scale + shift)


@pytest.mark.parametrize(
    ("name", "task"), few_fast(product(TRAININGS, ["classification", "regression"]), 3)
)
def test_a_network_of_scikit_learn_is_trained_alike(name: str, task: str, tmp_path: Path) -> None:
    # Of 150 rows 120 are trained on, in 5 steps of 24.
    training, batch_size = TRAININGS[name], "full" if name == "momentum" else 24
    X = np.random.default_rng(2).normal(size=(150, 4)) * [1, 9, 1, 1] + 3
    np.savez(tmp_path / "150.npz", X=X, y=50 * np.tanh(X[:, 0] - 3) + 20)
    source = "sklearn:iris" if task == "classification" else "150.npz"
    path = exported(
        tmp_path, strength=ALPHA, data={"source": source, "task": task},
        model={"hidden": [6], "activation": "tanh"},
        training={**training, "batch_size": batch_size, "epochs": EPOCHS},
    )  # fmt: skip
    spec = sweep.load_config(path).spec
    rows = load_dataset(spec.data, tmp_path, spec.seed)
    n_outputs = len(rows.classes) or 1
    kinds = {
        kind: started(NAMES[kind], network(n_outputs))
        for kind in ("MLPClassifier", "MLPRegressor")
    }
    with pytest.warns(ConvergenceWarning):  # it would train on
        there = used(read_config(path)["elsewhere"]["sklearn_mlp"], rows.X, rows.y, **kinds)
    size = 120 if batch_size == "full" else 24
    ours = trained(training, np.asarray(rows.X), rows.y, size, n_outputs)
    # At first its ε counts some 30 times as much.
    at = 1e-4 if name == "adam, as it is" else 1e-9
    if task == "regression":
        assert np.abs(there.predict(rows.X) - ours[:, 0]).max() < at * rows.y.std()
    else:
        assert np.abs(there.predict_proba(rows.X) - softmax(ours)).max() < at


# --- what is left out


def left_out(folder: Path, **tree: Any) -> set[str]:
    """Say which of the programs a study has not, of those that another has."""
    path = exported(folder, **{"data": {"source": "sklearn:iris"}, **tree})
    return {"sklearn_mlp", "optax"} - set(read_config(path)["elsewhere"])


@pytest.mark.parametrize(
    "change",
    [
        {"training": {"batch_size": 50}},  # 120 rows: the last batch is short
        {"training": {"batch_size": 20, "schedule": "cosine"}},
        {"training": {"batch_size": 20, "eps": 1e-3}},
        {"training": {"batch_size": 20, "optimizer": "adamw"}},
        {"model": {"hidden": [4], "activation": "gelu"}},
        {"penalty": {"exempt": ["layers.0.*"]}},
        {"data": {"source": "sklearn:breast_cancer", "train_rows": 100}},  # two classes
    ],
    ids=str,
)
def test_a_network_that_scikit_learn_would_train_otherwise_is_left_out(
    change: dict[str, Any], tmp_path: Path
) -> None:
    assert left_out(tmp_path) == set()
    assert left_out(tmp_path, **change) == {"sklearn_mlp"}


def test_dampening_and_norms_with_zeros_are_torch_s_alone(tmp_path: Path) -> None:
    sgd = {"optimizer": "sgd", "momentum": 0.9, "dampening": 0.5, "batch_size": 20}
    assert left_out(tmp_path, training=sgd) == {"sklearn_mlp", "optax"}
    assert left_out(tmp_path, penalty={"norm": "elastic"}) == {"sklearn_mlp", "optax"}
