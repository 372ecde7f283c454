"""A small network and its batches, for tests of an exported config in a user's own loop."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sweep.config.options import OPTIMIZERS
from sweep.config.training_loop import Config
from sweep.config.twins import TWINS
from sweep.spec.files import parse_spec

ALPHA, STEPS = 0.03, 30
WEIGHTS = ("0.weight", "3.weight")  # of `network`; its LayerNorm and biases are spared

SGD: dict[str, dict[str, Any]] = {
    "plain": {},
    "momentum": {"momentum": 0.9},
    "dampening": {"momentum": 0.8, "dampening": 0.3},
    "nesterov": {"momentum": 0.9, "nesterov": True},
    "dampening without momentum": {"dampening": 0.3},
}
ADAM: dict[str, dict[str, Any]] = {
    "default": {},
    "betas and eps": {"betas": (0.7, 0.9), "eps": 1e-3},
}
TRAININGS = [
    *({"optimizer": "sgd", "lr": 0.05, **options} for options in SGD.values()),
    *({"optimizer": "adam", "lr": 0.02, **options} for options in ADAM.values()),
]
NAMES = [*(f"sgd {name}" for name in SGD), *(f"adam {name}" for name in ADAM)]
trainings = pytest.mark.parametrize("training", TRAININGS, ids=NAMES)


def config(training: dict[str, Any], norm: str = "l2", **params: float) -> Config:
    tree = {"study_name": "x", "training": training, "penalty": {"norm": norm}}
    spec = parse_spec(tree, "x", Path("."))
    return Config(spec, {spec.strength: ALPHA, **params})


def network(seed: int = 0) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = nn.Linear(5, 6), nn.LayerNorm(6), nn.Tanh(), nn.Linear(6, 2)
        return nn.Sequential(*layers).double()


def batches(steps: int = STEPS) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    return [
        (
            torch.randn(8, 5, dtype=torch.float64, generator=generator),
            torch.randint(0, 2, (8,), generator=generator),
        )
        for _ in range(steps)
    ]


Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]


def data_loss(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return nn.functional.cross_entropy(model(x), y)


def plain_optimizer(training: dict[str, Any], parameters: Any) -> torch.optim.Optimizer:
    makers = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    if training["optimizer"] not in makers:  # whose options have other names in torch
        spec = config(training).spec
        twin, section = TWINS[training["optimizer"]], spec.training
        options = OPTIMIZERS[training["optimizer"]].options(section, spec.values({}))
        return twin.kind(parameters, lr=section.lr, **options)
    options = {key: value for key, value in training.items() if key != "optimizer"}
    made: torch.optim.Optimizer = makers[training["optimizer"]](parameters, **options)
    return made


def assert_alike(one: dict[str, Tensor], other: dict[str, Tensor], tolerance: float) -> None:
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=0, atol=tolerance, msg=name)
