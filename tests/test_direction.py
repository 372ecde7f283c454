"""A study of which more is better does, choice for choice, what its negative does."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import FrozenTrial, TrialState, create_trial

import sweep
from sweep.analysis.selection import Finished, choices
from sweep.analysis.status import overview
from sweep.analysis.verdict import verdict
from sweep.cli.progress import BLOCKS, curve_line
from sweep.errors import UsageError
from sweep.reporting.figures import drawn_figures
from sweep.reporting.tables import key_numbers
from sweep.result import StudyResult
from sweep.search.widening import widened
from sweep.spec.resolved import Range
from sweep.spec.study import StudySpec
from sweep.spec.yaml import read_yaml
from tests.conftest import made
from tests.support.cases import few_fast
from tests.support.studies import parse

OWN = {"metric": "python:scores:gain"}
WAYS = {name: {**OWN, "direction": name} for name in ("minimize", "maximize")}
AT = [1e-4, 1e-3, 1e-2, 1e-1, 0.9]
VALUES = st.floats(-4, 4).map(lambda value: round(value, 2))  # ties are common
FOLDS = st.lists(VALUES, min_size=3, max_size=3)


def both(values: Mapping[float, Sequence[float]], none: Sequence[float], **more: Any
         ) -> tuple[Finished, Finished]:  # fmt: skip
    """Return a study that minimises values, and the one that maximises their negatives."""
    negatives = {at: [-value for value in folds] for at, folds in values.items()}
    found = []
    for way, of, base in (
        ("minimize", values, none), ("maximize", negatives, [-value for value in none])
    ):  # fmt: skip
        spec = {"objective": WAYS[way], "replicates": {"n_folds": 3}, **more}
        found.append(made(of, base, spec=spec, confirmed=True))
    return found[0], found[1]


def decided(finished: Finished) -> dict[str, Any]:
    """Return all that is decided, and whatever is claimed, without a value's own sign."""
    found = choices(finished)
    best = found["best"]
    gain = finished.gain(best)
    assert gain
    intervals: dict[str, Any] = {}
    for name, choice in found.items():
        try:
            intervals[name] = finished.interval(choice)
        except UsageError as error:
            intervals[name] = str(error)
    model = finished.model
    return {
        "choices": {name: (choice.number, choice.at) for name, choice in found.items()},
        "intervals": intervals,
        "gain": (gain.by, gain.se, gain.told),
        "edge": finished.at_edge(best),
        "model": model and (model.minimum, model.doubt, model.trial and model.trial.number),
        "missed": model and np.abs(model.missed).tolist(),
    }


@settings(max_examples=50)
@given(folds=st.lists(FOLDS, min_size=5, max_size=5), none=FOLDS)
def test_choices_intervals_and_claims_are_those_of_the_negative(
    folds: list[list[float]], none: list[float]
) -> None:
    down, up = both(dict(zip(AT, folds, strict=True)), none)
    assert decided(down) == decided(up)


@settings(max_examples=40)
@given(folds=st.lists(FOLDS, min_size=10, max_size=10), none=FOLDS)
def test_the_model_of_a_design_decides_as_for_the_negative(
    folds: list[list[float]], none: list[float]
) -> None:
    at = np.geomspace(1e-4, 0.9, 10).tolist()
    design = {"search": {"sampler": {"type": "design"}}}
    down, up = both(dict(zip(at, folds, strict=True)), none, **design)
    assert decided(down) == decided(up)
    if down.model and up.model:
        np.testing.assert_array_equal(down.model.value, -up.model.value)
        for low, high in (down.model.band(), up.model.band()):
            assert (low <= high).all()


@given(
    folds=st.lists(FOLDS, min_size=5, max_size=5), none=FOLDS, low=st.sampled_from([1e-4, 1e-5]),
    first=st.sampled_from(AT),
)  # fmt: skip
def test_the_range_widens_as_for_the_negative(
    folds: list[list[float]], none: list[float], low: float, first: float
) -> None:
    found = []
    for way, sign in (("minimize", 1.0), ("maximize", -1.0)):
        spec = parse(objective=WAYS[way], replicates={"n_folds": 3})
        trials = [_trial(i, at, [sign * v for v in of])
                  for i, (at, of) in enumerate(zip(AT, folds, strict=True))]  # fmt: skip
        base = {"value": 0.0, "replicate_values": [sign * value for value in none]}
        found.append(widened(spec, Range(low, 1.0), trials, base))
    assert found[0] == found[1]


def _trial(number: int, at: float, values: list[float]) -> FrozenTrial:
    distribution = optuna.distributions.FloatDistribution(1e-9, 1e3, log=True)
    spread = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    trial = create_trial(
        params={"alpha": at}, distributions={"alpha": distribution}, value=float(np.mean(values)),
        user_attrs={"replicate_values": values, "value_se": spread},
    )  # fmt: skip
    trial.number = number
    return trial


# --- what is said


