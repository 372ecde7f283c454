"""RNN, LSTM, GRU and their cells, as functions that lanes can run.

They take what torch.lstm, torch.gru, torch.rnn_tanh and torch.rnn_relu take, of one lane.

| symbol | meaning | shape |
|---|---|---|
| T, B, F, H | steps, rows, inputs, hidden units | |
| x | a sequence | (T, B, F) |
| h, c | states; c of LSTM alone | (B, H) |
| mask | which rows a step has, where sequences differ in length | (T, B) |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sweep.training.counters import Draws
from sweep.training.drawing import dropout
from sweep.training.packed import packing_of
from sweep.training.sequences import Gru, Lstm, Rnn, run

States = tuple[Tensor, ...]  # h, or h and c


class Weights(NamedTuple):
    """Those of one layer in one direction; biases are 0 where there are none."""

    inputs: Tensor  # (gates·H, F)
    state: Tensor  # (gates·H, H), or of its projection
    input_bias: Tensor
    state_bias: Tensor
    projection: Tensor | None = None


class Kind(NamedTuple):
    """One kind of layer.

    Attributes:
        step: of (x (B, F), states, weights) the next states.
        steps: of (x (T, B, F), states, weights) all outputs (T, B, H) and the last states.
    """

    step: Callable[[Tensor, States, Weights], States]
    steps: Callable[[Tensor, States, Weights], tuple[Tensor, States]]


def _linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Map (…, F) as one product; autocast may make it in another precision."""
    rows = x.reshape(-1, x.shape[-1]) @ weight.mT + bias
    return rows.to(weight.dtype).view(*x.shape[:-1], -1)


def _sigmoid(x: Tensor) -> Tensor:
    return 0.5 + 0.5 * torch.tanh(0.5 * x)


# --- a step of each kind


def _lstm_step(x: Tensor, states: States, w: Weights) -> States:
    h, c = states
    gates = _linear(x, w.inputs, w.input_bias) + _linear(h, w.state, w.state_bias)
    i, f, g, o = gates.chunk(4, -1)
    c = _sigmoid(f) * c + _sigmoid(i) * torch.tanh(g)
    h = _sigmoid(o) * torch.tanh(c)
    return (h if w.projection is None else h @ w.projection.mT), c


def _gru_step(x: Tensor, states: States, w: Weights) -> States:
    (h,) = states
    of_x, of_h = _linear(x, w.inputs, w.input_bias), _linear(h, w.state, w.state_bias)
    (r, z, n), (hr, hz, hn) = of_x.chunk(3, -1), of_h.chunk(3, -1)
    n = torch.tanh(n + _sigmoid(r + hr) * hn)
    return (n + _sigmoid(z + hz) * (h - n),)


def _rnn_step(act: Callable[[Tensor], Tensor], x: Tensor, states: States, w: Weights) -> States:
    (h,) = states
    return (act(_linear(x, w.inputs, w.input_bias) + _linear(h, w.state, w.state_bias)),)


# --- all steps of each kind


def _joined(inputs: Tensor, bias: Tensor, state: Tensor) -> Tensor:
    """Lay the weights of inputs, a 1 and the state beside each other."""
    return torch.cat([inputs, bias[:, None], state], 1)


def _lstm_steps(x: Tensor, states: States, w: Weights) -> tuple[Tensor, States]:
    weight = _joined(w.inputs, w.input_bias + w.state_bias, w.state)
    hs, c, *_ = run(Lstm, x[None], weight[None], *(state[None] for state in states))
    outs = hs[:, 0]
    return outs, (outs[-1], c[0, 0])


def _gru_steps(x: Tensor, states: States, w: Weights) -> tuple[Tensor, States]:
    """Give the inputs and the state rows of their own in the third gate."""
    parts = [part.chunk(3) for part in (w.inputs, w.input_bias, w.state_bias, w.state)]
    of_x, of_1, of_1_too, of_h = parts
    both = [_joined(of_x[i], of_1[i] + of_1_too[i], of_h[i]) for i in range(2)]
    by_inputs = _joined(of_x[2], of_1[2], torch.zeros_like(of_h[2]))
    by_state = _joined(torch.zeros_like(of_x[2]), of_1_too[2], of_h[2])
    weight = torch.cat([*both, by_inputs, by_state])
    hs, *_ = run(Gru, x[None], weight[None], states[0][None])
    outs = hs[:, 0]
    return outs, (outs[-1],)


def _rnn_steps(relu: bool, x: Tensor, states: States, w: Weights) -> tuple[Tensor, States]:
    weight = _joined(w.inputs, w.input_bias + w.state_bias, w.state)
    hs, *_ = run(Rnn, x[None], weight[None], states[0][None], relu)
    outs = hs[:, 0]
    return outs, (outs[-1],)


