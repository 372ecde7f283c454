"""The section `engine`: what it takes, what it refuses, and that it is no part of a study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sweep.errors import UsageError
from sweep.spec.files import parse_spec
from sweep.spec.study import StudySpec


def spec_of(engine: dict[str, Any] | None = None, **keys: Any) -> StudySpec:
    tree = {"study_name": "a", "engine": {"kind": "ray", **(engine or {})}, **keys}
    return parse_spec(tree, "a.yaml", Path())


@pytest.mark.parametrize(
    ("engine", "bounds"),
    [
        ({}, (1, float("inf"))),
        ({"actors": 4}, (4, 4)),
        ({"actors": {"max": 3}}, (1, 3)),
        ({"actors": {"min": 2, "max": 3}}, (2, 3)),
    ],
    ids=str,
)
def test_actors_have_bounds(engine: dict[str, Any], bounds: tuple[int, float]) -> None:
    assert spec_of(engine).engine.bounds == bounds


@pytest.mark.parametrize("address", ["local", "auto", "10.0.0.3:6379", "head:6379", "[::1]:6379"])
def test_an_address_is_a_word_or_a_place(address: str) -> None:
    assert spec_of({"address": address}).engine.address == address


@pytest.mark.parametrize(
    ("engine", "keys", "line"),
    [
        ({"kind": "rey"}, {}, "engine.kind: must be 'local' or 'ray', got 'rey' (a.yaml). Did"),
        ({"address": "head"}, {}, "engine.address: must be local, auto or HOST:PORT, got 'head'"),
        ({"address": "ray://h:1"}, {}, "engine.address: must be local, auto or HOST:PORT, got"),
        ({"actors": 0}, {}, "engine.actors: must be a number, auto, or min and max, got 0 (a"),
        ({"actors": {"min": 3, "max": 2}}, {}, "engine.actors.min: must be at most max, got 3"),
        ({"actors": {"min": 3}}, {}, "engine.actors.max: must be given (a.yaml). Add it"),
        ({"actors": {"mix": 1, "max": 2}}, {}, "engine.actors.mix: unknown key (a.yaml). Did"),
        ({"ship": "own.py"}, {}, "engine.ship: must be a list of files, or auto, got 'own.py'"),
        ({"gpus": 0.01}, {}, "engine.gpus: must be 0, or 0.05 to 1, got 0.01. Raise it"),
        ({"gpus": 2}, {}, "engine.gpus: must be less than or equal to 1 or 'auto', got 2 (a"),
        ({"gpus": 0.5}, {"device": "cpu"}, "engine.gpus: must be 0 with device cpu, got 0.5."),
        ({"gpus": 0}, {"device": "cuda"}, "engine.gpus: must be more than 0 with device cuda"),
        ({}, {"device": "cuda:1"}, "device: must be auto, cpu or cuda with engine.kind ray, got"),
        ({}, {"training": {"workers": 2}}, "training.workers: must be 1 with engine.kind ray"),
        ({"actorz": 1}, {}, "engine.actorz: unknown key (a.yaml). Did you mean actors?"),
    ],
    ids=str,
)
def test_a_mistake_is_one_line(engine: dict[str, Any], keys: dict[str, Any], line: str) -> None:
    with pytest.raises(UsageError) as raised:
        spec_of(engine, **keys)
    assert str(raised.value).startswith(line) and "\n" not in str(raised.value)


def test_the_same_study_may_go_on_with_another_engine() -> None:
    local = parse_spec({"study_name": "a"}, "a.yaml", Path())
    assert spec_of({"actors": 9, "lanes": 8}).identity == local.identity
    assert spec_of().spec_hash == local.spec_hash


def test_keys_of_ray_may_stay_where_local_trains() -> None:
    spec_of({"kind": "local", "actors": 9}, training={"workers": 2}, device="cuda:1")
