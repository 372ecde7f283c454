"""The figures show what the study holds."""

import json
import subprocess
import sys
from dataclasses import replace
from math import log10
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from sweep.analysis.selection import Finished
from sweep.errors import UsageError
from sweep.reporting.closeups import density, reach
from sweep.reporting.figures import TITLES, drawn_figures, figure
from sweep.reporting.plotly import INK, TOP, recoloured, rounded
from sweep.reporting.points import BINS, View, about
from sweep.search.point import Point
from sweep.training.messages import WEIGHT_EDGES
from tests.conftest import made
from tests.support.pictured import BEST, LOSSES, STRENGTHS, pictured, stop

# In the order of trials, which is not the order of strengths.
VALUES = {1e-1: [1.0, 2.0, 3.0], 1e-3: [4.0, 5.0, 6.0], 1e-2: [1.4, 2.4, 3.4]}
SE = 1 / 3**0.5
ADAMW = {"training": {"optimizer": "adamw"}}
ELASTIC = {
    "penalty": {"norm": "elastic"},
    "search": {"space": {"l1_ratio": {"low": 0, "high": 1}}},
}
RATIOS = [{"l1_ratio": ratio} for ratio in (0.1, 0.5, 0.9, 0.5)]


def drawn(name: str, **kwargs: Any) -> dict[str, Any]:
    """Draw a figure of a study that has all that figures show."""
    return drawn_figures(Finished.read(pictured(**kwargs)))[name]


def traces(figure: dict[str, Any]) -> dict[str, Any]:
    return {trace["name"]: trace for trace in figure["data"]}


def curve(*args: Any, **kwargs: Any) -> dict[str, Any]:
    return drawn_figures(made(*args, **kwargs), ["validation_curve"])["validation_curve"]


def lines(figure: dict[str, Any]) -> list[tuple[str, float]]:
    """Return the axis and place of every line drawn across the picture."""
    shapes = [shape for shape in figure["layout"]["shapes"] if shape["type"] == "line"]
    return [
        ("x", shape["x0"]) if shape["x0"] == shape["x1"] else ("y", shape["y0"])
        for shape in shapes
    ]


# --- all of them


@pytest.mark.parametrize(
    ("spec", "left_out"),
    [
        ({}, []),
        ({"penalty": {"norm": "l1"}}, []),
        ({"data": {"label_noise": 0.2}}, []),
        ({"objective": {"metric": "val_error"}}, []),
        ({"replicates": {"n_folds": 1, "n_seeds": 3}}, []),
        ({"data": {"source": "sklearn:diabetes", "task": "regression"}}, []),
        (ADAMW, ["terms"]),
    ],
)
def test_every_figure_is_one_of_plotlys(spec: dict[str, Any], left_out: list[str]) -> None:
    without = ["penalty"] if spec == ADAMW else []
    found = drawn_figures(Finished.read(pictured(spec=spec, without=without)))
    assert [*found] == [name for name in TITLES if name not in left_out]
    for content in found.values():
        assert json.loads(json.dumps(content, allow_nan=False)) == content
        go.Figure(content)  # which knows every key


def test_every_figure_can_be_drawn_with_more_params_than_the_strength() -> None:
    study = pictured(spec=ELASTIC, others=RATIOS)
    names = [name for name in TITLES if name != "training_length"]  # it takes the line
    assert [*drawn_figures(Finished.read(study))] == names
    for name in names:
        figure(Finished.read(study), name)


def test_a_single_trial_is_a_figure() -> None:
    found = drawn_figures(Finished.read(pictured([1e-2], [1.0])))
    assert [*found] == [name for name in TITLES if name not in ("balance", "training_length")]


def test_what_an_older_study_has_not_stored_is_left_out() -> None:
    old = pictured(without=["inputs_used", "weight_counts", "penalty", "replicate_curves"])
    found = drawn_figures(Finished.read(old))
    assert [*found] == ["validation_curve", "balance", "gap", "learning_curves"]
    with pytest.raises(UsageError, match=r"has the numbers for, got 'weights'.*learning_curves"):
        figure(Finished.read(old), "weights")


def test_an_unknown_figure_is_refused() -> None:
    with pytest.raises(UsageError, match=r"must be one of validation_curve.*got 'validation'"):
        figure(made(VALUES), "validation")


def test_figures_need_no_plotly() -> None:
    code = "import sys, sweep.reporting.figures, sweep.dashboard.page; "
    code += "print([m for m in sys.modules if m.startswith('plotly')"
    code += " or 'optuna_dashboard' in m or m == 'torch'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_numbers_are_short_and_finite() -> None:
    tree = {"a": [1.23456789, float("nan"), "text"], "b": (7, float("inf"))}
    assert rounded(tree) == {"a": [1.2346, None, "text"], "b": [7, None]}


