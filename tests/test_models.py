"""One network: what is a weight, how tensors lie in a lane, what can be fused."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sweep.errors import UsageError
from sweep.models import (
    ACTIVATIONS,
    MLP,
    CounterDropout,
    Layout,
    Stacked,
    build,
    check_model,
    dropout_key,
    is_weight,
    stack_buffers,
    with_counter_dropout,
)
from tests.networks import Recurrent, Tied
from tests.problems import generator

ROWS = torch.randn(4, 5, generator=generator(1))


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


# --- what is a weight


@pytest.mark.parametrize(
    ("name", "weight"),
    [
        ("linear.weight", True),
        ("linear.bias", False),
        ("conv.weight", True),
        ("conv.bias", False),
        ("embedding.weight", True),
        ("layer.weight", False),
        ("layer.bias", False),
        ("batch.weight", False),
        ("batch.bias", False),
        ("group.weight", False),
        ("rms.weight", False),
    ],
)
def test_weights_are_penalised_and_biases_and_norms_are_not(name: str, weight: bool) -> None:
    assert is_weight(mixed(), name) is weight


@pytest.mark.parametrize(
    ("pattern", "spared"),
    [
        ("linear.weight", {"linear.weight"}),
        ("conv.*", {"conv.weight"}),
        ("*.weight", {"linear.weight", "conv.weight", "embedding.weight"}),
        ("weight", set()),
    ],
)
def test_patterns_exempt_weights_by_their_full_name(pattern: str, spared: set[str]) -> None:
    module = mixed()
    weights = {name for name, _ in module.named_parameters() if is_weight(module, name)}
    left = {name for name in weights if is_weight(module, name, [pattern])}
    assert weights - left == spared


def test_a_bias_of_two_dimensions_is_still_a_bias() -> None:
    module = nn.Module()
    module.bias = nn.Parameter(torch.zeros(2, 2))
    module.matrix = nn.Parameter(torch.zeros(2, 2))
    assert not is_weight(module, "bias")
    assert is_weight(module, "matrix")


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


def test_frozen_parameters_have_no_place_in_a_lane() -> None:
    module = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    module[0].requires_grad_(False)
    assert Layout.of(module).penalised == ("1.weight",)
    assert Layout.of(module).exempt == ("1.bias",)


# --- networks and their seeds


TORCH = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU, "silu": nn.SiLU, "elu": nn.ELU}


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("hidden", [[], [7], [6, 4]])
def test_an_mlp_is_linear_layers_with_activations_between(
    hidden: list[int], activation: str
) -> None:
    module = MLP(5, hidden, 3, activation)
    weights = list(module.layers)
    plain: list[nn.Module] = [weights[0]]
    for layer in weights[1:]:
        plain += [TORCH[activation](), layer]
    torch.testing.assert_close(module(ROWS), nn.Sequential(*plain)(ROWS))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_and_their_gradients_are_those_of_torch(activation: str) -> None:
    x = torch.tensor([-math.inf, -200.0, -3.0, -1e-9, 0.0, 1e-9, 0.7, 200.0, math.nan])
    x = x.double()[1:] if activation in ("gelu", "silu") else x.double()  # -inf·0 is NaN
    values, slopes = [], []
    for kind in (ACTIVATIONS, TORCH):
        leaf = x.clone().requires_grad_()
        out = kind[activation]()(leaf)
        values.append(out.detach())
        slopes.append(torch.autograd.grad(out.sum(), leaf)[0])
    torch.testing.assert_close(*values, rtol=1e-12, atol=1e-14, equal_nan=True)
    torch.testing.assert_close(slopes[0][:-1], slopes[1][:-1], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_round_alike_at_every_place_of_a_tensor(activation: str) -> None:
    x = 2 * torch.randn(1001, generator=generator(3))
    module = ACTIVATIONS[activation]()
    pieces = torch.cat([module(piece) for piece in x.split(7)])
    assert torch.equal(pieces, module(x))


def test_initial_weights_follow_from_the_seed_and_leave_the_global_generator_alone() -> None:
    before = torch.random.get_rng_state()
    one, same, other = (build(lambda: nn.Linear(3, 2), seed) for seed in (5, 5, 6))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(one.get_parameter("weight"), same.get_parameter("weight"))
    assert not torch.equal(one.get_parameter("weight"), other.get_parameter("weight"))


def test_a_factory_that_makes_no_module_is_refused() -> None:
    with pytest.raises(UsageError, match=r"must return a torch\.nn\.Module, got function"):
        build(lambda: lambda x: x, 0)  # type: ignore[arg-type, return-value]


# --- dropout


def keyed(p: float, key: int) -> CounterDropout:
    dropout = CounterDropout(p)
    dropout.key = torch.tensor(key)
    return dropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_zeroes_the_share_p_and_scales_the_rest(p: float) -> None:
    out = keyed(p, 3)(torch.ones(400, 250))
    kept = out[out != 0]
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - p)))
    # 100,000 entries: five standard deviations
    assert abs(len(kept) / out.numel() - (1 - p)) < 5 * (p * (1 - p) / out.numel()) ** 0.5


def test_dropout_is_the_identity_in_evaluation_and_at_p_0() -> None:
    assert torch.equal(keyed(0.5, 3).eval()(ROWS), ROWS)
    assert torch.equal(keyed(0.0, 3)(ROWS), ROWS)


def test_a_dropout_mask_follows_from_its_key_alone() -> None:
    x = torch.ones(50, 40)
    assert torch.equal(keyed(0.5, 3)(x), keyed(0.5, 3)(x))
    agreement = (keyed(0.5, 3)(x) == keyed(0.5, 4)(x)).double().mean()
    assert 0.4 < float(agreement) < 0.6


def test_dropout_keys_differ_by_replicate_step_and_layer() -> None:
    keys = {
        int(dropout_key(torch.tensor(replicate), torch.tensor(step), layer))
        for replicate, step, layer in itertools.product((7, 2**62), range(50), range(3))
    }
    assert len(keys) == 300


def test_neighbouring_entries_of_a_mask_are_not_correlated() -> None:
    mask = (keyed(0.5, 11)(torch.ones(300, 300)) > 0).double() - 0.5
    assert abs(float((mask[:, 1:] * mask[:, :-1]).mean())) < 0.005
    assert abs(float((mask[1:] * mask[:-1]).mean())) < 0.005


def test_dropped_entries_pass_no_nan_on() -> None:
    x = torch.full((20, 20), torch.nan, requires_grad=True)
    out = keyed(0.5, 3)(x)
    dropped = out == 0
    assert 0 < int(dropped.sum()) < 400
    (grad,) = torch.autograd.grad(out.nansum(), x)
    assert not grad[dropped].isnan().any()


def test_every_dropout_inside_a_network_is_swapped() -> None:
    inner = nn.Sequential(nn.Dropout(0.3), nn.ReLU())
    module = with_counter_dropout(nn.Sequential(inner, nn.Linear(2, 2), nn.Dropout(0.1)))
    found = [m.p for m in module.modules() if isinstance(m, CounterDropout)]
    assert found == [0.3, 0.1]
    assert not any(isinstance(m, nn.Dropout) for m in module.modules())
    assert isinstance(with_counter_dropout(nn.Dropout(0.2)), CounterDropout)


# --- stacking


def test_stacked_networks_give_each_lane_its_own_output() -> None:
    modules = [build(lambda: MLP(5, [6], 3, "relu"), seed) for seed in range(3)]
    layout = Layout.of(modules[0])
    want = torch.stack([module(ROWS) for module in modules]).detach()
    tensors = layout.views(layout.flat(torch.stack([layout.row(module) for module in modules])))
    stacked = Stacked(modules[0])
    torch.testing.assert_close(stacked.evaluate_shared(tensors, ROWS), want)
    torch.testing.assert_close(stacked.evaluate(tensors, ROWS.expand(3, 4, 5)), want)
    torch.testing.assert_close(stacked.train(tensors, ROWS.expand(3, 4, 5)), want)


def test_a_buffer_of_each_network_is_stacked() -> None:
    modules = [nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)) for _ in range(2)]
    modules[1].get_buffer("1.running_mean").fill_(5)
    buffers = stack_buffers(modules)
    assert buffers["1.running_mean"].tolist() == [[0.0] * 3, [5.0] * 3]
    assert buffers["1.num_batches_tracked"].tolist() == [0, 0]


# --- what cannot be trained, or not fused


class Forward(nn.Module):
    """A linear layer, then whatever is asked for."""

    def __init__(self, then: Callable[[Tensor], Any]):
        super().__init__()
        self.linear, self.then = nn.Linear(5, 3), then

    def forward(self, x: Tensor) -> Any:
        return self.then(self.linear(x))


def assign(x: Tensor) -> Tensor:
    out = torch.zeros(x.shape[0], 3)
    out[:] = x
    return out


def fail(x: Tensor) -> Tensor:
    raise RuntimeError("first line of it\nsecond line")


def refusal(factory: Callable[[], nn.Module], *, fused: bool = True) -> str:
    with pytest.raises(UsageError) as caught:
        check_model(factory, ROWS, 3, fused=fused)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    "then",
    [
        lambda x: x if x.sum() > 0 else -x,
        lambda x: x * x.mean().item(),
        lambda x: nn.functional.dropout(x, 0.5),
        lambda x: x + torch.rand_like(x),
        assign,
    ],
    ids=["if", "item", "functional dropout", "random", "in-place"],
)
def test_networks_that_vmap_cannot_batch_are_refused_in_one_line_with_a_way_out(
    then: Callable[[Tensor], Tensor],
) -> None:
    message = refusal(lambda: Forward(then))
    assert message.startswith("model: must be batchable by torch.vmap, got ")
    assert message.endswith("--set training.fused=false")
    check_model(lambda: Forward(then), ROWS, 3, fused=False)


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_layers_without_a_batching_rule_are_refused(kind: Callable[..., nn.RNNBase]) -> None:
    assert "Batching rule not implemented" in refusal(lambda: Recurrent(kind))
    check_model(lambda: Recurrent(kind), ROWS, 3, fused=False)


@pytest.mark.parametrize("fused", [True, False])
def test_another_width_than_the_targets_is_refused(fused: bool) -> None:
    message = refusal(lambda: nn.Linear(5, 4), fused=fused)
    assert message == (
        "model output: must be (rows, 3), got (4, 4) for 4 rows. Give the last layer 3 outputs"
    )


@pytest.mark.parametrize("fused", [True, False])
def test_a_network_that_cannot_read_the_rows_is_refused(fused: bool) -> None:
    message = refusal(lambda: nn.Linear(6, 3), fused=fused)
    assert message.startswith("model: must accept rows of shape (5,), got RuntimeError: ")


def test_a_network_that_crashes_is_refused_with_the_first_line_of_its_error() -> None:
    message = refusal(lambda: Forward(fail))
    assert "RuntimeError: first line of it. Mend forward()" in message


@pytest.mark.parametrize("factory", [nn.Identity, lambda: nn.Linear(5, 3).requires_grad_(False)])
def test_a_network_with_nothing_to_train_is_refused(factory: Callable[[], nn.Module]) -> None:
    assert refusal(factory) == "model: must have trainable parameters, got none"


@pytest.mark.parametrize(
    "factory",
    [
        Tied,
        lambda: nn.Sequential(
            nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 3)
        ),
        lambda: nn.Sequential(nn.Unflatten(1, (1, 5)), nn.Conv1d(1, 3, 5), nn.Flatten()),
    ],
    ids=["tied", "norm and dropout", "convolution"],
)
def test_ordinary_networks_are_accepted(factory: Callable[[], nn.Module]) -> None:
    check_model(factory, ROWS, 3, fused=True)
    check_model(factory, ROWS, 3, fused=False)


def test_tied_weights_have_one_place_in_a_lane() -> None:
    assert "second.weight" not in {place.name for place in Layout.of(Tied()).places}
