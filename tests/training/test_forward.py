"""Layers of torch in lanes give what they give alone: outputs, gradients and what they keep."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from sweep.training import recurrent
from sweep.training.counters import CounterDropout
from sweep.training.forward import KEY
from sweep.training.modules import build
from sweep.training.vmapped import check_model
from tests.support.cases import few_fast
from tests.support.layers import DRAWING, LAYERS, WIDTH
from tests.support.problems import generator, made_up
from tests.support.side_by_side import gap, plain
from tests.training.test_lanes import eventful, make_case

N_LANES, N_ROWS = 3, 7
ROWS = torch.randn(N_LANES, N_ROWS, WIDTH, generator=generator(1), dtype=torch.float64)
STILL_IN_EVALUATION = {name for name in DRAWING if name.endswith(("Dropout", "with dropout"))}
ALL = {**LAYERS, **DRAWING}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_in_lanes_gives_what_torch_gives(name: str) -> None:
    assert gap(LAYERS[name], ROWS) < 1e-9


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_accepted_fused_and_alone(name: str) -> None:
    rows = ROWS[0, :4].float()
    check_model(LAYERS[name], rows, 3, fused=True)
    check_model(LAYERS[name], rows, 3, fused=False)


@pytest.mark.parametrize("name", few_fast(ALL, 11))
def test_layers_train_as_alone_beside_lanes_that_diverge_and_are_refilled(name: str) -> None:
    problem = made_up(shape=(WIDTH,), val_sizes=(7, 7))
    case = make_case("sgd", "l2", problem=problem, factory=ALL[name])
    assert case.gap(eventful("sgd", "l2")) < 1e-9


@pytest.mark.parametrize("name", DRAWING)
def test_draws_follow_from_the_key_of_a_lane_and_step(name: str) -> None:
    module, x = build(DRAWING[name], 0).double(), ROWS[0]
    check_model(DRAWING[name], x.float(), 3, fused=True)
    check_model(DRAWING[name], x.float(), 3, fused=False)
    first, same = module(x), module(x)
    module.get_buffer(KEY).fill_(5)
    for part in module.modules():
        if isinstance(part, CounterDropout):
            part.key.fill_(5)
    assert torch.equal(first, same)
    assert not torch.equal(first, module(x))
    evaluated = module.eval()(x)
    if name in STILL_IN_EVALUATION:
        torch.testing.assert_close(evaluated, plain(DRAWING[name], 0).eval()(x))


def test_tensors_keep_the_names_of_the_users_own_network() -> None:
    for make in LAYERS.values():
        own, lane = plain(make, 0).state_dict(), build(make, 0).state_dict()
        assert [name for name in lane if not name.endswith((".key", KEY))] == [*own]


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        (("_joined", lambda x, bias, h: torch.cat([x, bias[:, None], h], 1).roll(1, 0)), "LSTM"),
        (("_sigmoid", torch.sin), "GRUCell"),
        (("_joined", lambda x, bias, h: torch.cat([x, 2 * bias[:, None], h], 1)), "RNN"),
    ],
    ids=["order of gates", "activation", "bias"],
)
def test_a_planted_fault_is_seen(
    fault: tuple[str, Callable[..., Tensor]], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recurrent, *fault)
    assert gap(LAYERS[name], ROWS) > 1e-6