def test_colours_change_with_the_theme() -> None:
    assert recoloured(f'["{INK}"]', "dark") == '["#eef1f4"]'


# --- the validation curve


def test_curves_run_along_the_strength() -> None:
    found = traces(curve(VALUES, [7.0, 7.0, 7.0]))
    names = ["± 1 standard error", "validation loss", "training loss", "α = 0: 7"]
    assert [*found] == [*names, "as good, within noise"]
    assert found["validation loss"]["x"] == [1e-3, 1e-2, 1e-1]
    assert found["validation loss"]["y"] == pytest.approx([5.0, 2.4, 2.0])
    assert found["training loss"]["y"] == pytest.approx([2.5, 1.2, 1.0])


def test_the_band_is_one_standard_error_wide() -> None:
    band = traces(curve(VALUES))["± 1 standard error"]
    assert band["fill"] == "toself"
    assert band["x"] == [1e-3, 1e-2, 1e-1, 1e-1, 1e-2, 1e-3]
    up, down = [5 + SE, 2.4 + SE, 2 + SE], [2 - SE, 2.4 - SE, 5 - SE]
    assert band["y"] == pytest.approx([*up, *down], abs=1e-4)


def test_hovering_tells_the_error_and_the_trial() -> None:
    text = traces(curve(VALUES))["validation loss"]["text"]
    assert text == [f" ± 0.58<br>trial {number}" for number in (1, 2, 0)]


def test_the_strength_is_on_a_log_scale() -> None:
    axis = curve(VALUES)["layout"]["xaxis"]
    assert axis["type"] == "log"
    assert axis["title"]["text"] == "penalty strength α (log scale)"
    low, high = axis["range"]
    assert -3.2 < low < -3 and -1 < high < -0.8


def test_lines_mark_the_control_and_the_choices() -> None:
    # best is 2.0 at 0.1, the strongest, which is 1se too
    found = curve(VALUES, [7.0, 7.0, 7.0])
    assert lines(found) == [("y", 7.0), ("x", 1e-1)]
    assert [note["text"] for note in found["layout"]["annotations"]] == ["<b>best, 1se</b> 0.1"]


def test_the_names_of_choices_stand_above_their_lines() -> None:
    notes = drawn("validation_curve")["layout"]["annotations"]
    # plotly places lines by value and texts by exponent, on a log axis
    assert [note["x"] for note in notes] == [log10(STRENGTHS[BEST])]
    assert notes[0]["y"] == TOP and notes[0]["yanchor"] == "bottom"
    assert notes[0]["xanchor"] == "right"  # so that it does not leave the figure


def test_the_level_of_no_penalty_has_its_error() -> None:
    found = curve(VALUES, [6.0, 7.0, 8.0])
    band = next(s for s in found["layout"]["shapes"] if s["type"] == "rect" and s["yref"] == "y")
    assert (band["y0"], band["y1"]) == pytest.approx((7 - SE, 7 + SE), abs=1e-4)
    assert "α = 0: 7 ± 0.58" in traces(found)


def test_the_strengths_not_told_apart_from_the_best_are_shaded() -> None:
    values = {1e-3: [9.0, 9.1, 9.2], 1e-2: [1.1, 1.0, 1.2], 1e-1: [1.0, 1.1, 1.1]}
    shapes = curve(values)["layout"]["shapes"]
    (shade,) = (shape for shape in shapes if shape["type"] == "rect" and shape["xref"] == "x")
    assert (shade["x0"], shade["x1"]) == pytest.approx((10**-2.5, 1e-1), rel=1e-4)
    assert "as good, within noise" in traces(curve(values))


def test_without_a_control_and_1se_only_best_is_marked() -> None:
    values = {1e-2: [1.0, 2.0], 1e-1: [4.0, 5.0]}
    assert lines(curve(values, spec={"replicates": {"n_folds": 2}})) == [("x", 1e-2)]


def test_with_label_noise_training_loss_is_on_true_labels() -> None:
    spec = {"data": {"label_noise": 0.2}}
    found = traces(curve(VALUES, spec=spec))["training loss (true labels)"]
    assert found["y"] == pytest.approx([1.25, 0.6, 0.5])


def test_one_replicate_has_no_band() -> None:
    found = traces(curve({1e-2: [1.0], 1e-1: [2.0]}, spec={"replicates": {"n_folds": 1}}))
    assert [*found] == ["validation loss", "training loss"]


