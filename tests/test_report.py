"""The pictures show what the study holds."""

from typing import Any

import pytest

from sweep.errors import UsageError
from sweep.report import figure
from tests.conftest import made

# In the order of trials, which is not the order of strengths.
VALUES = {1e-1: [1.0, 2.0, 3.0], 1e-3: [4.0, 5.0, 6.0], 1e-2: [1.4, 2.4, 3.4]}
SE = 1 / 3**0.5


def _traces(*args: Any, **kwargs: Any) -> dict[str, Any]:
    return {trace.name: trace for trace in figure(made(*args, **kwargs), "validation_curve").data}


def _lines(*args: Any, **kwargs: Any) -> list[tuple[str, str, float]]:
    """Return annotation, axis and place of every line drawn across the picture."""
    layout = figure(made(*args, **kwargs), "validation_curve").layout
    return [
        (note.text, "x" if line.x0 == line.x1 else "y", line.x0 if line.x0 == line.x1 else line.y0)
        for line, note in zip(layout.shapes, layout.annotations, strict=True)
    ]


def test_curves_run_along_the_strength() -> None:
    traces = _traces(VALUES, [7.0, 7.0, 7.0])
    assert list(traces) == ["± 1 standard error", "validation loss", "training loss"]
    curve = traces["validation loss"]
    assert list(curve.x) == [1e-3, 1e-2, 1e-1]
    assert list(curve.y) == pytest.approx([5.0, 2.4, 2.0])
    assert list(traces["training loss"].y) == pytest.approx([2.5, 1.2, 1.0])


def test_the_band_is_one_standard_error_wide() -> None:
    band = _traces(VALUES)["± 1 standard error"]
    assert band.fill == "toself"
    assert list(band.x) == [1e-3, 1e-2, 1e-1, 1e-1, 1e-2, 1e-3]
    up, down = [5 + SE, 2.4 + SE, 2 + SE], [2 - SE, 2.4 - SE, 5 - SE]
    assert list(band.y) == pytest.approx([*up, *down])


def test_the_strength_is_on_a_log_scale() -> None:
    drawn = figure(made(VALUES), "validation_curve")
    assert drawn.layout.xaxis.type == "log"
    assert drawn.layout.xaxis.title.text == "alpha (log scale)"
    assert drawn.layout.title.text == "made: validation loss against alpha"


def test_lines_mark_the_control_and_the_choices() -> None:
    # best is 2.0 at 0.1, which is the strongest too
    assert _lines(VALUES, [7.0, 7.0, 7.0]) == [
        ("alpha = 0", "y", 7.0),
        ("best 0.1", "x", 1e-1),
        ("1se 0.1", "x", 1e-1),
    ]


def test_the_names_of_choices_stand_at_their_lines() -> None:
    layout = figure(made(VALUES), "validation_curve").layout
    # plotly places lines by value and texts by exponent, on a log axis
    assert [line.x0 for line in layout.shapes] == [1e-1, 1e-1]
    assert [note.x for note in layout.annotations] == pytest.approx([-1.0, -1.0])


def test_without_a_control_and_1se_only_best_is_marked() -> None:
    values = {1e-2: [1.0, 2.0], 1e-1: [4.0, 5.0]}
    assert _lines(values, spec={"replicates": {"n_folds": 2}}) == [("best 0.01", "x", 1e-2)]


def test_with_label_noise_training_loss_is_on_true_labels() -> None:
    traces = _traces(VALUES, spec={"data": {"label_noise": 0.2}, "replicates": {"n_folds": 3}})
    assert list(traces["training loss (true labels)"].y) == pytest.approx([1.25, 0.6, 0.5])


def test_one_replicate_has_a_band_of_no_width() -> None:
    band = _traces({1e-2: [1.0], 1e-1: [2.0]}, spec={"replicates": {"n_folds": 1}})
    assert list(band["± 1 standard error"].y) == [1.0, 2.0, 2.0, 1.0]


def test_adamw_and_val_error_have_their_own_names() -> None:
    spec = {
        "training": {"optimizer": "adamw"},
        "objective": {"metric": "val_error"},
        "replicates": {"n_folds": 3},
    }
    drawn = figure(made(VALUES, [7.0] * 3, spec=spec), "validation_curve")
    assert drawn.layout.title.text == "made: validation error against weight_decay"
    assert drawn.layout.annotations[0].text == "weight_decay = 0"


def test_an_unknown_figure_is_refused() -> None:
    with pytest.raises(UsageError, match=r"must be one of validation_curve.*got 'validation'"):
        figure(made(VALUES), "validation")
