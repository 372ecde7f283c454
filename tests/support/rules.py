"""The update rules that optax, Keras and Composer publish, written out in numpy.

The code that a config exports for them runs on these. Each takes gradients, not a model: weights
and gradients are dicts of arrays by name.

* optax: `add_decayed_weights` adds decay·w to the update; `sgd`, `adam`, `adamw`, `lion`
  (https://optax.readthedocs.io/en/latest/api/optimizers.html).
* Keras: AdamW first takes lr·weight_decay·w off, then steps; `L1L2` adds l1·Σ|w| + l2·Σw² to the
  loss (https://keras.io/api/optimizers/adamw, https://keras.io/api/layers/regularizers).
* Composer: DecoupledAdamW multiplies by 1 - weight_decay·lr/initial_lr
  (https://docs.mosaicml.com/projects/composer/en/stable/api_reference/composer.optim.html).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]
Tree = dict[str, Array]
Rule = Callable[[Tree, Tree], Tree]  # gradients and weights to what is added to the weights


def _moments(b1: float, b2: float, eps: float) -> Callable[[Tree], Tree]:
    """Scale by Adam: Kingma & Ba 2015, algorithm 1."""
    m: Tree = {}
    v: Tree = {}
    t = 0

    def scaled(g: Tree) -> Tree:
        nonlocal t
        t += 1
        for k in g:
            m[k] = b1 * m.get(k, 0) + (1 - b1) * g[k]
            v[k] = b2 * v.get(k, 0) + (1 - b2) * g[k] ** 2
        return {k: m[k] / (1 - b1**t) / (np.sqrt(v[k] / (1 - b2**t)) + eps) for k in g}

    return scaled


# --- optax


def _chain(*rules: Rule) -> Rule:
    def chained(updates: Tree, w: Tree) -> Tree:
        for rule in rules:
            updates = rule(updates, w)
        return updates

    return chained


def _add_decayed_weights(decay: float, mask: Mapping[str, bool]) -> Rule:
    return lambda g, w: {k: g[k] + decay * w[k] * mask[k] for k in g}


def _scale(by: float) -> Rule:
    return lambda g, w: {k: by * g[k] for k in g}


def _adam(lr: float, b1: float, b2: float, eps: float) -> Rule:
    scaled = _moments(b1, b2, eps)
    return lambda g, w: _scale(-lr)(scaled(g), w)


def _adamw(
    lr: float, b1: float, b2: float, eps: float, weight_decay: float, mask: Mapping[str, bool]
) -> Rule:
    scaled = _moments(b1, b2, eps)
    return _chain(
        lambda g, w: scaled(g), _add_decayed_weights(weight_decay, mask), _scale(-lr)
    )  # fmt: skip


def _sgd(lr: float, momentum: float = 0.0, nesterov: bool = False) -> Rule:
    trace: Tree = {}

    def stepped(g: Tree, w: Tree) -> Tree:
        for k in g:
            trace[k] = g[k] + momentum * trace.get(k, 0)
        moved = {k: g[k] + momentum * trace[k] for k in g} if nesterov else trace
        return {k: -lr * moved[k] for k in g}

    return stepped


def _lion(lr: float, b1: float, b2: float, weight_decay: float, mask: Mapping[str, bool]) -> Rule:
    m: Tree = {}

    def signs(g: Tree, w: Tree) -> Tree:
        found = {k: np.sign(b1 * m.get(k, 0) + (1 - b1) * g[k]) for k in g}
        for k in g:
            m[k] = b2 * m.get(k, 0) + (1 - b2) * g[k]
        return found

    return _chain(signs, _add_decayed_weights(weight_decay, mask), _scale(-lr))


optax = SimpleNamespace(
    chain=_chain, add_decayed_weights=_add_decayed_weights, sgd=_sgd, adam=_adam, adamw=_adamw,
    lion=_lion,
)  # fmt: skip


# --- Keras


@dataclass
class L1L2:
    """What a kernel adds to the loss, by its gradient."""

    l1: float = 0.0
    l2: float = 0.0

    def gradient(self, w: Array) -> Array:
        return np.asarray(self.l1 * np.sign(w) + 2 * self.l2 * w)


class KerasAdamW:
    """Decay first, by lr·weight_decay; then Adam, whose ε is not corrected for the start."""

    def __init__(
        self, lr: float, weight_decay: float, beta_1: float, beta_2: float, epsilon: float
    ):
        self.lr, self.decay = lr, weight_decay
        self.b1, self.b2, self.epsilon = beta_1, beta_2, epsilon
        self.spared: set[str] = set()
        self.m: Tree = {}
        self.v: Tree = {}
        self.t = 0

    def exclude_from_weight_decay(self, var_names: list[str]) -> None:
        self.spared = set(var_names)

    def __call__(self, g: Tree, w: Tree) -> Tree:
        self.t += 1
        alpha = self.lr * np.sqrt(1 - self.b2**self.t) / (1 - self.b1**self.t)
        return {k: self._moved(k, g[k], w[k], alpha) - w[k] for k in g}

    def _moved(self, k: str, g: Array, w: Array, alpha: float) -> Array:
        if k not in self.spared:
            w = w - w * self.decay * self.lr
        self.m[k] = m = self.m.get(k, 0) + (g - self.m.get(k, 0)) * (1 - self.b1)
        self.v[k] = v = self.v.get(k, 0) + (g**2 - self.v.get(k, 0)) * (1 - self.b2)
        return np.asarray(w - m * alpha / (np.sqrt(v) + self.epsilon))


keras = SimpleNamespace(
    layers=SimpleNamespace(Dense=lambda units, kernel_regularizer: kernel_regularizer),
    regularizers=SimpleNamespace(L1L2=L1L2),
    optimizers=SimpleNamespace(AdamW=KerasAdamW),
)


# --- Composer


@dataclass
class DecoupledAdamW:
    """Groups of names; each decays by weight_decay·lr/initial_lr, then Adam."""

    groups: list[dict[str, Any]]
    lr: float
    betas: tuple[float, float]
    eps: float
    scaled: Callable[[Tree], Tree] = field(init=False)

    def __post_init__(self) -> None:
        self.scaled = _moments(*self.betas, self.eps)
        self.initial_lr = self.lr

    def __call__(self, g: Tree, w: Tree) -> Tree:
        step, factor = self.scaled(g), self.lr / self.initial_lr
        decays = {k: group["weight_decay"] for group in self.groups for k in group["params"]}
        return {k: -factor * decays[k] * w[k] - self.lr * step[k] for k in g}


composer = SimpleNamespace(optim=SimpleNamespace(DecoupledAdamW=DecoupledAdamW))
