"""The steps of recurrent layers: a lane's bits are its own, and the gradient is autograd's."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.autograd import Function

import sweep.training.lanes  # noqa: F401 - sets how MKL multiplies, before its first product
from sweep.training.sequences import Gru, Lstm, Rnn, run
from tests.support.cases import slow_but
from tests.support.problems import generator

LANES = 5
# Of each kind: blocks of rows that W has, states, and further arguments.
KINDS: dict[str, tuple[type[Function], int, int, tuple[bool, ...]]] = {
    "LSTM": (Lstm, 4, 2, ()), "GRU": (Gru, 4, 1, ()),
    "tanh": (Rnn, 1, 1, (False,)), "relu": (Rnn, 1, 1, (True,)),
}  # fmt: skip


def drawn(name: str, rows: int, hidden: int, dtype: torch.dtype) -> list[Tensor]:
    """Draw x of six steps of three inputs, W, and the states."""
    draw = partial(torch.randn, generator=generator(5), dtype=dtype)
    _, blocks, n_states, _ = KINDS[name]
    weight = draw(LANES, blocks * hidden, 3 + 1 + hidden)
    return [draw(LANES, 6, rows, 3), weight, *(draw(LANES, rows, hidden) for _ in range(n_states))]


def size(outs: tuple[Tensor, ...]) -> Tensor:
    return torch.stack([out.square().sum() for out in outs]).sum()


def outcome(name: str, tensors: list[Tensor]) -> list[Tensor]:
    """Return states, lanes first, and all gradients."""
    function, _, n_states, options = KINDS[name]
    leaves = [tensor.clone().requires_grad_() for tensor in tensors]
    outs = run(function, *leaves, *options)[:n_states]
    grads = torch.autograd.grad(size(outs), leaves)
    return [*(out.detach().transpose(0, 1) for out in outs), *grads]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(("rows", "hidden"), [(7, 5), (8, 16), (50, 20)])
def test_a_lane_has_the_same_bits_in_every_slot(name: str, rows: int, hidden: int) -> None:
    tensors = drawn(name, rows, hidden, torch.float32)
    here = outcome(name, tensors)
    for shift in range(1, LANES):
        there = outcome(name, [tensor.roll(shift, 0) for tensor in tensors])
        for one, other in zip(here, there, strict=True):
            assert torch.equal(one.roll(shift, 0), other)


@pytest.mark.parametrize("name", KINDS)
def test_without_a_way_back_the_states_are_the_same_and_no_step_is_kept(name: str) -> None:
    function, _, n_states, options = KINDS[name]
    tensors = drawn(name, 7, 5, torch.float32)
    states = run(function, *tensors, *options)[:n_states]
    with torch.no_grad():
        outs = run(function, *tensors, *options)
    assert all(torch.equal(*pair) for pair in zip(states, outs, strict=False))
    for kept in outs[n_states + 1 :]:
        assert len({step.data_ptr() for step in kept}) == 1


@pytest.mark.parametrize("name", slow_but(("GRU", "tanh"), ["LSTM", "GRU", "tanh"]))
def test_the_way_back_is_the_gradient(name: str) -> None:
    function, _, n_states, options = KINDS[name]
    leaves = [tensor.requires_grad_() for tensor in drawn(name, 2, 3, torch.float64)]

    def states(*args: Tensor) -> tuple[Tensor, ...]:
        return run(function, *args, *options)[:n_states]

    checked: Callable[..., bool] = torch.autograd.gradcheck
    assert checked(states, leaves)


@pytest.mark.parametrize("name", KINDS)
def test_what_needs_no_gradient_by_its_inputs_has_the_others(name: str) -> None:
    function, _, n_states, options = KINDS[name]
    x, *others = drawn(name, 2, 3, torch.float64)
    leaves = [tensor.requires_grad_() for tensor in others]
    outs = run(function, x, *leaves, *options)[:n_states]
    grads = torch.autograd.grad(size(outs), leaves)
    for one, other in zip(grads, outcome(name, [x, *others])[n_states + 1 :], strict=True):
        torch.testing.assert_close(one, other)
