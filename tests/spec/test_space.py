"""The table of hyperparameters: what follows from it for the search, settings and columns."""

from __future__ import annotations

from typing import Any

import pytest

from sweep.search.samplers import make_space
from sweep.spec.optimizers import OPTIMIZERS
from sweep.spec.resolved import Outline, Range
from sweep.spec.sections import PenaltySpec
from sweep.spec.space import COLUMNS, HYPERPARAMETERS, SpaceSpec
from tests.support.studies import parse, refused

each_name = pytest.mark.parametrize("name", HYPERPARAMETERS)
WITH: dict[str, dict[str, Any]] = {  # what has it, and ends inside its bounds
    "lr": {},
    "momentum": {"training": {"optimizer": "sgd"}},
    "l1_ratio": {"penalty": {"norm": "elastic"}},
}
ENDS = {"low": 0.25, "high": 0.75}


def test_the_strength_s_names_are_no_hyperparameters() -> None:
    assert set(SpaceSpec.model_fields) - set(HYPERPARAMETERS) == {"alpha", "weight_decay"}
    assert ("strength", *HYPERPARAMETERS) == COLUMNS


@each_name
def test_its_one_value_stands_where_the_table_says(name: str) -> None:
    entry = HYPERPARAMETERS[name]
    if entry.section == "training":
        assert any(entry.key in section.model_fields for section in OPTIMIZERS.values())
    else:
        assert hasattr(PenaltySpec(), entry.key)


@each_name
def test_searched_it_joins_the_space_between_its_ends(name: str) -> None:
    spec = parse(**WITH[name], search={"space": {name: ENDS}})
    distribution = make_space(spec, 1e-3, 1.0)[name]
    assert (distribution.low, distribution.high) == spec.ends(name) == (0.25, 0.75)
    assert distribution.log == (name == "lr")


@each_name
def test_not_searched_it_has_one_value(name: str) -> None:
    spec = parse(**WITH[name])
    assert set(make_space(spec, 1e-3, 1.0)) == {"alpha"}
    assert spec.ends(name) == (spec.values({})[name],) * 2


@each_name
def test_a_trial_s_own_value_goes_before_the_study_file_s(name: str) -> None:
    spec = parse(**WITH[name], search={"space": {name: ENDS}})
    setting = Outline(spec, Range(1e-3, 1.0), 8, 1, "", {}).setting({"alpha": 0.1, name: 0.5})
    assert setting == {"strength": 0.1, **spec.values({}), name: 0.5}
    assert tuple(setting) == COLUMNS


@pytest.mark.parametrize(
    ("tree", "values"),
    [
        ({"training": {"lr": 0.3}}, {"lr": 0.3, "momentum": 0.0, "l1_ratio": 0.0}),
        ({"training": {"optimizer": "sgd", "momentum": 0.9}}, {"momentum": 0.9}),
        ({"penalty": {"norm": "l1"}}, {"l1_ratio": 1.0}),
        ({"penalty": {"norm": "elastic"}}, {"l1_ratio": 0.5}),
        ({"penalty": {"norm": "elastic", "l1_ratio": 0.2}}, {"l1_ratio": 0.2}),
    ],
)
def test_the_study_file_s_values(tree: dict[str, Any], values: dict[str, float]) -> None:
    assert parse(**tree).values({}).items() >= values.items()


@pytest.mark.parametrize(
    ("name", "owner"),
    [("momentum", "only sgd, rmsprop and muon have it"), ("l1_ratio", "only norm elastic has it")],
)
def test_who_does_not_have_it_is_refused(name: str, owner: str) -> None:
    message = refused(search={"space": {name: ENDS}})
    assert message.startswith(f"search.space.{name}: {owner}, got ")
