"""What may stand in a study file on the search."""

from typing import Any

import pytest

from tests.support.studies import parse, refused

Tree = dict[str, Any]
SGD = {"optimizer": "sgd"}

RULES: list[tuple[Tree, str, str]] = [
    ({"search": {"space": {"alpha": {"low": 0.0}}}}, "search.space.alpha.low",
     "Use auto, or a number > 0"),
    ({"search": {"space": {"alpha": {"low": -1e-3}}}}, "search.space.alpha.low", "got -0.001"),
    ({"search": {"space": {"alpha": {"low": 1.0, "high": 0.1}}}}, "search.space.alpha.low",
     "must be < high, got low 1.0, high 0.1"),
    ({"search": {"space": {"lr": {"low": 0.1, "high": 0.1}}}}, "search.space.lr.low",
     "must be < high"),
    ({"search": {"n_trials": 0}}, "search.n_trials", "equal to 1 or 'auto', got 0"),
    ({"search": {"n_trials": "many"}}, "search.n_trials", "or 'auto', got 'many'"),
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


# --- what auto comes to

SEARCHED_TOO: list[Tree] = [
    {"search": {"space": {"lr": {}}}},
    {"search": {"space": {"momentum": {"low": 0.1, "high": 0.9}}}, "training": SGD},
    {"search": {"space": {"l1_ratio": {"low": 0, "high": 1}}}, "penalty": {"norm": "elastic"}},
]
AUTO: list[tuple[Tree, str, int]] = [
    ({}, "design", 13),
    ({"training": {"optimizer": "adamw"}}, "design", 13),
    ({"penalty": {"norm": "l1"}}, "design", 13),
    ({"search": {"n_trials": 30}}, "design", 30),
    ({"search": {"pruner": {"type": "median"}}}, "tpe", 48),
    ({"search": {"sampler": {"n_startup_trials": 3}}}, "tpe", 48),
    ({"search": {"sampler": {"type": "tpe"}}}, "tpe", 48),
    ({"search": {"sampler": {"type": "grid"}}}, "grid", 48),
    ({"search": {"sampler": {"type": "random"}, "n_trials": 7}}, "random", 7),
    *((tree, "tpe", 48) for tree in SEARCHED_TOO),
]


@pytest.mark.parametrize(("tree", "sampler", "n_trials"), AUTO, ids=str)
def test_auto_is_the_design_where_the_strength_alone_is_searched(
    tree: Tree, sampler: str, n_trials: int
) -> None:
    search = parse(**tree).search
    assert (search.sampler.type, search.n_trials) == (sampler, n_trials)


@pytest.mark.parametrize(("tree", "sampler", "n_trials"), AUTO, ids=str)
def test_auto_written_out_is_auto_left_out(tree: Tree, sampler: str, n_trials: int) -> None:
    given = tree.get("search", {})
    options = {"type": "auto", **given.get("sampler", {})}
    written = {"n_trials": "auto", **given, "sampler": options}
    spec = parse(**{**tree, "search": written})
    assert spec == parse(**tree) and spec.spec_hash == parse(**tree).spec_hash
    for key in ("sampler", "n_trials"):
        assert spec.search.is_given(key) == parse(**tree).search.is_given(key)


def test_what_is_stored_of_a_search_no_longer_says_auto() -> None:
    stored = parse().model_dump(mode="json")["search"]
    assert (stored["sampler"], stored["n_trials"]) == ({"type": "design"}, 13)


def test_a_search_goes_on_as_it_was_begun_unless_its_file_says_how() -> None:
    begun = parse(search={"sampler": {"type": "tpe", "n_startup_trials": 5}}).search
    left = parse(search={"timeout_s": 60.0}).search.going_on(begun)
    assert (left.sampler, left.n_trials, left.timeout_s) == (begun.sampler, 48, 60.0)
    assert parse(search={"n_trials": 30}).search.going_on(begun).n_trials == 30
    named = parse(search={"sampler": {"type": "design"}}).search
    assert named.going_on(begun) is named
