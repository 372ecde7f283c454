"""The config says the same strength in other programs' units, and is written whole."""

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from sweep.config.chosen import Chosen
from sweep.config.elsewhere import equivalents
from sweep.config.export import make_config, read_config, write_config
from sweep.errors import UsageError
from sweep.spec.files import parse_spec
from tests.conftest import made_study

Array = np.ndarray[Any, np.dtype[np.float64]]


def _equal(
    *, norm: str = "l2", ratio: float | None = None, hidden: tuple[int, ...] = (),
    alpha: float = 0.1, task: str = "regression", n: int = 100, outputs: int = 1,
    optimizer: str = "adam",
) -> dict[str, float]:  # fmt: skip
    penalty = {"norm": norm} | ({} if ratio is None else {"l1_ratio": ratio})
    tree = {
        "study_name": "x", "data": {"task": task}, "model": {"hidden": list(hidden)},
        "penalty": penalty, "training": {"optimizer": optimizer},
    }  # fmt: skip
    return _of(tree, {"alpha": alpha}, n, outputs)


def _of(tree: dict[str, Any], params: dict[str, float], n: int, outputs: int) -> dict[str, float]:
    spec = parse_spec(tree, "x", Path("."))
    about = {"n_rows": n, "n_outputs": outputs, "penalised": ["layers.0.weight"]}
    return equivalents(Chosen(spec, params, about))


# --- against scikit-learn: its solution must be a stationary point of our objective


def _regression() -> tuple[Array, Array]:
    X = StandardScaler().fit_transform(load_diabetes(scaled=False).data)
    y = StandardScaler().fit_transform(load_diabetes().target[:, None])[:, 0]
    return X, y


def _mse_gradient(X: Array, y: Array, w: Array, b: float) -> Array:
    return np.asarray(2 / len(X) * X.T @ (X @ w + b - y))


def _assert_stationary(w: Array, gradient: Array, alpha: float, ratio: float, at: float) -> None:
    """Check 0 ∈ ∇L + 2α(1 − r)w + αr·∂|w|."""
    smooth = gradient + 2 * alpha * (1 - ratio) * w
    off = np.where(w != 0, np.abs(smooth + alpha * ratio * np.sign(w)),
                   np.maximum(np.abs(smooth) - alpha * ratio, 0))  # fmt: skip
    assert off.max() < at
    if ratio > 0:
        assert 0 < (w == 0).sum() < w.size  # both kinds of entries were looked at


def test_ridge() -> None:
    X, y = _regression()
    equal = _equal(alpha=0.3, n=len(X))
    fit = Ridge(equal["sklearn_ridge_alpha"], tol=1e-12).fit(X, y)
    _assert_stationary(fit.coef_, _mse_gradient(X, y, fit.coef_, fit.intercept_), 0.3, 0.0, 1e-12)


def test_lasso() -> None:
    X, y = _regression()
    equal = _equal(norm="l1", alpha=0.2, n=len(X))
    fit = Lasso(equal["sklearn_lasso_alpha"], tol=1e-14, max_iter=100_000).fit(X, y)
    _assert_stationary(fit.coef_, _mse_gradient(X, y, fit.coef_, fit.intercept_), 0.2, 1.0, 1e-9)


@pytest.mark.parametrize("ratio", [0.3, 0.5, 0.9])
def test_elastic_net(ratio: float) -> None:
    X, y = _regression()
    equal = _equal(norm="elastic", ratio=ratio, alpha=0.4, n=len(X))
    fit = ElasticNet(
        equal["sklearn_elasticnet_alpha"],
        l1_ratio=equal["sklearn_elasticnet_l1_ratio"],
        tol=1e-14,
        max_iter=100_000,
    ).fit(X, y)
    _assert_stationary(fit.coef_, _mse_gradient(X, y, fit.coef_, fit.intercept_), 0.4, ratio, 1e-9)


