"""Random study trees: each is a study that can be planned, or one line that refuses it."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sweep.cli.lines import one_line
from sweep.errors import SweepError
from sweep.plan.plan import make_plan
from sweep.search.samplers import check_search
from sweep.spec.files import load_spec, parse_spec
from sweep.spec.study import StudySpec, schema
from sweep.storage.engine import check_url

AT_ONCE_S = 10
TABLE = "a,b,y\n" + "".join(f"{i},{i % 5},{'uvw'[i % 3]}\n" for i in range(30))
VALID: dict[str, Any] = {
    "study_name": "x", "device": "cpu", "data": {"source": "table.csv", "target": "y"},
    "model": {"hidden": [3]}, "training": {"epochs": 1, "lr": 0.1}, "penalty": {"norm": "l2"},
    "search": {"n_trials": 3, "space": {"alpha": {"low": 1e-4, "high": 0.1}}},
    "replicates": {"n_folds": 3, "n_seeds": 1},
}  # fmt: skip


def _keys(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        yield from tree.get("properties", {})
        for value in tree.values():
            yield from _keys(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _keys(value)


KEYS = sorted(set(_keys(schema())) | {"points", "n_startup_trials", "gamma", "nonsense"})
# What they would do is another matter: a compiler takes its time, and workers are forked.
SLOW = {"compile", "cuda_graph"}
WORDS = [
    "auto", "full", "sgd", "adam", "adamw", "l1", "l2", "elastic", "tpe", "gp", "qmc", "random",
    "grid", "median", "hyperband", "standard", "none", "1se", "val_error", "regression", "cuda:7",
    "sklearn:iris", "table.csv", "y", "sqlite:///x.db", "postgresql://u:s3cret@h:nope/d", "cosine",
]  # fmt: skip
numbers = (
    st.integers(-3, 40) | st.integers() | st.sampled_from([10**9, 10**30, 2**63])
    | st.floats(0, 1) | st.floats()
)  # fmt: skip
scalars = (
    st.none() | st.booleans() | numbers | st.sampled_from(WORDS)
    | st.text(max_size=20) | st.dates().map(str) | st.binary(max_size=5).map(str)
)  # fmt: skip
keys = st.sampled_from(KEYS) | st.text(max_size=5)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4)
)


def _places(tree: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in tree.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from _places(value, (*above, key))


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a study that could be planned but for one to three values."""
    import copy

    tree = copy.deepcopy(VALID)
    for _ in range(draw(st.integers(1, 3))):
        *above, key = draw(st.sampled_from(list(_places(tree))))
        inner: Any = tree
        for name in above:
            inner = inner[name]
        inner[draw(st.sampled_from([key, *KEYS]))] = draw(scalars | values)
    return tree


trees = mutated() | st.dictionaries(keys, values, max_size=5).map(
    lambda t: {"study_name": "x", **t}
)


def _may_be_slow(tree: Any) -> bool:
    if isinstance(tree, list):
        return any(map(_may_be_slow, tree))
    return isinstance(tree, dict) and (
        any(tree.get(key) is True for key in SLOW) or any(map(_may_be_slow, tree.values()))
    )


def plan(spec: StudySpec) -> None:
    """Take the way of `sweep validate`."""
    check_url(spec.storage)
    made = make_plan(spec)
    check_search(spec, (made.span.low, made.span.high))


def check(folder: Path, tree: dict[str, Any]) -> None:
    path, began = folder / "x.yaml", time.process_time()  # the machine has other work
    with path.open("w", encoding="utf-8", errors="surrogatepass") as file:
        import json

        json.dump(tree, file)
    before = sorted(os.listdir(folder))
    try:
        plan(load_spec(path))
    except SweepError as error:
        assert error.exit_code == 2, error
        line = one_line(str(error))
        assert line.isprintable() and len(line) <= 300 and "s3cret" not in line
    assert time.process_time() - began < AT_ONCE_S
    assert sorted(os.listdir(folder)) == before


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("trees")
    (made / "table.csv").write_text(TABLE)
    plan(parse_spec(VALID, "x", made))  # what is imported, and warms up, with the first study
    plan(parse_spec({"study_name": "x"}, "x", made))
    return made


RELAXED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


@settings(max_examples=100, deadline=None, suppress_health_check=RELAXED)
@given(tree=trees.filter(lambda tree: not _may_be_slow(tree)))
def test_a_random_study_is_planned_or_refused_in_one_line(
    folder: Path, tree: dict[str, Any]
) -> None:
    check(folder, tree)


@pytest.mark.slow
@settings(max_examples=2000, deadline=None, suppress_health_check=RELAXED)
@given(tree=trees.filter(lambda tree: not _may_be_slow(tree)))
def test_two_thousand_random_studies_are_planned_or_refused(
    folder: Path, tree: dict[str, Any]
) -> None:
    check(folder, tree)


def test_the_study_that_is_mutated_can_be_planned(folder: Path) -> None:
    check(folder, VALID)
    plan(load_spec(folder / "x.yaml"))
