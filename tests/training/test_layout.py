"""How the tensors of a network lie in a lane."""

from __future__ import annotations

import torch
from torch import nn

from sweep.training.layout import Flat, Layout
from tests.support.networks import Tied
from tests.support.problems import generator


def mixed() -> nn.Module:
    return nn.ModuleDict(
        {
            "linear": nn.Linear(3, 4),
            "conv": nn.Conv2d(1, 2, 3),
            "embedding": nn.Embedding(5, 2),
            "layer": nn.LayerNorm([2, 3]),
            "batch": nn.BatchNorm1d(4),
            "group": nn.GroupNorm(2, 4),
            "rms": nn.RMSNorm([2, 3]),
        }
    )


# --- the layout


def test_penalised_tensors_come_first_in_a_lane() -> None:
    layout = Layout.of(mixed(), exempt=("conv.*",))
    assert layout.penalised == ("linear.weight", "embedding.weight")
    assert layout.n_weights == 12 + 10
    assert layout.size == sum(p.numel() for p in mixed().parameters())
    assert [place.penalised for place in layout.places[:2]] == [True, True]
    assert not any(place.penalised for place in layout.places[2:])
    assert layout.exempt == tuple(place.name for place in layout.places[2:])


def test_a_row_of_a_lane_holds_the_modules_own_tensors() -> None:
    module = mixed()
    layout = Layout.of(module)
    views = layout.views(layout.flat(layout.row(module)[None]))
    assert views.keys() == dict(module.named_parameters()).keys()
    for name, parameter in module.named_parameters():
        torch.testing.assert_close(views[name][0], parameter.detach(), rtol=0, atol=0)


def test_views_write_through_and_join_to_the_whole() -> None:
    layout = Layout.of(mixed())
    rows = torch.randn(3, layout.size, generator=generator(0))
    flat = layout.flat(rows)
    assert torch.equal(torch.cat(flat.parts, 1), rows)
    assert [part.shape[1] for part in flat.weights] == [12, 18, 10]
    views = layout.views(flat)
    assert views["linear.weight"].shape == (3, 4, 3)
    assert all(view.is_contiguous() for view in views.values())
    views["linear.weight"][1] = 7
    assert int((flat.whole == 7).sum()) == 12
    ordered = [views[place.name].flatten() for place in layout.places]
    assert torch.equal(torch.cat(ordered), flat.whole)


def test_a_matrix_may_lie_as_its_transpose() -> None:
    module = mixed()
    layout = Layout.of(module, transposed=("linear.weight",))
    weight = module.get_parameter("linear.weight").detach()
    flat = layout.flat(layout.row(module)[None])
    views = layout.views(flat)
    for name, parameter in module.named_parameters():
        assert torch.equal(views[name][0], parameter)
    place = next(p for p in layout.places if p.name == "linear.weight")
    part = flat.parts[layout.places.index(place)]
    assert torch.equal(part[0], weight.T.flatten()) and not torch.equal(part[0], weight.flatten())
    views["linear.weight"][0] = 7
    assert bool((part == 7).all())


def test_frozen_parameters_have_no_place_in_a_lane() -> None:
    module = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    module[0].requires_grad_(False)
    assert Layout.of(module).penalised == ("1.weight",)
    assert Layout.of(module).exempt == ("1.bias",)


def test_tied_weights_have_one_place_in_a_lane() -> None:
    assert "second.weight" not in {place.name for place in Layout.of(Tied()).places}


def test_the_first_layer_is_the_first_penalised_matrix_or_else_a_vector_of_units() -> None:
    module = mixed()
    for patterns, name, shape in (
        ([], "linear.weight", (2, 4, 3)),
        (["linear.bias"], "linear.weight", (2, 4, 3)),
    ):
        layout = Layout.of(module, include=patterns)
        tensors = layout.views(layout.flat(layout.row(module).expand(2, -1)))
        found = layout.first_layer(tensors)
        assert found.shape == shape and torch.equal(found[1], module.get_parameter(name))
    layout = Layout.of(module, exempt=("*.weight",), include=("linear.bias",))
    tensors = layout.views(layout.flat(layout.row(module).expand(2, -1)))
    assert layout.first_layer(tensors).shape == (2, 4, 1)


# --- the memory of all lanes


def numbered() -> Flat:
    """Three lanes of tensors of 2, 1 and 3 entries, the first two penalised."""
    return Flat(torch.arange(18.0), [2, 1, 3], 2)


def test_parts_lie_one_after_another_each_with_a_row_a_lane() -> None:
    flat = numbered()
    assert [part.tolist() for part in flat.parts] == [
        [[0, 1], [2, 3], [4, 5]],
        [[6], [7], [8]],
        [[9, 10, 11], [12, 13, 14], [15, 16, 17]],
    ]
    assert [part.shape[1] for part in flat.weights] == [2, 1]
    assert all(part.is_contiguous() for part in flat.parts)


def test_zeros_and_columns_have_as_many_lanes() -> None:
    flat = numbered()
    zeros, column = flat.zeros_like(), flat.columns()
    assert [part.shape for part in zeros.parts] == [part.shape for part in flat.parts]
    assert len(zeros.weights) == 2
    assert not zeros.whole.any()
    assert [part.tolist() for part in column.parts] == [[[0], [0], [0]]]
