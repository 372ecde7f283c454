"""Networks that are less usual than a stack of layers."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class Recurrent(nn.Module):
    def __init__(self, kind: Callable[..., nn.RNNBase]):
        super().__init__()
        self.recurrent, self.last = kind(1, 4, batch_first=True), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        states: Tensor = self.recurrent(x[..., None])[0]
        return torch.as_tensor(self.last(states[:, -1]))


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(5, 5), nn.Linear(5, 5), nn.Linear(5, 3)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.last(torch.tanh(self.second(torch.tanh(self.first(x))))))
