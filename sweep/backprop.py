"""The gradient of an MLP in all lanes, written out: what autograd finds, in a third of the calls.

| symbol | meaning | shape |
|---|---|---|
| L, B | lanes, rows of a batch | |
| W, b | weight and bias of a layer | (L, out, in), (L, out, 1) |
| z, h | a layer's output before and after the activation, as columns | (L, out, B) |
| d | gradient of the mean loss by z | (L, out, B) |

z = W·h + b and h = φ(z) forward; ∂W = d·hᵀ, ∂b = Σ_B d and d ← Wᵀd ∘ φ′(z) backward, from
d = (softmax(z) − onehot(y)) / B or 2(z − y) / B at the output. A step of small networks is
bound by the number of calls, not by arithmetic; and each gradient is written where it belongs,
instead of being made elsewhere and copied.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sweep.models import ELU, MLP, SiLU, Tensors


class Activation(NamedTuple):
    """φ(z), which may overwrite z, and d ∘ φ′(z) of (d, z, φ(z))."""

    forward: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor, Tensor, Tensor], Tensor]


def _silu_backward(d: Tensor, z: Tensor, h: Tensor) -> Tensor:
    sigmoid = 0.5 + 0.5 * torch.tanh(0.5 * z)
    return d * (sigmoid * (1 + z * (1 - sigmoid)))


_aten = torch.ops.aten
ACTIVATIONS: Mapping[type[nn.Module], Activation] = {
    nn.ReLU: Activation(torch.relu_, lambda d, z, h: _aten.threshold_backward(d, h, 0)),
    nn.Tanh: Activation(torch.tanh_, lambda d, z, h: _aten.tanh_backward(d, h)),
    nn.GELU: Activation(nn.GELU(), lambda d, z, h: _aten.gelu_backward(d, z)),
    SiLU: Activation(SiLU(), _silu_backward),
    ELU: Activation(ELU(), lambda d, z, h: torch.where(z > 0, d, d * (h + 1))),
}


def write_gradient(
    model: MLP, params: Tensors, gradient: Tensors, x: Tensor, y: Tensor, task: str
) -> None:
    """Fill `gradient` with that of each lane's mean loss over its rows.

    Args:
        model: the template; its own tensors are not used.
        params: each layer's weight and bias, stacked over the lanes.
        gradient: as params, contiguous.
        x: (L, B, F).
        y: (L, B), classes or targets.
        task: `classification` or `regression`.
    """
    activation = ACTIVATIONS[type(model.activation)]
    layers = [f"layers.{index}" for index in range(len(model.layers))]
    inputs, outputs = _forward(layers, activation, params, x)
    _backward(layers, activation, params, gradient, inputs, outputs, _slope(outputs[-1], y, task))


def _forward(
    layers: Sequence[str], activation: Activation, params: Tensors, x: Tensor
) -> tuple[list[Tensor], list[Tensor]]:
    """Return each layer's input h and output z."""
    inputs, outputs = [x.mT], []
    for layer in layers:
        weight, bias = params[f"{layer}.weight"], params[f"{layer}.bias"]
        outputs.append(torch.baddbmm(bias[..., None], weight, inputs[-1]))
        if layer != layers[-1]:
            inputs.append(activation.forward(outputs[-1]))
    return inputs, outputs


def _backward(
    layers: Sequence[str], activation: Activation, params: Tensors, gradient: Tensors,
    inputs: Sequence[Tensor], outputs: Sequence[Tensor], d: Tensor,
) -> None:  # fmt: skip
    """Fill `gradient` from d of the last layer."""
    for index in reversed(range(len(layers))):
        layer, h = layers[index], inputs[index]
        torch.bmm(d, h.mT, out=gradient[f"{layer}.weight"])
        torch.sum(d, 2, out=gradient[f"{layer}.bias"])
        if index:
            d = torch.bmm(params[f"{layer}.weight"].mT, d)
            d = activation.backward(d, outputs[index - 1], h)


def _slope(z: Tensor, y: Tensor, task: str) -> Tensor:
    """Return d of the output z (L, C, B)."""
    if task == "regression":
        return (z - y[:, None]).mul_(2 / y.shape[1])
    y = y[:, None]
    slope = torch.softmax(z, 1)
    return slope.scatter_add_(1, y, torch.full_like(y, -1, dtype=z.dtype)).mul_(1 / y.shape[2])
