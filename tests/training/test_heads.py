"""Attention of all lanes: torch's, its gradient, and bits that are a lane's own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import sweep.training.lanes  # noqa: F401 - sets how MKL multiplies, before its first product
from sweep.training import attention, heads
from sweep.training.forward import ready_for_lanes
from sweep.training.heads import attend
from tests.support.cases import few_fast
from tests.support.layers import LAYERS, WIDTH
from tests.support.problems import generator
from tests.support.side_by_side import gap

LANES, HEADS = 5, 2
WORDS = "ttention", "ransformer", "encoder", "queries"
ATTENDING = [name for name in LAYERS if any(word in name for word in WORDS)]
ROWS = torch.randn(3, 7, WIDTH, generator=generator(1), dtype=torch.float64)
Given = list[Tensor | None]
run: Callable[..., tuple[Tensor, Tensor]] = attend


def drawn(form: str, dtype: torch.dtype, rows: int = 2, tokens: int = 3, width: int = 4) -> Given:
    """Draw q, k, v, bias and what is kept."""
    draw = partial(torch.randn, generator=generator(5), dtype=dtype)
    if form == "packed":
        return [draw(LANES, rows, tokens, 3 * width), None, None, None, None]
    q, k = draw(LANES, rows, tokens, width), draw(LANES, rows, tokens + 1, width)
    v = draw(LANES, rows, tokens + 1, 2 * width)
    if form == "apart":
        return [q, k, v, None, None]
    bias, kept = draw(LANES, 1, HEADS, 1, tokens + 1), draw(LANES, rows, HEADS, tokens, tokens + 1)
    return [q, k, v, bias, kept]


def leaves_of(given: Given) -> Given:
    """Take copies that gradients are asked of: of all but what is kept."""
    return [t if t is None or n == 4 else t.clone().requires_grad_() for n, t in enumerate(given)]


def outcome(given: Given) -> list[Tensor]:
    """Return outputs, shares and all gradients."""
    leaves = leaves_of(given)
    outs = run(*leaves, HEADS, 0.7)
    wanted = [t for t in leaves if t is not None and t.requires_grad]
    grads = torch.autograd.grad(outs[0].square().sum() + outs[1].pow(3).sum(), wanted)
    return [*(out.detach() for out in outs), *grads]


@pytest.fixture
def attended(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Attend so to few scores too, and count how often."""
    calls: list[Any] = []

    def counted(*args: Any) -> Any:
        calls.append(args)
        return attend(*args)

    monkeypatch.setattr(attention, "FEWEST", 0)
    monkeypatch.setattr(attention, "attend", counted)
    return calls


@pytest.mark.parametrize("name", ATTENDING)
def test_layers_give_what_torch_gives(name: str, attended: list[Any]) -> None:
    assert gap(LAYERS[name], ROWS) < 1e-9
    assert attended


@pytest.mark.parametrize(
    "fault",
    [
        ("_heads_of", lambda t, n: t.unflatten(-1, (-1, n)).movedim(-1, -3)),
        ("_multiply", lambda a, b, out: out.copy_(1.001 * (a @ b))),
    ],
    ids=["order of heads", "products"],
)
@pytest.mark.usefixtures("attended")
def test_a_planted_fault_is_seen(fault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, *fault)
    assert gap(LAYERS["MultiheadAttention"], ROWS) > 1e-6


@pytest.mark.parametrize("drop", [0.0, 0.4])
@pytest.mark.parametrize("mask", [None, torch.arange(5) > torch.arange(5)[:, None] - 1])
def test_few_scores_and_large_heads_are_left_to_products(
    drop: float, mask: Tensor | None, attended: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which drop the same shares; a mask hides all keys of one query."""
    layer: Any = ready_for_lanes(nn.MultiheadAttention(4, 2, drop, batch_first=True)).forward
    x = torch.randn(7, 5, 4)  # 7 rows, 2 heads, 5 × 5 scores

    def out(fewest: int) -> Tensor:
        monkeypatch.setattr(attention, "FEWEST", fewest)
        found, _ = layer.returned(x, x, x, attn_mask=mask, need_weights=False)
        return torch.as_tensor(found)

    by_products = out(7 * 2 * 5 * 5 + 1)
    assert not attended
    torch.testing.assert_close(out(7 * 2 * 5 * 5), by_products)
    assert len(attended) == 1
    monkeypatch.setattr(attention, "LARGEST", 5 * 5 * 2 - 1)  # a product's, of heads of width 2
    torch.testing.assert_close(out(0), by_products)
    assert len(attended) == 1


@pytest.mark.parametrize("form", few_fast(["packed", "apart", "with a bias, and some kept"], 2))
def test_the_way_back_is_the_gradient(form: str) -> None:
    leaves = leaves_of(drawn(form, torch.float64))
    checked: Callable[..., bool] = torch.autograd.gradcheck
    assert checked(lambda *given: run(*given, HEADS, 0.7), leaves)


@pytest.mark.parametrize("form", ["packed", "apart", "with a bias, and some kept"])
@pytest.mark.parametrize(("rows", "tokens", "width"), [(3, 5, 6), (2, 17, 16), (50, 16, 32)])
def test_a_lane_has_the_same_bits_in_any_place_and_company(
    form: str, rows: int, tokens: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where two lanes are worked on at once, and the last one alone."""
    given = drawn(form, torch.float32, rows, tokens, width)
    monkeypatch.setattr(heads, "ENTRIES", 2 * rows * HEADS * tokens * (tokens + 1))
    here = outcome(given)
    for shift in range(1, LANES):
        there = outcome([None if t is None else t.roll(shift, 0) for t in given])
        for one, other in zip(here, there, strict=True):
            assert torch.equal(one.roll(shift, 0), other)
    for lane in range(LANES):
        alone = outcome([None if t is None else t[lane : lane + 1] for t in given])
        for one, other in zip(here, alone, strict=True):
            assert torch.equal(one[lane], other[0])


def test_a_lane_that_diverges_is_not_warned_of_and_spares_the_others() -> None:
    given = drawn("apart", torch.float32)
    want = outcome(given)
    queries, *_ = given
    assert queries is not None
    queries[1] = torch.inf
    found = outcome(given)
    assert found[0][1].isnan().all()
    others = [0, 2, 3, 4]
    for one, other in zip(found, want, strict=True):
        assert torch.equal(one[others], other[others])
