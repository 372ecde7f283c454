"""Images that a table lists become arrays, or one line says which cannot and why."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import sweep
from sweep.data.dataset import Rows, load_dataset, read_rows
from sweep.data.images import read_images
from sweep.errors import UsageError
from sweep.spec.data import DataSpec
from sweep.spec.files import parse_spec


def pictures(n: int = 24, mode: str = "L", size: tuple[int, int] = (6, 5)) -> list[Image.Image]:
    draw = np.random.default_rng(0)
    shape = (n, size[1], size[0], *([len(mode)] if len(mode) > 1 else []))
    return [Image.fromarray(pixels) for pixels in draw.integers(0, 256, shape, dtype=np.uint8)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data" / "small").mkdir(parents=True)
    return tmp_path


def listed(folder: Path, images: list[Image.Image], suffix: str = "png", **more: Any) -> None:
    names = [f"small/{i}.{suffix}" for i in range(len(images))]
    for name, image in zip(names, images, strict=True):
        image.save(folder / "data" / name)
    label = ["cat", "dog"] * (len(images) // 2) + ["cat"] * (len(images) % 2)
    frame = pd.DataFrame({"file": names, "label": label, **more})
    frame.to_csv(folder / "data" / "t.csv", index=False)


def read(folder: Path, **keys: Any) -> Rows:
    given = {"source": "data/t.csv", "target": "label", "images": "file", **keys}
    return read_rows(DataSpec(**given), folder)


def test_grey_images_have_one_channel(folder: Path) -> None:
    images = pictures()
    listed(folder, images)
    X = read(folder).X
    assert isinstance(X, np.ndarray) and X.shape == (24, 1, 5, 6) and X.dtype == np.float32
    np.testing.assert_array_equal(X[3, 0], np.asarray(images[3], dtype=np.float32) / 255)


def test_colour_images_have_three(folder: Path) -> None:
    images = pictures(mode="RGB")
    listed(folder, images)
    X = np.asarray(read(folder).X)
    assert X.shape == (24, 3, 5, 6)
    np.testing.assert_array_equal(
        X[3], np.moveaxis(np.asarray(images[3], dtype=np.float32), 2, 0) / 255
    )


@pytest.mark.parametrize(
    ("other", "channels"),
    [("1", 1), ("LA", 1), ("I;16", 1), ("RGBA", 3), ("P", 3), ("RGB", 3)],
)
def test_one_image_of_colour_makes_all_of_three_channels(
    folder: Path, other: str, channels: int
) -> None:
    images = pictures(4)
    images[2] = Image.new(other, (6, 5))
    listed(folder, images)
    X = np.asarray(read(folder).X)
    assert X.shape == (4, channels, 5, 6)
    assert X.min() >= 0 and X.max() <= 1
    grey = np.asarray(images[0], dtype=np.float32) / 255
    for channel in X[0]:
        np.testing.assert_array_equal(channel, grey)


def test_jpeg_files_are_read(folder: Path) -> None:
    listed(folder, pictures(mode="RGB"), "jpg")
    assert np.asarray(read(folder).X).shape == (24, 3, 5, 6)


def test_other_columns_are_left_out_and_said(folder: Path) -> None:
    listed(folder, pictures(), size=range(24), who=["a", "b", "c", "d"] * 6)
    rows = read(folder, groups="who")
    assert "the features are the images of column 'file'; left out: 'size'" in rows.notes
    assert rows.groups is not None


def test_whole_paths_and_bytes_are_read(folder: Path) -> None:
    listed(folder, pictures(2))
    whole = str(folder / "data" / "small" / "0.png")
    inside = io.BytesIO()
    pictures(2)[1].save(inside, "PNG")
    cells: list[Any] = [whole, {"bytes": inside.getvalue(), "path": None}]
    found = read_images(pd.Series(cells), Path("/nowhere"), "t")
    relative = read_images(pd.Series(["0.png", "1.png"]), folder / "data" / "small", "t")
    np.testing.assert_array_equal(found, relative)


def _other_size(images: Path) -> None:
    pictures(1, size=(9, 9))[0].save(images / "3.png")


def _not_an_image(images: Path) -> None:
    (images / "3.png").write_text("no image")


def _cut_off(images: Path) -> None:
    whole = (images / "3.png").read_bytes()
    (images / "3.png").write_bytes(whole[: len(whole) // 2])


def _gone(images: Path) -> None:
    (images / "3.png").unlink()


def _unnamed(images: Path) -> None:
    table = images.parent / "t.csv"
    table.write_text(table.read_text().replace("small/3.png", ""))


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (
            _other_size,
            "must all be 6 x 5 as small/0.png is, got 9 x 9 in small/3.png (da",
        ),
        (_not_an_image, "must name images that Pillow reads, got UnidentifiedImageError"),
        (_cut_off, "must name images that Pillow reads, got"),
        (_gone, "must name files that exist, got small/3.png in row 3 (data/t.csv). Relative"),
        (_unnamed, "must name an image in every row, got none in row 3 (data/t.csv)"),
    ],
)
def test_images_that_cannot_be_read_are_one_line(folder: Path, spoil: Any, line: str) -> None:
    listed(folder, pictures())
    spoil(folder / "data" / "small")
    with pytest.raises(UsageError) as caught:
        read(folder)
    assert f"data.images: {line}" in str(caught.value) and "\n" not in str(caught.value)


def test_without_pillow_the_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed(folder, pictures(2))
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(UsageError, match=r"pillow, got none .*'alpha-sweep\[images\]'"):
        read(folder)


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (
            {"images": "files"},
            "data.images: must name a column, got 'files' (data/t.csv). Di",
        ),
        ({"images": "label"}, "data.images: must be a column of its own, got 'label'"),
        ({"source": "sklearn:iris", "target": None}, "data.images: only a .csv or .parquet"),
    ],
)
def test_keys_that_do_not_fit_are_one_line(folder: Path, keys: dict[str, Any], line: str) -> None:
    listed(folder, pictures(2))
    with pytest.raises(UsageError) as caught:
        read(folder, **keys)
    assert line in str(caught.value) and "\n" not in str(caught.value)


def test_a_network_of_ones_own_learns_from_images(folder: Path) -> None:
    images = pictures(40)
    for i in range(0, 40, 2):  # the first of two classes is darker
        images[i] = images[i].point(lambda value: value // 3)
    listed(folder, images)
    (folder / "net.py").write_text(
        "from torch import nn\ndef net(shape, n):\n    assert shape == (1, 5, 6)\n"
        "    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(),"
        " nn.Linear(48, n))\n"
    )
    tree = {
        "study_name": "x", "device": "cpu", "storage": f"sqlite:///{folder}/s.db",
        "data": {"source": "data/t.csv", "target": "label", "images": "file", "scale": "none"},
        "model": {"source": "python:net:net"}, "replicates": {"n_folds": 2},
        "training": {"optimizer": "adam", "epochs": 20, "lr": 0.05},
        "search": {"n_trials": 2, "space": {"alpha": {"low": 1e-6, "high": 1e-4}}},
    }  # fmt: skip
    spec = parse_spec(tree, "x.yaml", folder)
    result = sweep.run(spec)
    assert result.best.attrs["val_accuracy"] > 0.8
    mlp = {**tree, "model": {"hidden": [4]}, "study_name": "mlp"}
    assert sweep.run(parse_spec(mlp, "x.yaml", folder)).best.attrs["val_accuracy"] > 0.8
    assert load_dataset(spec.data, folder, 0).content_hash


def test_a_file_of_test_rows_has_its_images_beside_itself(folder: Path) -> None:
    listed(folder, pictures())
    other = folder / "other"
    (other / "small").mkdir(parents=True)
    Image.fromarray(np.full((5, 6), 255, dtype=np.uint8)).save(other / "small" / "0.png")
    pd.DataFrame({"file": ["small/0.png"], "label": ["cat"]}).to_csv(other / "t.csv", index=False)
    rows = read(folder, test="other/t.csv")
    assert rows.is_test is not None
    assert np.asarray(rows.X)[rows.is_test].min() == 1.0


def test_images_inside_a_file_of_test_rows_stay_there(folder: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.full((5, 6), 255, dtype=np.uint8)).save(buffer, "PNG")
    inside = {"bytes": buffer.getvalue(), "path": None}

    def write(name: str, cell: Any, n: int) -> None:
        label = ["cat", "dog"] * (n // 2)
        pd.DataFrame({"file": [cell] * n, "label": label}).to_parquet(folder / name)

    write("a.parquet", inside, 8)
    write("b.parquet", inside, 2)
    rows = read(folder, source="a.parquet", test="b.parquet")
    assert np.asarray(rows.X).shape == (10, 1, 5, 6) and np.asarray(rows.X).min() == 1.0
    write("b.parquet", {"bytes": None, "path": None}, 2)
    with pytest.raises(UsageError, match="must name an image in every row"):
        read(folder, source="a.parquet", test="b.parquet")


def test_a_table_without_rows_has_no_images(folder: Path) -> None:
    (folder / "data" / "t.csv").write_text("file,label\n")
    with pytest.raises(UsageError, match=r"^data\.images: must have rows, got none"):
        read(folder)


@pytest.mark.parametrize("kind", ["int32", "float32"])
def test_pixels_of_another_depth_are_refused(folder: Path, kind: str) -> None:
    deep = Image.fromarray(np.arange(30, dtype=kind).reshape(5, 6))
    listed(folder, [deep, deep], suffix="tif")
    with pytest.raises(UsageError, match=r"8 bits a channel.* got mode [IF] in small/0\.tif"):
        read(folder)


def test_deep_grey_beside_colour_keeps_its_values(folder: Path) -> None:
    deep = Image.fromarray(np.arange(30, dtype=np.uint16).reshape(5, 6) * 2000)
    listed(folder, [deep, *pictures(3, "RGB")])
    found = np.asarray(read(folder).X)[0]
    assert np.allclose(found, np.arange(30).reshape(5, 6) * 2000 / 65535, atol=1e-6)
