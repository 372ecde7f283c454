"""What the terminal gets: tables at any width, and one line where it takes no more."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

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


@pytest.mark.parametrize("unbuffered", ["", "1"])  # it fails as it is written, or at the end
@pytest.mark.parametrize("command", ["--version", "jobs --help", "status", "status --json"])
def test_an_output_that_takes_no_more_is_one_line(
    tmp_path: Path, unbuffered: str, command: str
) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "sweep", *command.split()], stdout=full, stderr=subprocess.PIPE,
            text=True, check=False, cwd=tmp_path, env=environment,
        )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (
        1,
        "sweep: output: must be somewhere that takes it, got No space left on device."
        " Write it elsewhere\n",
    )


def test_a_reader_that_reads_no_more_ends_a_command_without_a_word(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        [sys.executable, "-m", "sweep", "status"], stdout=writer, stderr=subprocess.PIPE,
        text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (1, "")
