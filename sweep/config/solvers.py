"""A chosen strength in scikit-learn and glmnet, which fit raw data by the line of code given.

| symbol | meaning |
|---|---|
| α, r | the strength; the share of l1 in the norm |
| n | rows fitted on |
| sd, s | deviation of the target; what the study divides the target by: sd, or 1 unscaled |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sweep.config.chosen import Chosen, Entry, call
from sweep.spec.loss_setting import is_plain
from sweep.spec.optimizers import AdamSpec, SgdSpec
from sweep.spec.sections import MlpSpec

PRECISE = {"tol": 1e-10, "max_iter": 100_000}  # the default leaves entries that should be 0


def solvers(chosen: Chosen) -> dict[str, Entry]:
    """Return the equivalents in programs that take a table and fit it by themselves."""
    model = chosen.spec.model
    if not isinstance(model, MlpSpec) or chosen.is_decoupled or not chosen.penalises_weights:
        return {}
    if chosen.spec.training.augment or not is_plain(chosen.spec):  # they fit rows as they are
        return {}
    task = chosen.spec.data.task
    if model.hidden:
        alike = task in ("classification", "binary", "regression")
        single = chosen.has_classes or chosen.n_outputs == 1
        return _network(chosen, model) if alike and single else {}
    if chosen.strength == 0:
        return {}
    return _LINEAR[task](chosen) if task in _LINEAR else {}


def logistic(alpha: float, ratio: float, n: int, n_outputs: int) -> tuple[float, float]:
    """Return C and l1_ratio of scikit-learn's LogisticRegression.

    Of two classes it models the one difference w of the network's two rows, which at the optimum
    are ±w/2: half the squared norm, the same absolute one.
    """
    both = 1 if n_outputs == 2 else 2 - ratio
    return 1 / (alpha * both * n), ratio / both


def elastic_net(alpha: float, ratio: float, unit: float) -> tuple[float, float]:
    """Return alpha and l1_ratio of scikit-learn's ElasticNet, of a target divided by `unit`."""
    absolute = unit * ratio / 2
    whole = absolute + 1 - ratio
    return alpha * whole, absolute / whole


# --- linear models


def _classes(chosen: Chosen) -> dict[str, Entry]:
    C, l1_ratio = logistic(chosen.strength, chosen.ratio, chosen.n, chosen.n_outputs)
    both = "1" if chosen.n_outputs == 2 else "(2 - ratio)"
    values, formula = {"C": C}, f"C = 1 / (strength * {both} * rows)"
    holds_for = f"raw X and y; {chosen.rows}"
    if chosen.ratio:
        values |= {"l1_ratio": l1_ratio}
        formula += f", l1_ratio = ratio / {both}"
        made = call("LogisticRegression", **values, solver="saga", tol=1e-8, max_iter=100_000)
        holds_for += "; scikit-learn 1.8 or later"
    else:
        made = call("LogisticRegression", **values, tol=1e-8, max_iter=10_000)
    family = "binomial" if chosen.n_outputs <= 2 else "multinomial"
    whole = chosen.strength * (1 if chosen.n_outputs == 2 else 2 - chosen.ratio)
    return {
        "sklearn_logistic_regression": {
            **values, "formula": formula, "use": _fit(chosen, made), "holds_for": holds_for,
        },
        **_glmnet(
            chosen, family, whole, l1_ratio,
            f"lambda = strength * {both}, alpha = ratio / {both}",
        ),
    }  # fmt: skip


def _count(chosen: Chosen) -> dict[str, Entry]:
    if chosen.ratio or chosen.n_outputs > 1:
        return {}
    values = {"alpha": 2 * chosen.strength}
    made = call("PoissonRegressor", **values, tol=1e-8, max_iter=10_000)
    return _entry(chosen, "poisson_regressor", values, "alpha = 2 * strength", made)


def _quantile(chosen: Chosen) -> dict[str, Entry]:
    if chosen.ratio != 1 or chosen.n_outputs > 1:
        return {}
    values = {"alpha": chosen.strength}
    made = call("QuantileRegressor", quantile=chosen.spec.data.quantile, **values)
    return _entry(chosen, "quantile_regressor", values, "alpha = strength", made)


def _ridges(chosen: Chosen) -> dict[str, Entry]:
    """Return the equivalent for several targets, of which each is a problem of its own."""
    if chosen.ratio:
        return {}
    values = {"alpha": chosen.strength * chosen.n * chosen.n_outputs}
    formula = f"alpha = strength * rows * {chosen.n_outputs}"
    return _entry(chosen, "ridge", values, formula, call("Ridge", **values))


def _entry(
    chosen: Chosen, name: str, values: dict[str, float], formula: str, made: str
) -> dict[str, Entry]:
    return {
        f"sklearn_{name}": {
            **values, "formula": formula, "use": _fit(chosen, made),
            "holds_for": f"raw X and y; {chosen.rows}",
        }
    }  # fmt: skip


