"""The objective: which metric, which way is better, and what chooses."""

from __future__ import annotations

from typing import Any

import pytest

from sweep.spec.objective import METRICS, ObjectiveSpec
from sweep.spec.sources import sources_of
from sweep.spec.study import hash_of, identity_of, without_nulls
from tests.support.studies import parse

OWN = {"metric": "python:scores:gain", "direction": "maximize"}


def of(**keys: Any) -> ObjectiveSpec:
    return ObjectiveSpec(**keys)


@pytest.mark.parametrize("name", METRICS)
def test_which_way_is_better_is_said_once(name: str) -> None:
    objective = of(metric=name)
    assert (objective.sign == -1) == objective.maximizes
    assert objective.maximizes == (METRICS[name].more_is_better and objective.value == name)
    with pytest.raises(ValueError, match="direction: must be"):
        of(metric=name, direction="minimize" if METRICS[name].more_is_better else "maximize")


@pytest.mark.parametrize(
    ("keys", "value", "beside", "sign"),
    [
        ({}, "val_loss", None, 1),
        ({"metric": "val_error"}, "val_error", None, 1),
        ({"metric": "val_error", "choose": "loss"}, "val_loss", "val_error", 1),
        ({"metric": "auc"}, "auc", None, -1),
        ({"metric": "auc", "choose": "loss"}, "val_loss", "auc", 1),
        ({"metric": "f1"}, "val_loss", "f1", 1),
        ({"metric": "f1", "choose": "metric"}, "f1", None, -1),
        ({"metric": "balanced_accuracy"}, "val_loss", "balanced_accuracy", 1),
        (OWN, "python:scores:gain", None, -1),
        ({**OWN, "direction": "minimize"}, "python:scores:gain", None, 1),
        ({**OWN, "choose": "loss"}, "val_loss", "python:scores:gain", 1),
    ],
)  # fmt: skip
def test_metrics_that_move_in_steps_are_measured_beside_the_loss(
    keys: dict[str, Any], value: str, beside: str | None, sign: float
) -> None:
    objective = of(**keys)
    assert (objective.value, objective.beside, objective.sign) == (value, beside, sign)
    assert bool(objective.notes) == (beside is not None)


def test_a_function_is_called_by_its_name() -> None:
    assert of(**OWN).words == "gain" and of(metric="auc").words == "AUC"


@pytest.mark.parametrize("metric", ["val_loss", "val_error"])
def test_studies_without_the_new_keys_keep_their_hash(metric: str) -> None:
    spec = parse(objective={"metric": metric})
    tree = spec.model_dump(mode="json")
    assert tree["objective"] == {"metric": metric, "direction": None, "choose": None}
    tree["objective"] = {"metric": metric}
    for section, keys in (
        ("data", ("fold", "split", "time", "drop_missing_target", "stream")),
        ("replicates", ("scheme",)),
    ):  # fmt: skip
        assert [tree[section].pop(key) for key in keys] == [None] * len(keys)
    assert hash_of(without_nulls(identity_of(tree))) == spec.spec_hash


def test_a_study_tells_all_that_lies_elsewhere() -> None:
    assert sources_of(parse()) == {"data.source": "sklearn:digits"}
    spec = parse(objective=OWN, model={"source": "python:nets:net"})
    assert sources_of(spec) == {
        "data.source": "sklearn:digits", "model.source": "python:nets:net",
        "objective.metric": "python:scores:gain",
    }  # fmt: skip
