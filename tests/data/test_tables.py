"""Odd tables: each is read as its writer meant it, or refused in a line that says what to do."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from sweep.data.dataset import Rows, read_rows
from sweep.data.sources import read_source
from sweep.errors import UsageError
from sweep.spec.data import DataSpec
from sweep.spec.files import parse_spec
from tests.support.sources import read, returning

N = 24
NAN = float("nan")
ROWS = range(N)
Cells = Sequence[Any]


def table(cells: Cells, y: Cells = ("u", "v") * (N // 2), mark: str = ",", **more: Cells) -> str:
    """Write a table of quoted cells: x, a column of squares, and the target y."""
    columns = {"x": cells, "square": [i * i for i in ROWS], **more, "y": y}
    lines = [columns, *zip(*columns.values(), strict=False)]
    return "".join(mark.join(f'"{cell}"' for cell in line) + "\n" for line in lines)


def load(folder: Path, content: str | bytes, data: dict[str, Any]) -> Rows:
    """Read a table with what a study file says of its data."""
    (folder / "t.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    section = {"source": "t.csv", "target": "y", **data}
    return read_rows(
        parse_spec({"study_name": "t", "data": section}, "t.yaml", folder).data, folder
    )


class Odd(NamedTuple):
    """A table and what comes of it.

    Attributes:
        content: of the file.
        is_read: what the first rows of column x (or y, for a target) become.
        notes: what each line that is said holds.
        data: of the study file.
    """

    content: str | bytes
    is_read: Cells
    notes: tuple[str, ...] = ()
    data: dict[str, Any] = {}  # noqa: RUF012  # never changed


def settled(**columns: Any) -> dict[str, Any]:
    return {"columns": columns}


FLAT = "".join(f"{i * i};{i % 5};{'uv'[i % 2]}\n" for i in ROWS)
READ = {
    # numbers
    "thousands": Odd(table([f"{i + 1},234,000" for i in ROWS]), [1234000, 2234000],
                     ("'10,234,000' is read as 10234000",)),
    "thousands and decimals": Odd(table([f"{i + 1},234.5" for i in ROWS]), [1234.5, 2234.5],
                                  ("'10,234.5' is read as 10234.5",)),
    "decimal commas": Odd(table([f"{i * i},5" for i in ROWS]), [0.5, 1.5, 4.5],
                          ("'100,5' is read as 100.5",)),
    "thousands with dots": Odd(table([f"{i + 1}.234,5" for i in ROWS]), [1234.5, 2234.5],
                               ("'10.234,5' is read as 10234.5",)),
    "decimal said": Odd(table([f"{i + 1},234" for i in ROWS]), [1.234, 2.234],
                        ("'10,234' is read as 10.234",), settled(x={"decimal": ","})),
    "thousands said": Odd(table([f"{i + 1},234" for i in ROWS]), [1234, 2234],
                          ("'10,234' is read as 10234",), settled(x={"thousands": ","})),
    "spaces": Odd(table([f"{i + 1} 234\u00a0000" for i in ROWS]), [1234000, 2234000],
                  ("is read as 10234000",)),
    "apostrophes": Odd(table([f"{i + 1}'234.5" for i in ROWS]), [1234.5, 2234.5],
                       ("is read as 10234.5",)),
    "dollars": Odd(table([f"${i * i},000.50" for i in range(1, N + 1)]), [1000.5, 4000.5],
                   ("'$100,000.50' is read as 100000.5",)),
    "euros": Odd(table([f"-{i * i}.000,50 €" for i in range(1, N + 1)]), [-1000.5, -4000.5],
                 ("'-100.000,50 €' is read as -100000.5",)),
    "percent": Odd(table([f"{i * i}%" for i in ROWS]), [0, 1, 4], ("'100%' is read as 100",)),
    "bare and with dollars, as numbers": Odd(
        table(["$1", "2"] * 12), [1, 2], ("'$1' is read as 1", "rows have a copy")[:1],
        settled(x="number")),
    "blanks": Odd(table([f"  {i * i} " for i in ROWS]), [0, 1, 4]),
    "signs and exponents": Odd(table(["+1", "-2e3", ".5", "5.", "−4", "1E-2"] * 4),
                               [1, -2000, 0.5, 5, -4, 0.01], ("'-2e3' is read as -2000",)),
    "marks among numbers": Odd(
        table(["1.5", "?", "NA", "None", "", "-", "n/a", "NaN", "null", "2", "#N/A", "nan"] * 2),
        [1.5, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, 2, NAN, NAN],
        ("'?' (2 rows), 'NA' (2 rows), 'None' (2 rows) and 6 more are read as missing",)),
    "a mark of one's own": Odd(table(["1.5", "-999", "3", "5"] * 6), [1.5, NAN, 3, 5],
                               ("'-999' (6 rows) is read as missing",),
                               settled(x={"missing": -999})),
    "a few texts among numbers": Odd(table(["0", "1", "2", "3+"] * 6), ["0", "1", "2", "3+"],
                                     ("'3+' stands among numbers",)),
    "numbers in two formats": Odd(table(["1.234,5", "1,234.5"] * 12), ["1.234,5", "1,234.5"],
                                  ("not written in one way: all of them are categories",)),
    "a few texts among dates": Odd(table(["2024-01-01", "2024-02-01", "soon"] * 8),
                                   ["2024-01-01", "2024-02-01", "soon"],
                                   ("'soon' stands among numbers or dates",)),
    # dates
    "dates": Odd(table([f"2024-{i % 12 + 1:02}-07" for i in ROWS]), [19729, 19760],
                 ("(year-first) are read as days since 1970-01-01: '2024-01-07' is 19729",)),
    "moments": Odd(table([f"1970-01-{i + 1:02}T18:00:00+06:00" for i in ROWS]), [0.5, 1.5],
                   ("days since",)),
    "day first": Odd(table([f"{i + 1}.1.1970" for i in ROWS]), [0, 1, 2],
                     ("(day-first)", "counts the rows")),
    "month first": Odd(table([f"1/{i + 1}/1970" for i in ROWS]), [0, 1, 2],
                       ("(month-first)", "counts the rows")),
    "days said": Odd(table([f"0{i % 8 + 1}/02/1970" for i in ROWS]), [31, 32],
                     ("(day-first)",), settled(x="day-first")),
    "dates with a gap": Odd(table(["1970-01-02", "NA", "", "1970-01-05"] * 6), [1, NAN, NAN, 4],
                            ("days since", "'NA' (6 rows) is read as missing")),
    # texts
    "a category NA": Odd(table(["A", "NA", "", "B"] * 6), ["A", "NA", None, "B"],
                         ("'NA' (6 rows) stays a text of its own; only an empty cell is missing. "
                          "To change it: data.columns: {x: {missing: [\"NA\"]}}",)),
    "NA said to be missing": Odd(table(["A", "NA", "", "B"] * 6), ["A", None, None, "B"],
                                 (), settled(x={"missing": ["NA"]})),
    "codes": Odd(table(["01", "1", "02", "10"] * 6), ["01", "1", "02", "10"],
                 ("codes such as '01' stay texts. To read numbers: data.columns: {x: number}",)),
    "codes that are numbers": Odd(table(["01", "1", "02", "10"] * 6), [1, 1, 2, 10],
                                  (), settled(x="number")),
    "numbers that are codes": Odd(table(["1", "2.0"] * 12), ["1", "2.0"], (),
                                  settled(x="categorical")),
    "names of rows, wanted": Odd(table([f"n{i}" for i in ROWS]), ["n0", "n1"], (),
                                 settled(x="categorical")),
    "one name in two ways": Odd(table(["Red", "red ", "blue"] * 8), ["Red", "red ", "blue"],
                                ("'Red' and 'red ' are different categories",)),
    "one name with a blank more": Odd(table(["St Ives", "St  Ives", "Hove"] * 8),
                                      ["St Ives", "St  Ives", "Hove"],
                                      ("'St␣␣Ives' and 'St Ives' are different categories",)),
    "words for true": Odd(table(["TRUE", "false", "True"] * 8), ["True", "False", "True"]),
    # rows
    "a number of each row": Odd(table([i + 1 for i in ROWS]), [1, 2, 3],
                                ("column 'x': it counts the rows, and is a feature. "
                                 "To leave it out: data.columns: {x: drop}",)),
    "constant but for a row": Odd(table([*[0] * (N - 1), 5000]), [0, 0],
                                  ("it is 0 but in 1 of 24 rows (5000 in row 23)",)),
    # files
    "semicolons": Odd("x;b;y\n" + FLAT, [0, 1, 4], ("with semicolons between its cells",)),
    "semicolons, decimal commas": Odd("x;b;y\n" + FLAT.replace(";", ",5;", 1), [0.5, 1, 4],
                                      ("semicolons", "'0,5' is read as 0.5")),
    "tabs": Odd("x\tb\ty\n" + FLAT.replace(";", "\t"), [0, 1, 4], ("with tabs",)),
    "bars": Odd("x|b|y\n" + FLAT.replace(";", "|"), [0, 1, 4], ("with bars",)),
    "a spreadsheet's hint": Odd("sep=;\r\nx;b;y\r\n" + FLAT, [0, 1, 4], ("semicolons",)),
    "a name with commas": Odd('"x";"b, c, d";y\n' + FLAT, [0, 1, 4], ("semicolons",)),
    "blanks in names": Odd(" x , b , y\n" + FLAT.replace(";", ","), [0, 1, 4]),
    "UTF-8 with its mark": Odd(b"\xef\xbb\xbfx,b,y\n" + FLAT.replace(";", ",").encode(),
                               [0, 1, 4]),
    "UTF-16": Odd(table([f"é{i % 3}" for i in ROWS]).encode("utf-16"), ["é0", "é1"], ("UTF-16",)),
    "lines of Windows": Odd(table([i * i for i in ROWS]).replace("\n", "\r\n"), [0, 1, 4]),
    "empty lines": Odd(table([i * i for i in ROWS]).replace("\n", "\n\n"), [0, 1, 4]),
}  # fmt: skip


@pytest.mark.parametrize("case", READ)
def test_an_odd_column_is_read_as_it_was_meant_and_said(tmp_path: Path, case: str) -> None:
    odd = READ[case]
    rows = load(tmp_path, odd.content, odd.data)
    assert isinstance(rows.X, pd.DataFrame)
    got = rows.X["x"][: len(odd.is_read)]
    if got.dtype == object:
        assert got.tolist() == odd.is_read
    else:
        np.testing.assert_array_equal(got, odd.is_read)
    assert len(rows.notes) == len(odd.notes), rows.notes
    for note, words in zip(rows.notes, odd.notes, strict=True):
        assert words in note and "\n" not in note


LABELS = {
    "codes": Odd(table(ROWS, ["01", "1", "2"] * 8), ["01", "1", "2"], ("codes such as '01'",)),
    "codes that are numbers": Odd(table(ROWS, ["01", "1", "2", "1"] * 6), ["1", "2"], (),
                                  settled(y="number")),
    "of thirty digits": Odd(table(ROWS, ["1" * 30, "1" * 29 + "2"] * 12),
                            ["1" * 30, "1" * 29 + "2"]),
    "of twenty digits": Odd(table(ROWS, ["1" * 20, "1" * 19 + "2"] * 12),
                            ["1" * 20, "1" * 19 + "2"]),
    "whole numbers": Odd(table(ROWS, ["10", "9", "9.0"] * 8), ["9", "10"]),
    "NA kept": Odd(table(ROWS, ["NA", "b", "c"] * 8), ["NA", "b", "c"], (),
                   settled(y="categorical")),
    "in two ways, kept": Odd(table(ROWS, ["yes", "YES", "no"] * 8), ["YES", "no", "yes"], (),
                             settled(y="categorical")),
}  # fmt: skip


@pytest.mark.parametrize("case", LABELS)
def test_classes_keep_the_text_of_codes(tmp_path: Path, case: str) -> None:
    odd = LABELS[case]
    rows = load(tmp_path, odd.content, odd.data)
    assert list(rows.classes) == odd.is_read
    notes = [note for note in rows.notes if "counts the rows" not in note]
    assert len(notes) == len(odd.notes)
    assert all(words in note for note, words in zip(notes, odd.notes, strict=True))


def test_a_target_of_numbers_is_read_like_a_feature(tmp_path: Path) -> None:
    content = table([i * i for i in ROWS], [f"$1,{i + 100}.5" for i in ROWS])
    rows = load(tmp_path, content, {"task": "regression"})
    assert list(rows.y[:2]) == [1100.5, 1101.5]
    assert rows.notes == ("column 'y': '$1,100.5' is read as 1100.5",)


class Refused(NamedTuple):
    """A table that is in doubt: the line, after `data.source: `, and what the study file says."""

    content: str | bytes
    line: str
    data: dict[str, Any] = {}  # noqa: RUF012  # never changed


ONE_WAY = "must be numbers that can be read in one way, got"
REFUSED = {
    "thousands or decimals": Refused(
        table([f"{i + 1},234" for i in ROWS]),
        f"column 'x' {ONE_WAY} '1,234' in row 0 (t.csv). It is 1234 or 1.234: set data.columns: "
        '{x: {decimal: ","}}, or {thousands: ","}'),
    "dots with dollars": Refused(
        table([f"${i + 1}.234" for i in ROWS]),
        f"column 'x' {ONE_WAY} '$1.234' in row 0 (t.csv). It is 1.234 or 1234: set data.columns: "
        '{x: {decimal: "."}}, or {thousands: "."}'),
    "dots beside decimal commas": Refused(
        table([f"{i + 1}.234" for i in ROWS], z=[f"{i},5" for i in ROWS]),
        f"column 'x' {ONE_WAY} '1.234' where column 'z' has decimal commas (t.csv). "
        'Set data.columns: {x: {decimal: "."}}, or {thousands: "."}'),
    "a target in doubt": Refused(
        table(ROWS, [f"1,{i + 100}" for i in ROWS]),
        f"column 'y' {ONE_WAY} '1,100' in row 0 (t.csv). It is 1100 or 1.1: set data.columns: "
        '{y: {decimal: ","}}, or {thousands: ","}', {"task": "regression"}),
    "two currencies": Refused(
        table(["$1", "€2"] * 12),
        "column 'x' must have one currency or % in all rows, as '$1', or none, got '€2' in row 1 "
        "(t.csv). Mend it, or have all read as bare numbers: data.columns: {x: number}"),
    "percent and not": Refused(
        table(["0.5", "45%"] * 12),
        "column 'x' must have one currency or % in all rows, as '0.5', or none, got '45%' in row "
        "1 (t.csv). Mend it, or have all read as bare numbers: data.columns: {x: number}"),
    "said to be numbers": Refused(
        table(["1", "tall"] * 12),
        "column 'x' must be numbers in one format, got 'tall' in row 1 (t.csv). Mend it, or set "
        "data.columns: {x: {kind: number, missing: [\"tall\"]}}", settled(x="number")),
    "names of rows": Refused(
        table([f"n{i}" for i in ROWS]),
        "column 'x' must be numbers or few texts, got 24 different texts in 24 rows, such as 'n0' "
        "(t.csv). Set data.columns: {x: drop}, or categorical to have a feature for each"),
    "codes of each row": Refused(
        table([f"{i:04}" for i in ROWS]),
        "column 'x' must be numbers or few texts, got 24 different texts in 24 rows, such as "
        "'0000' (t.csv). Set data.columns: {x: drop}, or categorical to have a feature for each"),
    "days or months": Refused(
        table([f"0{i % 9 + 1}/02/2024" for i in ROWS]),
        "column 'x' must be dates that can be read in one way, got '01/02/2024' in row 0 (t.csv). "
        "Set data.columns: {x: day-first}, month-first, drop or categorical"),
    "years of two digits": Refused(
        table([f"{i + 1}/02/24" for i in ROWS]),
        "column 'x' must be dates that can be read in one way, got '1/02/24' in row 0 (t.csv). "
        "Set data.columns: {x: day-first}, month-first, drop or categorical"),
    "no such days": Refused(
        table([f"{i % 12 + 1}/30/2024" for i in ROWS]),
        "column 'x' must be dates, day-first, got '1/30/2024' in row 0 (t.csv). "
        "Mend it, or name it in `missing`", settled(x="day-first")),
    "nothing but marks": Refused(
        table(["NA", "?", ""] * 8),
        "column 'x' must have values, got only cells such as 'NA' (t.csv). "
        "Set data.columns: {x: drop}"),
    "classes in two ways": Refused(
        table(ROWS, ["yes", "yes ", "YES", "no"] * 6),
        "column 'y' must have texts that differ by more than blanks or case, got 'YES' and 'yes' "
        "and 'yes ' (t.csv). Make them alike, or keep them apart with data.columns: "
        "{y: categorical}"),
    "groups in two ways": Refused(
        table(ROWS, g=["a", "a ", "b", "c"] * 6),
        "column 'g' must have texts that differ by more than blanks or case, got 'a' and 'a ' "
        "(t.csv). Make them alike, or keep them apart with data.columns: {g: categorical}",
        {"groups": "g"}),
    "a class NA": Refused(
        table(ROWS, ["a", "NA", "b"] * 8),
        "column 'y' must have a value in every row, got 'NA' in row 1 (t.csv). Mend or drop it, "
        "or have it as a name: data.columns: {y: categorical}"),
    "a row cut short": Refused(
        "x,b,y\n1,2,u\n3,4\n",
        "must have 3 cells in every row, as many as columns have names, got 2 in row 1 (t.csv). "
        "Mend that row, or put texts that hold a separator in quotes"),
    "a separator after each row": Refused(
        "x,b,y\n1,2,u,\n3,4,v,\n",
        "must have 3 cells in every row, as many as columns have names, got 4 in row 0 (t.csv). "
        "Mend that row, or put texts that hold a separator in quotes"),
    "two targets": Refused(
        "x,y,y\n1,2,u\n3,4,v\n",
        "must have different column names, got 'y' twice (t.csv). Rename"),
    "another encoding": Refused(
        table(["é"] * N).encode("latin-1"),
        "must be a readable .csv file, got UnicodeDecodeError: 'utf-8' codec can't decode byte "
        "0xe9 in position 18: invalid continuation byte ({folder}/t.csv). Save it as UTF-8"),
    "UTF-16 without its mark": Refused(
        table(ROWS).encode("utf-16-le"),
        "must be a readable .csv file, got UnicodeError: NUL characters, as UTF-16 has them "
        "({folder}/t.csv). Save it as UTF-8"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_table_in_doubt_is_refused_with_what_settles_it(tmp_path: Path, case: str) -> None:
    odd = REFUSED[case]
    with pytest.raises(UsageError) as caught:
        load(tmp_path, odd.content, odd.data)
    assert str(caught.value) == "data.source: " + odd.line.replace("{folder}", str(tmp_path))


KEYS = {
    "an unknown column": ({"z": "drop"}, "data.columns: must name columns, got 'z' (t.csv). "
                          "Valid: x, square, y"),
    "a misspelt column": ({"sqare": "drop"}, "data.columns: must name columns, got 'sqare' "
                          "(t.csv). Did you mean square?"),
    "the target dropped": ({"y": "drop"}, "data.columns.y: must not be dropped, got drop for the "
                           "column of targets (t.csv). Remove it"),
    "an unknown kind": ({"x": "drp"}, "data.columns.x.kind: must be 'drop', 'categorical', "
                        "'number', 'day-first' or 'month-first', got 'drp' (t.yaml). "
                        "Did you mean drop?"),
    "an unknown key": ({"x": {"decimals": ","}}, "data.columns.x.decimals: unknown key (t.yaml). "
                       "Did you mean decimal?"),
    "no keys": ({"x": 5}, "data.columns.x: must be drop, categorical, number, day-first, "
                "month-first or keys, got 5 (t.yaml)"),
    "one separator for both": ({"x": {"decimal": ",", "thousands": ","}},
                               "data.columns.x.thousands: must be another separator than decimal, "
                               "got ',' for both. Change one of them (t.yaml)"),
    "separators of categories": ({"x": {"kind": "categorical", "decimal": ","}},
                                 "data.columns.x.kind: only numbers have separators, got "
                                 "categorical. Remove decimal and thousands, or set kind: number "
                                 "(t.yaml)"),
}  # fmt: skip


@pytest.mark.parametrize("case", KEYS)
def test_a_key_that_settles_nothing_is_refused(tmp_path: Path, case: str) -> None:
    columns, line = KEYS[case]
    with pytest.raises(UsageError) as caught:
        load(tmp_path, table(ROWS), {"columns": columns})
    assert str(caught.value) == line


def test_only_a_table_has_columns_to_settle(tmp_path: Path) -> None:
    source = returning(tmp_path, X=np.ones((4, 1)), y=[0, 1, 0, 1])
    with pytest.raises(UsageError, match=r"data\.columns: only a \.csv or \.parquet table"):
        read(tmp_path, source, columns={"x": "drop"})


# --- tables that know the kinds of their columns


def parquet(folder: Path, cells: dict[str, Any], **data: Any) -> Rows:
    frame = pd.DataFrame({**cells, "y": ["u", "v"] * (N // 2)})
    frame.to_parquet(folder / "t.parquet")
    return read(folder, "t.parquet", target="y", **data)


def test_a_typed_table_is_taken_at_its_word(tmp_path: Path) -> None:
    columns = {
        "text": ["1,234", "NA"] * 12,
        "code": ["01", "1"] * 12,
        "day": [datetime.date(1970, 1, i + 1) for i in ROWS],
        "at": pd.date_range("1970-01-02", periods=N, freq="12h", tz="UTC"),
        "price": [Decimal(i * i) / 2 for i in ROWS],
    }
    rows = parquet(tmp_path, columns)
    assert isinstance(rows.X, pd.DataFrame)
    assert rows.X["text"].tolist()[:2] == ["1,234", "NA"]
    assert rows.X["code"].tolist()[:2] == ["01", "1"]
    assert [rows.X[name][1] for name in ("day", "at", "price")] == [1, 1.5, 0.5]
    assert rows.notes == ("column 'day': dates are read as days since 1970-01-01; likewise 'at'",)


def test_keys_settle_columns_of_a_typed_table(tmp_path: Path) -> None:
    columns = {
        "name": [f"n{i}" for i in ROWS],
        "text": [f"{i},5" for i in ROWS],
        "kind": [1, 2] * 12,
        "size": [1.5, -999.0] * 12,
    }
    said = {
        "name": "drop",
        "text": "number",
        "kind": "categorical",
        "size": {"missing": ["-999.0"]},
    }
    rows = parquet(tmp_path, columns, columns=said)
    assert isinstance(rows.X, pd.DataFrame) and list(rows.X) == ["text", "kind", "size"]
    assert rows.X["text"].tolist()[:2] == [0.5, 1.5]
    assert rows.X["kind"].tolist()[:2] == ["1", "2"]
    np.testing.assert_array_equal(rows.X["size"][:2], [1.5, np.nan])


def test_rows_to_test_on_are_read_by_the_same_rules(tmp_path: Path) -> None:
    days = pd.date_range("1970-01-01", periods=N)
    X = pd.DataFrame({"day": days, "name": pd.Categorical([f"n{i}" for i in ROWS])})
    y = ["u", "v"] * (N // 2)
    rows = read(tmp_path, returning(tmp_path, X=X, y=y, X_test=X[:3], y_test=y[:3]))
    assert isinstance(rows.X_test, pd.DataFrame)
    assert rows.X_test["day"].tolist() == [0, 1, 2]
    assert rows.X_test["name"].tolist() == ["n0", "n1", "n2"]


@pytest.mark.parametrize("key", ["groups", "weight", "fold", "split", "time", "images"])
def test_an_empty_name_of_a_column_is_refused(tmp_path: Path, key: str) -> None:
    rows = "".join(f"{i},{i * 7 % 13},{i % 2}\n" for i in range(40))
    (tmp_path / "t.csv").write_text("a,b,y\n" + rows)
    keys: dict[str, Any] = {key: ""}
    with pytest.raises(UsageError, match=f"data.{key}: must name a column, got ''"):
        read_source(DataSpec(source="t.csv", target="y", **keys), tmp_path)