def _numbers(chosen: Chosen) -> dict[str, Entry]:
    if chosen.n_outputs > 1:
        return _ridges(chosen)
    alpha, ratio, unit = chosen.strength, chosen.ratio, _unit(chosen)
    absolute = "sd_y * ratio / 2" if chosen.is_scaled else "ratio / 2"
    whole = f"({absolute} + 1 - ratio)"
    a, l1_ratio = elastic_net(alpha, ratio, unit)
    if ratio == 0:
        name, values, formula = "Ridge", {"alpha": alpha * chosen.n}, "alpha = strength * rows"
        made = call("Ridge", **values)
    elif ratio == 1:
        name, values, formula = "Lasso", {"alpha": a}, f"alpha = strength * {absolute}"
        made = call("Lasso", **values, **PRECISE)
    else:
        name, values = "ElasticNet", {"alpha": a, "l1_ratio": l1_ratio}
        formula = f"alpha = strength * {whole}, l1_ratio = {absolute} / {whole}"
        made = call("ElasticNet", **values, **PRECISE)
    # glmnet divides the target by its deviation, then its λ too: the squared part sees λ / sd.
    squared = chosen.deviation * (1 - ratio)
    there = unit * ratio / 2 + squared
    both = f"({absolute} + sd_y * (1 - ratio))"
    share = "ratio / (2 - ratio)" if chosen.is_scaled else f"{absolute} / {both}"
    return {
        f"sklearn_{_NAMES[name]}": {
            **values, "formula": formula, "use": _fit(chosen, made),
            "holds_for": f"raw X and y; {chosen.rows}",
        },
        **_glmnet(
            chosen, "gaussian", alpha * there, unit * ratio / 2 / there,
            f"lambda = strength * {both}, alpha = {share}",
        ),
    }  # fmt: skip


_LINEAR: Mapping[str, Callable[[Chosen], dict[str, Entry]]] = {
    "classification": _classes,
    "binary": _classes,
    "regression": _numbers,
    "count": _count,
    "quantile": _quantile,
}
_NAMES = {"Ridge": "ridge", "Lasso": "lasso", "ElasticNet": "elastic_net"}


def _unit(chosen: Chosen) -> float:
    return chosen.deviation if chosen.scales_target else 1.0


def _fit(chosen: Chosen, estimator: str) -> str:
    if chosen.prepare:
        estimator = f"make_pipeline({chosen.prepare}, {estimator})"
    return f"{estimator}.fit({chosen.vectors}, y)"


def _glmnet(
    chosen: Chosen, family: str, strength: float, ratio: float, formula: str
) -> dict[str, Entry]:
    """Return glmnet's equivalent; none where texts or empty cells need more than its scaling.

    R has the entries of an image in another order.
    """
    if not (chosen.all_numbers and chosen.is_flat):
        return {}
    standardize = "TRUE" if chosen.is_scaled else "FALSE"
    use = (
        f'glmnet(X, y, family = "{family}", alpha = {ratio!r}, lambda = {strength!r},'
        f" standardize = {standardize}, thresh = 1e-14, maxit = 1e6)"
    )
    return {
        "glmnet": {
            "lambda": strength, "alpha": ratio, "formula": formula, "use": use,
            "holds_for": f"raw X and y in R; {chosen.rows}",
        }
    }  # fmt: skip


# --- networks


def _network(chosen: Chosen, model: MlpSpec) -> dict[str, Entry]:
    """Return the equivalent in scikit-learn's MLP, which divides the penalty by a batch's rows."""
    if not _has_twin(chosen, model):
        return {}
    # Its squared error is halved: so is the penalty beside it, and what SGD makes of both.
    half = 1 if chosen.has_classes else 2
    alpha, factor = 2 / half * chosen.strength * chosen.batch_size, "2 * " if half == 1 else ""
    made = call(
        "MLPClassifier" if chosen.has_classes else "MLPRegressor",
        hidden_layer_sizes=model.hidden, activation=model.activation, alpha=alpha,
        batch_size=chosen.batch_size, **_steps(chosen, half), max_iter=chosen.spec.training.epochs,
        n_iter_no_change=chosen.spec.training.epochs, tol=0.0,
    )  # fmt: skip
    if chosen.scales_target:
        made = f"TransformedTargetRegressor({made}, transformer=StandardScaler())"
    return {
        "sklearn_mlp": {
            "alpha": alpha,
            "formula": f"alpha = {factor}strength * batch_size",
            "use": _fit(chosen, made),
            "holds_for": f"raw X and y; {chosen.rows}; first weights are scikit-learn's own",
        }
    }


def _has_twin(chosen: Chosen, model: MlpSpec) -> bool:
    """Say whether scikit-learn's MLP takes the same steps."""
    training = chosen.spec.training
    return (
        isinstance(training, SgdSpec | AdamSpec)
        and chosen.has_small_eps
        and not chosen.has_dampening
        and training.rate.is_constant
        and training.clip_norm is None
        and chosen.ratio == 0
        and chosen.n % chosen.batch_size == 0  # else the last batch is penalised more
        and model.activation in ("relu", "tanh")
        and chosen.n_outputs != 2  # of two classes it models one difference
    )


def _steps(chosen: Chosen, half: int) -> dict[str, object]:
    training, lr = chosen.spec.training, chosen.values["lr"]
    if isinstance(training, AdamSpec):
        beta_1, beta_2 = training.betas
        return {
            "solver": "adam", "learning_rate_init": lr, "beta_1": beta_1, "beta_2": beta_2,
            "epsilon": training.eps / half,
        }  # fmt: skip
    assert isinstance(training, SgdSpec)
    return {
        "solver": "sgd", "learning_rate_init": half * lr, "momentum": chosen.values["momentum"],
        "nesterovs_momentum": training.nesterov,
    }  # fmt: skip