def _softmax_gradient(X: Array, y: Array, W: Array, b: Array) -> Array:
    """Return the gradient of the mean cross-entropy, (C, F)."""
    scores = X @ W.T + b
    p = np.exp(scores - scores.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    p[np.arange(len(y)), y] -= 1
    return np.asarray(p.T @ X / len(X))


def _logistic(X: Array, y: Array, C: float, l1: bool) -> LogisticRegression:
    if l1:
        made = LogisticRegression(C=C, l1_ratio=1.0, solver="saga", tol=1e-9, max_iter=50_000,
                                  random_state=0)  # fmt: skip
    else:
        made = LogisticRegression(C=C, solver="newton-cholesky", tol=1e-12)
    return made.fit(X, y)


@pytest.mark.parametrize(("norm", "alpha"), [("l2", 0.02), ("l1", 0.03)])
def test_logistic_regression_of_three_classes(norm: str, alpha: float) -> None:
    X, y = StandardScaler().fit_transform(load_iris().data), load_iris().target
    equal = _equal(norm=norm, alpha=alpha, task="classification", n=len(X), outputs=3)
    fit = _logistic(X, y, equal["sklearn_C"], norm == "l1")
    gradient = _softmax_gradient(X, y, fit.coef_, fit.intercept_)
    _assert_stationary(fit.coef_, gradient, alpha, float(norm == "l1"), 1e-6)


@pytest.mark.parametrize(("norm", "alpha"), [("l2", 0.02), ("l1", 0.03)])
def test_logistic_regression_of_two_classes(norm: str, alpha: float) -> None:
    # scikit-learn has one row w of coefficients; the network has two, which end at ±w/2.
    X = StandardScaler().fit_transform(load_breast_cancer().data)
    y = load_breast_cancer().target
    equal = _equal(norm=norm, alpha=alpha, task="classification", n=len(X), outputs=2)
    fit = _logistic(X, y, equal["sklearn_C"], norm == "l1")
    W = np.concatenate([-fit.coef_ / 2, fit.coef_ / 2])
    b = np.concatenate([-fit.intercept_ / 2, fit.intercept_ / 2])
    _assert_stationary(W, _softmax_gradient(X, y, W, b), alpha, float(norm == "l1"), 1e-6)


# --- which equivalents there are


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ({"hidden": (4,)}, {"torch_weight_decay": 0.2, "keras_l2": 0.1}),
        ({"hidden": (4,), "optimizer": "sgd"}, {"torch_weight_decay": 0.2, "keras_l2": 0.1}),
        ({"hidden": (4,), "norm": "l1"}, {"keras_l1": 0.1}),
        (
            {"hidden": (4,), "norm": "elastic", "ratio": 0.25},
            {"keras_l1": 0.025, "keras_l2": 0.075},
        ),
        (
            {"hidden": (4,), "norm": "elastic", "ratio": 0.0},
            {"torch_weight_decay": 0.2, "keras_l2": 0.1},
        ),
        ({}, {"torch_weight_decay": 0.2, "keras_l2": 0.1, "sklearn_ridge_alpha": 10.0}),
        ({"norm": "l1"}, {"keras_l1": 0.1, "sklearn_lasso_alpha": 0.05}),
        (
            {"task": "classification", "outputs": 3},
            {"torch_weight_decay": 0.2, "keras_l2": 0.1, "sklearn_C": 0.05},
        ),
        (
            {"task": "classification", "outputs": 2},
            {"torch_weight_decay": 0.2, "keras_l2": 0.1, "sklearn_C": 0.1},
        ),
        (
            {"task": "classification", "outputs": 3, "norm": "elastic", "ratio": 0.25},
            {"keras_l1": 0.025, "keras_l2": 0.075},
        ),
    ],
)
def test_only_what_holds_is_said(case: dict[str, Any], expected: dict[str, float]) -> None:
    assert _equal(**case) == pytest.approx(expected)


def test_adamw_has_only_its_own_weight_decay() -> None:
    tree = {"study_name": "x", "training": {"optimizer": "adamw"}, "model": {"hidden": []}}
    assert _of(tree, {"weight_decay": 0.3}, 100, 3) == {"torch_weight_decay": 0.3}


def test_a_searched_l1_ratio_is_used() -> None:
    tree = {"study_name": "x", "penalty": {"norm": "elastic", "l1_ratio": 0.9}}
    found = _of(tree, {"alpha": 0.1, "l1_ratio": 0.2}, 9, 3)
    assert found == pytest.approx({"keras_l1": 0.02, "keras_l2": 0.08})


# --- the config


def test_a_config_holds_what_fresh_folds_have_shown() -> None:
    config = make_config(made_study({1e-3: [1.0, 2.0, 3.0]}, [4.0, 5.0, 6.0], confirmed=True))
    assert config["confirmed_value"] == 2.0 and config["confirmed_baseline_value"] == 5.0
    assert config["confirmed_se"] == pytest.approx(1 / math.sqrt(3))


