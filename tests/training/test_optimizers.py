"""One step, and where many of them lead: the minimum that scikit-learn finds too."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression, Ridge
from torch import Tensor

from sweep.data.problem import Problem
from sweep.training.cohort import Cohort
from sweep.training.lanes import Lanes
from sweep.training.layout import Flat
from sweep.training.messages import Measures
from sweep.training.modules import MLP
from sweep.training.optimizers import SGD, Adam, Columns, FusedAdam, Optimizer
from sweep.training.penalty import soft_threshold
from sweep.training.recipe import Recipe
from tests.support.cases import slow_but
from tests.support.problems import real
from tests.support.settings import setting_of

# --- single steps


def columns(lanes: int, **values: float) -> Columns:
    given = {"strength": 0.0, "lr": 0.1, "l1_ratio": 0.0, "momentum": 0.0} | values
    return {name: torch.full((lanes, 1), value).double() for name, value in given.items()}


def flat(rows: Tensor) -> Flat:
    """Lay out lanes (L, 3): two weights, and a bias."""
    return Flat(torch.cat([rows[:, :2].flatten(), rows[:, 2]]), [2, 1], 1)


def one_step(optimizer: Optimizer, params: Tensor, grad: Tensor, given: Columns) -> Tensor:
    out, ones = flat(params), torch.ones(len(params), 1).double()
    with torch.no_grad():
        optimizer.step(out, flat(grad), optimizer.init(out), ones, given)
    return torch.cat(out.parts, 1)


PARAMS = torch.tensor([[1.0, -2.0, 3.0], [0.5, 0.0, -1.0]]).double()
GRAD = torch.tensor([[0.5, 1.0, -1.0], [0.0, 2.0, 0.25]]).double()


def test_a_step_of_sgd_is_minus_lr_times_the_gradient() -> None:
    out = one_step(SGD(has_momentum=False), PARAMS, GRAD, columns(2))
    torch.testing.assert_close(out, PARAMS - 0.1 * GRAD)


def test_the_first_threshold_of_adam_is_scaled_as_its_first_step() -> None:
    """At first √v̂ = |g|: the threshold of an entry is lr·α / (|g| + eps), bias-corrected."""
    start, grad = torch.tensor([[3.0, -2.0, 1.0]]), torch.tensor([[0.5, 0.25, 1.0]])
    given = columns(1, lr=0.1, strength=0.2, l1_ratio=1.0)
    (moved,) = one_step(Adam(l1=True), start, grad, given)
    want = [3.0 - 0.1 - 0.1 * 0.2 / 0.5, -2.0 - 0.1 + 0.1 * 0.2 / 0.25, 1.0 - 0.1]
    assert moved.tolist() == pytest.approx(want, rel=1e-5)


def test_the_first_step_of_adam_is_lr_whatever_the_gradient() -> None:
    out = one_step(Adam(), PARAMS, 1e3 * GRAD, columns(2))
    torch.testing.assert_close(out, PARAMS - 0.1 * GRAD.sign(), atol=1e-8, rtol=0)


@pytest.mark.parametrize("optimizer", [SGD(has_momentum=False), SGD(), SGD(0.5), SGD(0, True)])
def test_only_weights_are_penalised(optimizer: Optimizer) -> None:
    out = one_step(optimizer, PARAMS, 0 * GRAD, columns(2, strength=0.25))
    torch.testing.assert_close(out[:, :2], PARAMS[:, :2] * (1 - 0.1 * 2 * 0.25))
    torch.testing.assert_close(out[:, 2], PARAMS[:, 2])


def test_decoupled_decay_multiplies_the_weights_by_1_minus_lr_times_decay() -> None:
    out = one_step(Adam(decoupled=True), PARAMS, 0 * GRAD, columns(2, strength=0.25))
    torch.testing.assert_close(out[:, :2], PARAMS[:, :2] * (1 - 0.1 * 0.25))
    torch.testing.assert_close(out[:, 2], PARAMS[:, 2])


@pytest.mark.parametrize("optimizer", [SGD(l1=True), SGD(0, True, l1=True), Adam(l1=True)])
def test_weights_below_the_threshold_become_exactly_zero(optimizer: Optimizer) -> None:
    tiny = torch.full((1, 3), 1e-3).double()
    given = columns(1, strength=1.0, l1_ratio=1.0, lr=0.1)
    out = one_step(optimizer, tiny, torch.full((1, 3), 1e-6).double(), given)
    assert out[0, :2].tolist() == [0, 0]
    assert out[0, 2] != 0


@pytest.mark.parametrize(
    "optimizer", [SGD(0, True, l1=True), SGD(0.5, l1=True), Adam(l1=True), Adam(decoupled=True)]
)
def test_the_state_of_an_optimiser_is_zero_at_first_and_has_a_row_a_lane(
    optimizer: Optimizer,
) -> None:
    for held in optimizer.init(flat(PARAMS)):
        assert {len(part) for part in held.parts} == {2}
        assert not held.whole.any()


@pytest.mark.parametrize(
    "optimizer", [SGD(0.5, l1=True), SGD(0, True, l1=True), Adam(l1=True), Adam(decoupled=True)]
)
def test_a_lane_that_is_not_finite_leaves_the_others_bitwise_as_they_are(
    optimizer: Optimizer,
) -> None:
    given = columns(2, strength=0.1, l1_ratio=0.5, momentum=0.9)
    poisoned = PARAMS.clone()
    poisoned[0] = math.nan
    healthy = one_step(optimizer, PARAMS, GRAD, given)
    out = one_step(optimizer, poisoned, GRAD, given)
    assert out[0].isnan().all()
    assert torch.equal(out[1], healthy[1])


# --- trained to convergence, against scikit-learn


class Route(NamedTuple):
    """A way to the minimum: how to step, and settings for a problem whose curvature is 1."""

    optimizer: Optimizer
    lr: float
    momentum: float = 0.0
    schedule: Any = "constant"


def routes(*, l1: bool) -> dict[str, Route]:
    return {
        "sgd": Route(SGD(l1=l1, has_momentum=False), 1.0),
        "momentum": Route(SGD(l1=l1), 0.5, 0.9),
        "nesterov": Route(SGD(nesterov=True, l1=l1), 0.5, 0.9),
        "dampening": Route(SGD(0.5, l1=l1), 0.7, 0.9),
        "adam": Route(Adam(l1=l1), 0.02, schedule="cosine"),
    }


class Fit(NamedTuple):
    weight: np.ndarray  # (C, F)
    bias: np.ndarray  # (C,)


def train(
    problem: Problem, route: Route, epochs: int, penalties: Sequence[tuple[float, float]]
) -> list[Fit]:
    """Train linear models, full batch, one lane for each (strength, l1_ratio)."""
    recipe = Recipe(route.optimizer, epochs, schedule=route.schedule)
    lanes = Lanes(problem, linear(problem), recipe, slots=len(penalties), places=1)
    if isinstance(route.optimizer, Adam):
        lr = route.lr if problem.task == "regression" else 5 * route.lr  # there weights are large
    else:
        lr = route.lr / curvature(problem)
    settings = [setting_of(strength, lr, ratio, route.momentum) for strength, ratio in penalties]
    lanes.reset(range(len(settings)), range(1), settings)
    for _ in range(epochs):
        lanes.train_epoch()
    views = lanes.layout.views(lanes._params)
    weight, bias = (views[f"layers.0.{name}"].numpy() for name in ("weight", "bias"))
    return [Fit(*each) for each in zip(weight, bias, strict=True)]


def linear(problem: Problem) -> Any:
    return lambda: MLP(problem.X.shape[1], [], problem.n_outputs, "relu")


def curvature(problem: Problem) -> float:
    """Return the largest eigenvalue of the loss's second derivative (a bound for softmax)."""
    ones = torch.ones(len(problem.X), 1).double()
    X = torch.cat([problem.X, ones], 1)
    largest = float(torch.linalg.eigvalsh(X.mT @ X / len(X))[-1])
    return largest * (2 if problem.task == "regression" else 0.5)


