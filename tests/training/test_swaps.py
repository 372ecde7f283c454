"""What is exchanged in a network before it trains in lanes, and what stays."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sweep.training.counters import FORWARD, CounterDropout
from sweep.training.forward import KEY
from sweep.training.modules import build
from sweep.training.swaps import keys_of, swapped


def test_every_dropout_inside_a_network_is_swapped() -> None:
    inner = nn.Sequential(nn.Dropout(0.3), nn.ReLU())
    module = swapped(nn.Sequential(inner, nn.Linear(2, 2), nn.Dropout(0.1)))
    found = [m.p for m in module.modules() if isinstance(m, CounterDropout)]
    assert found == [0.3, 0.1]
    assert not any(isinstance(m, nn.Dropout) for m in module.modules())
    assert isinstance(swapped(nn.Dropout(0.2)), CounterDropout)


def test_a_layer_that_is_used_twice_is_swapped_once() -> None:
    shared = nn.Dropout(0.3)
    module = swapped(nn.Sequential(shared, nn.Linear(2, 2), nn.Sequential(shared)))
    assert module.get_submodule("0") is module.get_submodule("2.0")


def test_a_subclass_is_swapped_unless_it_has_a_forward_of_its_own() -> None:
    class Named(nn.Dropout):
        pass

    class Other(nn.Dropout):
        def forward(self, input: Tensor) -> Tensor:
            return 2 * input

    module = swapped(nn.Sequential(Named(0.3), Other(0.3)))
    assert isinstance(module.get_submodule("0"), CounterDropout)
    assert isinstance(module.get_submodule("1"), Other)


def test_a_norm_that_averages_over_all_batches_stays_what_it_was() -> None:
    norm = nn.BatchNorm1d(3, momentum=None)
    want, module = repr(norm), swapped(norm)
    assert module is norm
    assert isinstance(module, nn.BatchNorm1d)
    assert repr(module) == want


def test_the_keys_of_draws_are_those_of_dropouts_and_of_forward() -> None:
    def make() -> nn.Module:
        return nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.1), nn.Sequential(nn.Dropout(0.2)))

    module = build(make, 0)
    assert [*keys_of(module)] == [("1.key", 0), ("2.0.key", 1), (KEY, FORWARD)]
    assert all(
        torch.equal(module.get_buffer(name), torch.tensor(0)) for name, _ in keys_of(module)
    )
