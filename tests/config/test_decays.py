"""The code that a config has for torch, optax, Keras and Composer trains what the study trains.

Torch itself runs here; the others by the rules that they publish (tests/support/rules.py), and
themselves where they are installed (tests/support/real.py).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn.compose
import sklearn.impute
import sklearn.pipeline
import sklearn.preprocessing
import torch
from torch import Tensor, nn

import sweep
from sweep.config.export import read_config
from sweep.data.dataset import load_dataset
from sweep.data.holdout import make_refit_problem
from sweep.training.modules import MLP
from tests.support import real, rules
from tests.support.configs import exported
from tests.support.own_loop import NAMES, TRAININGS, plain_optimizer, trainings

STRENGTH, STEPS, SIZE = 0.03, 25, 16
ADAMW = {"optimizer": "adamw", "lr": 0.02, "betas": (0.8, 0.99)}
IRIS = {"source": "sklearn:iris"}
DIABETES = {"source": "sklearn:diabetes", "task": "regression"}
KNOWN_TO_OPTAX = {
    name: training
    for name, training in zip(NAMES, TRAININGS, strict=True)
    if not (training.get("momentum") and training.get("dampening"))
}
Batch = tuple[Tensor, Tensor]
Weights = dict[str, Tensor]


class Exported:
    """A config and what its user has: raw rows and a network of the study's kind."""

    def __init__(self, folder: Path, data: dict[str, Any], **tree: Any):
        path = exported(folder, strength=STRENGTH, data=data, model={"hidden": [5]}, **tree)
        self.config = read_config(path)
        self.elsewhere: dict[str, Any] = self.config["elsewhere"]
        spec = sweep.load_config(path).spec
        rows = load_dataset(spec.data, folder, spec.seed)
        self.X, self.y = np.asarray(rows.X), rows.y
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.model = MLP(self.X.shape[1], (5,), len(rows.classes) or 1, "tanh").double()
        self.penalised = set(self.config["penalty"]["penalised"])

    def batches(self, name: str) -> list[Batch]:
        """Prepare raw rows as an equivalent says, and cut them."""
        given = prepared(self.elsewhere[name], self.X, self.y)
        rows = torch.as_tensor(given["X"]), torch.as_tensor(given["y"])
        at = [torch.arange(step * 7, step * 7 + SIZE) % len(self.X) for step in range(STEPS)]
        return [(rows[0][i], rows[1][i]) for i in at]

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        out: Tensor = model(batch[0])
        y = batch[1]
        if y.is_floating_point():
            return (out[:, 0] - y).square().mean()
        return nn.functional.cross_entropy(out, y)

    def by_rule(self, name: str, rule: Any, lr: Callable[[int], float] | None = None) -> Weights:
        """Train by a rule from gradients of the mean loss."""
        model = copy.deepcopy(self.model)
        named = dict(model.named_parameters())
        for step, batch in enumerate(self.batches(name)):
            if lr:
                rule.lr = lr(step)
            grads = torch.autograd.grad(self.loss(model, batch), list(named.values()))
            g = {k: grad.numpy() for k, grad in zip(named, grads, strict=True)}
            moves = rule(g, {k: w.detach().numpy() for k, w in named.items()})
            with torch.no_grad():
                for k, w in named.items():
                    w.add_(torch.as_tensor(moves[k]))
        return {k: w.detach() for k, w in named.items()}

    def penalised_loss(self, training: dict[str, Any], name: str, ratio: float) -> Weights:
        """Train on mean loss + strength·norm, by torch's optimiser without a decay."""
        model = copy.deepcopy(self.model)
        optimizer = plain_optimizer(training, model.parameters())
        for batch in self.batches(name):
            weights = [p for n, p in model.named_parameters() if n in self.penalised]
            norm = sum(ratio * w.abs().sum() + (1 - ratio) * w.square().sum() for w in weights)
            optimizer.zero_grad()
            (self.loss(model, batch) + STRENGTH * norm).backward()
            optimizer.step()
        return {k: w.detach() for k, w in model.named_parameters()}

    def decayed(self, lr: Callable[[int], float], name: str) -> Weights:
        """Train by Adam after weights *= 1 - lr·strength."""
        model = copy.deepcopy(self.model)
        optimizer = plain_optimizer({**ADAMW, "optimizer": "adam"}, model.parameters())
        for step, batch in enumerate(self.batches(name)):
            optimizer.param_groups[0]["lr"] = lr(step)
            optimizer.zero_grad()
            self.loss(model, batch).backward()
            with torch.no_grad():
                for n, w in model.named_parameters():
                    w.mul_(1 - lr(step) * STRENGTH * (n in self.penalised))
            optimizer.step()
        return {k: w.detach() for k, w in model.named_parameters()}

    def by_torch(self) -> Weights:
        """Train by the code for torch."""
        model = copy.deepcopy(self.model)
        named = dict(model.named_parameters())
        groups = {
            "weights": [p for n, p in named.items() if n in self.penalised],
            "others": [p for n, p in named.items() if n not in self.penalised],
        }
        optimizer = eval(self.elsewhere["torch"]["use"], {"torch": torch, **groups})
        for batch in self.batches("torch"):
            optimizer.zero_grad()
            self.loss(model, batch).backward()
            optimizer.step()
        return {k: w.detach() for k, w in named.items()}

    def rule(self, name: str) -> Any:
        """Run the code of an equivalent on the published rules."""
        names = [n for n, _ in self.model.named_parameters()]
        given = {
            "optax": rules.optax, "keras": rules.keras, "composer": rules.composer, "units": 5,
            "mask": {n: n in self.penalised for n in names},
            "weights": [n for n in names if n in self.penalised],
            "others": [n for n in names if n not in self.penalised],
        }  # fmt: skip
        return eval(self.elsewhere[name]["use"], given)