def assert_same(got: Fit, weight: np.ndarray, bias: np.ndarray, tolerance: float = 1e-5) -> None:
    np.testing.assert_allclose(got.weight, weight, atol=tolerance, rtol=0)
    np.testing.assert_allclose(got.bias, bias, atol=tolerance, rtol=0)


def centred(fit: Fit) -> Fit:
    """Remove from the biases what the softmax does not see."""
    return Fit(fit.weight, fit.bias - fit.bias.mean(0))


A = [0.01, 0.1, 1.0]  # α of several lanes


@pytest.mark.parametrize("route", slow_but(("sgd", "dampening"), routes(l1=False)))
def test_l2_regression_ends_where_ridge_does(route: str) -> None:
    problem = real("diabetes", 5)
    X, y, n = problem.X.numpy(), problem.y.numpy(), len(problem.y)
    fits = train(problem, routes(l1=False)[route], 600, [(a, 0.0) for a in A])
    for alpha, fit in zip(A, fits, strict=True):
        want = Ridge(alpha=alpha * n, solver="cholesky").fit(X, y)
        assert_same(fit, want.coef_[None], np.array([want.intercept_]))


@pytest.mark.parametrize("route", slow_but(("momentum", "adam"), routes(l1=True)))
def test_l1_regression_ends_where_lasso_does_with_the_same_zeros(route: str) -> None:
    problem, alphas = real("diabetes", 5), [0.02, 0.2, 0.6]
    X, y = problem.X.numpy(), problem.y.numpy()
    fits = train(problem, routes(l1=True)[route], 600, [(a, 1.0) for a in alphas])
    zeros = []
    for alpha, fit in zip(alphas, fits, strict=True):
        want = Lasso(alpha=alpha / 2, tol=1e-13, max_iter=100_000).fit(X, y)
        assert_same(fit, want.coef_[None], np.array([want.intercept_]))
        np.testing.assert_array_equal(fit.weight[0] == 0, want.coef_ == 0)
        zeros.append(int((want.coef_ == 0).sum()))
    assert zeros[0] < zeros[-1] < 5


