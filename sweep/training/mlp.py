"""An MLP in all lanes at once: its outputs, and its gradient written out.

| symbol | meaning | shape |
|---|---|---|
| L, B | lanes, rows of a batch; lanes may be slots and places, (S, G, …), in `outputs` | |
| W, b | weight and bias of a layer | (L, out, in), (L, out) |
| h | a layer's input, as rows | (L, B, in) |
| z | its output before the activation: rows, of the last layer columns | (L, B, out), (L, C, B) |
| d | gradient of the mean loss by z, as z | |

z = h·Wᵀ + b and the next h = φ(z) forward; ∂W = dᵀ·h, ∂b = Σ_B d and d ← d·W ∘ φ′(z) backward,
from d = the slope of the loss at the output. That is what autograd finds,
in little more than half of its operators, which a step of small networks takes much of its time
for; and each gradient is written where it belongs, instead of being made elsewhere and copied.

The last layer has the rows of the batch as its fast axis, since it has few units: its product
and the softmax are faster than along those. The first layer's weight lies as (in, out), which
OpenBLAS reads twice as fast forward; a layer behind it would lose going back what it gains.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sweep.training.entries import by_vectors
from sweep.training.layout import Tensors
from sweep.training.linalg import affine, product, sums
from sweep.training.loss import Loss
from sweep.training.modules import ELU, MLP, SiLU

TRANSPOSED = ("layers.0.weight",)  # parameters that best lie so


class Activation(NamedTuple):
    """φ(z), which may overwrite z; and of (d, z, φ(z)) d ∘ φ′(z), which overwrites d."""

    forward: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor, Tensor, Tensor], Tensor]


def _silu_backward(d: Tensor, z: Tensor, h: Tensor) -> Tensor:
    sigmoid = 0.5 + 0.5 * torch.tanh(0.5 * z)
    return d.mul_(sigmoid * (1 + z * (1 - sigmoid)))


_relu_backward = torch.ops.aten.threshold_backward.grad_input
_tanh_backward = torch.ops.aten.tanh_backward.grad_input
_gelu, _gelu_backward = nn.GELU(), torch.ops.aten.gelu_backward.default
ACTIVATIONS: Mapping[type[nn.Module], Activation] = {
    nn.ReLU: Activation(torch.relu_, lambda d, z, h: _relu_backward(d, h, 0, grad_input=d)),
    nn.Tanh: Activation(torch.tanh_, lambda d, z, h: _tanh_backward(d, h, grad_input=d)),
    nn.GELU: Activation(
        partial(by_vectors, _gelu), lambda d, z, h: by_vectors(_gelu_backward, d, z)
    ),
    SiLU: Activation(SiLU(), _silu_backward),
    ELU: Activation(ELU(), lambda d, z, h: torch.where(z > 0, d, d * (h + 1))),
}


def outputs(model: MLP, params: Tensors, x: Tensor) -> Tensor:
    """Map each lane's rows (L, B, F) to outputs (L, C, B); of slots and places to (S, G, C, B).

    Args:
        model: the template; its own tensors are not used.
        params: each layer's weight and bias, stacked over the lanes.
        x: rows of the lanes; of slots and places, (1, G, B, F) are those of all slots.
    """
    _, zs = _forward(_layers(model), ACTIVATIONS[type(model.activation)], params, x)
    return zs[-1]


def write_gradient(
    model: MLP, params: Tensors, gradient: Tensors, x: Tensor, y: Tensor, w: Tensor | None,
    loss: Loss,
) -> None:  # fmt: skip
    """Fill `gradient` with that of each lane's mean loss over its rows.

    Args:
        model, params, x: see `outputs`.
        gradient: as params, each matrix contiguous or as its transpose.
        y: (L, B), classes or targets; of several (L, B, T).
        w: (L, B), the weights of the rows; None: all count the same.
        loss: of outputs and targets.
    """
    layers, activation = _layers(model), ACTIVATIONS[type(model.activation)]
    hs, zs = _forward(layers, activation, params, x)
    slope = loss.slope(zs[-1], y)
    slope = slope if w is None else slope.mul_(w[:, None])
    _backward(layers, activation, params, gradient, hs, zs, slope)


def _layers(model: MLP) -> list[str]:
    return [f"layers.{index}" for index in range(len(model.layers))]


def _forward(
    layers: Sequence[str], activation: Activation, params: Tensors, x: Tensor
) -> tuple[list[Tensor], list[Tensor]]:
    """Return h and z of each layer."""
    hs, zs = [x], []
    for layer in layers[:-1]:
        weight, bias = params[f"{layer}.weight"], params[f"{layer}.bias"]
        zs.append(affine(bias[..., None, :], hs[-1], weight.mT))
        hs.append(activation.forward(zs[-1]))
    weight, bias = params[f"{layers[-1]}.weight"], params[f"{layers[-1]}.bias"]
    zs.append(affine(bias[..., None], weight, hs[-1].mT))
    return hs, zs


def _backward(
    layers: Sequence[str], activation: Activation, params: Tensors, gradient: Tensors,
    hs: Sequence[Tensor], zs: Sequence[Tensor], d: Tensor,
) -> None:  # fmt: skip
    """Fill `gradient` from d of the last layer."""
    columns = d
    sums(columns, out=gradient[f"{layers[-1]}.bias"])
    for index in reversed(range(len(layers))):
        weight = f"{layers[index]}.weight"
        product(columns, hs[index], out=gradient[weight])
        if index:
            d = product(columns.mT, params[weight])
            d = activation.backward(d, zs[index - 1], hs[index])
            torch.sum(d, 1, out=gradient[f"{layers[index - 1]}.bias"])
            columns = d.mT
