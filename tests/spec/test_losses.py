"""The keys that choose a loss: what goes together, and what is refused in one line."""

from __future__ import annotations

from typing import Any

import pytest

from sweep.spec.loss_setting import is_plain, loss_setting, loss_words, weights_words
from sweep.spec.losses import LOSSES
from tests.support.studies import parse, refused

REFUSED: list[tuple[dict[str, Any], str]] = [
    (
        {"data": {"task": "regression"}, "training": {"loss": "hubert"}},
        "training.loss: must be one of auto, squared, huber, mae or a function of yours for task"
        " regression, got 'hubert'. Did you mean huber?",
    ),
    (
        {"training": {"loss": "own"}},
        "training.loss: must be one of auto, cross_entropy, focal or a function of yours for task"
        " classification, got 'own'. Use auto",
    ),
    (
        {"training": {"loss": "huber"}},
        "training.loss: must be one of auto, cross_entropy, focal or a function of yours for task"
        " classification, got 'huber'. Use auto",
    ),
    (
        {"data": {"task": "own"}},
        "training.loss: must be python:module:function for task own, got auto. Name a function of"
        " yours",
    ),
    (
        {"training": {"huber_delta": 2.0}},
        "training.huber_delta: only loss huber has one, got loss cross_entropy. Remove it",
    ),
    (
        {"data": {"task": "regression"}, "training": {"loss": "mae", "focal_gamma": 2.0}},
        "training.focal_gamma: only loss focal has one, got loss mae. Remove it",
    ),
    (
        {"data": {"task": "count"}, "training": {"label_smoothing": 0.1}},
        "training.label_smoothing: must be 0 but for loss auto of classes or labels, got 0.1 with"
        " poisson loss. Remove it",
    ),
    (
        {"training": {"loss": "focal", "label_smoothing": 0.1}},
        "training.label_smoothing: must be 0 but for loss auto of classes or labels, got 0.1 with"
        " focal loss. Remove it",
    ),
    (
        {"data": {"task": "quantile"}},
        "data.quantile: must be given for task quantile alone, got none. Set it to 0.9, say",
    ),
    (
        {"data": {"task": "regression", "quantile": 0.9}},
        "data.quantile: must be given for task quantile alone, got 0.9 for regression. Remove it",
    ),
    (
        {"data": {"outputs": 2}},
        "data.outputs: only task own has it, got 2 for classification. Remove it",
    ),
    (
        {"data": {"source": "t.csv", "target": ["a", "b"]}},
        "data.target: must be one column for classification, got 2. Name one, or set task:"
        " multilabel or regression",
    ),
    (
        {"data": {"source": "t.csv", "target": ["a", "a"], "task": "regression"}},
        "data.target: must be different columns, got one twice. Remove it",
    ),
    (
        {"data": {"task": "multilabel", "class_weight": "balanced"}},
        "data.class_weight: only task classification or binary has classes, got multilabel."
        " Remove it",
    ),
    (
        {"data": {"task": "multilabel", "label_noise": 0.1}},
        "data.label_noise: must be 0 for multilabel, got 0.1. Remove it, or set task:"
        " classification",
    ),
]


@pytest.mark.parametrize(("tree", "line"), REFUSED)
def test_what_does_not_go_together_is_refused(tree: dict[str, Any], line: str) -> None:
    got = refused(**tree)
    assert got.replace(" (x.yaml)", "") == line, got


@pytest.mark.parametrize(
    "training", [{"focal_gamma": 0.5, "loss": "focal"}, {"label_smoothing": 1.0}]
)
def test_numbers_out_of_range_are_refused(training: dict[str, Any]) -> None:
    refused(training=training)


@pytest.mark.parametrize(
    ("data", "training", "name"),
    [
        ({}, {}, "cross_entropy"),
        ({"task": "binary"}, {}, "logistic"),
        ({"task": "multilabel"}, {"loss": "focal"}, "focal"),
        ({"task": "regression"}, {"loss": "huber", "huber_delta": 2}, "huber"),
        ({"task": "quantile", "quantile": 0.9}, {}, "pinball"),
        ({"task": "own"}, {"loss": "python:own:loss"}, "own"),
        ({"task": "count"}, {"loss": "python:own:loss"}, "own"),
    ],
)
def test_a_study_has_the_words_of_its_loss(
    data: dict[str, Any], training: dict[str, Any], name: str
) -> None:
    assert loss_words(parse(data=data, training=training)) == LOSSES[name]


def test_parameters_have_their_defaults() -> None:
    huber = loss_setting(parse(data={"task": "regression"}, training={"loss": "huber"}))
    assert (huber.name, huber.delta) == ("huber", 1.0)
    focal = loss_setting(parse(training={"loss": "focal", "focal_gamma": 3}))
    assert (focal.name, focal.gamma) == ("focal", 3.0)


def test_weights_and_smoothing_are_said_and_keep_no_other_program_s_numbers() -> None:
    assert is_plain(parse())
    spec = parse(
        data={"source": "t.csv", "target": "y", "weight": "w", "class_weight": "balanced"},
        training={"label_smoothing": 0.1},
    )
    said = ", rows weighed by their w and their class, training labels smoothed by 0.1"
    assert weights_words(spec) == said
    assert not is_plain(spec)
    assert not is_plain(parse(data={"task": "regression"}, training={"loss": "huber"}))