@dataclass(frozen=True)
class PlainThreshold:
    """The proximal step as it is often written: lr·α whatever the momentum."""

    inner: SGD

    def init(self, params: Flat) -> tuple[Flat, ...]:
        return self.inner.init(params)

    def step(
        self, params: Flat, grad: Flat, state: tuple[Flat, ...], t: Tensor, columns: Columns
    ) -> None:
        self.inner.step(params, grad, state, t, columns)
        for w in params.weights:
            soft_threshold(w, columns["lr"] * columns["strength"] * columns["l1_ratio"])


@pytest.mark.parametrize("name", ["momentum", "nesterov", "dampening"])
def test_a_threshold_that_forgets_the_momentum_is_caught(name: str) -> None:
    problem, route = real("diabetes", 5), routes(l1=False)[name]
    assert isinstance(route.optimizer, SGD)
    faulty = route._replace(optimizer=PlainThreshold(route.optimizer))
    (fit,) = train(problem, faulty, 600, [(0.2, 1.0)])
    want = Lasso(alpha=0.1, tol=1e-13).fit(problem.X.numpy(), problem.y.numpy())
    assert np.abs(fit.weight[0] - want.coef_).max() > 0.02


@pytest.mark.parametrize("route", slow_but(("dampening", "adam"), routes(l1=True)))
def test_elastic_regression_ends_where_elastic_net_does(route: str) -> None:
    problem, grid = real("diabetes", 5), [(0.05, 0.5), (0.2, 0.5), (0.2, 0.9)]
    X, y = problem.X.numpy(), problem.y.numpy()
    ours = [(a * (1 + rho), 2 * rho / (1 + rho)) for a, rho in grid]
    fits = train(problem, routes(l1=True)[route], 600, ours)
    for (a, rho), fit in zip(grid, fits, strict=True):
        want = ElasticNet(alpha=a, l1_ratio=rho, tol=1e-13, max_iter=100_000).fit(X, y)
        assert_same(fit, want.coef_[None], np.array([want.intercept_]))
        np.testing.assert_array_equal(fit.weight[0] == 0, want.coef_ == 0)
    assert any((fit.weight == 0).any() for fit in fits)


