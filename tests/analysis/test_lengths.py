"""What is said of the length of training, and where it must stay silent."""

from typing import Any

import numpy as np
import pytest

from sweep.analysis.lengths import claims, remarks, without_figure
from sweep.analysis.verdict import verdict
from sweep.stats import Array
from tests.support.courses import losses_of, study


def rising(seed: int, by: float = 0.3) -> Array:
    return losses_of(lambda at: -3 - at, rise=by, seed=seed)


def test_an_earlier_end_is_claimed_on_fresh_folds_alone() -> None:
    chosen = study(rising(0))
    assert not any("Fewer epochs" in said for said in claims(chosen))
    told = study(rising(0), rising(1))
    (said,) = (said for said in claims(told) if "Fewer epochs" in said)
    assert said.startswith("Fewer epochs do better: alpha = ")
    assert " of 60 has " in said and " on 8 fresh folds, lower by 0." in said
    assert f" {said}." in verdict(told)


def test_what_fresh_folds_do_not_show_is_not_claimed() -> None:
    flat = study(rising(0), rising(1, by=-0.3))
    assert not any("Fewer epochs" in said for said in claims(flat))
    assert "No earlier end of training is shown to do better" in remarks(flat)


def test_a_strength_that_moves_is_said_with_both_epochs() -> None:
    moving = study(losses_of(lambda at: -2 - 1.5 * at))
    (said,) = claims(moving)
    assert said.startswith("The best alpha is 0.00")
    assert " do as well) after 30 epochs and 0.00" in said
    assert f" {said}." in verdict(moving)
    drift = moving.course.drift if moving.course else None
    assert drift and drift.reach
    low, high = (f"{drift.factor * by:.2g}" for by in (1 / drift.reach, drift.reach))
    assert f"it still moves with training, by a factor of {drift.factor:.2g}" in said
    assert f" ({low} to {high}, 95 %)" in said and float(low) > 1


def test_a_strength_that_stays_is_said_to_have_settled() -> None:
    (said,) = claims(study(losses_of(lambda at: np.full_like(at, -3.0))))
    assert " after 60: it has settled (95 %), as these are less than a factor of 1.5 " in said


@pytest.mark.parametrize(
    "tree", [{"training": {"schedule": "cosine", "epochs": 60}},
             {"objective": {"metric": "val_error"}}],
)  # fmt: skip
def test_nothing_is_said_where_losses_by_epoch_tell_nothing(tree: dict[str, Any]) -> None:
    silent = study(rising(0), rising(1), **tree)
    assert claims(silent) == remarks(silent) == []
    assert "epochs" not in verdict(silent)


def test_a_schedule_over_all_epochs_is_why_there_is_no_picture() -> None:
    cosine = study(rising(0), training={"schedule": "cosine", "epochs": 60})
    assert without_figure(study(rising(0))) is None
    why = without_figure(cosine)
    assert why and "the learning rate (lr along a cosine) depends on how many epochs" in why


def test_a_study_of_an_older_version_says_nothing() -> None:
    old = study(rising(0))
    for point in old.trials:
        del point.attrs["replicate_curves"]  # type: ignore[attr-defined]
    assert claims(old) == []
