"""Muon trains the hidden matrices of all lanes as torch.optim.Muon does, AdamW the rest."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sweep.training.layout import Flat, Layout
from sweep.training.modules import MLP
from sweep.training.muon import Muon, orthogonal
from sweep.training.optimizers import Columns
from sweep.training.weights import hidden_matrices
from tests.support import reference
from tests.support.cases import few_fast

LANES, STEPS = 3, 100


def network() -> MLP:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MLP(7, [5, 4], 3, "tanh").double()


def draw(module: nn.Module, lane: int, step: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1000 * lane + step)
    return {
        name: torch.randn(p.shape, generator=generator, dtype=torch.float64)
        for name, p in module.named_parameters()
    }


def columns() -> Columns:
    values = {
        "strength": [0.0, 0.1, 1.0], "lr": [0.02, 0.005, 0.1], "momentum": [0.95, 0.5, 0.0],
        "l1_ratio": [0.0] * 3,
    }  # fmt: skip
    return {name: torch.tensor(given).double()[:, None] for name, given in values.items()}


def fused(ours: Muon, steps: int = STEPS, transposed: tuple[str, ...] = ()) -> list[Any]:
    module = network()
    layout = Layout.of(module, transposed=transposed)
    params = layout.flat(torch.stack([layout.row(module)] * LANES))
    state, t = ours.init(params), torch.zeros(LANES, 1).double()
    for step in range(steps):
        of_lanes = [draw(module, lane, step) for lane in range(LANES)]
        grad = params.zeros_like()
        for place, part in zip(layout.places, grad.parts, strict=True):
            part.copy_(torch.stack([place.entries(each[place.name]) for each in of_lanes]))
        with torch.no_grad(), np.errstate(all="ignore"):
            ours.step(params, grad, state, t.add_(1), columns())
    views = layout.views(params)
    return [{name: held[lane] for name, held in views.items()} for lane in range(LANES)]


def serial(lane: int, steps: int = STEPS, **options: Any) -> dict[str, Tensor]:
    module, given = network(), {name: float(c[lane]) for name, c in columns().items()}
    named = dict(module.named_parameters())
    weights = [p for n, p in named.items() if n.endswith("weight")]
    groups = [
        {"params": weights, "weight_decay": given["strength"]},
        {"params": [p for n, p in named.items() if n.endswith("bias")], "weight_decay": 0.0},
    ]
    optimizer = reference.MuonAndAdamW(
        groups, weights[:-1], given["lr"], momentum=given["momentum"], betas=(0.9, 0.999),
        eps=1e-8, **options,
    )  # fmt: skip
    for step in range(steps):
        for name, g in draw(module, lane, step).items():
            named[name].grad = g
        optimizer.step()
    return {name: p.detach() for name, p in named.items()}


OPTIONS: dict[str, tuple[Muon, dict[str, Any]]] = {
    "default": (Muon(), {"adjust_lr_fn": "match_rms_adamw"}),
    "plain momentum": (Muon(nesterov=False), {"nesterov": False,
                                              "adjust_lr_fn": "match_rms_adamw"}),
    "original": (Muon(adjust_lr="original"), {"adjust_lr_fn": "original"}),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "transposed"), few_fast(product(OPTIONS, [(), ("layers.0.weight",)]), 5)
)
def test_lanes_step_as_torch_does_for_a_hundred_steps(
    name: str, transposed: tuple[str, ...]
) -> None:
    ours, options = OPTIONS[name]
    for lane, got in enumerate(fused(ours, transposed=transposed)):
        for tensor, want in serial(lane, **options).items():
            torch.testing.assert_close(got[tensor], want, rtol=0, atol=1e-9, msg=tensor)


def test_torch_itself_rounds_by_no_more_than_bfloat16_does() -> None:
    weight = nn.Parameter(torch.zeros(5, 7).double())
    weight.grad = draw(network(), 0, 0)["layers.0.weight"]
    torch.optim.Muon([weight], 1.0, weight_decay=0.0, momentum=0.0, nesterov=False).step()
    ours = orthogonal(weight.grad[None])[0]
    assert float((ours + weight.detach()).norm() / ours.norm()) < 0.03


@pytest.mark.parametrize("shape", [(1, 4), (4, 1), (3, 8), (8, 3), (5, 5), (1, 1)])
def test_singular_values_come_near_1(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    matrices = 1e3 * torch.randn(4, *shape, generator=generator, dtype=torch.float64)
    values = torch.linalg.svdvals(orthogonal(matrices))
    assert values.min() > 0.3 and values.max() < 1.3


def test_a_matrix_of_zeros_stays_one() -> None:
    assert not orthogonal(torch.zeros(2, 3, 4)).any()


def test_a_matrix_has_the_same_bits_beside_any_others() -> None:
    matrices = torch.randn(9, 6, 20, generator=torch.Generator().manual_seed(1))
    together = orthogonal(matrices)
    for at in range(9):
        assert torch.equal(orthogonal(matrices[at : at + 1])[0], together[at])


class Mixed(nn.Module):
    """One tensor of each kind."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(9, 4)
        self.conv = nn.Conv1d(4, 4, 3)
        self.norm = nn.LayerNorm([4, 4])
        self.first = nn.Linear(4, 6)
        self.frozen = nn.Linear(6, 6).requires_grad_(False)
        self.last = nn.Linear(6, 2)


@pytest.mark.parametrize(
    ("module", "names"),
    [
        (MLP(4, [], 2, "relu"), set()),
        (MLP(4, [3], 2, "relu"), {"layers.0.weight"}),
        (MLP(4, [3, 3], 2, "relu"), {"layers.0.weight", "layers.1.weight"}),
        (Mixed(), {"first.weight"}),
        (nn.LSTM(3, 4), {"weight_ih_l0"}),
    ],
    ids=["linear", "one hidden", "two hidden", "one of each", "lstm"],
)
def test_hidden_are_trained_matrices_but_embeddings_and_the_last(
    module: nn.Module, names: set[str]
) -> None:
    assert hidden_matrices(module) == names


def test_what_is_not_hidden_steps_as_adamw_does() -> None:
    """Also a first and a last layer, of a network that has no other."""
    flat = Flat(torch.arange(6.0).double(), [3], 1, matrices=[None])
    start, given = flat.whole.clone(), {n: c[:2] for n, c in columns().items()}
    ours = Muon()
    ours.step(flat, flat.like(torch.ones(6).double()), ours.init(flat), torch.ones(2, 1).double(),
              given)  # fmt: skip
    lr, strength = given["lr"], given["strength"]
    want = start.view(2, 3) * (1 - lr * strength) - lr
    torch.testing.assert_close(flat.parts[0], want, atol=1e-7, rtol=0)
