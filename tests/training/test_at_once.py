"""What is computed for all lanes at once gives each lane its own."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.func import grad, vmap

from sweep.training.at_once import at_once, for_all_lanes
from tests.support.gpu import GPU, SimulatedGpu
from tests.support.problems import generator

LANES = 3
X = torch.randn(LANES, 4, 5, generator=generator(1))


def affine(x: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    out = torch.bmm(x, weight)
    return (out if bias is None else out + bias[:, None]), x.sum((1, 2))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_lane_gets_its_own_wherever_vmap_has_its_axis(axis: int) -> None:
    weight, bias = torch.randn(LANES, 5, 2), torch.randn(2)
    run = vmap(lambda x, w: at_once(affine, x, w, bias), (axis, 0))
    out, total = run(X.movedim(0, axis), weight)
    torch.testing.assert_close(out, X @ weight + bias)
    torch.testing.assert_close(total, X.sum((1, 2)))
    for lane in range(LANES):
        torch.testing.assert_close(at_once(affine, X[lane], weight[lane], bias)[0], out[lane])


def test_what_all_lanes_share_gets_the_gradients_of_all() -> None:
    x, weight = X[0].clone().requires_grad_(), torch.randn(LANES, 5, 2)
    out, _ = vmap(lambda w: at_once(affine, x, w, None))(weight)
    (found,) = torch.autograd.grad(out.square().sum(), x)
    (want,) = torch.autograd.grad((x @ weight).square().sum(), x)
    torch.testing.assert_close(found, want)


def test_it_is_for_floats_on_a_cpu_under_vmap_or_alone() -> None:
    seen: list[bool] = []

    def look(x: Tensor) -> Tensor:
        seen.append(for_all_lanes(x))
        return x.sum()

    look(X)
    vmap(look)(X)
    assert seen == [True, True]
    vmap(grad(look))(X)
    vmap(vmap(look))(X)
    look(X.bfloat16())
    with torch.autocast("cpu", torch.bfloat16):
        vmap(look)(X)
    assert seen[2:] == [False] * 4


def test_a_gpu_keeps_to_vmap(gpu: SimulatedGpu) -> None:
    assert not for_all_lanes(X.to(GPU))