HILL = {at: [v, v + 0.01, v - 0.01] for at, v in zip(AT, (0.6, 0.7, 0.9, 0.8, 0.5), strict=True)}


def test_the_verdict_speaks_of_more_where_more_is_better() -> None:
    finished = made(HILL, [0.6, 0.62, 0.58], spec={"objective": {"metric": "auc"}},
                    confirmed=True)  # fmt: skip
    said = verdict(finished)
    assert said.startswith("alpha = 0.01 is best: validation AUC 0.9000")
    assert "it beats no penalty by 0.3000" in said
    spec = {"objective": {"metric": "auc"}, "replicates": {"n_folds": 1, "n_seeds": 3}}
    one_split = {at: [v[0]] * 3 for at, v in HILL.items()}
    assert "has 0.6000, 0.3000 less on this one split" in verdict(
        made(one_split, [0.6] * 3, spec=spec)
    )
    better = verdict(made(one_split, [0.95] * 3, spec=spec))
    assert "has 0.9500, 0.0500 more (better) on this one split" in better


def test_pictures_and_tables_of_such_a_study_are_drawn() -> None:
    finished = made(HILL, [0.6, 0.62, 0.58], spec={"objective": {"metric": "auc"}})
    drawn = drawn_figures(finished)["validation_curve"]
    assert drawn["layout"]["yaxis"]["title"]["text"] == "validation AUC"
    assert key_numbers(finished).rows[1][:2] == ("validation AUC", "0.6000 ± 0.0115")


def test_the_line_of_a_terminal_is_high_where_high_is_good() -> None:
    curve = [(1e-4, 0.5), (1e-3, 0.6), (1e-2, 0.9)]
    up = curve_line("alpha", (1e-4, 1.0), curve, -1.0)
    assert [c for c in up if c in BLOCKS] == [BLOCKS[0], BLOCKS[0], BLOCKS[-1]]
    down = curve_line("alpha", (1e-4, 1.0), [(at, -v) for at, v in curve])
    assert [BLOCKS.find(c) for c in up] == [
        7 - BLOCKS.find(c) if c in BLOCKS else -1 for c in down
    ]


# --- whole studies

SCORES = """
import numpy as np
def gain(predictions, targets):
    return float(np.log(predictions[np.arange(len(targets)), targets]).mean())
def cost(predictions, targets):
    return -gain(predictions, targets)
"""
STUDY = """
study_name: {name}
storage: sqlite:///{folder}/{name}.db
device: cpu
data: {{source: "sklearn:iris", train_rows: 60}}
model: {{hidden: [4]}}
training: {{epochs: 6, batch_size: 20}}
search: {{n_trials: {n}, in_flight: 4, sampler: {{type: {sampler}}}, pruner: {pruner},
         space: {{alpha: {{low: 1e-3, high: 1e-1}}}}}}
replicates: {{n_folds: 3}}
objective: {{metric: "python:scores:{function}", direction: {way}}}
"""


def ran(folder: Path, way: str, **how: Any) -> StudyResult:
    (folder / "scores.py").write_text(SCORES)
    function = "cost" if way == "minimize" else "gain"
    # Hyperband's brackets follow from the study's name.
    path = folder / way / "study.yaml"
    path.parent.mkdir()
    (path.parent / "scores.py").write_text(SCORES)
    path.write_text(STUDY.format(name="s", folder=path.parent, way=way, function=function, **how))
    return sweep.run(sweep.load_spec(path))


@pytest.mark.parametrize(
    ("sampler", "pruner", "n"),
    [
        pytest.param("tpe", "{type: none}", 16, marks=pytest.mark.slow),
        ("tpe", "{type: median, n_warmup_steps: 1, n_startup_trials: 2}", 16),
        pytest.param("tpe", "{type: hyperband, min_resource: 1}", 16, marks=pytest.mark.slow),
        pytest.param("gp", "{type: none}", 14, marks=pytest.mark.slow),
        pytest.param("design", "{type: none}", 13, marks=pytest.mark.slow),
    ],
)
def test_a_study_that_maximizes_finds_what_its_negative_finds(
    tmp_path: Path, sampler: str, pruner: str, n: int
) -> None:
    how = {"sampler": sampler, "pruner": pruner, "n": n}
    down, up = (ran(tmp_path, way, **how) for way in ("minimize", "maximize"))
    assert up.study.direction == optuna.study.StudyDirection.MAXIMIZE
    exact = ["number", "state", "alpha", "train_loss", "norm"]
    left, right = down.trials, up.trials
    assert left[exact].equals(right[exact])
    ended = left["state"] == TrialState.COMPLETE.name
    assert (left["value"][ended] == -right["value"][ended]).all()
    assert left["value"][~ended].equals(right["value"][~ended])  # losses
    assert decided(down.finished) == decided(up.finished)
    for name in ("widenings", "alpha_range"):
        assert down.study.user_attrs.get(name) == up.study.user_attrs.get(name)
    kept = [of.study.user_attrs["confirmation"] for of in (down, up)]
    assert {k: v["params"] for k, v in kept[0].items()} == {
        k: v["params"] for k, v in kept[1].items()
    }
    if "median" in pruner:
        assert TrialState.PRUNED.name in set(left["state"])