def test_what_a_config_holds() -> None:
    values = {1e-3: [1.0, 2.0, 3.0], 1e-2: [1.1, 2.1, 3.1], 1e-1: [7.0, 8.0, 9.0]}
    study = made_study(values, [4.0, 5.0, 6.0], spec={"replicates": {"n_folds": 3}})
    config = make_config(study)
    date, versions = (config["provenance"].pop(key) for key in ("date", "versions"))
    assert config.pop("spec") == study.user_attrs["spec"]
    assert config == {
        "study_name": "made",
        "selection": "best",
        "best_params": {"alpha": 1e-3},
        "best_value": 2.0,
        "value_se": pytest.approx(1 / math.sqrt(3)),
        "n_replicates": 3,
        "n_rows": 60,
        "baseline_value": 5.0,
        "confirmed_value": None,
        "confirmed_se": None,
        "confirmed_baseline_value": None,
        "penalty": {
            "norm": "l2",
            "formula": "mean loss + alpha * sum of squared weights",
            "penalised": ["layers.0.weight"],
            "exempt": ["layers.0.bias"],
        },
        "equivalents": {"torch_weight_decay": 2e-3, "keras_l2": 1e-3},
        "equivalents_hold_for": "features of mean 0 and deviation 1, 60 rows (n_rows);"
        " for raw data see elsewhere",
        "elsewhere": {},  # of a study that sweep 0.1 made
        "provenance": {
            "trial_number": 0,
            "spec_hash": study.user_attrs["spec_hash"],
            "data_hash": "d" * 16,
            "model_hash": None,
            "device": "cpu",
            "seed": 0,
            "folder": None,
        },
    }
    assert date.endswith("+00:00")
    assert set(versions) == {"python", "sweep", "torch", "optuna", "scikit-learn"}


def test_the_study_files_selection_holds_unless_another_is_asked_for() -> None:
    values = {1e-3: [1.0, 2.0, 3.0], 1e-2: [1.1, 2.1, 3.1]}
    study = made_study(values, spec={"selection": "1se", "replicates": {"n_folds": 3}})
    assert make_config(study)["best_params"] == {"alpha": 1e-2}
    assert make_config(study, "best")["best_params"] == {"alpha": 1e-3}


def test_a_diverged_control_has_no_value() -> None:
    assert make_config(made_study({1e-3: [1.0, 2.0, 3.0]}, None))["baseline_value"] is None


# --- files


def _config() -> dict[str, Any]:
    spec = {
        "study_name": "made",
        "replicates": {"n_folds": 3},
        "penalty": {"exempt": ['a"b.*', "δ😀\\.weight", "\x7f", "?x"]},
        "search": {"sampler": {"type": "tpe", "n_startup_trials": 3, "multivariate": True}},
    }
    return make_config(made_study({1.2345678901234567e-5: [1.0, 2.0, 3.1]}, None, spec=spec))


def _without_null(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _without_null(value) for key, value in tree.items() if value is not None}
    return tree


@pytest.mark.parametrize("suffix", [".yaml", ".yml", ".json"])
def test_a_file_reads_back_equal(suffix: str, tmp_path: Path) -> None:
    config, path = _config(), tmp_path / f"out{suffix}"
    write_config(config, path)
    assert read_config(path) == config


def test_toml_reads_back_equal_but_for_null(tmp_path: Path) -> None:
    config, path = _config(), tmp_path / "out.toml"
    write_config(config, path)
    assert read_config(path) == _without_null(config)


@pytest.mark.parametrize("name", ["out.txt", "out", "out.yaml.bak"])
def test_another_suffix_is_refused_and_nothing_written(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^--output: must end in \.yaml, \.toml or \.json, got"):
        write_config(_config(), tmp_path / "sub" / name)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"^--output: must be a file that can be written, got"):
        write_config(_config(), tmp_path / "file" / "out.yaml")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("a: [", "must be a readable file"),
        ("", "must be a file written by `sweep export`"),
        ("- 1", "must be a file written by `sweep export`"),
        (json.dumps({"best_params": {"alpha": 1}}), "must be a file written by `sweep export`"),
    ],
)
def test_what_is_no_config_is_refused(text: str, rule: str, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(UsageError) as error:
        read_config(path)
    message = str(error.value)
    assert message.startswith(f"config: {rule}") and message.endswith("Export it anew")
    assert "x.yaml" in message and "\n" not in message


@pytest.mark.parametrize(("name", "why"), [("x.yaml", "No such file"), (".", "Is a directory")])
def test_a_config_that_cannot_be_read_is_named_once(name: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        read_config(tmp_path / name)
    assert str(error.value).startswith(f"config: must be a readable file, got {tmp_path / name} (")
    assert str(error.value).count(str(tmp_path)) == 1 and why in str(error.value)


def test_the_study_s_folder_is_told_from_where_the_config_lies(tmp_path: Path) -> None:
    study = made_study({1e-2: [1.0, 2.0, 3.0]}, attrs={"folder": str(tmp_path / "studies")})
    path = tmp_path / "out" / "deep" / "made.yaml"
    config = make_config(study)
    write_config(config, path)
    read = read_config(path)
    assert read["provenance"]["folder"] == os.path.join("..", "..", "studies")
    write_config(read, path)  # what is relative already stays
    assert read_config(path) == read
