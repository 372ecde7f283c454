"""What is called for all lanes at once sees them all, and gives each its own."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.func import grad, vmap

from sweep.training import over_lanes
from sweep.training.over_lanes import by_all_lanes, parts
from tests.support.gpu import GPU, SimulatedGpu

SEEN: list[tuple[int, ...]] = []


def doubled(x: Tensor, shift: Tensor | None) -> tuple[Tensor, ...]:
    SEEN.append(tuple(x.shape))
    return (2 * x if shift is None else 2 * x + shift[:, None],)


def work(x: Tensor, shift: Tensor | None = None) -> Tensor:
    return over_lanes.over_lanes(doubled, x, shift)[0]


def test_all_lanes_come_in_at_once_however_vmap_hides_them() -> None:
    SEEN.clear()
    x, shift = torch.rand(2, 3, 4), torch.rand(2, 3)
    torch.testing.assert_close(work(x[0, 0]), 2 * x[0, 0])
    torch.testing.assert_close(vmap(work, 1)(x[0]), 2 * x[0].mT)
    torch.testing.assert_close(vmap(vmap(work))(x, shift), 2 * x + shift[..., None])
    torch.testing.assert_close(
        vmap(work, (None, 0))(x[0, 0], shift[0]), 2 * x[0, 0] + shift[0, :, None]
    )
    assert SEEN == [(1, 4), (4, 3), (6, 4), (3, 4)]


def test_only_lanes_of_vmap_are_laid_open() -> None:
    found: list[bool] = []

    def noted(x: Tensor) -> Tensor:
        found.append(by_all_lanes(x))
        return x.sum()

    x = torch.rand(3)
    noted(x)
    vmap(noted)(x[:, None])
    grad(noted)(x)
    vmap(grad(noted))(x[:, None])
    noted(x.long())
    noted(x.bfloat16())
    with torch.autocast("cpu"):
        noted(x)
    assert found == [True, True] + [False] * 5


def test_what_all_lanes_share_gets_the_gradients_of_all() -> None:
    x, shift = torch.rand(4, requires_grad=True), torch.rand(3)
    vmap(work, (None, 0))(x, shift).square().sum().backward()
    found, x.grad = x.grad, None
    torch.stack([work(x, one) for one in shift]).square().sum().backward()
    assert found is not None and x.grad is not None
    torch.testing.assert_close(found, x.grad)


def test_a_gpu_keeps_to_vmap(gpu: SimulatedGpu) -> None:
    assert not by_all_lanes(torch.rand(3).to(GPU))


def test_parts_cover_all_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(over_lanes, "AT_ONCE", 10)
    x = torch.arange(28).view(7, 4)
    assert torch.equal(torch.cat([x[part] for part in parts(x)]), x)
    assert len(parts(x)) == 4 and len(parts(x[:, :1].expand(7, 20))) == 7
