"""A network in lanes beside the same network alone: outputs, gradients and what they keep."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from sweep.training.layout import Layout
from sweep.training.modules import build
from sweep.training.vmapped import Stacked, stack_buffers
from tests.support.problems import generator

Found = dict[str, Tensor]  # outputs, gradients and buffers by name, (L, …) each
N_OUTPUTS = 3


def plain(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Make the network as `build` does, but leave it as it is."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = make().double()
    for part in module.modules():
        if isinstance(part, nn.TransformerEncoder):
            part.use_nested_tensor = False  # in evaluation it makes padded places 0
    return module


def alone(make: Callable[[], nn.Module], rows: Tensor, pull: Tensor) -> Found:
    each = []
    for lane in range(len(rows)):
        module = plain(make, lane)
        out = module(rows[lane])
        names = [name for name, _ in module.named_parameters()]
        grads = torch.autograd.grad((out * pull[lane]).sum(), list(module.parameters()))
        evaluated = module.eval()(rows[0]).detach()
        buffers = dict(module.named_buffers())
        found = dict(zip(names, grads, strict=True)) | buffers
        each.append(found | {"trained": out.detach(), "evaluated": evaluated})
    return {name: torch.stack([found[name] for found in each]) for name in each[0]}


def side_by_side(make: Callable[[], nn.Module], rows: Tensor, pull: Tensor) -> Found:
    lanes = [build(make, seed).double() for seed in range(len(rows))]
    layout, buffers = Layout.of(lanes[0]), stack_buffers(lanes)
    flat = layout.flat(torch.stack([layout.row(module) for module in lanes]))
    leaves = {name: t.detach().requires_grad_() for name, t in layout.views(flat).items()}
    stacked = Stacked(lanes[0])
    out = stacked.train(leaves | buffers, rows)
    grads = torch.autograd.grad((out * pull).sum(), list(leaves.values()))
    held = {name: t.detach() for name, t in leaves.items()} | buffers
    evaluated = stacked.evaluate_shared(held, rows[0])
    found = dict(zip(leaves, grads, strict=True)) | buffers
    return found | {"trained": out.detach(), "evaluated": evaluated}


def gap(make: Callable[[], nn.Module], rows: Tensor, *, in_training: bool = True) -> float:
    """Return by how much a network in lanes differs most from the same alone.

    Args:
        make: the network, from rows to (B, 3).
        rows: (L, B, width) in float64, of each lane its own.
        in_training: False looks at outputs in evaluation alone: the network draws.
    """
    shape = (*rows.shape[:2], N_OUTPUTS)
    pull = torch.randn(shape, generator=generator(2), dtype=rows.dtype)
    want, got = alone(make, rows, pull), side_by_side(make, rows, pull)
    names = want if in_training else ["evaluated"]
    return max(float((got[name] - want[name]).abs().max()) for name in names)
