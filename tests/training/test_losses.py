"""Each loss: its rows are torch's, what is written out of it is what autograd finds of them."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor

from sweep.data.problem import Problem
from sweep.spec.losses import LOSSES as WORDS
from sweep.spec.losses import LossSetting
from sweep.spec.tasks import TASKS
from sweep.training.loss import Loss
from sweep.training.losses import LOSSES, loss_of
from tests.support.plain_losses import CASES, rows_of

LANES, ROWS = 3, 40
each_case = pytest.mark.parametrize("name", CASES)
weighed = pytest.mark.parametrize("is_weighted", [False, True], ids=["", "weighted"])


def drawn(name: str, n: int = 200, *, weighted: bool = False) -> tuple[Problem, Loss]:
    problem = CASES[name].problem(n=n, weighted=weighted)
    return problem, loss_of(problem, training=True)


def outputs(problem: Problem, y: Tensor, seed: int = 3) -> Tensor:
    """Draw outputs (L, B, C) for targets (L, B), some of them 0."""
    draw = torch.Generator().manual_seed(seed)
    shape = (*y.shape[:2], problem.n_outputs)
    out = torch.randn(shape, generator=draw, dtype=torch.float64)
    out[:, ::7] = 0
    return out


def batch(problem: Problem) -> tuple[Tensor, Tensor]:
    """Return outputs (L, B, C) and targets (L, B)."""
    y = torch.stack([problem.y[lane * ROWS : (lane + 1) * ROWS] for lane in range(LANES)])
    return outputs(problem, y), y


def level_of(bias: Tensor, problem: Problem, loss: Loss, y: Tensor, w: Tensor | None) -> Tensor:
    """Return the mean loss of one lane that predicts the bias (C,) for all rows."""
    out = bias.expand(1, len(y), -1)
    return loss.means(out, y[None], None if w is None else w[None])[0]


def best_bias(problem: Problem, loss: Loss, y: Tensor, w: Tensor | None) -> Tensor:
    """Search for the best bias by descent, from outputs of 0."""
    bias = torch.zeros(problem.n_outputs).double().requires_grad_()
    solver = torch.optim.LBFGS([bias], max_iter=400, tolerance_grad=1e-13, tolerance_change=0,
                               line_search_fn="strong_wolfe")  # fmt: skip

    def closure() -> Tensor:
        solver.zero_grad()
        level = level_of(bias, problem, loss, y, w)
        level.backward()
        return level

    solver.step(closure)
    return bias.detach()


def test_every_loss_has_words_and_is_of_a_task() -> None:
    assert {*LOSSES, "own"} == {*WORDS}
    assert {name for task in TASKS.values() for name in task.losses} == {*LOSSES}
    assert {case.task for case in CASES.values()} == {*TASKS} - {"own"}


@each_case
def test_rows_are_those_of_torch(name: str) -> None:
    problem, loss = drawn(name)
    out, y = batch(problem)
    for ours, training in ((loss, True), (loss_of(problem), False)):
        lanes = zip(out, y, strict=True)
        expected = torch.stack([rows_of(problem, *lane, training=training) for lane in lanes])
        torch.testing.assert_close(ours.rows(out, y), expected, rtol=1e-12, atol=1e-12)


@each_case
def test_the_slope_is_that_of_the_mean_loss_of_each_lane(name: str) -> None:
    problem, loss = drawn(name)
    out, y = batch(problem)
    out.requires_grad_()
    (expected,) = torch.autograd.grad(loss.rows(out, y).mean(1).sum(), out)
    slope = loss.slope(out.detach().mT.contiguous(), y)
    torch.testing.assert_close(slope.mT, expected, rtol=1e-11, atol=1e-15)


@each_case
def test_the_slope_is_what_differences_of_the_loss_say(name: str) -> None:
    problem, loss = drawn(name)
    out, y = batch(problem)
    out[out == 0] = 0.1  # not on a kink
    slope, step = loss.slope(out.mT.contiguous(), y).mT, 1e-6
    for c in range(problem.n_outputs):
        along = torch.zeros_like(out)
        along[..., c] = step
        by = (loss.rows(out + along, y) - loss.rows(out - along, y)) / (2 * step) / ROWS
        far = (out[..., c] - (y if y.ndim == 2 else y[..., c])).abs() > 2 * step
        torch.testing.assert_close(by[far], slope[..., c][far], rtol=1e-6, atol=1e-9)


@each_case
def test_slopes_are_finite_where_outputs_are_large(name: str) -> None:
    problem, loss = drawn(name)
    out, y = batch(problem)
    for dtype in (torch.float32, torch.float64):
        for size in (-40.0, 40.0):
            far = (size * out.sign()).to(dtype).requires_grad_()
            target = y.to(dtype) if y.is_floating_point() else y
            assert loss.slope(far.detach().mT.contiguous(), target).isfinite().all()
            (grad,) = torch.autograd.grad(loss.rows(far, target).sum(), far)
            assert grad.isfinite().all()


@each_case
def test_a_lane_s_rows_follow_from_its_own_outputs(name: str) -> None:
    problem, loss = drawn(name)
    out, y = batch(problem)
    alone = torch.cat([loss.rows(out[n : n + 1], y[n : n + 1]) for n in range(LANES)])
    torch.testing.assert_close(alone, loss.rows(out, y))


@weighed
@each_case
def test_the_null_model_is_the_best_bias(name: str, is_weighted: bool) -> None:
    problem, loss = drawn(name, 101, weighted=is_weighted)
    rows = problem.train[0]
    y, w = problem.y[rows], None if problem.weight is None else problem.weight[rows]
    assert loss.null is not None
    null = loss.null(y, problem.n_outputs, w)
    bias = best_bias(problem, loss, y, w)
    searched = float(level_of(bias, problem, loss, y, w))
    assert float(null.loss) <= searched + 1e-12
    assert float(null.loss) == pytest.approx(searched, abs=1e-4)
    assert null.pull.shape == (len(y), problem.n_outputs)
    torch.testing.assert_close(null.pull.mean(0), torch.zeros(problem.n_outputs).double())


SMOOTH = [name for name, case in CASES.items() if case.task != "quantile" and name != "mae"]


@weighed
@pytest.mark.parametrize("name", SMOOTH)
def test_the_pull_is_minus_the_slope_at_the_best_bias(name: str, is_weighted: bool) -> None:
    problem, loss = drawn(name, 101, weighted=is_weighted)
    rows = problem.train[0]
    y, w = problem.y[rows], None if problem.weight is None else problem.weight[rows]
    assert loss.null is not None
    bias = best_bias(problem, loss, y, w)
    out = bias.expand(1, len(y), -1).clone().requires_grad_()
    (slope,) = torch.autograd.grad(loss.means(out, y[None], None if w is None else w[None]), out)
    pull = loss.null(y, problem.n_outputs, w).pull
    torch.testing.assert_close(pull, -slope[0] * len(y), rtol=0, atol=1e-5)


@weighed
@each_case
def test_a_constant_is_all_but_the_best_on_many_rows(name: str, is_weighted: bool) -> None:
    problem, loss = drawn(name, 4000, weighted=is_weighted)
    loss = loss_of(problem)
    y, w = problem.y, problem.weight
    assert loss.constant is not None
    constant = loss.constant(y, problem.n_outputs, w)
    assert constant.dtype == torch.float64
    assert constant.shape == (problem.n_outputs,)
    best = best_bias(problem, loss, y, w)
    assert (
        float(level_of(constant, problem, loss, y, w) - level_of(best, problem, loss, y, w)) < 1e-5
    )


@each_case
def test_a_weight_counts_as_that_many_copies_of_a_row(name: str) -> None:
    """The mean stays over the rows, so that as many copies have a larger sum, not another mean."""
    problem, loss = drawn(name)
    out, y = batch(problem)
    copies = torch.arange(ROWS) % 3
    w = copies.double().expand(LANES, -1)
    many = torch.arange(ROWS).repeat_interleave(copies)
    expected = loss.rows(out[:, many], y[:, many]).sum(1) / ROWS
    torch.testing.assert_close(loss.means(out, y, w), expected)


@pytest.mark.parametrize("q", [0.1, 0.25, 0.5, 0.9])
def test_the_constant_of_a_quantile_is_numpy_s_of_many_rows(q: float) -> None:
    y = torch.randn(10_001, generator=torch.Generator().manual_seed(1)).double()
    loss = LOSSES["pinball"](LossSetting("pinball", quantile=q))
    assert loss.constant is not None
    assert float(loss.constant(y, 1, None)) == pytest.approx(float(y.quantile(q)), abs=1e-3)


def test_rows_that_lie_on_the_quantile_keep_the_bias_where_it_is() -> None:
    y = torch.tensor([0.0, 0, 0, 0, 1, 1, 2, 5]).double()
    for q in (0.5, 0.6, 0.3):
        loss = LOSSES["pinball"](LossSetting("pinball", quantile=q))
        assert loss.null is not None
        pull = loss.null(y, 1, None).pull[:, 0]
        assert float(pull.sum()) == pytest.approx(0)
        assert -(1 - q) - 1e-12 <= float(pull.min()) < float(pull.max()) <= q + 1e-12


def test_huber_is_half_the_squared_error_near_and_mae_times_delta_far() -> None:
    y, out = torch.zeros(1, 4).double(), torch.tensor([[[0.1], [-0.2], [50.0], [-80.0]]]).double()
    rows = LOSSES["huber"](LossSetting("huber", delta=2.0)).rows(out, y)[0]
    expected = torch.tensor([0.005, 0.02, 2 * (50 - 1), 2 * (80 - 1)]).double()
    torch.testing.assert_close(rows, expected)


def test_losses_of_classes_take_the_shares_of_the_training_rows() -> None:
    y = torch.tensor([0, 0, 1, 2, 2, 2])
    loss = LOSSES["cross_entropy"](LossSetting("auto"))
    constant = partial(loss.constant, y, 3) if loss.constant else None
    assert constant is not None
    torch.testing.assert_close(constant(None).exp(), torch.tensor([3, 2, 4]).double() / 9)
    twice = torch.full((6,), 2.0)
    torch.testing.assert_close(constant(twice), constant(None))