@pytest.mark.parametrize("route", slow_but(("momentum", "nesterov"), routes(l1=False)))
def test_l2_multinomial_ends_where_logistic_regression_does(route: str) -> None:
    problem, alphas = real("iris"), [0.01, 0.1]
    X, y, n = problem.X.numpy(), problem.y.numpy(), len(problem.y)
    fits = train(problem, routes(l1=False)[route], 800, [(a, 0.0) for a in alphas])
    for alpha, fit in zip(alphas, fits, strict=True):
        want = LogisticRegression(C=1 / (2 * alpha * n), tol=1e-10, max_iter=10_000).fit(X, y)
        assert_same(centred(fit), *centred(Fit(want.coef_, want.intercept_)), tolerance=1e-4)


@pytest.mark.parametrize("route", slow_but(("sgd", "adam"), routes(l1=False)))
def test_l2_on_two_classes_ends_where_logistic_regression_does(route: str) -> None:
    problem, alphas = real("breast_cancer", 4), [0.01, 0.1]
    X, y, n = problem.X.numpy(), problem.y.numpy(), len(problem.y)
    fits = train(problem, routes(l1=False)[route], 800, [(a, 0.0) for a in alphas])
    for alpha, fit in zip(alphas, fits, strict=True):
        # Two outputs share what one has: ‖w‖²/2 for the difference w.
        want = LogisticRegression(C=1 / (alpha * n), tol=1e-10, max_iter=10_000).fit(X, y)
        difference = Fit(fit.weight[1:] - fit.weight[:1], fit.bias[1:] - fit.bias[:1])
        assert_same(difference, want.coef_, want.intercept_, tolerance=1e-4)


@pytest.mark.parametrize("route", slow_but(("sgd", "nesterov"), routes(l1=True)))
def test_l1_on_two_classes_ends_where_logistic_regression_does(route: str) -> None:
    problem, alphas = real("breast_cancer", 4), [0.02, 0.1]
    X, y, n = problem.X.numpy(), problem.y.numpy(), len(problem.y)
    fits = train(problem, routes(l1=True)[route], 1000, [(a, 1.0) for a in alphas])
    for alpha, fit in zip(alphas, fits, strict=True):
        want = LogisticRegression(
            C=1 / (alpha * n), l1_ratio=1, solver="saga", tol=1e-10, max_iter=50_000,
            random_state=0,
        ).fit(X, y)  # fmt: skip
        difference = Fit(fit.weight[1:] - fit.weight[:1], fit.bias[1:] - fit.bias[:1])
        assert_same(difference, want.coef_, want.intercept_, tolerance=1e-4)
        np.testing.assert_array_equal(difference.weight == 0, want.coef_ == 0)
        assert (want.coef_ == 0).any()


@pytest.mark.parametrize("route", slow_but(("adam",), ["sgd", "nesterov", "adam"]))
def test_l1_multinomial_ends_where_logistic_regression_does(route: str) -> None:
    problem, alphas = real("wine", 5), [0.02, 0.06]
    X, y, n = problem.X.numpy(), problem.y.numpy(), len(problem.y)
    fits = train(problem, routes(l1=True)[route], 1000, [(a, 1.0) for a in alphas])
    for alpha, fit in zip(alphas, fits, strict=True):
        want = LogisticRegression(
            C=1 / (alpha * n), l1_ratio=1, solver="saga", tol=1e-10, max_iter=50_000,
            random_state=0,
        ).fit(X, y)  # fmt: skip
        assert_same(centred(fit), *centred(Fit(want.coef_, want.intercept_)), tolerance=1e-4)
        np.testing.assert_array_equal(fit.weight == 0, want.coef_ == 0)
        assert (want.coef_ == 0).any()


