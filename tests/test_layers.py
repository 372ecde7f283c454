"""Which room may import from which: read from the sources, so that no import has to run."""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import sweep

# What each room may import, beside itself: modules at the top of the package are rooms of one.
VOCABULARY = {"errors", "files", "runtime", "stats", "spec"}
READING = {"analysis", "search", "storage"} | VOCABULARY
NUMERICS = {"data", "training", "plan"} | VOCABULARY
ROOMS: Mapping[str, set[str]] = {
    "errors": set(),
    "runtime": {"errors"},
    "stats": set(),
    "files": {"errors"},
    "spec": {"errors", "files"},
    "data": VOCABULARY,
    "storage": VOCABULARY,
    "search": {"storage"} | VOCABULARY,
    "training": {"data"} | VOCABULARY,
    "plan": {"training", "data"} | VOCABULARY,
    "engines": NUMERICS,
    "analysis": {"search", "storage"} | VOCABULARY,
    "runner": {"engines", "search", "storage", "training.messages"} | VOCABULARY,
    "config": READING | NUMERICS,
    "reporting": {"config", "training.messages"} | READING,
    "dashboard": {"reporting"} | READING,
    "result": {"config", "dashboard", "engines", "reporting", "runner"} | READING,
    "service": {"config", "dashboard", "reporting", "runner"} | READING,
    "cli": {
        "result",
        "config",
        "dashboard",
        "data",
        "engines",
        "plan",
        "reporting",
        "runner",
        "service",
    }
    | READING,
    "__main__": {"cli", "engines", "errors", "runtime", "spec.tree"},
}
# Top-level packages that a room does without.
NO_TORCH = (
    "spec",
    "storage",
    "search",
    "analysis",
    "runner",
    "dashboard",
    "result",
    "service",
    "cli",
)
FOREIGN = {
    **dict.fromkeys(NO_TORCH, ("torch",)),
    "spec": ("torch", "optuna"),
    **dict.fromkeys(("data", "training", "plan", "engines"), ("optuna",)),
}
EDGES = ("cli", "__main__")  # which print and exit
REDIRECTS = "runtime"  # turns stdout into stderr
FACE = "__init__"  # names the public objects, and imports them when they are asked for

Sources = Mapping[str, str]


def package() -> dict[str, str]:
    """Return the sources of the package by dotted module name, as in `data.folds`."""
    folder = Path(sweep.__file__).parent
    return {
        ".".join(path.relative_to(folder).with_suffix("").parts): path.read_text(encoding="utf-8")
        for path in folder.rglob("*.py")
    }


def room_of(module: str) -> str:
    return module.split(".")[0]


def imported(source: str, modules: Sources) -> Iterator[str]:
    """Name what a source imports anywhere in it: `data.folds` of ours, or a top-level package."""
    for name in _written(source):
        first, _, inner = name.partition(".")
        if first == "sweep":
            yield inner if inner in modules else inner.rpartition(".")[0] or inner
        else:
            yield first


