"""What is a weight: by what a module is, and by patterns."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from sweep.errors import UsageError
from sweep.training.weights import matched_names, weight_names
from tests.support.networks import Tied


def holding(**tensors: Tensor) -> nn.Module:
    """Make a module with parameters of its own."""
    module = nn.Module()
    for name, tensor in tensors.items():
        setattr(module, name, nn.Parameter(tensor))
    return module


class NormalizedLinear(nn.Linear):
    pass


class Subclassed(nn.LayerNorm):
    pass


class WithMatrix(nn.BatchNorm1d):
    def __init__(self, n: int):
        super().__init__(n)
        self.whiten = nn.Parameter(torch.eye(n))
        self.mix = nn.Linear(n, n)


class Doubled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


def parametrized() -> nn.Module:
    layer = nn.Linear(3, 4)
    parametrize.register_parametrization(layer, "weight", Doubled())
    parametrize.register_parametrization(layer, "bias", Doubled())
    return layer


# What is penalised of each, beside the tensors that are not.
KINDS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "linear": (lambda: nn.Linear(3, 4), "weight"),
    "linear of one output": (lambda: nn.Linear(3, 1), "weight"),
    "linear of one input": (lambda: nn.Linear(1, 1), "weight"),
    "bilinear": (lambda: nn.Bilinear(1, 3, 1), "weight"),
    "convolution": (lambda: nn.Conv2d(1, 2, 3), "weight"),
    "convolution of one output": (lambda: nn.Conv2d(5, 1, 1), "weight"),
    "transposed convolution": (lambda: nn.ConvTranspose1d(1, 1, 3), "weight"),
    "embedding": (lambda: nn.Embedding(5, 2), "weight"),
    "recurrent": (lambda: nn.GRU(3, 4), "weight_ih_l0 weight_hh_l0"),
    "attention": (
        lambda: nn.MultiheadAttention(4, 2, add_bias_kv=True),
        "in_proj_weight out_proj.weight",
    ),
    "layer norm": (lambda: nn.LayerNorm([2, 3]), ""),
    "batch norm": (lambda: nn.BatchNorm2d(4), ""),
    "instance norm": (lambda: nn.InstanceNorm1d(4, affine=True), ""),
    "group norm": (lambda: nn.GroupNorm(2, 4), ""),
    "rms norm": (lambda: nn.RMSNorm([2, 3]), ""),
    "a subclass of a norm": (lambda: Subclassed([2, 3]), ""),
    "a layer inside a norm": (lambda: WithMatrix(3), "mix.weight"),
    "a linear layer that is called a norm": (lambda: NormalizedLinear(3, 4), "weight"),
    "tied": (Tied, "first.weight last.weight"),
    "parametrised": (parametrized, "parametrizations.weight.original"),
    "weight norm": (
        lambda: parametrizations.weight_norm(nn.Linear(3, 4)),
        "parametrizations.weight.original0 parametrizations.weight.original1",
    ),
    "prelu": (lambda: nn.PReLU(3), ""),
    "scales and shifts": (
        lambda: holding(g=torch.ones(3), s=torch.ones(()), c=torch.ones(3, 1, 1),
                        b=torch.zeros(1, 3, 1, 1), token=torch.zeros(1, 1, 3)),
        "",
    ),
    "matrices": (
        lambda: holding(w=torch.ones(3, 2), row=torch.ones(1, 3), place=torch.ones(1, 4, 3)),
        "w row place",
    ),
    "biases of two dimensions": (
        lambda: holding(bias=torch.zeros(2, 2), in_bias=torch.zeros(2, 2),
                        relative_position_bias_table=torch.zeros(9, 2), matrix=torch.ones(2, 2)),
        "matrix",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_a_weight_by_what_its_module_is(kind: str) -> None:
    make, weights = KINDS[kind]
    assert weight_names(make()) == weights.split()


# --- patterns


def stack() -> nn.Module:
    return nn.ModuleDict(
        {"linear": nn.Linear(3, 4), "layer": nn.LayerNorm([2, 3]), "last": nn.Linear(4, 2)}
    )


@pytest.mark.parametrize(
    ("exempt", "include", "weights"),
    [
        (["linear.weight"], [], "last.weight"),
        (["l*.weight", "*.bias"], [], ""),
        ([], ["layer.weight"], "linear.weight layer.weight last.weight"),
        ([], ["linear.bias", "last.*"], "linear.weight linear.bias last.weight last.bias"),
        (["last.*"], ["layer.*"], "linear.weight layer.weight layer.bias"),
        ([], ["*"], "linear.weight linear.bias layer.weight layer.bias last.weight last.bias"),
    ],
)
def test_patterns_settle_the_rest(exempt: list[str], include: list[str], weights: str) -> None:
    assert weight_names(stack(), exempt, include) == weights.split()


@pytest.mark.parametrize(
    ("exempt", "include", "line"),
    [
        (["linaer.*"], [], "penalty.exempt: must match a tensor of the network, got 'linaer.*'."
                           " Did you mean linear.bias?"),
        ([], ["weight"], "penalty.include: must match a tensor of the network, got 'weight'."
                         " Did you mean last.weight?"),
        (["linear.*", "zz"], [], "penalty.exempt: must match a tensor of the network, got 'zz'."
                                 " Valid: linear.weight, linear.bias, layer.weight, layer.bias,"
                                 " last.weight, last.bias"),
        (["l*.weight"], ["layer.*"], "penalty.include: must not match what penalty.exempt does,"
                                     " got layer.weight in both. Remove a pattern"),
    ],
)  # fmt: skip
def test_patterns_that_settle_nothing_are_refused(
    exempt: list[str], include: list[str], line: str
) -> None:
    with pytest.raises(UsageError) as caught:
        weight_names(stack(), exempt, include)
    assert str(caught.value) == line


@pytest.mark.parametrize("name", ["first.weight", "second.weight"])
def test_a_tied_tensor_goes_by_each_of_its_names(name: str) -> None:
    assert weight_names(Tied(), exempt=[name]) == ["last.weight"]
    assert matched_names(Tied(), [name]) == {"first.weight"}
