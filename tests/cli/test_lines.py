"""The tables that the terminal shows, at any width."""

from collections.abc import Callable

import pytest

from sweep.cli.lines import print_table

HEADER = ("study", "trials", "owner", "value ± SE")
ROWS = [("digits-l2", "13 COMPLETE", "", "0.6072 ± 0.0332"), ("wine", "none", "", "")]


@pytest.fixture
def at_width(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[[int], list[str]]:
    def lines(width: int) -> list[str]:
        monkeypatch.setenv("COLUMNS", str(width))
        print_table(HEADER, ROWS)
        return capsys.readouterr().out.splitlines()

    return lines


def test_a_column_without_a_cell_is_left_out(at_width: Callable[[int], list[str]]) -> None:
    assert at_width(80)[1].split() == ["study", "trials", "value", "±", "SE"]
    assert not any("owner" in line for line in at_width(20))


def test_a_table_without_rows_has_its_columns(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(HEADER, [])
    assert "owner" in capsys.readouterr().out


@pytest.mark.parametrize("width", range(4, 90, 3))
def test_no_word_is_broken_however_narrow_the_terminal(
    at_width: Callable[[int], list[str]], width: int
) -> None:
    words = {word for line in at_width(width) for word in line.split()}
    assert {"digits-l2", "COMPLETE", "0.6072", "0.0332", "wine"} <= words


def test_a_narrow_terminal_gets_a_block_of_lines_for_a_row(
    at_width: Callable[[int], list[str]],
) -> None:
    assert at_width(20) == [
        "",
        "study       digits-l2",
        "trials      13 COMPLETE",
        "value ± SE  0.6072 ± 0.0332",
        "",
        "study       wine",
        "trials      none",
        "",
    ]
