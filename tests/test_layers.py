"""Who may import whom: read from the sources, so that no import has to run."""

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import sweep

# From the top down. Modules of one line are one row; an import points down, or within a row.
LEVELS: tuple[Mapping[str, tuple[str, ...]], ...] = (
    {"edges": ("cli", "terminal", "bars", "service", "__main__")},
    {
        "outcomes": (
            "selection", "verdict", "export", "config", "report", "figures", "refit", "result",
            "overview", "doctor", "checkup", "contents", "finding", "dashboard", "retrain",
            "fitted", "weights", "card", "board", "closeups", "comparison", "drawing", "marks",
            "points", "tables",
        )
    },
    {
        "orchestration": (
            "runner", "loop", "widening", "progress", "valuation", "crew", "workers", "leader",
            "settle", "controls", "plan", "outline", "ranges",
        )
    },
    {
        "search": (
            "search", "samplers", "tpe", "recovery", "storage", "view", "ownership", "changes",
            "stored", "trial_ids", "schema", "database", "sqlite", "faults", "lease",
        ),
        "numerics": (
            "cohort", "lanes", "evaluation", "products", "sums", "host", "graph", "backprop",
            "flat", "optim",
            "penalty", "models", "layout", "stacked", "alpha_max", "holdout", "problem", "splits",
            "preprocessing", "data", "draws", "rows", "features", "targets", "sources", "files",
            "refusals", "own", "stats", "machine", "reports",
        ),
    },
    {"vocabulary": ("spec", "sections", "search_spec", "studyfile", "seeds", "errors")},
)  # fmt: skip
LEVEL = {m: depth for depth, rows in enumerate(LEVELS) for names in rows.values() for m in names}
ROW = {m: row for rows in LEVELS for row, names in rows.items() for m in names}
FOREIGN = {"search": ("torch",), "numerics": ("optuna",), "vocabulary": ("torch", "optuna")}
FACE = "__init__"  # names the public objects, and imports them when they are asked for

Sources = Mapping[str, str]


def package() -> dict[str, str]:
    """Return the sources of the package by module name."""
    folder = Path(sweep.__file__).parent
    return {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*.py")}


def imported(source: str) -> Iterator[str]:
    """Name the modules that a source imports anywhere in it: `sweep.x`, or a top-level package."""
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ("sweep." if node.level else "") + (node.module or "")
            base = base.rstrip(".")
            names = [f"{base}.{a.name}" for a in node.names] if base == "sweep" else [base]
        elif isinstance(node, ast.Call) and _called(node) == "import_module" and node.args:
            names = [str(getattr(node.args[0], "value", ""))]
        for name in names:
            yield (
                ".".join(name.split(".")[:2]) if name.startswith("sweep.") else name.split(".")[0]
            )


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def breaches(sources: Sources) -> list[str]:
    """List what breaks the rules of the house."""
    found, within = [], {}
    for module, source in sources.items():
        if module == FACE:
            continue
        if module not in LEVEL:
            found.append(f"{module} has no place in a row")
            continue
        names = set(imported(source))
        inside = {n.removeprefix("sweep.") for n in names if n.startswith("sweep.")} & {*sources}
        found += [
            f"{module} imports {other}"
            for other in sorted(inside)
            if LEVEL.get(other, 99) < LEVEL[module]
            or (LEVEL.get(other) == LEVEL[module] and ROW[other] != ROW[module])
        ]
        found += [
            f"{module} imports {other}" for other in FOREIGN.get(ROW[module], ()) if other in names
        ]
        within[module] = {other for other in inside if ROW.get(other) == ROW[module]}
        if ROW[module] != "edges":
            found += [f"{module} {deed}" for deed in _deeds(source)]
    try:
        TopologicalSorter(within).prepare()
    except CycleError as error:
        found.append(f"cycle {' '.join(error.args[1])}")
    return found


def _deeds(source: str) -> Iterator[str]:
    nodes = list(ast.walk(ast.parse(source)))
    flushed = [n.value for n in nodes if isinstance(n, ast.Attribute) and n.attr == "flush"]
    for node in nodes:
        if isinstance(node, ast.Call) and _called(node) in ("print", "exit", "quit"):
            yield "prints" if _called(node) == "print" else "exits"
        streams = ("sys.stdout", "sys.stderr")
        if isinstance(node, ast.Attribute) and ast.unparse(node) in streams:
            yield from ["prints"] * (node not in flushed)


def test_the_package_keeps_the_rules() -> None:
    assert breaches(package()) == []


def test_the_checker_reads_every_module() -> None:
    sources = package()
    assert {"cli", "runner", "cohort", "search", "spec"} <= set(sources)
    assert {"sweep.search", "sweep.cohort", "optuna"} <= set(imported(sources["loop"]))
    assert {"sweep.cohort", "sweep.plan", "torch"} <= set(imported(sources["workers"]))


@pytest.mark.parametrize(
    "module", ["runner", "loop", "crew", "leader", "outline", "ranges", "settle", "reports"]
)
def test_what_the_owner_of_workers_runs_names_no_torch(module: str) -> None:
    assert "torch" not in set(imported(package()[module]))


@pytest.mark.parametrize(
    ("module", "line", "breach"),
    [
        ("spec", "from sweep.runner import run_study", "spec imports runner"),
        ("spec", "import torch", "spec imports torch"),
        ("search", "from sweep.cohort import Cohort", "search imports cohort"),
        ("search", "from sweep import penalty", "search imports penalty"),
        ("search", "import torch.nn as nn", "search imports torch"),
        ("lease", "from torch import Tensor", "lease imports torch"),
        ("cohort", "from sweep.search import Search", "cohort imports search"),
        ("cohort", "import sweep.storage", "cohort imports storage"),
        ("stats", "from optuna.trial import FrozenTrial", "stats imports optuna"),
        ("stats", "from .storage import open_storage", "stats imports storage"),
        ("stats", "def f():\n    from . import plan", "stats imports plan"),
        ("runner", "def f():\n    from sweep.selection import Choice", "runner imports selection"),
        ("export", "from sweep import cli", "export imports cli"),
        ("seeds", "if TYPE_CHECKING:\n    from sweep.data import Dataset", "seeds imports data"),
        ("seeds", "importlib.import_module('sweep.data')", "seeds imports data"),
        ("report", "print('done')", "report prints"),
        ("report", "def f():\n    sys.stderr.write('x')", "report prints"),
        ("runner", "def f():\n    sys.exit(2)", "runner exits"),
        ("errors", "import sweep.spec\n", "cycle"),
    ],
)
def test_a_planted_breach_is_found(module: str, line: str, breach: str) -> None:
    sources = package()
    sources[module] += f"\n{line}\n"
    sources["spec"] += "\nfrom sweep.errors import UsageError\n"
    assert [found for found in breaches(sources) if found.startswith(breach)]


def test_a_module_without_a_row_is_found() -> None:
    assert breaches({**package(), "utils": ""}) == ["utils has no place in a row"]