@pytest.mark.slow
def test_features_enter_the_path_in_the_order_of_least_angle_regression() -> None:
    """Efron et al. 2004, Table 1: 3, 9, 4, 7, 2, 10, 5, 8, 6, 1 on the diabetes data."""
    problem = real("diabetes")
    alphas = np.geomspace(1.2, 0.003, 60)
    route = Route(SGD(l1=True), 0.9, 0.9)
    fits = train(problem, route, 2000, [(float(alpha), 1.0) for alpha in alphas])
    entered = [int((fit.weight[0] != 0).sum()) for fit in fits]
    order: list[int] = []
    for fit in fits:
        order += [int(j) + 1 for j in np.flatnonzero(fit.weight[0]) if j + 1 not in order]
    assert entered[0] == 0
    assert order == [3, 9, 4, 7, 2, 10, 5, 8, 6, 1]


def test_a_cohort_in_rounds_ends_where_ridge_does() -> None:
    problem = real("diabetes", 4)
    X, y, n = problem.X.numpy(), problem.y.numpy(), len(problem.y)
    recipe = Recipe(SGD(has_momentum=False), 600)
    cohort = Cohort(problem, linear(problem), recipe, width=3)
    for alpha in A:
        cohort.start(alpha, setting_of(alpha, 1 / curvature(problem)))
    ended: dict[Hashable, Measures | None] = {}
    while cohort.trials:
        ended |= {r.trial: r.result for r in cohort.advance() if r.ended}
    for alpha in A:
        want, result = Ridge(alpha=alpha * n, solver="cholesky").fit(X, y), ended[alpha]
        assert result is not None
        assert result.norm[0] == pytest.approx(float((want.coef_**2).sum()), rel=1e-6)
        assert result.train_loss[0] == pytest.approx(np.mean((want.predict(X) - y) ** 2))
        assert result.val_score[0] == pytest.approx(want.score(X, y))


@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_adam_in_one_pass_is_adam(dtype: torch.dtype, decoupled: bool) -> None:
    """Slots of other lr and step count, over some steps."""
    generator, lanes, places = torch.Generator().manual_seed(0), 6, 2

    def drawn() -> Tensor:
        return torch.randn(lanes * 20, generator=generator, dtype=torch.float64).to(dtype)

    start, grads = drawn(), [drawn() for _ in range(5)]
    of_slot = torch.tensor([[0.1, 0.02, 0.0, 0.0], [0.3, 0.005, 0.0, 0.0], [0.0, 0.02, 0.0, 0.0]])
    of_lane = of_slot.to(dtype).repeat_interleave(places, 0)[..., None].unbind(1)
    columns = dict(zip(("strength", "lr", "l1_ratio", "momentum"), of_lane, strict=True))
    first = torch.tensor([1.0, 7.0, 400.0], dtype=torch.float64).repeat_interleave(places)[:, None]
    ends = []
    for adam in (Adam(decoupled=decoupled), FusedAdam(decoupled=decoupled)):
        params = Flat(start.clone(), [13, 5, 2], 2, places)
        state = adam.init(params)
        for step, grad in enumerate(grads):
            gradient = Flat(grad.clone(), params.sizes, 2, places)
            adam.step(params, gradient, state, first + step, columns)
        ends.append([params.whole, *(held.whole for held in state)])
    for one, other in zip(*ends, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12 if dtype == torch.float64 else 2e-5,
                                   atol=1e-14 if dtype == torch.float64 else 1e-6)  # fmt: skip
