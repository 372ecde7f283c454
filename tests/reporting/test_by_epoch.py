"""The map of losses by epoch and strength, with the best strength of every epoch."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from sweep.analysis.selection import Finished
from sweep.reporting.by_epoch import COLUMNS, ROWS
from sweep.reporting.figures import drawn_figures
from sweep.reporting.page import make_page
from tests.support.courses import losses_of, study
from tests.support.pictured import pictured

LOSSES = losses_of(lambda at: -2 - 1.5 * at, rise=0.3)


def drawn(**tree: Any) -> dict[str, Any]:
    return drawn_figures(study(LOSSES, **tree), ["training_length"])["training_length"]


def test_the_map_holds_the_losses_at_their_epochs_and_strengths() -> None:
    found = drawn()
    go.Figure(found)
    shown = found["data"][0]
    assert shown["type"] == "heatmap"
    assert np.shape(shown["z"]) == (ROWS, COLUMNS) == (len(shown["y"]), len(shown["x"]))
    assert (shown["x"][0], shown["x"][-1]) == (1, 60)
    np.testing.assert_allclose(np.array(shown["z"])[0], LOSSES[0].mean(1)[
        np.array(shown["x"]) - 1], rtol=1e-3)  # fmt: skip
    assert shown["zmin"] < shown["zmax"] < np.max(shown["z"])  # the far end does not rule


def test_the_line_is_the_best_strength_of_each_epoch() -> None:
    halo, line, least = drawn()["data"][3:]
    assert halo["y"] == line["y"] and not halo["showlegend"]
    truth = -2 - 1.5 * np.array(line["x"]) / 60
    assert np.abs(np.log10(line["y"]) - truth).max() < 0.1
    epoch = 1 + LOSSES.mean(2).argmin() % 60
    assert least["x"] == [epoch] and f"after epoch {epoch}" in least["name"]


def test_dotted_lines_hold_the_strengths_that_do_as_well() -> None:
    low, high, _, line, _ = drawn()["data"][1:]
    assert low["line"]["dash"] == high["line"]["dash"] == "dot"
    assert low["showlegend"] and not high["showlegend"]
    for below, best, above in zip(low["y"], line["y"], high["y"], strict=True):
        assert below < best < above
    assert f"{low['y'][-1]:.3g} to {high['y'][-1]:.3g} do as well (95 %)" == line["text"][-1]


def test_where_no_curve_fits_the_line_has_no_ends() -> None:
    few = LOSSES[:, :, :2]
    data = drawn_figures(study(few), ["training_length"])["training_length"]["data"]
    low, high, _, line, _ = data[1:]
    assert {*low["y"], *high["y"]} == {None}
    assert {*line["text"]} == {"how sure that is, is not known"}


def test_with_another_schedule_the_page_says_why_there_is_no_map() -> None:
    cosine = pictured(spec={"training": {"schedule": "cosine"}})
    finished = Finished.read(cosine)
    assert "training_length" not in drawn_figures(finished)
    said = "There is no picture of the loss by epoch and alpha: the learning rate (lr along a"
    assert said in make_page([(cosine, finished)])
    constant = pictured()
    assert said not in make_page([(constant, Finished.read(constant))])


@pytest.mark.parametrize("metric", ["val_loss", "val_error"])
def test_the_caption_says_what_is_shown_in_terms_of_the_objective(metric: str) -> None:
    made = pictured(spec={"objective": {"metric": metric}})
    page = make_page([(made, Finished.read(made))])
    assert ("No earlier end of training is shown to do better." in page) is (metric == "val_loss")