def assert_alike(one: Weights, other: Weights, at: float = 1e-12) -> None:
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=0, atol=at, msg=name)


def constant(step: int) -> float:
    return 0.02


# --- the data


TABLE = {"source": "rows.csv", "target": "price", "task": "regression"}


@pytest.mark.parametrize(
    "data", [IRIS, DIABETES, {**IRIS, "scale": "none"}, TABLE, {**TABLE, "scale": "none"}], ids=str
)
def test_raw_rows_become_what_the_refit_trains_on(data: dict[str, Any], tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    table = pd.DataFrame({"a": draw.normal(5, 3, 60), "b": draw.integers(0, 9, 60)})
    table["side"] = draw.choice(["left", "right", "up"], 60)
    table["price"] = draw.normal(100, 30, 60)
    table.loc[::7, ["a", "side"]] = np.nan
    table.to_csv(tmp_path / "rows.csv", index=False)
    path = exported(tmp_path, data=data)
    spec = sweep.load_config(path).spec
    rows = load_dataset(spec.data, tmp_path, spec.seed)
    X = np.asarray(rows.X) if "csv" not in data["source"] else _read(tmp_path, rows.y)
    given = prepared(read_config(path)["elsewhere"]["torch"], X, rows.y)
    problem = make_refit_problem(spec, rows, 1)
    np.testing.assert_allclose(given["X"], problem.X[problem.train[0]].numpy(), atol=1e-5)
    np.testing.assert_allclose(given["y"], problem.y[problem.train[0]].numpy(), atol=1e-5)


def test_images_are_scaled_entry_by_entry(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    images = draw.normal(5, 3, (60, 4, 4)) * draw.uniform(1, 9, (4, 4))
    np.savez(tmp_path / "images.npz", X=images, y=draw.integers(0, 3, 60))
    path = exported(tmp_path, data={"source": "images.npz"}, training={"batch_size": 24})
    spec = sweep.load_config(path).spec
    rows = load_dataset(spec.data, tmp_path, spec.seed)
    there = read_config(path)["elsewhere"]
    given = prepared(there["torch"], rows.X, rows.y)
    np.testing.assert_allclose(given["X"], make_refit_problem(spec, rows, 1).X[:48], atol=1e-5)
    assert there["sklearn_mlp"]["use"].endswith(".fit(X.reshape(len(X), -1), y)")


def _read(folder: Path, y: Any) -> pd.DataFrame:
    """Read the table as a user does, and leave the test rows out."""
    table = pd.read_csv(folder / "rows.csv")
    return table[table["price"].isin(y)].drop(columns="price")


def prepared(entry: dict[str, Any], X: Any, y: Any) -> dict[str, Any]:
    """Run the code that prepares raw data."""
    modules = sklearn.compose, sklearn.impute, sklearn.pipeline, sklearn.preprocessing
    given = {name: value for module in modules for name, value in vars(module).items()}
    given |= {"X": X, "y": y, "np": np}
    exec(entry.get("data", ""), given)
    return given


# --- a term of the loss


@trainings
def test_torch_adds_the_gradient_of_the_squared_norm(
    training: dict[str, Any], tmp_path: Path
) -> None:
    made = Exported(tmp_path, DIABETES, training=training)
    assert_alike(made.by_torch(), made.penalised_loss(training, "torch", 0.0))


@pytest.mark.parametrize("training", KNOWN_TO_OPTAX.values(), ids=KNOWN_TO_OPTAX)
def test_optax_adds_the_gradient_of_the_squared_norm(
    training: dict[str, Any], tmp_path: Path
) -> None:
    made = Exported(tmp_path, DIABETES, training=training)
    expected = made.penalised_loss(training, "optax", 0.0)
    assert_alike(made.by_rule("optax", made.rule("optax")), expected)


@pytest.mark.parametrize("data", [IRIS, DIABETES, {**IRIS, "scale": "none"}])
@pytest.mark.parametrize(
    ("penalty", "ratio"),
    [({"norm": "l2"}, 0.0), ({"norm": "l1"}, 1.0), ({"norm": "elastic", "l1_ratio": 0.3}, 0.3)],
)
def test_keras_adds_the_norm_to_the_loss(
    penalty: dict[str, Any], ratio: float, data: dict[str, Any], tmp_path: Path
) -> None:
    made = Exported(tmp_path, data, penalty=penalty)
    kernel = made.rule("keras")

    def rule(g: rules.Tree, w: rules.Tree) -> rules.Tree:
        added = {k: kernel.gradient(w[k]) if k in made.penalised else 0.0 for k in g}
        return {k: -0.05 * (g[k] + added[k]) for k in g}

    training = {"optimizer": "sgd", "lr": 0.05}
    assert_alike(made.by_rule("keras", rule), made.penalised_loss(training, "keras", ratio))


LATER = [
    {"optimizer": "rmsprop", "lr": 0.02, "momentum": 0.5, "smoothing": 0.9, "centered": True},
    {"optimizer": "adagrad", "lr": 0.05, "lr_decay": 0.1, "initial_accumulator": 0.1},
    {"optimizer": "nadam", "lr": 0.02, "betas": [0.8, 0.99]},
    {"optimizer": "radam", "lr": 0.02, "eps": 1e-6},
]


@pytest.mark.parametrize("training", LATER, ids=str)
def test_the_later_optimisers_of_torch_add_the_same_gradient(
    training: dict[str, Any], tmp_path: Path
) -> None:
    made = Exported(tmp_path, IRIS, training=training)
    assert_alike(made.by_torch(), made.penalised_loss(training, "torch", 0.0))
    assert "optax" not in made.elsewhere and "keras" in made.elsewhere


def test_what_holds_for_a_code_names_schedule_and_clip(tmp_path: Path) -> None:
    training = {"optimizer": "sgd", "clip_norm": 0.5, "schedule": {"type": "linear", "warmup": 9}}
    told = Exported(tmp_path, IRIS, training=training).elsewhere["torch"]["holds_for"]
    assert "lr falling to 0 on a line after a warm-up of 9 steps" in told
    assert told.endswith("the loss's gradient clipped to norm 0.5 first")


# --- decay by the optimiser itself


def test_optax_decays_as_lion_does(tmp_path: Path) -> None:
    training = {"optimizer": "lion", "lr": 0.02, "betas": [0.8, 0.95]}
    made = Exported(tmp_path, IRIS, training=training)
    model = copy.deepcopy(made.model)
    named = dict(model.named_parameters())
    groups = [
        {"params": [p for n, p in named.items() if (n in made.penalised) == which],
         "weight_decay": STRENGTH * which}
        for which in (True, False)
    ]  # fmt: skip
    optimizer = plain_optimizer(training, groups)
    for batch in made.batches("optax"):
        optimizer.zero_grad()
        made.loss(model, batch).backward()
        optimizer.step()
    want = {k: w.detach() for k, w in named.items()}
    assert_alike(made.by_rule("optax", made.rule("optax")), want)
    assert set(made.elsewhere) == {"symbols", "optax", "timescale"}


def test_nothing_elsewhere_is_what_muon_and_adamw_do_together(tmp_path: Path) -> None:
    made = Exported(tmp_path, IRIS, training={"optimizer": "muon"})
    assert set(made.elsewhere) == {"symbols", "timescale"}
    assert made.config["equivalents"] == {}


def test_torch_and_optax_decay_as_adamw_does(tmp_path: Path) -> None:
    made = Exported(tmp_path, IRIS, training=ADAMW)
    expected = made.decayed(constant, "torch")
    assert_alike(made.by_torch(), expected)
    assert_alike(made.by_rule("optax", made.rule("optax")), expected)


def test_keras_decays_as_adamw_does(tmp_path: Path) -> None:
    made = Exported(tmp_path, IRIS, training=ADAMW)
    rule = made.rule("keras_adamw")
    rule.exclude_from_weight_decay(var_names=made.config["penalty"]["exempt"])
    expected = made.decayed(constant, "keras_adamw")
    assert_alike(made.by_rule("keras_adamw", rule), expected, at=1e-6)  # for ε's place


def test_an_independent_decay_follows_a_falling_learning_rate(tmp_path: Path) -> None:
    made = Exported(tmp_path, IRIS, training={**ADAMW, "schedule": "cosine", "epochs": STEPS})

    def lr(step: int) -> float:
        return 0.01 * (1 + math.cos(math.pi * step / STEPS))

    name = "independent_decay"
    assert_alike(made.by_rule(name, made.rule(name), lr), made.decayed(lr, name))
    assert "timescale" not in made.elsewhere


def test_the_timescale_is_that_of_weights_without_a_gradient(tmp_path: Path) -> None:
    training = {**ADAMW, "batch_size": 50}
    found = Exported(tmp_path, IRIS, training=training).elsewhere["timescale"]["epochs"]
    steps = 3  # 120 rows, 50 a step
    w = (1 - 0.02 * STRENGTH) ** (steps * found)
    assert w == pytest.approx(math.exp(-1), rel=1e-3)


# --- optax and Keras themselves


@pytest.mark.slow
@pytest.mark.parametrize("name", [*KNOWN_TO_OPTAX, "adamw"])
def test_optax_itself_trains_alike(name: str, tmp_path: Path) -> None:
    training = ADAMW if name == "adamw" else KNOWN_TO_OPTAX[name]
    made = Exported(tmp_path, DIABETES, training=training)
    mask = {name: name in made.penalised for name, _ in made.model.named_parameters()}
    rule = real.optax_rule(made.elsewhere["optax"]["use"], mask)
    decayed = name == "adamw" and made.decayed(constant, "optax")
    expected = decayed or made.penalised_loss(training, "optax", 0.0)
    assert_alike(made.by_rule("optax", rule), expected)


@pytest.mark.slow
def test_keras_itself_decays_as_adamw_does(tmp_path: Path) -> None:
    made = Exported(tmp_path, IRIS, training=ADAMW)
    use, exempt = made.elsewhere["keras_adamw"]["use"], made.config["penalty"]["exempt"]
    found = made.by_rule("keras_adamw", real.keras_rule(use, exempt))
    assert_alike(found, made.decayed(constant, "keras_adamw"), at=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("penalty", [{"norm": "l2"}, {"norm": "l1"}, {"norm": "elastic"}])
def test_keras_itself_adds_the_norm_to_the_loss(penalty: dict[str, Any], tmp_path: Path) -> None:
    made = Exported(tmp_path, IRIS, penalty=penalty)
    use, w = made.elsewhere["keras"]["use"], np.linspace(-2, 3, 12).reshape(3, 4)
    np.testing.assert_allclose(
        real.keras_gradient(use, w), made.rule("keras").gradient(w), rtol=1e-6
    )
