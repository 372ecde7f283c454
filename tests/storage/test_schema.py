"""Optuna's tables as they are named here, and what is too much for them."""

import math

import numpy as np
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, create_trial
from sqlalchemy import UniqueConstraint

from sweep.errors import StorageError
from sweep.storage import schema
from sweep.storage.engine import open_storage
from tests.support.mirrors import ALPHA


def test_the_schema_is_the_one_of_the_optuna_that_is_installed(sqlite_url: str) -> None:
    storage = open_storage(sqlite_url)
    assert storage.get_head_version() == schema.HEAD
    storage.engine.dispose()


@pytest.mark.parametrize("table", schema.COLUMNS, ids=str)
def test_every_column_is_named_and_the_keys_are_unique(table: object) -> None:
    (found,) = [t for t in schema.COLUMNS if t is table]
    keys, others = schema.COLUMNS[found]
    serial = set(found.primary_key.columns.keys())
    assert {*keys, *others} | serial == set(found.columns.keys())
    unique = [{*c.columns.keys()} for c in found.constraints if isinstance(c, UniqueConstraint)]
    assert set(keys) in [serial, *unique]


@pytest.mark.parametrize("key", ["", "a" * 512, "α ‖W‖ 'quoted\" \\", "重み" * 256])
def test_a_name_that_fits_is_given_back(key: str) -> None:
    assert schema.check_key(key, "name") == key


@pytest.mark.parametrize("key", ["a" * 513, "a\0b", "a\ud800", 1, None])
def test_a_name_that_does_not_fit_is_one_line(key: str) -> None:
    with pytest.raises(StorageError, match="name: must be at most 512 characters") as caught:
        schema.check_key(key, "name")
    assert "\n" not in str(caught.value)


def test_numbers_come_back_plain() -> None:
    assert type(schema.check_number(np.float64(0.5), "value")) is float
    assert schema.check_number(-math.inf, "value") == -math.inf
    assert type(schema.check_step(np.int64(3))) is int  # type: ignore[arg-type]
    assert [schema.check_step(step) for step in (-(2**31), 2**31 - 1)] == [-(2**31), 2**31 - 1]
    with pytest.raises(StorageError, match="value: must be a number"):
        schema.check_number(math.nan, "value")
    with pytest.raises(StorageError, match="step: must be below"):
        schema.check_step(2**31)


def trial(**what: object) -> FrozenTrial:
    return create_trial(**{"value": 0.5, **what})  # type: ignore[arg-type]


def test_a_template_is_copied_as_the_database_would_give_it_back() -> None:
    template = trial(
        params={"alpha": 0.5}, distributions={"alpha": ALPHA},
        intermediate_values={np.int64(1): 2}, user_attrs={"pair": (1, {2: "two"})},
        system_attrs={"s": ()},
    )  # fmt: skip
    plain = schema.plain(template)
    assert plain.user_attrs == {"pair": [1, {"2": "two"}]}
    assert plain.system_attrs == {"s": []}
    assert [(type(k), type(v)) for k, v in plain.intermediate_values.items()] == [(int, float)]
    assert (plain.params, plain.values, plain.state) == ({"alpha": 0.5}, [0.5], template.state)
    plain.params["alpha"] = 0.25
    assert template.params == {"alpha": 0.5}


@pytest.mark.parametrize(
    "template",
    [
        trial(user_attrs={"a": {1}}),
        trial(system_attrs={"a" * 513: 1}),
        trial(intermediate_values={2**31: 0.5}),
        trial(params={"a\0": 0.5}, distributions={"a\0": FloatDistribution(0, 1)}),
    ],
)
def test_a_template_that_the_database_could_not_hold_is_refused(template: FrozenTrial) -> None:
    with pytest.raises((StorageError, TypeError)):
        schema.plain(template)
