"""A refit trains as a plain loop does, looks at the test rows last, and refuses what changed."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from sweep.analysis.status import load_study
from sweep.config.export import make_config, read_config, write_config
from sweep.config.refit import N_SEEDS, fit, sentence
from sweep.data.dataset import load_dataset
from sweep.data.holdout import make_refit_problem, refit_seed
from sweep.errors import SweepError, UsageError
from sweep.plan.plan import make_factory
from sweep.spec.augment import AugmentSpec, augmentations_of
from sweep.spec.files import parse_spec
from sweep.spec.schedule import ScheduleSpec
from sweep.spec.study import StudySpec
from tests.support import reference
from tests.support.configs import exported
from tests.support.reference import Loop, Penalty

STUDIES = Path(__file__).parents[2] / "studies"
IRIS: dict[str, Any] = {"data": {"source": "sklearn:iris"}}
NAN_FOR_SOME = """
import torch
def make(n_features, n_outputs):
    layer = torch.nn.Linear(n_features, n_outputs)
    if torch.rand(()) < 0.4:
        torch.nn.init.constant_(layer.weight, float("nan"))
    return layer
def never(n_features, n_outputs):
    return torch.nn.Linear(n_features, n_outputs)
"""


def spec_of(config: Path, folder: Path) -> StudySpec:
    return parse_spec(read_config(config)["spec"], "made", folder)


def write_rows(path: Path, **changes: Any) -> None:
    """Write separable rows with test rows of their own."""
    draw = np.random.default_rng(3)
    X, X_test = draw.normal(size=(60, 4)), draw.normal(size=(30, 4))
    rows = {"X": X, "y": (X[:, 0] > 0) * 1, "X_test": X_test, "y_test": (X_test[:, 0] > 0) * 1}
    np.savez(path, **(rows | changes))


# --- what comes out


def test_a_searched_study_is_refitted(tiny: Path) -> None:
    write_config(make_config(load_study("sqlite:///tiny.db", "tiny")), Path("tiny.yaml.toml"))
    result = fit("tiny.yaml.toml", "net/tiny.safetensors")
    assert (result.n_rows, result.n_search_rows, result.n_test_rows) == (60, 60, 30)
    assert result.warnings == ()
    assert result.chosen.seeds == result.none.seeds == tuple(range(N_SEEDS))
    assert result.none.params == {"alpha": 0.0}
    assert set(result.chosen.estimates) == {
        "loss", "accuracy", "calibration_error", "train_loss", "norm", "sparsity",
    }  # fmt: skip
    assert result.saved["train_loss"] == min(result.chosen.values["train_loss"])
    assert [path.name for path in sorted(Path("net").iterdir())] == [
        "tiny.md", "tiny.safetensors",
    ]  # fmt: skip
    assert sentence(result).startswith("With alpha = ")


def test_errors_of_what_is_no_mean_over_test_rows_are_over_the_seeds(tmp_path: Path) -> None:
    result = fit(exported(tmp_path, strength=0.05, **IRIS))
    chosen, none = (np.array(row.values["norm"]) for row in (result.chosen, result.none))
    root = math.sqrt(N_SEEDS)
    assert result.chosen.estimates["norm"].mean == pytest.approx(chosen.mean())
    assert result.chosen.estimates["norm"].se == pytest.approx(chosen.std(ddof=1) / root)
    by = result.differences["norm"]
    assert by.mean == pytest.approx((chosen - none).mean())
    assert by.se == pytest.approx((chosen - none).std(ddof=1) / root)


DIABETES = {"source": "sklearn:diabetes", "task": "regression"}


@pytest.mark.parametrize("width", [3, "auto"])
@pytest.mark.parametrize(
    "data", [IRIS["data"], {**IRIS["data"], "train_rows": 40}, {**DIABETES, "train_rows": 200}]
)
def test_means_over_the_test_rows_are_what_was_measured(
    data: dict[str, Any], width: int | str, tmp_path: Path
) -> None:
    result = fit(exported(tmp_path, data=data, training={"epochs": 2, "width": width}))
    for row in (result.chosen, result.none):
        assert set(row.rows) == {"loss", result.spec.task.score.name}
        for name, rows in row.rows.items():
            assert rows.shape == (N_SEEDS, result.n_test_rows)
            np.testing.assert_allclose(rows.mean(1), row.values[name], rtol=1e-5, atol=1e-6)


def test_errors_of_loss_and_score_are_over_test_rows_and_seeds(tmp_path: Path) -> None:
    result = fit(exported(tmp_path, strength=0.05, data=DIABETES))
    for name in ("loss", "r2"):
        by = result.chosen.rows[name] - result.none.rows[name]
        variance = by.mean(0).var(ddof=1) / by.shape[1] + by.mean(1).var(ddof=1) / N_SEEDS
        assert result.differences[name].se == pytest.approx(math.sqrt(variance))


def test_seeds_that_are_all_alike_leave_the_noise_of_the_test_rows(tmp_path: Path) -> None:
    result = fit(
        exported(
            tmp_path, strength=1e-3, model={"hidden": []}, data=DIABETES,
            training={**FULL, "lr": 0.1, "epochs": 300},
        )
    )  # fmt: skip
    by = result.differences["loss"]
    assert np.ptp(np.subtract(result.chosen.values["loss"], result.none.values["loss"])) < 1e-5
    assert by.se is not None and by.se > abs(by.mean) > 1e-5
    assert "no difference is shown" in sentence(result)


def test_both_strengths_start_alike_and_see_the_same_rows(tmp_path: Path) -> None:
    data = {"source": "sklearn:iris", "train_rows": 40}
    config = exported(tmp_path, changes={"best_params": {"alpha": 0.0}}, data=data)
    result = fit(config)
    assert result.chosen == result.none
    assert len(set(result.chosen.values["loss"])) == N_SEEDS  # and seeds differ
    assert {by.mean for by in result.differences.values()} == {0.0}


def test_only_the_strength_differs_between_the_two(tmp_path: Path) -> None:
    more = {"lr": 0.05, "l1_ratio": 0.25}
    searched = {"lr": {"low": 1e-3, "high": 0.1}, "l1_ratio": {"low": 0.1, "high": 0.9}}
    tree = {**IRIS, "penalty": {"norm": "elastic"}, "search": {"space": searched}}
    result = fit(exported(tmp_path, strength=0.2, more_params=more, **tree))
    assert result.chosen.params == {"alpha": 0.2, **more}
    assert result.none.params == {"alpha": 0.0, **more}
    slower = fit(exported(tmp_path, strength=0.2, more_params={**more, "lr": 0.01}, **tree))
    assert slower.none.values["loss"] != result.none.values["loss"]


def test_a_study_searched_with_graphs_is_refitted_without_a_gpu(tmp_path: Path) -> None:
    config = exported(tmp_path, **IRIS)
    content = read_config(config)
    content["spec"]["training"]["cuda_graph"] = True
    graphs = tmp_path / "graphs.toml"
    write_config(content, graphs)
    with_graphs, without = fit(graphs), fit(config)
    assert with_graphs.chosen == without.chosen
    assert with_graphs.warnings == without.warnings


def test_a_refit_gives_the_same_twice(tmp_path: Path) -> None:
    config = exported(tmp_path, **IRIS)
    first, second = (
        fit(config, tmp_path / "a.safetensors"),
        fit(config, tmp_path / "b.safetensors"),
    )
    assert first.chosen == second.chosen and first.none == second.none
    assert first.weights_path.read_bytes() == second.weights_path.read_bytes()


def test_progress_is_told_to_the_end(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    fit(exported(tmp_path, **IRIS), on_progress=lambda *at: told.append(at))
    assert told == [(epoch, 4) for epoch in (1, 2, 3, 4)]


def test_the_summary_is_plain_data(tmp_path: Path) -> None:
    result = fit(exported(tmp_path, **IRIS))
    summary = json.loads(json.dumps(result.summary))
    assert summary["chosen"]["loss"]["mean"] == result.chosen.estimates["loss"].mean
    assert summary["saved"]["seed"] == result.saved_seed


# --- against a plain loop

LOOPS: dict[str, tuple[dict[str, Any], Mapping[str, Any]]] = {
    "sgd l2": (
        {"training": {"optimizer": "sgd", "momentum": 0.9, "lr": 0.05, "epochs": 3},
         "data": {"source": "sklearn:iris", "train_rows": 60, "label_noise": 0.2}},
        {"optimizer": "sgd", "momentum": 0.9, "lr": 0.05, "penalty": Penalty(0.01, 0.0)},
    ),
    "adam elastic": (
        {"training": {"optimizer": "adam", "lr": 0.01, "schedule": "cosine", "epochs": 3},
         "penalty": {"norm": "elastic", "l1_ratio": 0.3}},
        {"optimizer": "adam", "lr": 0.01, "schedule": "cosine", "penalty": Penalty(0.01, 0.3)},
    ),
    "clipped, one cycle": (
        {"training": {"optimizer": "adam", "lr": 0.01, "epochs": 3, "clip_norm": 0.1,
                      "schedule": {"type": "one_cycle", "warmup": 0.5}}},
        {"optimizer": "adam", "lr": 0.01, "penalty": Penalty(0.01, 0.0), "clip_norm": 0.1,
         "schedule": ScheduleSpec(type="one_cycle", warmup=0.5)},
    ),
    "lion, rows that change": (
        {"training": {"optimizer": "lion", "lr": 0.003, "epochs": 3,
                      "augment": ["mixup", {"type": "noise", "std": 0.2}]}},
        {"optimizer": "lion", "lr": 0.003, "penalty": Penalty(0.01, 0.0),
         "options": {"betas": (0.9, 0.99)},
         "augment": augmentations_of(("mixup", AugmentSpec(type="noise", std=0.2)))},
    ),
    "adamw": (
        {"training": {"optimizer": "adamw", "lr": 0.01, "epochs": 3},
         "data": {"source": "sklearn:diabetes", "task": "regression"}},
        {"optimizer": "adamw", "lr": 0.01, "penalty": Penalty(0.01, 0.0)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", LOOPS)
def test_the_network_is_that_of_a_plain_loop(case: str, tmp_path: Path) -> None:
    tree, options = LOOPS[case]
    result = fit(exported(tmp_path, **{**IRIS, **tree}))
    dataset = load_dataset(result.spec.data, tmp_path, result.spec.seed)
    problem = make_refit_problem(result.spec, dataset, N_SEEDS)
    loop = Loop(epochs=3, batch_size=50, seed=refit_seed(result.spec.seed), **options)
    factory = make_factory(result.spec, problem)
    trained = reference.train(problem, factory, loop, result.saved_seed)
    saved = load_file(result.weights_path)
    assert len(saved) == len(trained.weights) == 6
    for name, tensor in trained.weights.items():
        _, layer, leaf = name.split(".")
        found = saved[f"{2 * int(layer)}.{leaf}"]
        torch.testing.assert_close(found, tensor, rtol=1e-4, atol=1e-5)
    assert result.saved["loss"] == pytest.approx(trained.losses[-1], rel=1e-4)


# --- against scikit-learn, which solves the same problem

FULL = {"optimizer": "sgd", "momentum": 0.9, "nesterov": True, "batch_size": "full"}


def scaled(spec: StudySpec) -> tuple[Any, ...]:
    rows = load_dataset(spec.data, Path("."), spec.seed)
    scaler = StandardScaler().fit(rows.X)
    return scaler.transform(rows.X), rows.y, scaler.transform(rows.X_test), rows.y_test


def test_ridge_regression(tmp_path: Path) -> None:
    result = fit(
        exported(
            tmp_path, strength=0.1, model={"hidden": []},
            training={**FULL, "lr": 0.1, "epochs": 300},
            data={"source": "sklearn:diabetes", "task": "regression"},
        )
    )  # fmt: skip
    X, y, X_test, y_test = scaled(result.spec)
    target = StandardScaler().fit(y[:, None])
    y, y_test = (target.transform(part[:, None])[:, 0] for part in (y, y_test))
    ridge = Ridge(0.1 * result.n_rows, tol=1e-12).fit(X, y)
    saved = load_file(result.weights_path)
    np.testing.assert_allclose(saved["0.weight"][0], ridge.coef_, atol=1e-5)
    loss = ((ridge.predict(X_test) - y_test) ** 2).mean()
    assert result.chosen.values["loss"] == pytest.approx([loss] * N_SEEDS, rel=1e-4)
    assert result.chosen.values["r2"] == pytest.approx([ridge.score(X_test, y_test)] * 8, rel=1e-4)


def test_logistic_regression(tmp_path: Path) -> None:
    training = {**FULL, "lr": 0.5, "epochs": 300}
    data = {"source": "sklearn:iris"}
    config = exported(tmp_path, strength=0.02, model={"hidden": []}, training=training, data=data)
    result = fit(config)
    X, y, X_test, y_test = scaled(result.spec)
    C = 1 / (2 * 0.02 * result.n_rows)
    assert read_config(config)["equivalents"]["sklearn_C"] == pytest.approx(
        C * result.n_rows / result.n_search_rows
    )
    logistic = LogisticRegression(C=C, solver="newton-cholesky", tol=1e-12).fit(X, y)
    saved = load_file(result.weights_path)["0.weight"].numpy()
    np.testing.assert_allclose(saved, logistic.coef_, atol=1e-4)
    p = logistic.predict_proba(X_test)
    loss = -np.log(p[np.arange(len(y_test)), y_test]).mean()
    assert result.chosen.values["loss"] == pytest.approx([loss] * N_SEEDS, rel=1e-3)
    assert result.chosen.values["accuracy"] == pytest.approx([logistic.score(X_test, y_test)] * 8)


# --- test rows


def test_test_rows_neither_train_nor_choose(tmp_path: Path) -> None:
    results = []
    for name, changes in {"a": {}, "b": {"y_test": np.arange(30) % 2}}.items():
        write_rows(tmp_path / f"{name}.npz", **changes)
        data = {"source": f"{name}.npz", "label_noise": 0.2}
        results.append(fit(exported(tmp_path, name=f"{name}.yaml", data=data)))
    a, b = results
    assert a.saved_seed == b.saved_seed
    assert a.chosen.values["train_loss"] == b.chosen.values["train_loss"]
    assert a.chosen.values["loss"] != b.chosen.values["loss"]
    first, second = (load_file(result.weights_path) for result in results)
    assert all(torch.equal(first[name], second[name]) for name in first)


# --- seeds that diverge


def test_seeds_that_diverge_are_left_out_and_counted(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(NAN_FOR_SOME)
    model = {"source": "python:own:make"}
    result = fit(exported(tmp_path, data={"source": "sklearn:iris"}, model=model))
    lost = N_SEEDS - len(result.chosen.seeds)
    assert 0 < lost < N_SEEDS
    assert result.saved_seed in result.chosen.seeds
    assert result.warnings[-2:] == tuple(
        f"{lost} of 8 seeds diverged with alpha = {alpha} and are left out" for alpha in (0.01, 0)
    )
    assert np.isfinite(result.differences["loss"].mean)


def test_when_all_seeds_diverge_nothing_is_written(tmp_path: Path) -> None:
    training = {"optimizer": "sgd", "lr": 1e9, "epochs": 20}
    tree = {
        **IRIS,
        "training": training,
        "search": {"space": {"alpha": {"low": 1e-12, "high": 1e-10}}},
    }
    config = exported(tmp_path, **tree)
    with pytest.raises(SweepError, match="must train without diverging, got NaN or inf") as error:
        fit(config)
    assert error.value.exit_code == 1
    assert list(config.parent.iterdir()) == [config]


# --- lines to show


@pytest.mark.parametrize(
    ("tree", "warnings"),
    [
        ({}, ["the refit trains on 120 rows, the search trained on 80: as a rule of thumb (for a"
              " fixed prior alpha scales as 1/n) alpha would be 0.00667; `sweep transfer` measures"
              " it"]),
        ({"training": {"optimizer": "adamw"}},
         ["the refit trains on 120 rows, the search trained on 80"]),
        ({"data": {"source": "sklearn:iris", "train_rows": 40}}, []),
        ({"replicates": {"n_folds": 5}}, []),
    ],
)  # fmt: skip
def test_many_more_rows_than_searched_with_are_told(
    tree: dict[str, Any], warnings: list[str], tmp_path: Path
) -> None:
    assert list(fit(exported(tmp_path, **{**IRIS, **tree})).warnings) == warnings


@pytest.mark.parametrize(
    ("size", "end"),
    [(120, "alpha = 0.007 is best there, times or divided by 1.5"),
     (30, "alpha = 0.0035 is best there")],
)  # fmt: skip
def test_a_measured_transfer_is_told_instead(size: int, end: str, tmp_path: Path) -> None:
    config = exported(tmp_path, **IRIS)
    found = {"what": "rows", "size": size, "strength": 0.007, "slope": -0.5, "factor": 1.5}
    write_config({**read_config(config), "transfer": found}, config)
    (line,) = fit(config).warnings
    assert line.endswith(f"trained on 80: by `sweep transfer`, {end}")


@pytest.mark.parametrize(
    ("key", "wrong"),
    [("size", 0), ("size", None), ("size", True), ("strength", "0.1"), ("strength", -1.0),
     ("slope", 1e9), ("slope", float("nan")), ("factor", [])],
)  # fmt: skip
def test_a_transfer_that_is_none_is_one_line(key: str, wrong: object, tmp_path: Path) -> None:
    config = exported(tmp_path, **IRIS)
    found = {"what": "rows", "size": 120, "strength": 0.007, "slope": -0.5, "factor": 1.5}
    write_config({**read_config(config), "transfer": {**found, key: wrong}}, config)
    with pytest.raises(
        UsageError, match=rf"^transfer\.{key}: must be what `sweep transfer` found"
    ):
        fit(config)


def test_an_edited_study_is_told(tmp_path: Path) -> None:
    config = exported(tmp_path, data={"source": "sklearn:iris", "train_rows": 40})
    content = read_config(config)
    content["spec"]["data"]["test_fraction"] = 0.4
    write_config(content, config)
    (line,) = fit(config).warnings
    assert "the search may have seen the test rows" in line


# --- refusals


def test_other_rows_than_searched_are_refused(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.npz")
    config = exported(tmp_path, data={"source": "rows.npz"})
    write_rows(tmp_path / "rows.npz", y_test=np.arange(30) % 2)
    _refused(config, r"^data\.source: must hold the rows that .* got other content in rows\.npz")


def test_another_model_than_searched_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(NAN_FOR_SOME)
    model = {"source": "python:own:never"}
    config = exported(tmp_path, data={"source": "sklearn:iris"}, model=model)
    (tmp_path / "own.py").write_text(NAN_FOR_SOME + "\n")
    _refused(config, r"^model\.source: must be the file that .* in python:own:never \(folder ")


def test_without_test_rows_there_is_nothing_to_measure(tmp_path: Path) -> None:
    config = exported(tmp_path, data={"source": "sklearn:iris", "test_fraction": 0.0})
    _refused(
        config, r"^data\.test_fraction: must hold out rows to test on, got 0 .*Set it to 0\.2"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"provenance": None}, r"^config: must have n_rows, spec and provenance to refit"),
        ({"provenance": {"seed": 0}}, r"^config: must have n_rows, spec and provenance to refit"),
        ({"n_rows": None}, r"^config: must have n_rows, spec and provenance to refit"),
        ({"spec": 3}, r"^config: must be a file written by `sweep export`, got other content"),
        ({"spec": {"study_name": "x", "dat": {}}}, r"^dat: unknown key .* Did you mean data\?"),
        ({"best_params": {"alpha": "much"}}, r"^best_params: must be numbers with alpha among"),
        ({"best_params": {"alpha": -1.0}}, r"^best_params: must be numbers with alpha among"),
        ({"best_params": {"lr": 0.1}}, r"^best_params: must be numbers with alpha among"),
    ],
)  # fmt: skip
def test_what_is_no_whole_config_is_refused(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    _refused(exported(tmp_path, changes=changes, **IRIS), message)


def test_another_suffix_than_safetensors_is_refused(tmp_path: Path) -> None:
    config = exported(tmp_path, **IRIS)
    with pytest.raises(UsageError, match=r"^--output: must end in \.safetensors, got net\.pt"):
        fit(config, "net.pt")


def test_a_device_that_is_not_there_is_refused(tmp_path: Path) -> None:
    config = exported(tmp_path, **IRIS)
    with pytest.raises(UsageError, match=r"^device: must be auto, cpu, cuda or cuda:N, got 'tpu'"):
        fit(config, device="tpu")


def _refused(config: Path, message: str) -> None:
    before = sorted(config.parent.iterdir())
    with pytest.raises(UsageError, match=message) as error:
        fit(config)
    assert "\n" not in str(error.value)
    assert sorted(config.parent.iterdir()) == before


# --- the study's folder


@pytest.mark.parametrize("place", ["own.yaml", "out/own.yaml", "far/away/own.yaml"])
def test_the_studys_files_are_found(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the last resort
    for name in ("own_model.py", "own_model.csv"):
        shutil.copy(STUDIES / name, tmp_path)
    assert fit(_own_model(tmp_path, place)).n_test_rows == 88


def test_the_folder_that_the_config_names_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, config = tmp_path / "study", tmp_path / "elsewhere" / "deep" / "own.yaml"
    study.mkdir()
    for name in ("own_model.py", "own_model.csv"):
        shutil.copy(STUDIES / name, study)
    content = read_config(_own_model(study, "own.yaml"))
    content["provenance"]["folder"] = "../../study"
    write_config(content, config)
    assert fit(config).spec.folder.resolve() == study


def test_files_found_nowhere_are_one_line(tmp_path: Path) -> None:
    for name in ("own_model.py", "own_model.csv"):
        shutil.copy(STUDIES / name, tmp_path)
    config = _own_model(tmp_path, "out/own.yaml")
    (tmp_path / "own_model.csv").unlink()
    _refused(config, r"^data\.source: must lie in the study's folder, got no own_model\.csv in")


def _own_model(folder: Path, name: str) -> Path:
    return exported(
        folder, name=name, training={"optimizer": "sgd", "epochs": 2},
        data={"source": "own_model.csv", "target": "progression", "task": "regression"},
        model={"source": "python:own_model:make_model"},
    )  # fmt: skip
