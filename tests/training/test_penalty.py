"""The penalty: gradient, proximal step, norm and sparsity."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from torch import Tensor

from sweep.training.layout import Flat
from sweep.training.messages import LARGEST, N_BINS, WEIGHT_EDGES
from sweep.training.penalty import (
    add_l2_gradient,
    histogram,
    inputs_used,
    norm,
    soft_threshold,
    sparsity,
)
from tests.support.problems import real

FINITE = st.floats(-1e6, 1e6, width=32)
ROW = st.lists(FINITE, min_size=1, max_size=8)
THRESHOLD = st.floats(0, 1e6, width=32)
RATIO = st.floats(0, 1)


def row(values: list[float]) -> Tensor:
    return torch.tensor([values], dtype=torch.float64)


def column(value: float) -> Tensor:
    return torch.tensor([[value]], dtype=torch.float64)


def thresholded(weights: Tensor, threshold: Tensor) -> Tensor:
    out = weights.clone()
    soft_threshold(out, threshold)
    return out


# --- the proximal step


@given(ROW, THRESHOLD)
def test_soft_threshold_moves_towards_zero_by_the_threshold_and_stops_there(
    values: list[float], threshold: float
) -> None:
    out = thresholded(row(values), column(threshold))[0].tolist()
    for before, after in zip(values, out, strict=True):
        if abs(before) <= threshold:
            assert after == 0
        else:
            assert math.copysign(1, after) == math.copysign(1, before)
            assert abs(after) == pytest.approx(abs(before) - threshold, rel=1e-12, abs=1e-9)


@given(ROW, THRESHOLD, st.lists(FINITE, min_size=8, max_size=8))
def test_soft_threshold_minimises_the_proximal_objective(
    values: list[float], threshold: float, others: list[float]
) -> None:
    def objective(u: Tensor) -> Tensor:
        return (u - w).square() / 2 + threshold * u.abs()

    w = row(values)
    least = objective(thresholded(w, column(threshold)))
    slack = 1e-9 * (1 + least)
    for other in (row(others)[:, : len(values)], w, torch.zeros_like(w)):
        assert (least <= objective(other) + slack).all()


@given(ROW)
def test_soft_threshold_keeps_nan_and_spares_the_entries_beside_it(values: list[float]) -> None:
    out = thresholded(row([math.nan, *values]), column(0.5))
    assert out[0, 0].isnan()
    assert torch.equal(out[:, 1:], thresholded(row(values), column(0.5)))


def test_a_threshold_that_is_not_finite_harms_its_own_lane_only() -> None:
    out = thresholded(torch.ones(3, 2), torch.tensor([[math.nan], [0.25], [math.inf]]))
    assert out[0].isnan().all()
    assert out[1].tolist() == [0.75, 0.75]
    assert out[2].tolist() == [0.0, 0.0]


def test_each_entry_may_have_its_own_threshold() -> None:
    out = thresholded(row([1.0, 1.0, -1.0]), row([0.25, 2.0, 0.5]))
    assert out.tolist() == [[0.75, 0.0, -0.5]]


def test_soft_threshold_works_on_a_part_of_a_tensor_in_place() -> None:
    whole = torch.ones(2, 4)
    soft_threshold(whole[:, :2], torch.tensor([[1.0], [0.5]]))
    assert whole.tolist() == [[0, 0, 1, 1], [0.5, 0.5, 1, 1]]


# --- gradient, norm and sparsity


@given(ROW, st.floats(0, 10), RATIO)
def test_the_gradient_of_the_squared_part_is_that_of_the_norm(
    values: list[float], alpha: float, ratio: float
) -> None:
    w, gradient = row(values).requires_grad_(), torch.zeros(1, len(values)).double()
    smooth = alpha * (1 - ratio) * w.square().sum()
    (want,) = torch.autograd.grad(smooth, w)
    sum_, params = (Flat(t.flatten(), [len(values)], 1) for t in (gradient, w.detach()))
    add_l2_gradient(sum_, params, column(alpha), column(ratio))
    torch.testing.assert_close(gradient, want)


def test_the_gradient_is_added_to_what_is_there_lane_by_lane() -> None:
    gradient = Flat(torch.ones(6), [2, 1], 1)
    params = Flat(torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), [2, 1], 1)
    add_l2_gradient(gradient, params, torch.tensor([[0.5], [0.25]]), torch.tensor([[0.0], [1.0]]))
    assert [part.tolist() for part in gradient.parts] == [[[2, 3], [1, 1]], [[1], [1]]]


@given(ROW, RATIO)
def test_the_norm_mixes_absolute_and_squared_entries(values: list[float], ratio: float) -> None:
    want = ratio * math.fsum(map(abs, values)) + (1 - ratio) * math.fsum(v * v for v in values)
    assert float(norm(row(values), column(ratio))) == pytest.approx(want)


def test_the_norm_of_float32_weights_is_summed_in_float64() -> None:
    weights = torch.full((1, 100_000), 0.1, dtype=torch.float32)
    want = 100_000 * float(np.float32(0.1))
    got = norm(weights, torch.ones(1, 1))
    assert got.dtype == torch.float64
    assert float(got) == pytest.approx(want, rel=1e-12)


@given(st.lists(st.sampled_from([0.0, -0.0, 1e-30, 1.0, math.nan]), min_size=1, max_size=9))
def test_sparsity_is_the_share_of_exact_zeros(values: list[float]) -> None:
    zeros = sum(value == 0 for value in values)
    assert float(sparsity(row(values))) == zeros / len(values)


# --- what a penalty does: ridge regression, solved by scikit-learn


def test_a_stronger_penalty_raises_the_loss_and_lowers_the_norm() -> None:
    problem = real("diabetes")
    X, y, n = problem.X.numpy(), problem.y.numpy(), len(problem.y)
    alphas = np.geomspace(1e-4, 10, 60)
    losses, norms = [], []
    for alpha in alphas:
        fit = Ridge(alpha=alpha * n, solver="cholesky").fit(X, y)
        losses.append(float(np.mean((fit.predict(X) - y) ** 2)))
        norms.append(float(norm(row(fit.coef_.tolist()), column(0.0))))
    assert (np.diff(losses) > 0).all()
    assert (np.diff(norms) < 0).all()
    # The slope of the best objective over α is the norm itself (envelope theorem).
    best = np.array(losses) + alphas * np.array(norms)
    slopes = np.diff(best) / np.diff(alphas)
    assert (slopes <= np.array(norms[:-1])).all()
    assert (slopes >= np.array(norms[1:])).all()


def test_inputs_used_counts_equal_weights_and_no_zeros() -> None:
    weights = torch.zeros(3, 2, 4)
    weights[0, 0, :3] = torch.tensor([0.5, -0.5, 0.5])  # three; the other unit none
    weights[1] = 2.0  # all four, in both units
    weights[2, 0] = torch.tensor([1.0, 1e-9, 0.0, 0.0])  # as good as one
    weights[2, 1] = torch.tensor([3.0, 1.0, 0.0, 0.0])
    used = inputs_used(weights)
    assert used.tolist() == pytest.approx([1.5, 4.0, (1 + 16 / 10) / 2], rel=1e-6)


def test_the_histogram_counts_every_weight_once_where_numpy_does() -> None:
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(5, 1000, generator=generator, dtype=torch.float64)
    weights[1] = 0
    weights[2] *= 0.01
    weights[3] *= 10  # beyond the last edges
    counts = histogram(weights).numpy()
    assert counts.sum(1).tolist() == [1000] * 5
    assert counts[1, N_BINS // 2] == 1000
    inside = weights.clamp(-LARGEST, LARGEST).numpy()
    for lane in (0, 2, 3, 4):
        expected, _ = np.histogram(inside[lane], np.asarray(WEIGHT_EDGES))
        assert counts[lane].tolist() == expected.tolist()


def test_a_lane_given_up_spoils_no_histogram() -> None:
    weights = torch.tensor([[float("nan"), float("inf"), -float("inf")], [0.0, 1.0, -1.0]])
    counts = histogram(weights)
    assert counts.sum(1).tolist() == [3, 3]
    assert counts[1, N_BINS // 2] == 1
