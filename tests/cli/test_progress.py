"""The small pictures of the terminal."""

import math

import pytest

from sweep.cli.progress import BLOCKS, N_COLUMNS, curve_line


def drawn(curve: list[tuple[float, float]], span: tuple[float, float] = (1e-4, 1.0)) -> str:
    line = curve_line("alpha", span, curve)
    return line.split("│")[1]


def test_without_results_there_is_no_curve() -> None:
    assert curve_line("alpha", (1e-4, 1.0), []) == ""


def test_the_ends_are_named() -> None:
    line = curve_line("weight_decay", (1e-4, 1.0), [(1e-2, 0.5)])
    assert line.startswith("weight_decay 1.0e-04 │") and line.endswith("│ 1.0e+00")


def test_a_valley_is_drawn_on_a_log_scale() -> None:
    alphas = [1e-4 * 10 ** (4 * (i + 0.5) / N_COLUMNS) for i in range(N_COLUMNS)]
    curve = [(alpha, math.log10(alpha / 1e-2) ** 2) for alpha in alphas]
    line = drawn(curve)
    assert len(line) == N_COLUMNS and set(line) <= set(BLOCKS)
    heights = [BLOCKS.index(block) for block in line]
    assert heights[N_COLUMNS // 2] == 0 and heights[0] == heights[-1] == 7
    assert heights == heights[::-1]


def test_a_column_shows_its_best_trial_and_unknown_ones_are_blank() -> None:
    line = drawn([(1e-4, 1.0), (1e-4, 9.0), (1.0, 2.0), (0.999, 3.0)])
    assert line[0] == BLOCKS[0] and line[-1] == BLOCKS[0]  # the worst of two is cut off
    assert line[1:-1] == " " * (N_COLUMNS - 2)


@pytest.mark.parametrize("outlier", [1e3, 1e300])
def test_one_trial_far_out_leaves_the_rest_to_be_seen(outlier: float) -> None:
    alphas = [1e-4 * 10 ** (4 * i / 20) for i in range(21)]
    curve = [(alpha, 1.0 + i / 20) for i, alpha in enumerate(alphas[:-1])] + [(1.0, outlier)]
    assert len(set(drawn(curve))) >= 8


def test_equal_values_are_a_flat_line() -> None:
    assert set(drawn([(1e-3, 2.0), (1e-2, 2.0)])) == {" ", BLOCKS[0]}
