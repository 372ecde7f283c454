"""What a study file may say as a whole, and what makes two studies the same."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import sweep
from sweep.spec.study import StudySpec, schema
from tests.support.studies import parse, refused

STUDIES = sorted((Path(__file__).parents[2] / "studies").glob("*.yaml"))
Tree = dict[str, Any]


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_shipped_study_loads(path: Path) -> None:
    spec = sweep.load_spec(path)
    assert spec.study_name == path.stem
    assert spec.folder == path.parent
    assert spec.storage == "sqlite:///studies/out/studies.db"


def test_there_are_shipped_studies() -> None:
    assert {"digits-l2", "digits-l1", "diabetes-elastic"} <= {path.stem for path in STUDIES}


def test_the_schema_for_editors_is_up_to_date() -> None:
    shipped = Path(sweep.__file__).parent / "spec" / "study.schema.json"
    assert json.loads(shipped.read_text(encoding="utf-8")) == schema()


def test_the_template_is_a_study() -> None:
    sweep.load_spec(Path(sweep.__file__).parent / "cli" / "template.yaml")


def test_only_the_name_must_be_given() -> None:
    spec = parse()
    assert (spec.strength, spec.n_replicates, spec.seed, spec.in_flight) == ("alpha", 8, 0, 8)


@pytest.mark.parametrize(
    ("sampler", "in_flight"),
    [("tpe", 12), ("gp", 12), ("design", 8), ("qmc", None), ("random", None), ("grid", None)],
)
def test_asks_of_samplers_that_learn_wait_for_results(sampler: str, in_flight: int | None) -> None:
    assert parse(search={"sampler": {"type": sampler}}).in_flight == in_flight
    assert parse(search={"sampler": {"type": sampler}, "in_flight": 3}).in_flight == 3


def test_adamw_searches_weight_decay() -> None:
    assert parse(training={"optimizer": "adamw"}).strength == "weight_decay"


def test_a_spec_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        parse().training.lr = 1.0  # type: ignore[misc]


# --- rules


RULES: list[tuple[Tree, str, str]] = [
    ({"study_name": "a b"}, "study_name", "must be letters, digits"),
    ({"study_name": "../x"}, "study_name", "got '../x'"),
    ({"study_name": ""}, "study_name", "got ''"),
    ({"device": "gpu"}, "device", "must be auto, cpu, cuda or cuda:N, got 'gpu'"),
    ({"training": {"optimizer": "lamb"}}, "training.optimizer", "got 'lamb'"),
    ({"penalty": {"norm": "l1"}, "training": {"optimizer": "adamw"}}, "penalty.norm",
     "must be l2 with optimizer adamw, got l1: it decays weights by itself"),
    ({"penalty": {"norm": "elastic"}, "training": {"optimizer": "adamw"}}, "penalty.norm",
     "must be l2 with optimizer adamw, got elastic"),
    ({"penalty": {"norm": "l1"}, "training": {"optimizer": "lion"}}, "penalty.norm",
     "must be l2 with optimizer lion, got l1: it decays weights by itself. Use optimizer adam"),
    ({"penalty": {"norm": "elastic"}, "training": {"optimizer": "muon"}}, "penalty.norm",
     "must be l2 with optimizer muon, got elastic: it decays weights by itself"),
    ({"penalty": {"norm": "l1"}, "training": {"optimizer": "rmsprop", "centered": True}},
     "penalty.norm", "got l1: with centered the gradient is divided by its deviation"),
    ({"training": {"optimizer": "adamw"}, "search": {"space": {"alpha": {"low": 1e-4}}}},
     "search.space.alpha", "Search weight_decay"),
    ({"search": {"space": {"weight_decay": {}}}}, "search.space.weight_decay",
     "only adamw, lion and muon have it, got optimizer adam. Search alpha"),
    ({"search": {"space": {"momentum": {"low": 0.0, "high": 0.9}}}}, "search.space.momentum",
     "only sgd, rmsprop and muon have it, got optimizer adam"),
    ({"search": {"space": {"l1_ratio": {"low": 0.0, "high": 0.9}}}}, "search.space.l1_ratio",
     "only norm elastic has it, got l2"),
    ({"search": {"space": {"momentum": {"low": 0.0, "high": 0.9}}},
      "training": {"optimizer": "sgd", "momentum": 0.5, "nesterov": True}},
     "search.space.momentum.low", "must be > 0 with nesterov, got 0.0"),
    ({"objective": {"metric": "val_error"}, "data": {"task": "regression"}}, "objective.metric",
     "must be one of val_loss, r2, mae, rmse for regression, got val_error"),
    ({"objective": {"metric": "r2"}}, "objective.metric", "for classification, got r2"),
    ({"objective": {"metric": "accuracy"}}, "objective.metric", "got 'accuracy'"),
    ({"objective": {"metric": "python:my:score"}}, "objective.direction",
     "must be minimize or maximize where the metric is a function, got none"),
    ({"objective": {"metric": "auc", "direction": "minimize"}}, "objective.direction",
     "must be maximize for auc, got minimize"),
    ({"objective": {"choose": "metric"}}, "objective.choose", "must be loss for val_loss"),
    ({"selection": "min"}, "selection", "got 'min'"),
    ({"training": None}, "training", "must be"),
    ({"data": [1]}, "data", "must be"),
]  # fmt: skip


@pytest.mark.parametrize(("tree", "key", "rule"), RULES, ids=[rule[1] for rule in RULES])
def test_a_broken_rule_is_one_line(tree: Tree, key: str, rule: str) -> None:
    message = refused(**tree)
    assert message.startswith(f"{key}: ")
    assert rule in message


def test_adamw_may_name_alpha_without_a_range() -> None:
    parse(training={"optimizer": "adamw"}, search={"space": {"alpha": {}}})


# --- identity

NOT_ITS_IDENTITY: list[Tree] = [
    {"search": {"n_trials": 7}},
    {"search": {"timeout_s": 9.0}},
    {"storage": "sqlite:///other.db"},
    {"device": "cpu"},
    {"engine": {"kind": "ray", "actors": 3}},
    {"training": {"workers": 2}},
    {"training": {"cuda_graph": True}},
    {"selection": "1se"},
    {"study_name": "y"},
]
ITS_IDENTITY: list[Tree] = [
    {"data": {"source": "sklearn:wine"}},
    {"data": {"target": "y"}},
    {"data": {"groups": "g"}},
    {"data": {"task": "regression"}},
    {"data": {"scale": "none"}},
    {"data": {"train_rows": 9}},
    {"data": {"label_noise": 0.1}},
    {"data": {"test_fraction": 0.3}},
    {"model": {"hidden": [31]}},
    {"model": {"activation": "tanh"}},
    {"model": {"source": "python:m:f"}},
    {"training": {"optimizer": "sgd"}},
    {"training": {"optimizer": "adamw"}},
    {"training": {"optimizer": "rmsprop"}},
    {"training": {"optimizer": "muon", "adjust_lr": "original"}},
    {"training": {"lr": 0.3}},
    {"training": {"batch_size": "full"}},
    {"training": {"epochs": 3}},
    {"training": {"schedule": "cosine"}},
    {"training": {"schedule": {"type": "cosine", "warmup": 0.1}}},
    {"training": {"clip_norm": 1.0}},
    {"training": {"augment": ["noise"]}},
    {"training": {"precision": "bfloat16"}},
    {"training": {"betas": [0.9, 0.9]}},
    {"training": {"eps": 1e-7}},
    {"penalty": {"norm": "l1"}},
    {"penalty": {"norm": "elastic"}},
    {"penalty": {"exempt": ["a*"]}},
    {"search": {"in_flight": 2}},
    {"search": {"sampler": {"type": "qmc"}}},
    {"seed": 1},
    {"search": {"sampler": {"n_startup_trials": 1}}},
    {"search": {"pruner": {"type": "median"}}},
    {"search": {"pruner": {"n_min_trials": 2}}},
    {"search": {"space": {"alpha": {"low": 1e-3}}}},
    {"search": {"space": {"lr": {}}}},
    {"replicates": {"n_folds": 3}},
    {"replicates": {"n_seeds": 2}},
    {"replicates": {"holdout": 0.5}},
    {"objective": {"metric": "val_error"}},
]


@pytest.mark.parametrize("tree", NOT_ITS_IDENTITY, ids=str)
def test_what_may_change_between_runs(tree: Tree) -> None:
    assert parse(**tree).spec_hash == parse().spec_hash
    assert parse(**tree) != parse()


@pytest.mark.parametrize("tree", ITS_IDENTITY, ids=str)
def test_what_makes_another_study(tree: Tree) -> None:
    assert parse(**tree).spec_hash != parse().spec_hash


def test_with_hyperband_the_name_matters() -> None:
    """Its brackets are drawn from the study's name."""
    search = {"pruner": {"type": "hyperband"}}
    assert parse(search=search).spec_hash != parse(search=search, study_name="y").spec_hash


def test_every_section_has_a_case_above() -> None:
    named = {key for tree in (*NOT_ITS_IDENTITY, *ITS_IDENTITY) for key in tree}
    assert named == set(StudySpec.model_fields)


def test_a_default_written_out_is_the_same_study() -> None:
    assert parse(training={"lr": 2e-2, "epochs": 60}).spec_hash == parse().spec_hash