def test_a_stored_study_is_not_gone_on_with_the_other_way_round(tmp_path: Path) -> None:
    how = {"sampler": "random", "pruner": "{type: none}", "n": 2}
    ran(tmp_path, "maximize", **how)
    path = tmp_path / "maximize" / "study.yaml"
    changed = sweep.load_spec(path, {"objective.direction": "minimize"})
    assert isinstance(changed, StudySpec)
    with pytest.raises(UsageError, match=r"objective\.direction was 'maximize', is 'minimize'"):
        sweep.run(changed)
    (path.parent / "scores.py").write_text(SCORES + "\n# another\n")
    with pytest.raises(UsageError, match="the metric's file has other content"):
        sweep.run(sweep.load_spec(path))


IRIS = """
study_name: iris
storage: sqlite:///{folder}/s.db
device: cpu
data: {{source: "sklearn:iris", train_rows: 60}}
model: {{hidden: [4]}}
training: {{epochs: 6, batch_size: 20}}
search: {{n_trials: 4, in_flight: 2, space: {{alpha: {{low: 1e-3, high: 1e-1}}}}}}
replicates: {{n_folds: 3}}
objective: {{metric: {metric}}}
"""


@pytest.mark.parametrize("metric", few_fast(["auc", "f1"], 2))
def test_all_that_shows_a_study_shows_its_metric(tmp_path: Path, metric: str) -> None:
    path = tmp_path / "iris.yaml"
    path.write_text(IRIS.format(folder=tmp_path, metric=metric))
    result = sweep.run(sweep.load_spec(path))
    words = {"auc": "AUC", "f1": "F1"}[metric]
    assert words in result.verdict
    assert ("moves in steps of a row, so the validation loss chooses" in result.verdict) == (
        metric == "f1"
    )
    (row,) = overview(f"sqlite:///{tmp_path}/s.db", "iris")
    values = result.trials["value"]
    assert row["best"] == (values.max() if metric == "auc" else values.min())
    assert ("metric" in result.choices) == (metric == "f1")
    frame = result.trials
    kept = frame["metric"] if metric == "f1" else frame["value"]
    assert kept.between(0.2, 1).all()
    page = sweep.report(result, tmp_path / "iris.html").read_text()
    assert f"validation {words}" in page
    config = result.export(tmp_path / "iris-config.yaml")
    told = read_yaml(config.read_text())["objective"]
    if metric == "auc":
        assert told == {"value": "auc", "direction": "maximize"}
    else:
        best = frame.set_index("number").loc[result.best.number]
        assert told == {"value": "val_loss", "direction": "minimize", "metric": "f1",
                        "metric_value": best["metric"],
                        "metric_se": best["metric_se"]}  # fmt: skip
    fitted = sweep.fit(config)
    assert 0.2 < fitted.chosen.estimates[metric].mean <= 1
    assert f"test {words}" in fitted.card_path.read_text()


def test_a_regression_is_shown_in_the_targets_units(tmp_path: Path) -> None:
    path = tmp_path / "d.yaml"
    path.write_text(
        IRIS.format(folder=tmp_path, metric="val_loss").replace(
            '"sklearn:iris", train_rows: 60', '"sklearn:diabetes", task: regression'
        )
    )
    result = sweep.run(sweep.load_spec(path))
    best = result.best
    scales = np.array(result.study.user_attrs["problem"]["target_scales"][0])
    rmse = float(np.mean(np.sqrt(best.replicate_values) * scales))
    assert 40 < rmse < 90 and f"(rmse {rmse:.4g} in the target's units)" in result.verdict
    assert f"{rmse:.4g}" in sweep.report(result, tmp_path / "d.html").read_text()
    fitted = sweep.fit(result.export(tmp_path / "config.yaml"))
    assert 40 < fitted.chosen.estimates["rmse"].mean < 90
    assert "test root mean squared error" in fitted.card_path.read_text()


def test_a_refit_says_that_its_test_rows_have_no_auc(tmp_path: Path) -> None:
    from sklearn.datasets import load_iris

    X, y = load_iris(return_X_y=True)
    np.savez(tmp_path / "iris.npz", X=X, y=y, X_test=X[:20], y_test=y[:20])
    path = tmp_path / "iris.yaml"
    path.write_text(IRIS.format(folder=tmp_path, metric="auc").replace("sklearn:iris", "iris.npz"))
    fitted = sweep.fit(sweep.run(sweep.load_spec(path)).export(tmp_path / "config.yaml"))
    assert "auc" not in fitted.chosen.estimates
    assert "the test rows lack a class: there is no AUC of them" in fitted.warnings
