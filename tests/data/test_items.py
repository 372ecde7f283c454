"""A function may return a data set of torch: its items are read once, or refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep.data.dataset import Rows, read_rows
from sweep.data.items import is_items, read_items
from sweep.errors import UsageError
from sweep.spec.data import DataSpec

HEAD = """
import numpy as np
import torch
from torch.utils.data import ConcatDataset, DataLoader, Dataset, IterableDataset, Subset
from torch.utils.data import TensorDataset

class Own(Dataset):
    def __init__(self, items): self.items = items
    def __len__(self): return len(self.items)
    def __getitem__(self, i): return self.items[i]

class Stream(IterableDataset):
    def __iter__(self): yield torch.zeros(3), 1

def pairs(n=12): return [(torch.full((2, 3), float(i)), i % 2) for i in range(n)]
"""


def read(folder: Path, returned: str, **keys: Any) -> Rows:
    (folder / "own.py").write_text(f"{HEAD}\ndef rows():\n    return {returned}\n")
    return read_rows(DataSpec(source="python:own:rows", **keys), folder)


GOOD = {
    "items of one's own": "Own(pairs())",
    "tensors": "TensorDataset(torch.stack([x for x, _ in pairs()]), torch.arange(12) % 2)",
    "a part": "Subset(Own(pairs(24)), range(12))",
    "two": "ConcatDataset([Own(pairs()[:5]), Own(pairs()[5:])])",
    "arrays": "Own([(np.asarray(x, np.float32), np.int64(y)) for x, y in pairs()])",
    "nested lists": "Own([[x.tolist(), y] for x, y in pairs()])",
    "a list with a class of its own": "Own([(x, 'no yes'.split()[y]) for x, y in pairs()])",
}


@pytest.mark.parametrize("name", GOOD)
def test_items_become_arrays(tmp_path: Path, name: str) -> None:
    rows = read(tmp_path, GOOD[name])
    assert isinstance(rows.X, np.ndarray)
    assert rows.X.shape == (12, 2, 3) and rows.X[:, 0, 0].tolist() == [*range(12)]
    assert rows.y.tolist() == [0, 1] * 6 and len(rows.classes) == 2


def test_items_may_have_several_targets(tmp_path: Path) -> None:
    items = "Own([(x, torch.tensor([y, y * x[0, 0]])) for x, y in pairs()])"
    assert read(tmp_path, items, task="regression").y.shape == (12, 2)


ODD = {
    "no items": ("Own([])", "the data set must have items, got none"),
    "another shape": (
        "Own([*pairs(3), (torch.zeros(2, 4), 1)])",
        "with x of one shape, (2, 3) as in item 0, got (2, 4) in item 3",
    ),
    "no target": ("Own([torch.zeros(3)] * 4)", "must be (x, y), got Tensor in item 0"),
    "a third": ("Own([(1, 2, 3)] * 4)", "must be (x, y), got tuple of 3 in item 0"),
    "keys": ("Own([{'x': 1, 'y': 2}] * 4)", "must be (x, y), got dict in item 0"),
    "texts": ("Own([('a', 1)] * 4)", "with x of numbers, got <U1 in item 0"),
    "an item that fails": (
        "Own([(torch.zeros(3), 0), 1 // 0])", "the function must not fail, got ZeroDivisionError",
    ),
    "no length": ("Stream()", "the function must return (X, y) or a dict of them, got Stream"),
    "a loader": ("DataLoader(Own(pairs()))", "or a dict of them, got DataLoader"),
    "numbers alone": ("Own([(float(i), i % 2) for i in range(9)])", "X must have rows and feat"),
    "not a number": ("Own([(torch.tensor([float('nan')]), i % 2) for i in range(9)])", "finite"),
    "targets of two shapes": (
        "Own([(torch.zeros(3), torch.zeros(1 + i % 2)) for i in range(4)])", "y must be an array",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_odd_items_are_refused_in_one_line(tmp_path: Path, name: str) -> None:
    items, line = ODD[name]
    with pytest.raises(UsageError) as caught:
        read(tmp_path, items)
    assert line in str(caught.value) and "\n" not in str(caught.value)


def test_an_item_that_raises_is_one_line(tmp_path: Path) -> None:
    class_ = "type('Bad', (Own,), {'__getitem__': lambda self, i: (torch.zeros(3), 1 / (3 - i))})"
    with pytest.raises(UsageError, match="rows that can be read, got ZeroDivisionError"):
        read(tmp_path, f"{class_}(pairs())")


def test_images_of_pillow_are_told_how_to_become_numbers(tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    with pytest.raises(UsageError, match=r"got an image of Pillow in item 0 .* ToTensor"):
        read(tmp_path, "Own([(__import__('PIL.Image').Image.new('L', (2, 2)), 1)] * 3)")


@pytest.mark.parametrize("value", [(1, 2), [1], {"X": 1}, "ab", np.zeros((2, 2)), None, 3])
def test_what_is_no_data_set(value: Any) -> None:
    assert not is_items(value)


class Items:
    """A data set without torch."""

    def __init__(self, x: np.ndarray, y: list[Any]) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, place: int) -> tuple[np.ndarray, Any]:
        return self.x[place], self.y[place]


@given(
    shape=st.lists(st.integers(1, 4), max_size=3),
    y=st.lists(st.integers(-5, 5), min_size=1, max_size=9),
    kind=st.sampled_from(["float32", "float64", "uint8", "int64", "bool"]),
)
def test_any_items_are_what_they_were(shape: list[int], y: list[int], kind: str) -> None:
    x = np.random.default_rng(0).integers(0, 2, (len(y), *shape)).astype(kind)
    found = read_items(Items(x, y), "here")
    np.testing.assert_array_equal(found["X"], x)
    assert found["X"].dtype == x.dtype and found["y"].tolist() == y
