"""What may stand in a study file on the search."""

from typing import Any

import pytest

from tests.support.studies import parse, refused

Tree = dict[str, Any]

RULES: list[tuple[Tree, str, str]] = [
    ({"search": {"space": {"alpha": {"low": 0.0}}}}, "search.space.alpha.low",
     "Use auto, or a number > 0"),
    ({"search": {"space": {"alpha": {"low": -1e-3}}}}, "search.space.alpha.low", "got -0.001"),
    ({"search": {"space": {"alpha": {"low": 1.0, "high": 0.1}}}}, "search.space.alpha.low",
     "must be < high, got low 1.0, high 0.1"),
    ({"search": {"space": {"lr": {"low": 0.1, "high": 0.1}}}}, "search.space.lr.low",
     "must be < high"),
    ({"search": {"n_trials": 0}}, "search.n_trials", "greater than or equal to 1, got 0"),
    ({"search": {"timeout_s": 0}}, "search.timeout_s", "greater than 0, got 0"),
    ({"search": {"sampler": {"type": "bayes"}}}, "search.sampler.type", "got 'bayes'"),
    ({"search": {"sampler": {"seed": 3}}}, "search.sampler.seed", "Write seed: 3 beside"),
    ({"search": {"pruner": {"type": "asha"}}}, "search.pruner.type", "got 'asha'"),
]  # fmt: skip


@pytest.mark.parametrize(("tree", "key", "rule"), RULES, ids=[rule[1] for rule in RULES])
def test_a_broken_rule_is_one_line(tree: Tree, key: str, rule: str) -> None:
    message = refused(**tree)
    assert message.startswith(f"{key}: ")
    assert rule in message


@pytest.mark.parametrize(
    "tree",
    [
        {"search": {"timeout_s": 60}},
        {"search": {"sampler": {"n_startup_trials": 3}, "pruner": {"n_min_trials": 1}}},
        {"search": {"space": {"alpha": {"low": "auto", "high": 1}}}},
    ],
)
def test_what_is_allowed(tree: Tree) -> None:
    parse(**tree)
