"""Which layers an L2 penalty makes equally large: of an MLP by rule, of others by trial."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from sweep.plan.balance import balanced
from sweep.plan.plan import make_plan
from sweep.training.probe import Probe
from tests.support.studies import tiny

FIRST, SECOND, THIRD = (f"layers.{i}.weight" for i in range(3))


def found(folder: Path, **overrides: Any) -> list[tuple[str, str]]:
    return list(make_plan(tiny(folder, **overrides)).about["balanced"])


def test_layers_with_a_relu_between_them_come_to_a_balance(tmp_path: Path) -> None:
    assert found(tmp_path) == [(FIRST, SECOND)]
    assert found(tmp_path, model__hidden=[8, 4]) == [(FIRST, SECOND), (SECOND, THIRD)]


@pytest.mark.parametrize(
    "overrides",
    [
        {"model__activation": "tanh"}, {"model__activation": "gelu"}, {"model__activation": "elu"},
        {"model__hidden": []}, {"penalty__norm": "l1"}, {"penalty__norm": "elastic"},
        {"training": {"optimizer": "adamw", "epochs": 2}},
        {"penalty__exempt": [FIRST]}, {"penalty__include": ["layers.0.bias"]},
    ],
)  # fmt: skip
def test_where_the_theory_does_not_hold_none_do(tmp_path: Path, overrides: dict[str, Any]) -> None:
    assert found(tmp_path, **overrides) == []


def small(module: nn.Module) -> nn.Module:
    for tensor in module.parameters():
        tensor.data *= 1e-3
    return module


NETWORKS: dict[str, tuple[Callable[[], nn.Module], list[tuple[str, str]]]] = {
    "relu": (lambda: nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3)),
             [("0.weight", "2.weight")]),
    "leaky, dropout": (lambda: nn.Sequential(nn.Linear(5, 8), nn.LeakyReLU(), nn.Dropout(0.3),
                                             nn.Linear(8, 3)), [("0.weight", "3.weight")]),
    "two linear": (lambda: nn.Sequential(nn.Linear(5, 8), nn.Linear(8, 3)),
                   [("0.weight", "1.weight")]),
    "convolution": (lambda: nn.Sequential(nn.Unflatten(1, (1, 5)), nn.Conv1d(1, 4, 3), nn.ReLU(),
                                          nn.MaxPool1d(2), nn.Flatten(), nn.Linear(4, 3)),
                    [("1.weight", "5.weight")]),
    "tanh": (lambda: nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3)), []),
    "tanh near 0": (lambda: small(nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3))), []),
    "softplus": (lambda: nn.Sequential(nn.Linear(5, 8), nn.Softplus(), nn.Linear(8, 3)), []),
    "batch norm": (lambda: nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(),
                                         nn.Linear(8, 3)), []),
    "layer norm": (lambda: nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.LayerNorm(8),
                                         nn.Linear(8, 3)), []),
    "norms after both": (lambda: nn.Sequential(nn.Linear(5, 8), nn.LayerNorm(8), nn.ReLU(),
                                               nn.Linear(8, 3), nn.LayerNorm(3)), []),
    "a skip beside": (lambda: Skip(), [("down.weight", "up.weight")]),
}  # fmt: skip


class Skip(nn.Module):
    """A branch of two layers beside the identity, and a layer behind both."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up, self.out = nn.Linear(5, 4), nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(self.out(x + self.up(torch.relu(self.down(x)))))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_ones_own_is_tried(name: str) -> None:
    make, expected = NETWORKS[name]
    torch.manual_seed(3)
    module, x = make(), torch.randn(23, 5)
    weights = [name for name, tensor in module.named_parameters() if tensor.ndim > 1]
    before = torch.random.get_rng_state()
    assert Probe(module, x).balanced(weights) == expected
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_study_of_ones_own_network_tells_its_pairs(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from torch import nn\n\n\ndef net(n, m):\n"
        "    return nn.Sequential(nn.Linear(n, 8), nn.ReLU(), nn.Linear(8, m))\n"
    )
    own = {"source": "python:mine:net"}
    data = {"source": "sklearn:iris", "train_rows": 60}
    plan = make_plan(tiny(tmp_path, model=own, data=data))
    assert plan.about["balanced"] == [("0.weight", "2.weight")]
    other = plan.spec.model_copy(update={"penalty": plan.spec.penalty.model_copy(
        update={"norm": "l1"})})  # fmt: skip
    assert balanced(other, plan.problem, plan.layout, plan.factory()) == []
