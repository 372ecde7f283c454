"""Images that a table lists: files read by Pillow into arrays.

| symbol | meaning |
|---|---|
| N | rows of the table |
| C, H, W | channels (1 or 3), height and width of an image |
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from sweep.data.guarded import describe
from sweep.errors import UsageError
from sweep.runtime import total_memory_bytes

# Pillow is an extra, and pandas takes a while to import: only what reads images has them.
if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

GREY = ("1", "L", "LA", "I;16")  # modes of one channel
COLOUR = ("P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV")  # they become three
NAME = re.compile(r".+\.(png|jpe?g|bmp|gif|tiff?|webp)", re.I)
BEGINNINGS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*")  # of their bytes
DEEP, DEEPEST = "I;16", 65535.0  # the mode whose largest value is not 255


def read_images(cells: pd.Series, folder: Path, where: str) -> np.ndarray:
    """Read the images that a column names.

    Args:
        cells: (N,) paths; or keys `bytes` or `path`, as Hugging Face has them.
        folder: where relative paths start.
        where: the table.

    Returns:
        (N, C, H, W) float32 in 0..1; one channel where all are grey, else red, green and blue.
        Transparency is left out.

    Raises:
        UsageError: in one line, when one cannot be read or has another size than the first.
    """
    _check_pillow(where)
    names = [_name(cell, row, where) for row, cell in enumerate(cells)]
    first, grey = None, True
    for row, cell in enumerate(cells):
        with _opened(cell, folder, names[row], row, where) as image:
            first = first or image.size
            if image.size != first:
                sizes = f"{image.width} x {image.height} in {names[row]}"
                _refuse(f"must all be {first[0]} x {first[1]} as {names[0]} is", sizes, where,
                        "Resize them")  # fmt: skip
            if image.mode not in GREY + COLOUR:
                _refuse("must have 8 bits a channel, or 16 of one channel",
                        f"mode {image.mode} in {names[row]}", where, "Save it as PNG")  # fmt: skip
            grey = grey and image.mode in GREY
    if first is None:
        _refuse("must have rows", "none", where, "Add some")
    shape = (len(names), 1 if grey else 3, first[1], first[0])
    if 4 * np.prod(shape, dtype=np.float64) > total_memory_bytes():
        _refuse("must fit in memory", f"shape {shape}", where, "Make them smaller")
    found = np.empty(shape, dtype=np.float32)
    for row, cell in enumerate(cells):
        with _opened(cell, folder, names[row], row, where) as image:
            found[row] = _pixels(image, grey)
    return found


def are_images(cells: pd.Series, folder: Path) -> bool:
    """Tell cells that all name images or hold them, of which the first is there.

    Args:
        cells: (N,) of any kind.
        folder: where relative paths start.
    """
    if not all(_is_held(cell) or NAME.fullmatch(_path(cell)) for cell in cells):
        return False
    with suppress(OSError):  # a name that no file can have
        return any(_is_held(cell) or (folder / _path(cell)).is_file() for cell in cells[:1])
    return False


def _is_held(cell: Any) -> bool:
    """Tell a cell that holds the bytes of an image."""
    inside = cell.get("bytes") if isinstance(cell, dict) else None
    if not isinstance(inside, bytes):
        return False
    return inside.startswith(BEGINNINGS) or inside[8:12] == b"WEBP"


def _path(cell: Any) -> str:
    """Return the path that a cell names, or nothing."""
    path = cell.get("path") if isinstance(cell, dict) else cell
    return path.strip() if isinstance(path, str) else ""


def _pixels(image: Image, grey: bool) -> np.ndarray:
    """Return an image as (C, H, W) in 0..1."""
    if image.mode == DEEP:
        values = np.asarray(image, dtype=np.float32)[None] / DEEPEST
        return values if grey else np.repeat(values, 3, axis=0)
    values = np.asarray(image.convert("L" if grey else "RGB"), dtype=np.float32) / 255.0
    return values[None] if grey else np.moveaxis(values, 2, 0)


def _name(cell: Any, row: int, where: str) -> str:
    if path := _path(cell):
        return path
    if isinstance(cell, dict) and cell.get("bytes"):
        return f"row {row}"
    _refuse("must name an image in every row", f"none in row {row}", where, "Mend or drop it")


@contextmanager
def _opened(cell: Any, folder: Path, name: str, row: int, where: str) -> Iterator[Image]:
    from PIL import Image

    inside = cell.get("bytes") if isinstance(cell, dict) else None
    try:
        with Image.open(io.BytesIO(inside) if inside else folder / name) as image:
            image.load()
            yield image
    except UsageError:
        raise
    except FileNotFoundError:
        _refuse(
            "must name files that exist", f"{name} in row {row}", where,
            "Relative paths start at the table",
        )  # fmt: skip
    except Exception as error:  # Pillow and its codecs raise all kinds
        _refuse(
            "must name images that Pillow reads", f"{describe(error)} in row {row}", where,
            "Mend or drop it",
        )  # fmt: skip


def _check_pillow(where: str) -> None:
    try:
        import PIL.Image  # noqa: F401
    except ImportError:
        _refuse(
            "must have the package pillow", "none installed", where,
            "Run pip install 'alpha-sweep[images]'",
        )  # fmt: skip


def _refuse(rule: str, got: str, where: str, hint: str) -> NoReturn:
    raise UsageError(f"data.images: {rule}, got {got} ({where}). {hint}")