LSTM = Kind(_lstm_step, _lstm_steps)
GRU = Kind(_gru_step, _gru_steps)
TANH = Kind(partial(_rnn_step, torch.tanh), partial(_rnn_steps, False))
RELU = Kind(partial(_rnn_step, torch.relu), partial(_rnn_steps, True))


# --- layers


def _scan(
    kind: Kind, x: Tensor, states: States, w: Weights, mask: Tensor | None, back: bool
) -> tuple[Tensor, States]:
    """Run one layer in one direction; a row that a step does not have keeps its states."""
    if mask is None and w.projection is None:
        outs, states = kind.steps(x.flip(0) if back else x, states, w)
        return (outs.flip(0) if back else outs), states
    found: list[Tensor] = []
    times = range(len(x))
    for t in reversed(times) if back else times:
        new = kind.step(x[t], states, w)
        if mask is not None:
            pairs = zip(new, states, strict=True)
            new = tuple(torch.where(mask[t][:, None], now, was) for now, was in pairs)
        states = new
        found.append(states[0])
    return torch.stack(found[::-1] if back else found), states


def _layers(
    kind: Kind, draws: Draws, x: Tensor, states: States, params: Sequence[Tensor], biases: bool,
    n_layers: int, share: float, training: bool, both: bool, mask: Tensor | None,
) -> tuple[Tensor, States]:  # fmt: skip
    """Run all layers: outputs (T, B, …) and the last states (layers·directions, B, …) each."""
    directions = 2 if both else 1
    weights = _weights(params, biases, n_layers * directions)
    ends: list[States] = []
    for layer in range(n_layers):
        if layer:
            x = dropout(draws, x, share, training)
        outs = []
        for direction in range(directions):
            at = layer * directions + direction
            begin = tuple(state[at].to(weights[at].state.dtype) for state in states)
            out, end = _scan(kind, x, begin, weights[at], mask, direction == 1)
            outs.append(out)
            ends.append(end)
        x = torch.cat(outs, -1) if both else outs[0]
    return x, tuple(torch.stack(of_layers) for of_layers in zip(*ends, strict=True))


def _weights(params: Sequence[Tensor], biases: bool, n: int) -> list[Weights]:
    each, found = len(params) // n, []
    for at in range(0, len(params), each):
        inputs, state, *rest = params[at : at + each]
        none = torch.zeros((), dtype=inputs.dtype, device=inputs.device)
        first, second = rest[:2] if biases else (none.expand(len(inputs)),) * 2
        projection = rest[2 if biases else 0 :]
        found.append(Weights(inputs, state, first, second, *projection))
    return found


def _recurrent(kind: Kind, draws: Draws, x: Tensor, *args: Any) -> tuple[Tensor, ...]:
    """Take what torch's function takes: sequences, or what was packed of them and its sizes."""
    if isinstance(args[1], list | tuple) and isinstance(args[2], bool):
        hx, params, biases, n_layers, share, training, both, first = args
        states = hx if isinstance(hx, tuple | list) else (hx,)
        x = x.transpose(0, 1) if first else x
        rules = (params, biases, n_layers, share, training, both)
        out, ends = _layers(kind, draws, x, tuple(states), *rules, None)
        return (out.transpose(0, 1) if first else out), *ends
    sizes, hx, params, biases, n_layers, share, training, both = args
    packing = packing_of(sizes, x.device)
    states = hx if isinstance(hx, tuple | list) else (hx,)
    rules = (params, biases, n_layers, share, training, both)
    out, ends = _layers(kind, draws, packing.padded(x), tuple(states), *rules, packing.mask)
    return packing.packed(out), *ends


def _cell(kind: Kind, x: Tensor, hx: Any, *params: Any) -> Any:
    """Take what torch's cell takes; rows or a single one."""
    biases = len(params) == 4 and params[2] is not None
    (weights,) = _weights(params if biases else params[:2], biases, 1)
    states = tuple(hx) if isinstance(hx, tuple | list) else (hx,)
    new = kind.step(x, states, weights)
    return new if len(new) > 1 else new[0]


RECURRENT: Mapping[Any, Callable[..., Any]] = {
    torch.lstm: partial(_recurrent, LSTM), torch.gru: partial(_recurrent, GRU),
    torch.rnn_tanh: partial(_recurrent, TANH), torch.rnn_relu: partial(_recurrent, RELU),
}  # fmt: skip
CELLS: Mapping[Any, Callable[..., Any]] = {
    torch.lstm_cell: partial(_cell, LSTM), torch.gru_cell: partial(_cell, GRU),
    torch.rnn_tanh_cell: partial(_cell, TANH), torch.rnn_relu_cell: partial(_cell, RELU),
}  # fmt: skip
