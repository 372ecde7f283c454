"""What is said of studies of the sampler `design`, whose trials a model of the curve decides."""

import re
from pathlib import Path

import numpy as np
import pytest

import sweep
from sweep.analysis.selection import Finished, choices
from sweep.analysis.status import overview
from sweep.analysis.verdict import verdict
from sweep.reporting.figures import validation_curve
from sweep.reporting.points import View
from sweep.reporting.tables import key_numbers
from tests.support.designs import (
    Truth,
    collapse_edge,
    designed,
    finished,
    points_of,
    two_valleys,
    valley,
)
from tests.support.studies import tiny

SMOOTH = "smooth curve (misses left-out trials by "


def shown(study: Finished) -> dict[str, str]:
    """Return the rows of the table of key numbers, in the column of the best strength."""
    return {row[0]: row[1] for row in key_numbers(study).rows}


def test_a_design_says_its_strength_with_a_factor() -> None:
    study = finished(designed(valley, 0.02))
    best, model = study.choose("best"), study.deciding
    assert model and best == model.trial
    low, high = study.interval(best)
    factor = max(high / model.minimum, model.minimum / low)
    said = verdict(study)
    assert said.startswith(
        f"alpha = {best.at:.3g}, times or divided by {factor:.2g}, is best: validation loss"
    )
    assert f"Any alpha from {low:.3g} to {high:.3g} does as well" in said
    rows = shown(study)
    assert rows["minimum of a smooth curve"] == f"{model.minimum:.3g}, × or ÷ {factor:.2g}"
    assert re.fullmatch(r"0\.\d+ \(median\)", rows["it misses left-out trials by"])


def test_the_trial_at_the_minimum_is_chosen_though_another_has_a_lower_value() -> None:
    points = [designed(valley, 0.03, seed) for seed in range(9)]
    differ = [
        (study.choose("best"), min(study.trials, key=lambda p: p.rank))
        for study in map(finished, points)
        if study.deciding and study.choose("best").value > min(p.value for p in study.trials)
    ]
    assert differ
    losses = np.array([[valley(np.log10(np.array(p.at))) for p in pair] for pair in differ])
    assert losses.mean(0)[0] < losses.mean(0)[1]


@pytest.mark.parametrize(
    ("truth", "why"),
    [(two_valleys, "there are two valleys, at"), (collapse_edge, "it jumps beside the best one")],
)
def test_a_curve_that_does_not_fit_is_told_and_the_trials_decide(truth: Truth, why: str) -> None:
    study = finished(designed(truth))
    said = verdict(study)
    assert f"The trials decide, as no smooth curve fits them: {why}" in said
    assert "times or divided" not in said
    assert study.choose("best").value == min(point.value for point in study.trials)
    assert shown(study)["minimum of a smooth curve"] == "none fits"
    names = [trace["name"] for trace in validation_curve(View(study))["data"]]
    assert not any(name.startswith("smooth") for name in names)


def test_other_samplers_choose_and_say_what_they_did() -> None:
    points = designed(valley, 0.03, 1)
    design, tpe = finished(points), finished(points, search={"sampler": {"type": "tpe"}})
    assert tpe.deciding is None
    assert tpe.choose("best").value == min(point.value for point in points)
    assert "times or divided" not in verdict(tpe) and "smooth" not in verdict(tpe)
    assert key_numbers(tpe).rows[-2:] == key_numbers(design).rows[-2:]  # it is shown all the same


def test_the_smooth_curve_and_its_band_are_drawn() -> None:
    study = finished(designed(valley, 0.02))
    assert study.model
    band, line = validation_curve(View(study))["data"][:2]
    assert line["name"].startswith(SMOOTH) and band["fill"] == "toself"
    assert len(line["x"]) == len(line["y"]) == len(band["x"]) / 2 > 50
    at = line["x"][line["y"].index(min(line["y"]))]
    assert at == pytest.approx(study.model.minimum, rel=0.1)
    assert max(line["y"]) <= max(point.value for point in study.trials)


def test_a_design_without_a_trial_at_the_minimum_says_where_it_is() -> None:
    x = np.array([-5, -4.3, -3.6, -3.4, -2.2, -2.0, -1.4, -1.0])
    study = finished(points_of(x, np.repeat(valley(x)[:, None], 8, 1)))
    assert re.search(
        r"the fitted curve is least at 0\.00\d+, where none was trained", verdict(study)
    )
    assert study.choose("best").value == min(point.value for point in study.trials)


def test_what_a_run_confirms_exports_and_shows_is_what_the_model_chooses(tmp_path: Path) -> None:
    spec = tiny(
        tmp_path, search__sampler__type="design", search__in_flight="auto",
        search__n_trials=13, training__epochs=12, data__train_rows=200,
    )  # fmt: skip
    result = sweep.run(spec)
    study = result.finished
    for name, point in choices(study).items():
        assert study.fresh(point), name  # trained again on fresh folds
    assert result.study.user_attrs["verdict"] == verdict(study)
    best = study.choose("best")
    assert result.study.user_attrs["confirmation"]["best"]["params"] == best.params
    assert best.value > result.study.best_value, "else what follows shows nothing"
    (listed,) = overview(spec.storage)
    assert (listed["best"], listed["best_params"]) == (best.value, best.params)
    config = sweep.load_config(result.export(tmp_path / "config.yaml"))
    assert config.alpha == best.at
    attrs = result.study._storage.get_study_system_attrs(result.study._study_id)
    drawn = "".join(v for k, v in attrs.items() if k.startswith("dashboard:plot_data:sweep-valid"))
    page = sweep.report(result, tmp_path / "page.html").read_text(encoding="utf-8")
    fits = study.model is not None and study.model.doubt is None
    assert (SMOOTH in drawn) == (SMOOTH in page) == fits
