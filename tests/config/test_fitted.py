"""What a refit says of itself, for every way it can come out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweep.config.fitted import Estimate, Fit, Row, of_rows, sentence
from sweep.spec.files import parse_spec

SPREAD = (-0.1, 0.1)  # of a made loss over test rows, in turn


def made(
    chosen: dict[int, float], none: dict[int, float], scores: tuple[float, float] | None = None,
    score: str = "accuracy", optimizer: str = "adam", spread: tuple[float, ...] = SPREAD,
    n_rows: int = 30,
) -> Fit:  # fmt: skip
    """Make a fit by hand, from the test losses by seed.

    The chosen one's losses are those plus `spread` in turn, row by row; `scores` are shares.
    """
    tree = {
        "study_name": "x", "training": {"optimizer": optimizer},
        "data": {"task": "regression" if score == "r2" else "classification"},
    }  # fmt: skip
    spec = parse_spec(tree, "x", Path("."))
    of_row = np.resize(spread, n_rows)
    fits = []
    for at, (losses, strength) in enumerate(((chosen, 0.01), (none, 0.0))):
        values = {"loss": tuple(losses.values())}
        base = np.array([*losses.values()]).reshape(-1, 1)
        rows = {"loss": base + (0 if at else 1) * of_row}
        if scores:
            values[score] = (scores[at],) * len(losses)
            hits = np.arange(n_rows) < scores[at] * n_rows
            rows[score] = np.tile(hits * 1.0, (len(losses), 1))
        fits.append(Row({spec.strength: strength}, tuple(losses), values, rows))
    return Fit(spec, fits[0], fits[1], 60, 50, n_rows, 8, min(chosen), (), Path("w"), Path("c"))


PAIRED = "training on other rows is left out)"


@pytest.mark.parametrize(
    ("fit", "parts"),
    [
        (
            made({0: 0.5, 1: 0.6, 2: 0.7}, {0: 0.9, 1: 1.1, 2: 1.3}, (0.9, 0.8)),
            ("With alpha = 0.01 the test loss is 0.6000 ± 0.0606, without a penalty 1.1000 ±"
             " 0.1155: lower by 0.5000 ± 0.0606 (paired over 30 test rows and 3 seeds; " + PAIRED
             + "; accuracy 0.900 against 0.800, a difference of 0.1000 ± 0.0577."),
        ),
        (
            made({0: 0.9, 1: 1.1, 2: 1.0}, {0: 0.1, 1: 0.3, 2: 0.2}, (0.2, 0.3), "r2", "adamw"),
            ("With weight_decay = 0.01 the test loss is 1.0000 ± 0.0606, without a penalty 0.2000"
             " ± 0.0577: higher by 0.8000 ± 0.0186 (paired over 30 test rows and 3 seeds; "
             + PAIRED + "; R² 0.200 against 0.300, a difference of -0.1000 ± 0.0557."),
        ),
        (
            made({0: 0.5, 1: 0.7}, {0: 0.7, 1: 0.6}),
            ("With alpha = 0.01 the test loss is 0.6000 ± 0.1017, without a penalty 0.6500 ±"
             " 0.0500: no difference is shown: lower by 0.0500 ± 0.1511 (paired over 30 test rows"
             " and 2 seeds; " + PAIRED + ", within chance (95 %)."),
        ),
        (
            made({0: 0.5}, {0: 0.7}),
            ("With alpha = 0.01 the test loss is 0.5000, without a penalty 0.7000: lower by 0.2000"
             " for the only seed that both have, so this may be chance."),
        ),
        (
            made({0: 0.5, 1: 0.5}, {0: 0.7, 1: 0.8}, n_rows=1),
            ("With alpha = 0.01 the test loss is 0.5000, without a penalty 0.7500: lower by 0.2500"
             " on the only test row, so this may be chance."),
        ),
        (
            made({0: 0.5}, {1: 0.7}),
            ("With alpha = 0.01 the test loss is 0.5000, without a penalty 0.7000: no seed"
             " was trained with both to its end, so this may be chance."),
        ),
        (
            made({0: 0.5}, {}),
            ("With alpha = 0.01 the test loss is 0.5000; without a penalty (alpha = 0) every seed"
             " diverged."),
        ),
    ],
)  # fmt: skip
def test_the_sentence(fit: Fit, parts: str) -> None:
    assert sentence(fit) == parts


SAME = dict.fromkeys(range(8), 0.5), dict.fromkeys(range(8), 0.51)  # as without any seed noise


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"spread": (-0.2, 0.2)}, "within chance (95 %)."),
        ({"spread": (0.0,)}, "with no spread to judge it by."),
        ({"spread": (-0.001, 0.001), "n_rows": 29},
         "on fewer than the 30 test rows that can show one."),
    ],
)  # fmt: skip
def test_equal_seeds_show_no_difference(options: dict[str, Any], told: str) -> None:
    text = sentence(made(*SAME, **options))
    assert "no difference is shown: lower by 0.0100" in text
    assert text.endswith(told)


def test_equal_seeds_show_one_that_the_rows_agree_on() -> None:
    assert ": lower by 0.01000 ± 0.00019" in sentence(made(*SAME, spread=(-0.001, 0.001)))


def test_a_difference_of_accuracy_has_the_error_of_its_rows_at_least() -> None:
    losses = dict.fromkeys(range(8), 0.5)
    by = made(losses, losses, (0.9, 0.9)).differences["accuracy"]
    assert by == Estimate(0.0, 1 / 30)


def test_what_the_errors_are_over_is_told() -> None:
    fit = made({0: 0.5, 1: 0.6}, {0: 0.9, 1: 1.1}, (0.9, 0.8))
    fit.chosen.values["norm"] = (1.0, 2.0)
    assert fit.summary["errors_over"] == {
        "loss": "test rows and seeds", "accuracy": "test rows and seeds", "norm": "seeds",
    }  # fmt: skip
    assert of_rows(fit.errors_over) == ["test loss", "test accuracy"]


def test_only_seeds_of_both_are_paired() -> None:
    fit = made({0: 1.0, 2: 3.0, 3: 5.0}, {2: 2.0, 3: 1.0, 4: 9.0}, spread=(0.0,))
    assert fit.paired_seeds == (2, 3)
    assert fit.differences["loss"].mean == 2.5
    assert fit.differences["loss"].se == pytest.approx(1.5)
    assert fit.saved == {"loss": 1.0}


def test_without_a_pair_there_is_no_difference() -> None:
    assert made({0: 1.0}, {}).differences == {}
