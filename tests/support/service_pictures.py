"""Make the pictures of docs/service.md: `python -m tests.support.service_pictures`.

A table is dropped into the service's own start page, and the study that comes of it is watched:
what the pictures show has happened.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from tests.support.driven import Page, driven
from tests.support.served import served

ROOT = Path(__file__).parent.parent.parent
PICTURES = ROOT / "docs" / "pictures"
TABLE = ROOT / "studies" / "own_model.csv"
SIZE = (1120, 760)
FIRST = """\
study_name: first
data: {source: "sklearn:digits", scale: none, train_rows: 300, label_noise: 0.2}
replicates: {n_folds: 4, n_repeats: 2}
"""


def make(folder: Path) -> None:
    """Write the pictures into a folder."""
    with tempfile.TemporaryDirectory() as place:
        own = Path(place)
        keys = {"projects": {"default": f"sqlite:///{own}/studies.db"}, "auth": "none"}
        limits = {"requests_per_minute": 6000}
        with served(own, supervised=True, limits=limits, **keys) as service, driven() as page:
            page.see(*SIZE)
            _study(page, service.origin, FIRST)
            _walk(page, service.origin, folder, _patients(own))


def _study(page: Page, origin: str, text: str) -> None:
    """Hand a study in, and wait for its end."""
    page.go(f"{origin}/")
    page.click("#write")
    page.wait("document.activeElement.id == 'new-text'")
    page.type(text)
    page.click("#draft button.first")
    page.wait("document.querySelector('#state')?.textContent == 'done'", 300)


def _patients(folder: Path) -> Path:
    """Write the shipped table as it may come from a hospital: with numbers and a name in front."""
    head, *rows = TABLE.read_text(encoding="utf-8").splitlines()
    more = [f"{number},north,{row}" for number, row in enumerate(rows, 1001)]
    path = folder / "patients.csv"
    path.write_text("\n".join([f"patient,hospital,{head}", *more]) + "\n", encoding="utf-8")
    return path


def _walk(page: Page, origin: str, folder: Path, table: Path) -> None:
    def shoot(name: str) -> None:
        time.sleep(0.8)  # of movements
        page.picture(folder / f"service-{name}.png", whole=False)

    page.go(f"{origin}/")
    page.wait("document.querySelectorAll('#ended .name').length == 1")
    shoot("start")
    page.drop(table, "#drop")
    page.has("A first study for patients.csv")
    shoot("guess")
    page.click("#draft button.first")
    page.wait("document.querySelectorAll('#curve .point').length >= 4", 300)
    page.wait("document.querySelector('#learning polyline')")
    shoot("watch")
    page.wait("document.querySelector('#state').textContent == 'done'", 300)
    page.ask("document.querySelector('#tiles').scrollIntoView()")
    shoot("config")


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    make(PICTURES)
