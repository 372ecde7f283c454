"""What a refit says of itself, for every way it can come out."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweep.config.fitted import Fit, Row, sentence
from sweep.spec.files import parse_spec


def made(
    chosen: dict[int, float], none: dict[int, float], scores: tuple[float, float] | None = None,
    score: str = "accuracy", optimizer: str = "adam",
) -> Fit:  # fmt: skip
    """Make a fit by hand, from the test losses by seed."""
    tree = {
        "study_name": "x", "training": {"optimizer": optimizer},
        "data": {"task": "regression" if score == "r2" else "classification"},
    }  # fmt: skip
    spec = parse_spec(tree, "x", Path("."))
    rows = []
    for at, (losses, strength) in enumerate(((chosen, 0.01), (none, 0.0))):
        values = {"loss": tuple(losses.values())}
        if scores:
            values[score] = (scores[at],) * len(losses)
        rows.append(Row({spec.strength: strength}, tuple(losses), values))
    return Fit(spec, rows[0], rows[1], 60, 50, 30, 8, min(chosen), (), Path("w"), Path("c"))


@pytest.mark.parametrize(
    ("fit", "text"),
    [
        (
            made({0: 0.5, 1: 0.6, 2: 0.7}, {0: 0.9, 1: 1.1, 2: 1.3}, (0.9, 0.8)),
            "With alpha = 0.01 the test loss is 0.6000 ± 0.0577, without a penalty 1.1000 ±"
            " 0.1155: lower by 0.5000 ± 0.0577 (paired over 3 seeds); accuracy 0.900 against"
            " 0.800.",
        ),
        (
            made({0: 0.9, 1: 1.1}, {0: 0.5, 1: 0.69}, (0.2, 0.3), "r2", "adamw"),
            "With weight_decay = 0.01 the test loss is 1.0000 ± 0.1000, without a penalty 0.5950 ±"
            " 0.0950: higher by 0.4050 ± 0.0050 (paired over 2 seeds); R² 0.200 against 0.300.",
        ),
        (
            made({0: 0.5, 1: 0.7}, {0: 0.7, 1: 0.6}),
            "With alpha = 0.01 the test loss is 0.6000 ± 0.1000, without a penalty 0.6500 ±"
            " 0.0500: no difference is shown: lower by 0.0500 ± 0.1500 (paired over 2 seeds),"
            " within chance (95 %).",
        ),
        (
            made({0: 0.5}, {0: 0.7}),
            "With alpha = 0.01 the test loss is 0.5000, without a penalty 0.7000: lower by 0.2000"
            " for the only seed that both have, so this may be chance.",
        ),
        (
            made({0: 0.5}, {1: 0.7}),
            "With alpha = 0.01 the test loss is 0.5000, without a penalty 0.7000: no seed"
            " was trained with both to its end, so this may be chance.",
        ),
        (
            made({0: 0.5}, {}),
            "With alpha = 0.01 the test loss is 0.5000; without a penalty (alpha = 0) every seed"
            " diverged.",
        ),
    ],
)
def test_the_sentence(fit: Fit, text: str) -> None:
    assert sentence(fit) == text


def test_only_seeds_of_both_are_paired() -> None:
    fit = made({0: 1.0, 2: 3.0, 3: 5.0}, {2: 2.0, 3: 1.0, 4: 9.0})
    assert fit.paired_seeds == (2, 3)
    assert fit.differences["loss"].mean == 2.5
    assert fit.differences["loss"].se == pytest.approx(1.5)
    assert fit.saved == {"loss": 1.0}


def test_without_a_pair_there_is_no_difference() -> None:
    assert made({0: 1.0}, {}).differences == {}