def test_a_rate_of_errors_stands_alone_and_adamw_has_its_own_name() -> None:
    spec = {**ADAMW, "objective": {"metric": "val_error"}}
    found = curve(VALUES, [7.0] * 3, spec=spec)
    assert "training loss" not in traces(found)
    assert found["layout"]["yaxis"]["title"]["text"] == "validation error"
    assert found["layout"]["xaxis"]["title"]["text"] == "weight decay (log scale)"
    assert "weight decay = 0: 7" in traces(found)


def test_huge_losses_do_not_flatten_the_rest() -> None:
    values = {1e-3: [1.0] * 3, 1e-2: [2.0] * 3, 1e-1: [1e4] * 3}
    assert curve(values)["layout"]["yaxis"]["type"] == "log"
    assert "type" not in curve(VALUES)["layout"]["yaxis"]


def test_more_params_are_told_by_colour_and_only_the_line_is_a_curve() -> None:
    points = {
        str(i): {"params": {"alpha": at, "l1_ratio": 0.9}, "value": loss, "value_se": 0.1,
                 "replicate_values": [loss] * 3, "train_loss": 0.5}
        for i, (at, loss) in enumerate([(1e-1, 2.5), (1e-3, 1.9)])
    }  # fmt: skip
    line = {"line": {"of": BEST, "points": points}}
    found = traces(drawn("validation_curve", spec=ELASTIC, others=RATIOS, attrs=line))
    cloud, curved = found["validation loss"], found["line through the best trial"]
    assert cloud["mode"] == "markers"
    assert cloud["marker"]["color"] == [0.1, 0.5, 0.9, 0.5]
    assert curved["x"] == [1e-3, STRENGTHS[BEST], 1e-1]
    assert curved["y"] == [1.9, LOSSES[BEST], 2.5]
    without = traces(drawn("validation_curve", spec=ELASTIC, others=RATIOS))
    assert not {"line through the best trial", "training loss"} & {*without}


def test_stopped_trials_are_marked_at_the_foot() -> None:
    study = pictured()
    stop(study, 5e-2, "diverged", 2)
    stop(study, 2e-3, "ok", 1)
    found = traces(drawn_figures(Finished.read(study))["validation_curve"])
    diverged, pruned = found["diverged (1)"], found["pruned (1)"]
    assert diverged["x"] == [5e-2] and diverged["text"] == ["trial 4 diverged after epoch 2"]
    assert pruned["x"] == [2e-3] and pruned["text"] == ["trial 5 pruned after epoch 1"]
    assert diverged["yaxis"] == "y2"


# --- the others


def test_the_terms_add_up() -> None:
    found = traces(drawn("terms"))
    data, penalty, total = (trace["y"] for trace in found.values())
    assert total == pytest.approx([a + b for a, b in zip(data, penalty, strict=True)], rel=1e-4)
    assert data == [loss / 2 for loss in LOSSES]
    assert [*found][1] == "penalty α‖W‖₂²"


def test_the_balance_is_data_loss_against_norm() -> None:
    found = traces(drawn("balance"))
    assert found["training loss"]["x"] == pytest.approx([50, 33.333, 25, 20], rel=1e-4)
    assert found["training loss"]["y"] == [loss / 2 for loss in LOSSES]
    assert found["validation loss"]["y"] == [*LOSSES]
    assert found["validation loss"]["marker"]["color"] == pytest.approx([-4, -3, -2, -1])
    assert found["validation loss, α = 0"]["x"] == [100.0]


def test_the_gap_is_validation_minus_training() -> None:
    (name, found), *_ = traces(drawn("gap", spec={"data": {"label_noise": 0.2}})).items()
    assert name == "validation minus training loss (true labels)"
    assert found["y"] == pytest.approx([loss * 3 / 4 for loss in LOSSES])


def test_the_gap_is_one_of_losses_whatever_the_objective() -> None:
    spec = {"objective": {"metric": "val_error"}}
    found = traces(drawn("gap", spec=spec, losses=[0.4, 0.3, 0.2, 0.5]))
    # the last validation loss by epoch, which here is the same number
    assert found["validation minus training loss"]["y"] == pytest.approx([0.2, 0.15, 0.1, 0.25])
    assert len(found) == 1  # the control keeps no losses by epoch


