"""The written network is used with the card's own lines, and is the one that was measured."""

from __future__ import annotations

import re
import shutil
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import d2_tweedie_score, r2_score
from torch.nn import functional as F

from sweep.config.fitted import Fit
from sweep.config.refit import fit
from sweep.data.dataset import Dataset, load_dataset, read_rows
from sweep.data.weights import class_weights, weighed
from sweep.spec.loss_setting import loss_setting, loss_words
from tests.support.cases import few_fast
from tests.support.configs import exported
from tests.support.plain_losses import plain_rows

STUDIES = Path(__file__).parents[2] / "studies"
OWN = '''
import torch
from torch import nn

class Net(nn.Module):
    """Dropout's counters, norm statistics, a tied and a frozen tensor, a buffer of no file."""
    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.first, self.second = nn.Linear(n_features, 4), nn.Linear(4, 4)
        self.third = nn.Linear(4, 4)
        self.third.weight = self.second.weight
        self.norm, self.drop = nn.BatchNorm1d(4), nn.Dropout(0.3)
        self.last = nn.Linear(4, n_outputs)
        self.shift = nn.Parameter(torch.ones(4), requires_grad=False)
        self.register_buffer("passing", torch.ones(4), persistent=False)
    def forward(self, x):
        x = self.drop(torch.relu(self.norm(self.first(x))) + self.shift * self.passing)
        return self.last(torch.tanh(self.third(torch.tanh(self.second(x)))))

class Several(nn.Linear):
    """A tuple, of which the first is the outputs."""
    def forward(self, x):
        return super().forward(x), x

class Named(nn.Linear):
    """A dict, and layers that lanes run in a way of their own."""
    def __init__(self, n_features, n_outputs):
        super().__init__(6, n_outputs)
        self.steps = nn.GRU(1, 6, batch_first=True)
    def forward(self, x):
        return {"x": x, "logits": super().forward(self.steps(x[..., None])[0][:, -1])}

class One(nn.Linear):
    """One output as (rows,)."""
    def forward(self, x):
        return super().forward(x)[:, 0]

class Embedded(nn.Module):
    """Numbers, and codes of categories behind them."""
    def __init__(self, n_features, n_outputs, categories):
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(n, 2) for n in categories)
        self.last = nn.Linear(n_features + len(categories), n_outputs)
    def forward(self, x):
        numbers, codes = x[:, :-len(self.tables)], x[:, -len(self.tables):].long()
        parts = [table(codes[:, i]) for i, table in enumerate(self.tables)]
        return self.last(torch.cat([numbers, *parts], 1))

class Images(nn.Module):
    def __init__(self, shape, n_outputs):
        super().__init__()
        self.conv, self.last = nn.Conv2d(shape[0], 2, 3), nn.Linear(2, n_outputs)
    def forward(self, x):
        return self.last(torch.relu(self.conv(x)).mean((2, 3)))
'''
IRIS = {"source": "sklearn:iris", "train_rows": 60}
TABLE = {"source": "own_model.csv", "target": "progression", "task": "regression"}
IMAGES = {"source": "images.npz", "train_rows": 20}
CASES: dict[str, dict[str, Any]] = {
    "linear": {"data": IRIS, "model": {"hidden": []}},
    "unscaled": {"data": {"source": "sklearn:digits", "scale": "none", "train_rows": 60}},
    "deep regression": {
        "data": {"source": "sklearn:diabetes", "task": "regression"},
        "model": {"hidden": [5, 4, 3], "activation": "silu"},
        "training": {"optimizer": "sgd", "epochs": 3},
    },
    "elu": {"data": IRIS, "model": {"hidden": [4, 3], "activation": "elu"}},
    "flattened images": {"data": IMAGES, "model": {"hidden": [4], "activation": "gelu"}},
    "table": {
        "data": TABLE,
        "model": {"source": "python:own_model:make_model"},
        "training": {"optimizer": "sgd", "epochs": 3},
    },
    "unscaled table": {"data": {**TABLE, "scale": "none"}, "training": {"lr": 1e-3, "epochs": 3}},
    "buffers": {"data": {**IRIS, "label_noise": 0.1}, "model": {"source": "python:own:Net"}},
    "images": {"data": IMAGES, "model": {"source": "python:own:Images"}},
    "embedded": {
        "data": {"source": "pets.csv", "target": "kind", "categorical": "embed"},
        "model": {"source": "python:own:Embedded"},
    },
    "tuple": {"data": IRIS, "model": {"source": "python:own:Several"}},
    "dict": {"data": IRIS, "model": {"source": "python:own:Named", "output": "logits"}},
    "one output": {
        "data": TABLE,
        "model": {"source": "python:own:One"},
        "training": {"optimizer": "sgd", "epochs": 3},
    },
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study's folder with data and models, as the working folder, its modules importable."""
    for name in ("own_model.py", "own_model.csv"):
        shutil.copy(STUDIES / name, tmp_path)
    (tmp_path / "own.py").write_text(OWN)
    draw = np.random.default_rng(0)
    X = draw.normal(size=(50, 1, 5, 5)) * 3 + 1
    np.savez(tmp_path / "images.npz", X=X, y=(X.mean((1, 2, 3)) > 1) * 1)
    colours = draw.choice(["red", "blue", "", "grey"], 60, p=[0.4, 0.4, 0.1, 0.1])
    colours[:2] = "rare", "NA"  # hardly in the training rows; a name
    pets = {"size": draw.normal(size=60).round(2), "colour": colours, "home": ["in", "out"] * 30}
    kinds = np.where(colours == "red", "cat", "dog")
    pd.DataFrame({**pets, "kind": kinds}).to_csv(tmp_path / "pets.csv", index=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def use(result: Fit, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run the card's Python beside the files, and return its names."""
    (code,) = re.findall(r"```python\n(.*?)```", result.card_path.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    with monkeypatch.context() as patch:
        patch.chdir(result.weights_path.parent)
        exec(code, names)
    return names


def losses(names: dict[str, Any], dataset: Dataset) -> dict[str, float]:
    """Measure the loaded network on the test rows."""
    with torch.no_grad():
        out = names["model"](names["inputs"](dataset.X_test))
        out = out["logits"] if isinstance(out, dict) else out
        out = out[0] if isinstance(out, tuple) else out
        out = out[:, None] if out.ndim == 1 else out
    about, y = names["about"], torch.as_tensor(dataset.y_test)
    answers = names["predict"](dataset.X_test)
    if not dataset.classes:
        target = (y - about["target"]["mean"]) / about["target"]["scale"]
        error = float((answers - y).square().mean() / y.var(correction=0))
        return {"loss": float(F.mse_loss(out[:, 0].double(), target)), "r2": 1 - error}
    hits = [answer == dataset.classes[k] for answer, k in zip(answers, y, strict=True)]
    return {"loss": float(F.cross_entropy(out, y)), "accuracy": float(np.mean(hits))}


@pytest.mark.parametrize("case", few_fast(CASES, 2))
def test_the_loaded_network_is_the_measured_one(
    case: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = fit(exported(folder, **CASES[case]))
    dataset = load_dataset(result.spec.data, folder, result.spec.seed)
    found = losses(use(result, monkeypatch), dataset)
    assert {name: result.saved[name] for name in found} == pytest.approx(found, rel=2e-5)


N = 60
_SMALL = np.random.default_rng(2)
ROWS = _SMALL.normal(size=(N, 4)) * [1, 5, 1, 2] + 3
SIGNAL = ROWS[:, 0] - ROWS[:, 1] / 5 - 2.4
TARGETS: dict[str, np.ndarray] = {
    "binary": np.where(SIGNAL > 0, "yes", "no"),
    "multilabel": np.stack([SIGNAL > 0, ROWS[:, 2] > 3, ROWS[:, 3] > 2], 1) * 1,
    "regression": np.stack([SIGNAL * 10 + 500, ROWS[:, 2]], 1),
    "count": _SMALL.poisson(np.exp(SIGNAL / 3)),
    "quantile": SIGNAL + _SMALL.normal(size=N),
    "own": SIGNAL,
}
OTHERS: dict[str, dict[str, Any]] = {
    "binary": {"data": {"task": "binary"}},
    "balanced": {"data": {"task": "binary", "class_weight": "balanced"}},
    "focal": {"data": {"task": "binary"}, "training": {"loss": "focal", "focal_gamma": 3.0}},
    "smoothed": {
        "data": {"task": "classification", "class_weight": {"yes": 2.0}},
        "training": {"label_smoothing": 0.1},
    },
    "multilabel": {"data": {"task": "multilabel"}},
    "two targets": {"data": {"task": "regression"}},
    "huber": {"data": {"task": "regression"}, "training": {"loss": "huber"}},
    "count": {"data": {"task": "count"}},
    "quantile": {"data": {"task": "quantile", "quantile": 0.9}},
    "mae": {"data": {"task": "regression"}, "training": {"loss": "mae"}},
    "own loss": {"data": {"task": "regression"}, "training": {"loss": "python:mine:loss"}},
    "own": {
        "data": {"task": "own", "outputs": 2}, "training": {"loss": "python:mine:likelihood"},
    },
}  # fmt: skip
MINE = """def loss(outputs, targets):
    return (outputs - targets).square().mean(1)

def likelihood(outputs, targets):
    mean, log_scale = outputs.unbind(1)
    return log_scale + 0.5 * ((targets - mean) / log_scale.exp()).square()
"""


def written(folder: Path, task: str, weighted: bool) -> str:
    """Write rows of a task, with weights or without."""
    y = TARGETS["binary" if task == "classification" else task]
    weights: dict[str, Any] = {"weight": _SMALL.exponential(2.0, N)} if weighted else {}
    np.savez(folder / f"{task}.npz", X=ROWS, y=y, **weights)
    (folder / "mine.py").write_text(MINE)
    return f"{task}.npz"


@pytest.mark.parametrize(("case", "weighted"), few_fast(product(OTHERS, [False, True]), 3))
def test_a_network_of_any_task_and_loss_is_the_measured_one(
    case: str, weighted: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, training = OTHERS[case]["data"], OTHERS[case].get("training", {})
    source = written(folder, data["task"], weighted)
    result = fit(exported(
        folder, data={"source": source, **data}, training={"epochs": 4, **training}
    ))  # fmt: skip
    spec = result.spec
    dataset = load_dataset(spec.data, folder, spec.seed)
    names = use(result, monkeypatch)
    with torch.no_grad():
        out = names["model"](names["inputs"](dataset.X_test))
    y, about = torch.as_tensor(dataset.y_test), names["about"]
    if "target" in about:
        y = (y - torch.tensor(about["target"]["mean"])) / torch.tensor(about["target"]["scale"])
    if data["task"] == "own":
        rows = out[:, 1] + 0.5 * ((y - out[:, 0]) / out[:, 1].exp()).square()
    elif case == "own loss":
        rows = (out - y).square().mean(1)
    else:
        setting = loss_setting(spec)._replace(smoothing=0.0)
        rows = plain_rows(data["task"], setting, out.double(), y)
    w = weighed(dataset.weight_test, class_weights(spec, dataset), dataset.y_test)
    rows = rows if w is None else rows * torch.as_tensor(w)
    assert float(rows.mean()) == pytest.approx(result.saved["loss"], rel=2e-5)
    answers = names["predict"](dataset.X_test)
    assert len(answers) == len(dataset.y_test)
    if "accuracy" in result.saved:
        hits = [a == dataset.classes[k] for a, k in zip(answers, dataset.y_test, strict=True)]
        assert np.mean(hits) == pytest.approx(result.saved["accuracy"])
    if "label_accuracy" in result.saved:
        hits = np.asarray(answers) == (dataset.y_test > 0)
        assert hits.mean() == pytest.approx(result.saved["label_accuracy"])
    if "r2" in result.saved:
        r2 = r2_score(dataset.y_test, np.asarray(answers))
        assert r2 == pytest.approx(result.saved["r2"], rel=1e-4)
    if "d2" in result.saved:
        d2 = d2_tweedie_score(dataset.y_test, np.asarray(answers), power=1)
        assert d2 == pytest.approx(result.saved["d2"], abs=1e-4)
    assert "own" not in result.saved
    assert loss_words(spec).loss in result.card_path.read_text()


def test_texts_that_pandas_would_change_are_prepared_as_the_card_says(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grades, codes = ["A", "NA", "B", ""] * 15, ["01", "1", "02"] * 20
    sizes = ["" if i % 7 == 0 else i * i % 17 for i in range(60)]
    rows = zip(grades, codes, sizes, "uv" * 30, strict=True)
    lines = "".join(",".join(map(str, row)) + "\n" for row in rows)
    (folder / "t.csv").write_text("grade,code,size,y\n" + lines)
    result = fit(exported(folder, data={"source": "t.csv", "target": "y"}))
    assert result.warnings[0].startswith("column 'grade': 'NA' (15 rows) stays a text")
    assert "`dtype=str, keep_default_na=False`" in result.card_path.read_text()
    as_texts = pd.read_csv(folder / "t.csv", dtype=str, keep_default_na=False)
    inputs = use(result, monkeypatch)["inputs"]
    assert torch.equal(inputs(as_texts), inputs(read_rows(result.spec.data, folder).X))


def test_tensors_have_the_users_own_names(folder: Path) -> None:
    result = fit(exported(folder, **CASES["buffers"]))
    assert set(load_file(result.weights_path)) == {
        "first.weight", "first.bias", "second.weight", "second.bias", "third.weight",
        "third.bias", "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var",
        "norm.num_batches_tracked", "last.weight", "last.bias", "shift",
    }  # fmt: skip


def test_a_table_with_gaps_and_rare_texts_is_prepared_alike(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = np.random.default_rng(1)
    table = pd.DataFrame(
        {
            "size": np.where(draw.random(80) < 0.2, np.nan, draw.normal(5, 2, 80)),
            "colour": draw.choice(np.array(["red", "blue", None]), 80),
            "rare": [None] * 78 + ["here", "there"],
            "flag": draw.random(80) < 0.5,
            "y": draw.normal(size=80),
        }
    )
    table.to_parquet(folder / "gaps.parquet")
    data = {"source": "gaps.parquet", "target": "y", "task": "regression", "train_rows": 12}
    training = {"optimizer": "sgd", "lr": 1e-2, "epochs": 2}
    result = fit(exported(folder, data=data, training=training))
    names = use(result, monkeypatch)
    dataset = load_dataset(result.spec.data, folder, result.spec.seed)
    assert losses(names, dataset)["loss"] == pytest.approx(result.saved["loss"], rel=2e-5)
    raw = names["inputs"](pd.read_parquet(folder / "gaps.parquet"))
    assert raw.shape == (80, 7) and torch.isfinite(raw).all()
