"""The parts of the documents that commands make: tables of figures, and of the study file.

    python -m tests.support.documents      # writes them, and the JSON Schema of the study file

A part stands between `<!-- NAME -->` and `<!-- end -->`; NAME is one of `PARTS`. The figures
come from tests/benchmarks/*.json, which the benchmarks write.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi.routing import APIRoute

from sweep.service.app import ROUTERS
from sweep.service.serve_config import Limits, ServeConfig
from sweep.spec.study import schema
from tests.benchmarks import __main__ as jobs
from tests.benchmarks import (
    arrival,
    claims,
    curves,
    defaults,
    engines,
    fit_claims,
    floor,
    growth,
    lengths,
    networks,
    nulls,
    partition,
    pruners,
    regret,
    repeats,
    service,
    storage,
    transfer,
    waves,
    widths,
    worth,
)
from tests.data import test_tables
from tests.support import study_file
from tests.test_layers import ROOMS

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "sweep"
SCHEMA = PACKAGE / "spec" / "study.schema.json"
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
FIGURES = (
    "results", "floor", "growth", "widths", "storage", "engines", "service", "regret", "pruners",
    "claims", "nulls", "repeats", "curves", "worth", "transfer", "lengths", "defaults",
    "networks", "partition", "arrival", "waves",
)  # fmt: skip
_PART = re.compile(r"(<!-- (?P<name>[a-z ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def _figures(name: str) -> Any:
    return json.loads((ROOT / "tests" / "benchmarks" / f"{name}.json").read_text(encoding="utf-8"))


def _regret(place: int) -> str:
    return regret.table(_figures("regret")).split("\n\n")[place]


def _machines() -> str:
    """Return on what each file of figures was made."""
    lines = ["| file | made on |", "|---|---|"]
    for name in FIGURES:
        about = _figures(name)["machine"]
        told = ", ".join(f"{key} {value}" for key, value in about.items() if key != "load_before")
        lines.append(f"| `{name}.json` | {told} |")
    return "\n".join(lines)


def _claims() -> str:
    """Return how often each rule says that the chosen strength beats no penalty."""
    head = ("effect", "noise", "folds", *claims.RULES)
    rows = [
        [cell["effect"], cell["noise"], cell["folds"], *(f"{cell[r]:.1%}" for r in claims.RULES)]
        for cell in _figures("claims")["claims"]
    ]
    return claims.table(head, rows)


def _coverage() -> str:
    """Return how often the interval holds the optimum: a row for each noise."""
    cells = _figures("claims")["intervals"]
    folds = list(dict.fromkeys(cell["folds"] for cell in cells))
    rows: dict[str, list[object]] = {}
    for cell in cells:
        rows.setdefault(cell["noise"], [cell["noise"]]).append(f"{cell['coverage']:.1%}")
    return claims.table(["noise", *(f"{n} folds" for n in folds)], list(rows.values()))


def _fit_claims(part: str) -> str:
    """Return how often each rule says that a refit's penalty changes the test loss."""
    return claims.table(*fit_claims.pivoted(_figures("claims")[part]))


def _odd_tables() -> str:
    """Return what odd tables are read as, or the line that refuses them."""
    lines = ["| what is odd | cells | what comes of it |", "|---|---|---|"]
    for name, odd in test_tables.READ.items():
        said = f"; said: …{odd.notes[0]}…" if odd.notes else ""
        gaps = (each is None or each != each for each in odd.is_read)
        pairs = zip(odd.is_read[:4], gaps, strict=False)
        values = ", ".join("missing" if gap else str(each) for each, gap in pairs)
        lines.append(_row(name, odd.content, f"{values}{said}"))
    for name, refused in test_tables.REFUSED.items():
        lines.append(_row(name, refused.content, f"refused: {refused.line}"))
    return "\n".join(lines)


def _row(name: str, content: str | bytes, outcome: str) -> str:
    """Return a line of a table: of a file the first cells of its first column."""
    text = content if isinstance(content, str) else content.decode("utf-8", "ignore")
    first = [line.partition('","')[0].strip('"') for line in text.splitlines()[1:4]]
    shown = ", ".join(f"`{cell}`" for cell in first if cell.isprintable() and cell)
    cells = (name, shown, outcome.replace("{folder}/", ""))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _rooms() -> str:
    """Return what each room holds, from the top of the house to its ground."""
    lines = ["| room | what is in it | modules |", "|---|---|---|"]
    for room in [room for room in reversed([*ROOMS]) if (PACKAGE / room).is_dir()]:
        about = ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text()))
        lines.append(f"| `{room}/` | {about} | {_modules(PACKAGE / room)} |")
    lines.append(f"| `sweep/` | The public face, and what all rooms use. | {_modules(PACKAGE)} |")
    return "\n".join(lines)


