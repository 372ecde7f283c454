"""Stacks of layers drawn at random: the weights that a normalisation makes free, and no others."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial

import pytest
import torch
from torch import nn

from sweep.training.modules import build
from sweep.training.probe import Probe
from tests.support.problems import generator

WIDTH = 12
LAYERS: dict[str, Callable[[], nn.Module]] = {
    "linear": lambda: nn.Linear(WIDTH, WIDTH),
    "bare": lambda: nn.Linear(WIDTH, WIDTH, bias=False),
    "relu": nn.ReLU,
    "leaky": lambda: nn.LeakyReLU(0.1),
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "dropout": lambda: nn.Dropout(0.2),
    "batch": lambda: nn.BatchNorm1d(WIDTH),
    "layer": lambda: nn.LayerNorm(WIDTH),
    "rms": lambda: nn.RMSNorm(WIDTH),
    "group": lambda: nn.GroupNorm(2, WIDTH),
}


def stack(kinds: Sequence[str]) -> nn.Module:
    return nn.Sequential(*(LAYERS[kind]() for kind in kinds))


def free(kinds: Sequence[str]) -> list[str]:
    """Name the weights that a normalisation makes free, by what follows each of them."""
    weights = [at for at, kind in enumerate(kinds) if kind in ("linear", "bare")]
    return [f"{at}.weight" for at in weights if _is_free(kinds[at + 1 :])]


def _is_free(after: Sequence[str]) -> bool:
    shifted = False  # by a bias, which only batch norm takes away
    for kind in after:
        if kind in ("batch", "layer", "rms", "group"):
            return kind == "batch" or not shifted
        if kind in ("tanh", "gelu") or (shifted and kind in ("relu", "leaky", "dropout")):
            return False
        shifted = shifted or kind == "linear"
    return False


@pytest.mark.parametrize("seed", range(4))
def test_in_any_stack_the_weights_before_a_norm_are_found_and_no_others(seed: int) -> None:
    draw, found, expected = random.Random(seed), [], []
    for number in range(25):
        kinds = [*draw.choices([*LAYERS], k=draw.randrange(2, 9)), "linear"]
        module = build(partial(stack, kinds), number)
        probe = Probe(module, torch.randn(23, WIDTH, generator=generator(number)))
        weights = [name for name, p in module.named_parameters() if p.ndim > 1]
        found.append((kinds, probe.scale_free(weights)))
        expected.append((kinds, free(kinds)))
        assert probe.squashed() is None
    assert found == expected
