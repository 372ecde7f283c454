"""Folders that Hugging Face's `save_to_disk` writes are tables, read without that package."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sweep.data.dataset import Rows, read_rows
from sweep.data.guess import guess
from sweep.errors import UsageError
from sweep.spec.data import DataSpec
from sweep.spec.files import parse_spec
from tests.support.saved import PET, pets, save


def read(folder: Path, **keys: Any) -> Rows:
    given = {"source": "pets", "target": "label", **keys}
    return read_rows(DataSpec(**given), folder)


@pytest.mark.parametrize("n_files", [1, 3])
def test_numbers_become_the_names_of_classes(tmp_path: Path, n_files: int) -> None:
    save(tmp_path / "pets", pets(), PET, n_files)
    rows = read(tmp_path)
    assert rows.classes == ("cat", "dog", "emu") and rows.y[:4].tolist() == [0, 1, 2, 0]
    X: Any = rows.X
    assert list(X.columns) == ["a", "colour"]
    np.testing.assert_array_equal(X["a"], np.array(pets()["a"], dtype=np.float32))
    assert list(X["colour"][:2]) == ["red", "blue"]


def test_the_folder_may_have_a_slash_behind_it(tmp_path: Path) -> None:
    save(tmp_path / "pets", pets(), PET)
    assert len(read(tmp_path, source="pets/").y) == 60


def test_rows_without_a_class_can_be_left_out(tmp_path: Path) -> None:
    save(tmp_path / "pets", {**pets(), "label": [-1, *pets()["label"][1:]]}, PET)
    with pytest.raises(UsageError, match="must have a value in every row"):
        read(tmp_path)
    assert len(read(tmp_path, drop_missing_target=True).y) == 59


def test_parts_are_named_one_by_one(tmp_path: Path) -> None:
    for part, n in (("train", 60), ("test", 21)):
        save(tmp_path / "pets" / part, pets(n), PET)
    (tmp_path / "pets" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    with pytest.raises(UsageError) as caught:
        read(tmp_path)
    assert "must be one data set, got parts test, train (pets). Name one, pets/t" in str(
        caught.value
    )
    tree = {"study_name": "x", "data": {"source": "pets/train", "test": "pets/test",
                                        "target": "label"}}  # fmt: skip
    rows = read_rows(parse_spec(tree, "x", tmp_path).data, tmp_path)
    assert rows.is_test is not None and rows.is_test.sum() == 21 and len(rows.y) == 81


def test_a_first_study_is_guessed(tmp_path: Path) -> None:
    save(tmp_path / "pets", pets(), PET)
    found = guess("pets", tmp_path)
    assert (found.target, found.task, found.problem) == ("label", "classification", None)


def test_cells_of_several_values_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "pets", {**pets(), "vec": [[1.0, 2.0]] * 60}, PET)
    with pytest.raises(UsageError) as caught:
        read(tmp_path)
    assert "column 'vec' must be numbers or texts, got cells of ndarray (pets)" in str(
        caught.value
    )
    assert len(read(tmp_path, columns={"vec": {"kind": "drop"}}).y) == 60


def _without_a_file(folder: Path) -> None:
    next(folder.glob("*.arrow")).unlink()


def _cut_off(folder: Path) -> None:
    file = next(folder.glob("*.arrow"))
    file.write_bytes(file.read_bytes()[:200])


def _other_state(folder: Path) -> None:
    (folder / "state.json").write_text("[]")


def _no_state(folder: Path) -> None:
    (folder / "state.json").unlink()


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (_without_a_file, "must be readable as save_to_disk writes it, got"),
        (_cut_off, "must be readable as save_to_disk writes it, got"),
        (_other_state, "must be readable as save_to_disk writes it, got"),
        (_no_state, "must be a source of rows, got 'pets'"),
    ],
)
def test_a_spoilt_folder_is_one_line(tmp_path: Path, spoil: Any, line: str) -> None:
    save(tmp_path / "pets", pets(), PET)
    spoil(tmp_path / "pets")
    with pytest.raises(UsageError) as caught:
        read(tmp_path)
    assert f"data.source: {line}" in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_s_name_leads_nowhere_else(tmp_path: Path) -> None:
    save(tmp_path / "pets", pets(), PET)
    state = {"_data_files": [{"filename": "../../elsewhere/data-00000-of-00001.arrow"}]}
    (tmp_path / "pets" / "state.json").write_text(json.dumps(state))
    assert len(read(tmp_path).y) == 60


def test_images_inside_are_read(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    import io

    inside = io.BytesIO()
    image.new("RGB", (4, 3)).save(inside, "PNG")
    cells = [{"bytes": inside.getvalue(), "path": None}] * 60
    save(tmp_path / "pets", {**pets(), "picture": cells}, PET)
    assert np.asarray(read(tmp_path, images="picture").X).shape == (60, 3, 3, 4)


def test_a_table_of_arrow_knows_no_classes_without_its_metadata(tmp_path: Path) -> None:
    save(tmp_path / "pets", pets(), {})
    assert read(tmp_path).classes == ("0", "1", "2")


def _png(row: int) -> bytes:
    written = io.BytesIO()
    Image.new("L", (4, 3), row).save(written, "PNG")
    return written.getvalue()


CELLS: dict[str, Callable[[int], Any]] = {
    "names": lambda row: f"small/{row}.png",
    "paths": lambda row: {"bytes": None, "path": f"small/{row}.png"},
    "bytes": lambda row: {"bytes": _png(row), "path": None},
    "both": lambda row: {"bytes": _png(row), "path": f"gone/{row}.png"},
}


@pytest.mark.parametrize("kind", CELLS)
def test_a_column_of_its_images_is_proposed_and_read(tmp_path: Path, kind: str) -> None:
    columns = {**pets(), "picture": [CELLS[kind](row) for row in range(60)]}
    save(tmp_path / "all" / "pets", columns, PET)
    (tmp_path / "all" / "pets" / "small").mkdir()
    for row in range(60):  # as seen from the folder that is the table
        (tmp_path / "all" / "pets" / "small" / f"{row}.png").write_bytes(_png(row))
    guessed = guess("all/pets", tmp_path)
    assert (guessed.images, guessed.target, guessed.problem) == ("picture", "label", None)
    X: Any = read(tmp_path, source="all/pets", images="picture").X
    assert X.shape == (60, 1, 3, 4) and X[7].max() == np.float32(7 / 255)


@pytest.mark.parametrize(
    "cell",
    [{"bytes": b"RIFF....WAVE", "path": "a.wav"}, {"bytes": None, "path": None}, [1.0, 2.0], {}],
    ids=["sound", "nothing", "list", "empty"],
)
def test_a_column_of_other_things_than_cells_is_left_out(tmp_path: Path, cell: Any) -> None:
    save(tmp_path / "pets", {**pets(), "odd": [cell] * 60}, PET)
    guessed = guess("pets", tmp_path)
    assert (guessed.images, guessed.problem) == (None, None)
    assert [(entry.name, entry.value) for entry in guessed.columns] == [("odd", "drop")]