def _modules(folder: Path) -> str:
    names = sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")
    return ", ".join(f"`{name}`" for name in names)


def _routes() -> str:
    """Return the routes below /v1: who may ask, and what for."""
    roles = {"Reader": "read", "Submitter": "submit"}
    lines = ["| route | role | what it does |", "|---|---|---|"]
    for router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            (method,) = route.methods or {""}
            role = roles.get(route.endpoint.__annotations__.get("identity", ""), "")
            about = (route.endpoint.__doc__ or "").splitlines()[0]
            lines.append(f"| `{method} {route.path}` | {role} | {about} |")
    return "\n".join(lines)


def _serve_keys() -> str:
    """Return what the service is told: its keys, their defaults and what they mean."""
    lines = ["| key | default | meaning |", "|---|---|---|"]
    for section, prefix in ((ServeConfig, ""), (Limits, "limits.")):
        for name, field in section.model_fields.items():
            if name == "limits":
                continue
            value = field.get_default(call_default_factory=True)
            shown = "" if value in (None, {}) else f"`{value}`"
            lines.append(f"| `{prefix}{name}` | {shown} | {field.description} |")
    return "\n".join(lines)


PARTS: dict[str, Callable[[], str]] = {
    "study file": study_file.tables,
    "changeable keys": study_file.changeable,
    "machines": _machines,
    "whole jobs": lambda: jobs.summary(_figures("results")),
    "whole jobs in full": lambda: jobs.table(_figures("results")).strip(),
    "floor": lambda: floor.table(_figures("floor")),
    "growth": lambda: growth.table(_figures("growth")["series"]),
    "widths": lambda: widths.table(_figures("widths")),
    "storage": lambda: storage.table(_figures("storage")),
    "engines": lambda: engines.table(_figures("engines")),
    "service": lambda: service.table(_figures("service")),
    "regret": lambda: _regret(0),
    "intervals": lambda: _regret(1),
    "regret by partition": lambda: partition.table(_figures("partition")),
    "arrival": lambda: arrival.table(_figures("arrival")),
    "default jobs": lambda: defaults.table(_figures("defaults"), _figures("regret")),
    "pruning": lambda: pruners.table(_figures("pruners")),
    "claims": _claims,
    "interval coverage": _coverage,
    "null studies": lambda: nulls.table(_figures("nulls")["nulls"]),
    "repeats": lambda: repeats.table(_figures("repeats")),
    "design intervals": lambda: curves.table(_figures("curves")),
    "lengths by studies": lambda: lengths.studies_table(_figures("lengths")),
    "lengths by claims": lambda: lengths.claims_table(_figures("lengths")),
    "lengths by drifts": lambda: lengths.drifts_table(_figures("lengths")),
    "fit claims": lambda: _fit_claims("fits"),
    "ridge claims": lambda: _fit_claims("ridge"),
    "rooms": _rooms,
    "odd tables": _odd_tables,
    "routes": _routes,
    "serve keys": _serve_keys,
    "transfer": lambda: transfer.table(_figures("transfer")),
    "own networks": lambda: networks.table(_figures("networks")["rows"]),
    "waves": lambda: waves.table(_figures("waves")["rows"]),
    "worth": lambda: worth.table(_figures("worth")),
}


def rendered(text: str) -> str:
    """Return a document with each of its parts made anew."""
    return _PART.sub(lambda part: f"{part[1]}{PARTS[part['name']]()}\n{part[3]}", text)


def schema_text() -> str:
    """Return the JSON Schema as the package ships it."""
    return json.dumps(schema(), indent=1) + "\n"


def main() -> None:
    """Write all parts of all documents, and the schema."""
    for document in DOCUMENTS:
        document.write_text(rendered(document.read_text(encoding="utf-8")), encoding="utf-8")
    SCHEMA.write_text(schema_text(), encoding="utf-8")


if __name__ == "__main__":
    main()
