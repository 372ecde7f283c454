"""Networks for remarks: each a function of a study's, f(n_features, n_outputs) -> nn.Module."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Size = int | tuple[int, ...]
seq = nn.Sequential


class Apply(nn.Module):
    """Apply a function."""

    def __init__(self, function: Callable[[Tensor], Tensor]):
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


class Residual(nn.Module):
    def __init__(self, *branch: nn.Module):
        super().__init__()
        self.branch = seq(*branch)

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.as_tensor(self.branch(x))


class NormalizedLinear(nn.Linear):
    """Give the rows of the weight the length 1 in every step."""

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, F.normalize(self.weight, dim=1), self.bias)


class LinearNormByName(nn.Linear):
    """A linear layer like any other."""


class Scale(nn.Module):
    def __init__(self, *shape: int, size: float = 1.0):
        super().__init__()
        self.scale = nn.Parameter(torch.full(shape, size))
        self.shift = nn.Parameter(torch.zeros(shape))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.shift


class FrozenBatchNorm(nn.BatchNorm1d):
    def train(self, mode: bool = True) -> FrozenBatchNorm:
        super().train(False)
        return self


class Attention(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        shares = torch.softmax(q @ k.mT / q.shape[-1] ** 0.5, -1)
        return torch.as_tensor(self.out(shares @ v))


class Tokens(nn.Module):
    """Look up a token for each feature; the last layer may share the table."""

    def __init__(self, n_outputs: int, tied: bool):
        super().__init__()
        self.table = nn.Embedding(9, 9 if tied else 4)
        self.last = nn.Linear(9, 9, bias=False) if tied else nn.Linear(4, n_outputs)
        self.n_outputs = n_outputs
        if tied:
            self.last.weight = self.table.weight

    def forward(self, x: Tensor) -> Tensor:
        tokens = (x.clamp(-2, 2) * 2 + 4).long()
        return torch.as_tensor(self.last(torch.tanh(self.table(tokens).mean(1))))[
            :, : self.n_outputs
        ]


class Table(nn.Module):
    """Look up a row of a tensor of its own."""

    def __init__(self, n_outputs: int):
        super().__init__()
        self.table = nn.Parameter(torch.randn(9, n_outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.table[(x.clamp(-2, 2) * 2 + 4).long()].mean(1)


class Permuted(nn.Linear):
    order: Tensor

    def __init__(self, n: int, c: int):
        super().__init__(n, c)
        self.register_buffer("order", torch.randperm(c))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight[self.order], self.bias)


class Counting(nn.Module):
    """Add the number of calls."""

    calls: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x * self.calls


class Recurrent(nn.Module):
    def __init__(self, n_outputs: int):
        super().__init__()
        self.cell, self.last = nn.GRU(1, 4, batch_first=True), nn.Linear(4, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.last(self.cell(x[..., None])[0][:, -1]))


class SoftmaxInEval(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        out = super().forward(x)
        return out if self.training else torch.softmax(out, -1)


class FewRowsOnly(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        if len(x) > 8:
            raise ValueError("too many rows")
        return torch.softmax(super().forward(x), -1)


class Cosine(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return 10 * F.linear(F.normalize(x, dim=1), F.normalize(self.weight, dim=1))


def conv(*norm: nn.Module, n: int = 4) -> list[nn.Module]:
    return [nn.Conv2d(1, n, 3), *norm, nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()]


def zeroed(layer: nn.Module, *names: str) -> nn.Module:
    """Have a layer, or some of its tensors, begin at 0."""
    for name, parameter in layer.named_parameters():
        if name in names or not names:
            nn.init.zeros_(parameter)
    return layer


def tokens_of(width: int) -> nn.Module:
    """Make one token of each feature."""
    return seq(nn.Unflatten(1, (-1, 1)), nn.Linear(1, width))


def mean() -> nn.Module:
    return Apply(lambda x: x.mean(1))


def deep(c: int, *last: nn.Module) -> nn.Module:
    layers = [part for _ in range(20) for part in (nn.Linear(8, 8), nn.ReLU())]
    return seq(nn.Linear(6, 8), *layers, nn.Linear(8, c), *last)
