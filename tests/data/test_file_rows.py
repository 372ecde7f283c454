"""Rows of a file are what the array has, read when they are wanted; another file is refused."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep.data import file_rows
from sweep.data.file_rows import FileRows
from sweep.errors import UsageError

KINDS = ("f4", ">f4", "f8", "f2", "i2", "u1", "?", ">i8")


def saved(folder: Path, shape: tuple[int, ...] = (60, 3), kind: str = "f4") -> np.ndarray:
    array = np.random.default_rng(0).normal(0, 90, shape).astype(kind)
    np.save(folder / "X.npy", array)
    return array


def rows_of(folder: Path) -> FileRows:
    return FileRows.of(folder / "X.npy")


@pytest.mark.parametrize("kind", KINDS)
def test_any_kind_of_numbers_is_read_as_an_array_of_it_is(tmp_path: Path, kind: str) -> None:
    array, rows = saved(tmp_path, (20, 2, 3), kind), rows_of(tmp_path)
    wanted = array.astype(np.float32 if kind in ("f4", "=f4") else np.float64)
    assert rows[:].dtype == rows.dtype == wanted.dtype
    assert rows.shape == (20, 2, 3) and rows.ndim == 3 and len(rows) == 20
    np.testing.assert_array_equal(rows, wanted)


@given(
    gap=st.sampled_from([0, 12, 40, 1024]),
    together=st.sampled_from([1, 7, 1 << 14]),
    part=st.lists(st.integers(0, 59), min_size=1, max_size=80),
    places=st.lists(st.integers(0, 10**6), max_size=40),
)
def test_any_rows_of_any_part_are_read_in_the_order_asked_for(
    tmp_path_factory: pytest.TempPathFactory,
    gap: int,
    together: int,
    part: list[int],
    places: list[int],
) -> None:
    folder = tmp_path_factory.getbasetemp()
    array = saved(folder)
    wanted = np.array(places, dtype=np.int64) % len(part)
    got = rows_of(folder).part(np.array(part))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file_rows, "GAP_BYTES", gap)
        patch.setattr(file_rows, "TOGETHER", together)
        np.testing.assert_array_equal(got[wanted], array[part][wanted])
        np.testing.assert_array_equal(got[2:5], array[part][2:5])


@pytest.mark.parametrize("wanted", [[3, 3, 5], [5, 3, 3], [2, 4, 4, 4], [7], []], ids=str)
def test_a_row_may_be_wanted_several_times(tmp_path: Path, wanted: list[int]) -> None:
    array, rows = saved(tmp_path), np.array(wanted, dtype=np.int64)
    np.testing.assert_array_equal(rows_of(tmp_path)[rows], array[rows])


def test_rows_side_by_side_are_read_by_one_call_in_whatever_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    array, rows, read, sizes = saved(tmp_path, (2000, 3)), rows_of(tmp_path), os.pread, list[int]()

    def counted(file: int, size: int, offset: int) -> bytes:
        sizes.append(size)
        return read(file, size, offset)

    monkeypatch.setattr(os, "pread", counted)
    np.testing.assert_array_equal(rows[[9, 1000, 3, 1002, 4]], array[[9, 1000, 3, 1002, 4]])
    assert sizes == [7 * 12, 3 * 12]


def test_blocks_are_all_rows_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_rows, "BLOCK", 7 * 3)
    array, found = saved(tmp_path), [*rows_of(tmp_path).blocks()]
    assert [start for start, _ in found] == [*range(0, 60, 7)]
    np.testing.assert_array_equal(np.concatenate([block for _, block in found]), array)


def test_rows_go_to_another_process_without_their_content(tmp_path: Path) -> None:
    array = saved(tmp_path, (50, 4000))
    packed = pickle.dumps(rows_of(tmp_path).part(np.arange(5)))
    assert len(packed) < 5_000
    np.testing.assert_array_equal(pickle.loads(packed)[:], array[:5])


def touched(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def shortened(path: Path) -> None:
    status = path.stat()
    os.truncate(path, status.st_size - 4)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("change", [touched, shortened, Path.unlink])
def test_a_file_that_is_no_longer_the_same_is_refused(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    saved(tmp_path)
    rows = rows_of(tmp_path)
    change(tmp_path / "X.npy")
    with pytest.raises(UsageError, match=r"data.source: must be the same file.*X\.npy\).*Leave"):
        rows[:2]


@pytest.mark.parametrize("change", [lambda p: saved(p.parent, (61, 3)), Path.unlink])
def test_another_process_refuses_another_file(
    tmp_path: Path, change: Callable[[Path], Any]
) -> None:
    saved(tmp_path)
    packed = pickle.dumps(rows_of(tmp_path))
    change(tmp_path / "X.npy")
    with pytest.raises(UsageError, match=r"data.source: must be the same file"):
        pickle.loads(packed)


def header(shape: tuple[int, ...], kind: str) -> bytes:
    file, options = BytesIO(), {"descr": kind, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, options)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\x93NUMPY", b"PK\3\4", header((10**15, 3), "<f4"), header((2, 3), "<f4") + b"1234",
        header((0,), "|V0"), header((2, 2), "|O") + b"0" * 32,
    ],
)  # fmt: skip
def test_a_file_that_is_not_what_its_header_says_is_not_read(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "X.npy").write_bytes(content)
    with pytest.raises(ValueError):
        rows_of(tmp_path)