@cache
def _written(source: str) -> list[str]:
    """List the dotted names that a source imports, each with the name it takes from there."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = "relative" if node.level else node.module
            names += [f"{base}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and _called(node) == "import_module" and node.args:
            names.append(str(getattr(node.args[0], "value", "")))
    return names


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def breaches(sources: Sources) -> list[str]:
    """List what breaks the rules of the house."""
    found: list[str] = []
    within: dict[str, set[str]] = {}
    for module, source in sources.items():
        if module == FACE:
            continue
        room = room_of(module)
        if room not in ROOMS:
            found.append(f"{module} is in no room")
            continue
        if module.endswith(FACE):
            if len(ast.parse(source).body) > 1:
                found.append(f"{module} is more than a docstring")
            continue
        names = set(imported(source, sources))
        ours = {name for name in names if name in sources or room_of(name) in ROOMS}
        found += [
            f"{module} imports {other}"
            for other in sorted(ours)
            if room_of(other) != room and not ROOMS[room] & {other, room_of(other)}
        ]
        found += [f"{module} imports {other}" for other in FOREIGN.get(room, ()) if other in names]
        found += [f"{module} imports a relative name"] * ("relative" in names)
        within[module] = ours & {*sources}
        if room not in (*EDGES, REDIRECTS):
            found += [f"{module} {deed}" for deed in _deeds(source)]
    try:
        TopologicalSorter(within).prepare()
    except CycleError as error:
        found.append(f"cycle {' '.join(error.args[1])}")
    return found


@cache
def _deeds(source: str) -> list[str]:
    """List what a source does that only the edges may do: print, exit."""
    found: list[str] = []
    nodes = list(ast.walk(ast.parse(source)))
    flushed = [n.value for n in nodes if isinstance(n, ast.Attribute) and n.attr == "flush"]
    for node in nodes:
        if isinstance(node, ast.Call) and _called(node) in ("print", "exit", "quit"):
            found.append("prints" if _called(node) == "print" else "exits")
        streams = ("sys.stdout", "sys.stderr")
        if isinstance(node, ast.Attribute) and ast.unparse(node) in streams:
            found += ["prints"] * (node not in flushed)
    return found


def test_the_package_keeps_the_rules() -> None:
    assert breaches(package()) == []


def test_the_rule_has_an_order() -> None:
    rooms = {room: {room_of(other) for other in others} for room, others in ROOMS.items()}
    TopologicalSorter(rooms).prepare()  # raises where rooms import each other in a ring


def test_a_newcomer_sees_few_rooms() -> None:
    entries = [path for path in Path(sweep.__file__).parent.iterdir() if path.name[:3] != "__p"]
    assert len(entries) <= 22
    assert max(text.count("\n") for text in package().values()) <= 320


def test_the_checker_reads_every_module() -> None:
    sources = package()
    assert {"cli.app", "runner.loop", "training.cohort", "spec.study", "errors"} <= set(sources)
    assert {"search.ask_tell", "spec.resolved", "optuna"} <= set(
        imported(sources["runner.loop"], sources)
    )
    assert {"training.cohort", "plan.plan", "torch"} <= set(
        imported(sources["engines.cohorts"], sources)
    )
    assert "storage.lease" in set(imported(sources["storage.ownership"], sources))


@pytest.mark.parametrize(
    "module",
    ["engines.hire", "engines.processes", "engines.team", "engines.fork", "training.messages"],
)
def test_what_the_owner_of_workers_runs_names_no_torch(module: str) -> None:
    sources = package()
    assert "torch" not in set(imported(sources[module], sources))


@pytest.mark.parametrize(
    ("module", "line", "breach"),
    [
        ("spec.study", "from sweep.runner.run import run_study", "spec.study imports runner.run"),
        ("spec.study", "import torch", "spec.study imports torch"),
        ("search.ask_tell", "from sweep.training.cohort import Cohort", "imports training.cohort"),
        ("search.ask_tell", "from sweep.training import penalty", "imports training.penalty"),
        ("search.ask_tell", "import torch.nn as nn", "imports torch"),
        ("storage.lease", "from torch import Tensor", "storage.lease imports torch"),
        ("training.cohort", "from sweep.search.ask_tell import Search", "imports search.ask_tell"),
        ("training.cohort", "import sweep.storage.mirror", "imports storage.mirror"),
        ("data.folds", "from optuna.trial import FrozenTrial", "data.folds imports optuna"),
        ("data.folds", "from .problem import Problem", "data.folds imports a relative name"),
        ("stats", "def f():\n    from sweep.plan import plan", "stats imports plan.plan"),
        ("runner.run", "def f():\n    from sweep.analysis.selection import Choice", "imports ana"),
        ("config.export", "from sweep.cli import app", "config.export imports cli.app"),
        ("spec.seeds", "if TYPE_CHECKING:\n    from sweep.data.dataset import Dataset", "imports"),
        ("spec.seeds", "importlib.import_module('sweep.data.dataset')", "imports data.dataset"),
        ("spec.seeds", "from sweep.data import gone", "spec.seeds imports data"),
        ("reporting.page", "print('done')", "reporting.page prints"),
        ("reporting.page", "def f():\n    sys.stderr.write('x')", "reporting.page prints"),
        ("runner.loop", "from sweep.training.cohort import Cohort", "imports training.cohort"),
        ("runner.run", "def f():\n    sys.exit(2)", "runner.run exits"),
        ("data.__init__", "from sweep.storage.lease import Lease", "is more than a docstring"),
        ("errors", "import sweep.spec.files\n", "cycle"),
    ],
)
def test_a_planted_breach_is_found(module: str, line: str, breach: str) -> None:
    sources = package()
    sources[module] = sources.get(module, '"""A room."""') + f"\n{line}\n"
    assert any(breach in found for found in breaches(sources))


def test_a_module_in_no_room_is_found() -> None:
    assert breaches({**package(), "utils.text": ""}) == ["utils.text is in no room"]
