"""The network of ONE trial, whose bits follow from its seeds wherever its lane lies.

| symbol | meaning | shape |
|---|---|---|
| F, C | features of a row, outputs | |
| x | rows of one batch, or any entries | (…, F) |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from sweep.training.forward import ready_for_lanes
from sweep.training.swaps import swapped

Factory = Callable[[], nn.Module]


class SiLU(nn.Module):
    """Map x to x·sigmoid(x), with the same bits wherever a lane lies.

    torch.nn.SiLU, ELU and sigmoid round differently in the tail of a vector: the last lane
    would get other bits than the rest. Those of tanh and expm1 are the same everywhere.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map entries of any shape."""
        return x * (0.5 + 0.5 * torch.tanh(0.5 * x))


class ELU(nn.Module):
    """Map x to x where positive, else exp(x) - 1, with the same bits wherever a lane lies."""

    def forward(self, x: Tensor) -> Tensor:
        """Map entries of any shape."""
        return torch.where(x > 0, x, torch.expm1(x.clamp(max=0)))


ACTIVATIONS: Mapping[str, type[nn.Module]] = {
    "relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU, "silu": SiLU, "elu": ELU,
}  # fmt: skip


class MLP(nn.Module):
    """Stack linear layers with an activation between them; no hidden layer is linear.

    `sweep.training.mlp` runs it in many lanes.
    """

    def __init__(self, n_features: int, hidden: Sequence[int], n_outputs: int, activation: str):
        super().__init__()
        widths = [n_features, *hidden, n_outputs]
        self.layers = nn.ModuleList(
            nn.Linear(fan_in, fan_out) for fan_in, fan_out in pairwise(widths)
        )
        self.activation = ACTIVATIONS[activation]()

    def forward(self, x: Tensor) -> Tensor:
        """Map rows (…, F) to outputs (…, C)."""
        for index, layer in enumerate(self.layers):
            x = layer(self.activation(x) if index else x)
        return x


def build(factory: Factory, seed: int) -> nn.Module:
    """Make one network whose initial weights follow from `seed` alone, ready for a lane.

    A factory of the user's own says by `output` what forward() calls the outputs.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = swapped(factory())
    if isinstance(module, MLP):
        return module
    output, where = getattr(factory, "output", None), getattr(factory, "where", "")
    return ready_for_lanes(module, output, where)
