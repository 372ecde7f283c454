"""Random numbers of a lane follow from its key, and are uniform."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch.func import vmap

from sweep.training.counters import (
    GOLDEN,
    CounterDropout,
    Draws,
    _hash32,
    _kept,
    draw_key,
)
from tests.support.problems import generator

ROWS = torch.randn(4, 5, generator=generator(1))

# --- dropout


def keyed(p: float, key: int) -> CounterDropout:
    dropout = CounterDropout(p)
    dropout.key = torch.tensor(key)
    return dropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_zeroes_the_share_p_and_scales_the_rest(p: float) -> None:
    out = keyed(p, 3)(torch.ones(400, 250))
    kept = out[out != 0]
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - p)))
    # 100,000 entries: five standard deviations
    assert abs(len(kept) / out.numel() - (1 - p)) < 5 * (p * (1 - p) / out.numel()) ** 0.5


def test_dropout_is_the_identity_in_evaluation_and_at_p_0() -> None:
    assert torch.equal(keyed(0.5, 3).eval()(ROWS), ROWS)
    assert torch.equal(keyed(0.0, 3)(ROWS), ROWS)


@pytest.mark.parametrize("p", [1e-12, 0.1, 0.5, 0.75, 1 - 2**-32, 1])
@pytest.mark.parametrize("keys", [[0], [3, 2**31 - 1, 2**31, 2**32 - 1], [2**40 + 5]], ids=str)
def test_a_mask_is_what_the_bits_say(p: float, keys: list[int]) -> None:
    """In lanes as alone: masks are made of 32 bits, the numbers drawn elsewhere of 64."""
    element = torch.arange(20_000)
    want = [_hash32(element * GOLDEN + key) >= int(p * 2**32) for key in keys]
    inside = vmap(lambda key: _kept(key, p, (50, 400)))(torch.tensor(keys))
    assert torch.equal(inside.flatten(1), torch.stack(want))
    assert torch.equal(_kept(torch.tensor(keys[0]), p, (20_000,)), want[0])
    draws, same = Draws(torch.tensor(keys[0])), Draws(torch.tensor(keys[0]))
    for _ in range(2):
        assert torch.equal(draws.kept(p, (5, 7)), same.bits((5, 7)) >= int(p * 2**32))


def test_a_dropout_mask_follows_from_its_key_alone() -> None:
    x = torch.ones(50, 40)
    assert torch.equal(keyed(0.5, 3)(x), keyed(0.5, 3)(x))
    agreement = (keyed(0.5, 3)(x) == keyed(0.5, 4)(x)).double().mean()
    assert 0.4 < float(agreement) < 0.6


def test_dropout_keys_differ_by_replicate_step_and_layer() -> None:
    keys = {
        int(draw_key(torch.tensor(replicate), torch.tensor(step), layer))
        for replicate, step, layer in itertools.product((7, 2**62), range(50), range(3))
    }
    assert len(keys) == 300


def test_neighbouring_entries_of_a_mask_are_not_correlated() -> None:
    mask = (keyed(0.5, 11)(torch.ones(300, 300)) > 0).double() - 0.5
    assert abs(float((mask[:, 1:] * mask[:, :-1]).mean())) < 0.005
    assert abs(float((mask[1:] * mask[:-1]).mean())) < 0.005


def test_dropped_entries_pass_no_nan_on() -> None:
    x = torch.full((20, 20), torch.nan, requires_grad=True)
    out = keyed(0.5, 3)(x)
    dropped = out == 0
    assert 0 < int(dropped.sum()) < 400
    (grad,) = torch.autograd.grad(out.nansum(), x)
    assert not grad[dropped].isnan().any()


# --- draws in forward()

N = 40_000
SHAPE = (200, 200)


def draws(key: int = 3) -> Draws:
    return Draws(torch.tensor(key))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("kind", "mean", "deviation"),
    [("uniform", 0.5, 12**-0.5), ("normal", 0, 1), ("exponential", 1, 1)],
)
def test_draws_have_the_mean_and_deviation_of_their_kind(
    kind: str, mean: float, deviation: float, dtype: torch.dtype
) -> None:
    drawn = getattr(draws(), kind)(SHAPE, dtype)
    assert drawn.dtype == dtype
    assert drawn.isfinite().all()
    assert abs(float(drawn.mean()) - mean) < 5 * deviation / N**0.5
    assert abs(float(drawn.std()) - deviation) < 0.05 * deviation


def test_uniform_draws_stay_below_1_and_integers_within_their_ends() -> None:
    assert float(draws().uniform(SHAPE, torch.float32).max()) < 1
    assert draws().integers(-2, 3, SHAPE).unique().tolist() == [-2, -1, 0, 1, 2]


def test_draws_follow_from_the_key_and_the_number_of_the_call() -> None:
    one, same, other = draws(), draws(), draws(4)
    first = one.bits(SHAPE)
    assert torch.equal(first, same.bits(SHAPE))
    for bits in (one.bits(SHAPE), other.bits(SHAPE)):
        assert float((bits == first).double().mean()) < 1e-3