def test_sparsity_has_zeros_above_and_inputs_below() -> None:
    found = drawn("sparsity")
    zeros, inputs = traces(found)["exact zeros"], traces(found)["inputs used by a unit"]
    assert zeros["yaxis"] == "y2" and zeros["y"] == pytest.approx(
        [0, 1 / 42, 2 / 42, 3 / 42], 1e-4
    )
    assert inputs["y"] == [9.0, 8.0, 7.0, 6.0]
    assert "α = 0: 10" in traces(found)


def test_without_zeros_there_is_one_panel() -> None:
    found = drawn_figures(made({1e-2: [1.0] * 3, 1e-1: [2.0] * 3}))["sparsity"]
    assert [*traces(found)] == ["inputs used by a unit"]


def test_weights_are_compared_at_none_best_and_strong() -> None:
    names = [*traces(drawn("weights"))]
    assert names == [
        "α = 0", "α = 0.01 (best), 4.8% exact zeros", "α = 0.1 (strong), 7.1% exact zeros",
    ]  # fmt: skip


def test_a_density_covers_the_share_that_is_not_zero() -> None:
    best = View(Finished.read(pictured())).examples["best"]
    for width in (0.0, 0.01, 0.1, 1.0):
        edges, heights = density(best, width)
        assert len(edges) == len(heights) + 1
        assert np.diff(edges)[1:-1].min(initial=9.0) >= width
        assert edges == pytest.approx([-edge for edge in reversed(edges)])
        assert np.dot(heights, np.diff(edges)) == pytest.approx(1 - best.attrs["sparsity"])


def test_a_fine_density_is_the_counts_over_the_widths() -> None:
    best = View(Finished.read(pictured())).examples["best"]
    edges, heights = density(best, 0.0)
    assert edges == pytest.approx(list(WEIGHT_EDGES))
    counts = np.array(best.attrs["weight_counts"], dtype=float)
    counts[40] -= 20  # the share of zeros is 2/42 of 420
    assert heights == pytest.approx(counts / counts[:].sum() * 400 / 420 / np.diff(WEIGHT_EDGES))


def test_the_picture_of_weights_reaches_as_far_as_they_do() -> None:
    best = View(Finished.read(pictured())).examples["best"]
    assert reach([best]) == pytest.approx(WEIGHT_EDGES[61])


def test_learning_curves_are_of_few_trials() -> None:
    found = traces(drawn("learning_curves"))
    assert [*found] == ["weak: α = 0.0001", "best: α = 0.01", "strong: α = 0.1"]
    assert found["best: α = 0.01"]["x"] == [1, 2, 3]
    assert found["best: α = 0.01"]["y"] == [2.0, 1.5, 1.0]


def test_the_strong_example_still_has_weights() -> None:
    study = pictured()
    collapsed = study.trials[3].user_attrs | {"norm": 1e-9, "outcome": "collapsed"}
    old = [t for t in study.trials if t.number < 3]
    trial = study.trials[3]
    trial.user_attrs = collapsed
    again = pictured([], [])
    again.add_trials([*old, trial])
    view = View(Finished.read(again))
    assert [*view.examples] == ["weak", "best"]
    assert "no weights left" in about(view.points[-1])


# --- many trials


def test_thousands_of_trials_make_a_small_figure_that_keeps_the_ends() -> None:
    n = 5000
    few = Finished.read(pictured([1e-4], [1.0]))
    losses = [2 + (i * 7919 % 101) / 100 for i in range(n)]
    like = few.trials[0].attrs
    trials = tuple(
        Point(i, at, {"alpha": at}, losses[i], like, {1: losses[i], 2: losses[i]})
        for i, at in enumerate(10 ** (-4 + 3 * i / n) for i in range(n))
    )
    found = drawn_figures(replace(few, trials=trials))
    assert all(len(json.dumps(content)) < 100_000 for content in found.values())
    shown = traces(found["validation_curve"])["validation loss"]
    assert len(shown["x"]) <= 2 * BINS + 4
    assert min(shown["y"]) == pytest.approx(min(losses))
    assert max(shown["y"]) == pytest.approx(max(losses))
    assert shown["x"] == sorted(shown["x"])


@pytest.mark.parametrize(("level", "drawn"), [(2.5, True), (9.0, False)])
def test_a_constant_is_drawn_where_the_curve_comes_near_it(level: float, drawn: bool) -> None:
    constants = {"constant": [[level] * 3, [level] * 3]}
    finished = made({1e-3: [1.0] * 3, 1e-1: [3.0] * 3}, [2.0] * 3, attrs={"problem": constants})
    names = [trace["name"] for trace in figure(finished, "validation_curve").to_dict()["data"]]
    assert (f"a constant: {level:g}" in names) is drawn
