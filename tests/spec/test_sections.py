"""What may stand in each section of a study file but that on the search."""

from typing import Any

import pytest

from sweep.config.twins import TWINS
from sweep.spec.optimizers import OPTIMIZERS
from sweep.training import recipe
from tests.support.studies import parse, refused

Tree = dict[str, Any]

RULES: list[tuple[Tree, str, str]] = [
    ({"data": {"task": "regresion"}}, "data.task", "got 'regresion'"),
    ({"data": {"label_noise": 1.0}}, "data.label_noise", "less than 1, got 1.0"),
    ({"data": {"label_noise": 0.1, "task": "regression"}}, "data.label_noise",
     "must be 0 for regression, got 0.1"),
    ({"data": {"test_fraction": -0.1}}, "data.test_fraction", "got -0.1"),
    ({"data": {"train_rows": 0}}, "data.train_rows", "greater than or equal to 1, got 0"),
    ({"model": {"hidden": [0]}}, "model.hidden.0", "greater than or equal to 1, got 0"),
    ({"model": {"hidden": 32}}, "model.hidden", "got 32"),
    ({"model": {"source": "own_model.py"}}, "model.source", "must be python:module:function"),
    ({"training": {"epochs": 0}}, "training.epochs", "greater than or equal to 1, got 0"),
    ({"training": {"epochs": 1.5}}, "training.epochs", "got 1.5"),
    ({"training": {"epochs": True}}, "training.epochs", "got True"),
    ({"training": {"lr": 0.0}}, "training.lr", "greater than 0, got 0.0"),
    ({"training": {"lr": "fast"}}, "training.lr", "got 'fast'"),
    ({"training": {"lr": float("nan")}}, "training.lr", "finite"),
    ({"training": {"lr": float("inf")}}, "training.lr", "finite"),
    ({"training": {"batch_size": "half"}}, "training.batch_size", "got 'half'"),
    ({"training": {"optimizer": "sgd", "nesterov": True}}, "training.nesterov",
     "needs momentum > 0 and dampening 0"),
    ({"training": {"optimizer": "sgd", "momentum": 1.0}}, "training.momentum", "less than 1"),
    ({"training": {"betas": [0.9]}}, "training.betas.1", "must be given"),
    ({"training": {"schedule": "cosin"}}, "training.schedule", "got 'cosin'"),
    ({"training": {"schedule": {"type": "cosin"}}}, "training.schedule.type", "got 'cosin'"),
    ({"training": {"schedule": {"warmup": 3}}}, "training.schedule.type", "must be given"),
    ({"training": {"schedule": {"type": "step", "evry": 3}}}, "training.schedule.evry",
     "unknown key"),
    ({"training": {"schedule": {"type": "cosine", "every": 3}}}, "training.schedule.every",
     "only type step has it, got 3 with cosine"),
    ({"training": {"schedule": {"type": "linear", "factor": 0.5}}}, "training.schedule.factor",
     "only type step has it, got 0.5 with linear"),
    ({"training": {"schedule": {"type": "step", "factor": 1.0}}}, "training.schedule.factor",
     "less than 1, got 1.0"),
    ({"training": {"schedule": {"type": "linear", "warmup": 2.5}}}, "training.schedule.warmup",
     "a share below 1 or a whole number of steps, got 2.5. Use 2"),
    ({"training": {"schedule": {"type": "linear", "warmup": -1}}}, "training.schedule.warmup",
     "greater than or equal to 0, got -1"),
    ({"training": {"clip_norm": 0.0}}, "training.clip_norm", "greater than 0, got 0.0"),
    ({"training": {"clip_norm": "big"}}, "training.clip_norm", "got 'big'"),
    ({"training": {"precision": "float16"}}, "training.precision", "got 'float16'"),
    ({"training": {"augment": ["flop"]}}, "training.augment.0", "got 'flop'"),
    ({"training": {"augment": "flip"}}, "training.augment", "got 'flip'"),
    ({"training": {"augment": ["flip", "crop", "flip"]}}, "training.augment",
     "must be each of flip, crop, noise, mixup once"),
    ({"training": {"augment": [{"type": "crop", "pad": 0}]}}, "training.augment.0.pad",
     "greater than or equal to 1, got 0"),
    ({"training": {"augment": [{"type": "noise", "std": 0.0}]}}, "training.augment.0.std",
     "greater than 0, got 0.0"),
    ({"training": {"augment": ["flip", {"type": "mixup", "std": 0.5}]}}, "training.augment.1.std",
     "only type noise has it, got 0.5 with mixup"),
    ({"training": {"augment": [{"pad": 1}]}}, "training.augment.0.type", "must be given"),
    ({"penalty": {"l1_ratio": 0.5}}, "penalty.l1_ratio", "only norm elastic has one, got 0.5"),
    ({"penalty": {"norm": "L2"}}, "penalty.norm", "got 'L2'"),
    ({"replicates": {"n_folds": 0}}, "replicates.n_folds", "got 0"),
    ({"replicates": {"holdout": 1.0}}, "replicates.holdout", "less than 1, got 1.0"),
    ({"objective": {"metric": "accuracy"}}, "objective.metric", "got 'accuracy'"),
]  # fmt: skip


@pytest.mark.parametrize(("tree", "key", "rule"), RULES, ids=[rule[1] for rule in RULES])
def test_a_broken_rule_is_one_line(tree: Tree, key: str, rule: str) -> None:
    message = refused(**tree)
    assert message.startswith(f"{key}: ")
    assert rule in message


@pytest.mark.parametrize(
    "tree",
    [
        {"training": {"schedule": {"type": "step", "every": 3, "factor": 0.5, "warmup": 10}}},
        {"training": {"schedule": "one_cycle", "clip_norm": 1}},
        {"training": {"augment": ["flip", {"type": "crop", "pad": 2}, "noise", "mixup"]}},
        {"training": {"lr": 1}},  # a whole number is a number
        {"training": {"batch_size": "full", "width": "auto"}, "device": "cuda:1"},
        {"model": {"source": "python:pack.module:make"}},
    ],
)
def test_what_is_allowed(tree: Tree) -> None:
    parse(**tree)


@pytest.mark.parametrize(
    ("penalty", "ratio"),
    [
        ({}, 0.0),
        ({"norm": "l1"}, 1.0),
        ({"norm": "elastic"}, 0.5),
        ({"norm": "elastic", "l1_ratio": 0.0}, 0.0),
        ({"norm": "elastic", "l1_ratio": 0.3}, 0.3),
    ],
)
def test_the_share_of_l1(penalty: Tree, ratio: float) -> None:
    assert parse(penalty=penalty).penalty.ratio == ratio


def test_an_optimiser_has_a_section_an_update_and_a_torch_twin() -> None:
    assert set(OPTIMIZERS) == set(recipe.OPTIMIZERS) == set(TWINS)
    for name, section in OPTIMIZERS.items():
        assert parse(training={"optimizer": name}).training == section.model_validate(
            {"optimizer": name}
        )


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimiser_without_a_proximal_step_decays_weights_by_itself(name: str) -> None:
    assert (TWINS[name].reach is None) == (OPTIMIZERS[name].strength == "weight_decay")
