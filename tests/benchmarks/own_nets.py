"""Networks as people bring them, of torch's own layers: what `networks` trains.

Rows are images (channels, height, width), sequences (steps, features) or plain features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

CLASSES, WIDTH = 10, 32


class Network(NamedTuple):
    """A kind of network.

    Attributes:
        shape: of a row.
        make: makes one.
        bar: times the plain loop that its training is meant to be fast.
        epochs: of a training, as many as take a moment.
    """

    shape: tuple[int, ...]
    make: Callable[[], nn.Module]
    bar: float
    epochs: int = 4


class Recurrent(nn.Module):
    """Read a sequence, and decide by the last state."""

    def __init__(self, kind: Callable[..., nn.RNNBase], n_features: int):
        super().__init__()
        self.cells = kind(n_features, WIDTH, batch_first=True)
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Map sequences (B, steps, features) to logits (B, 10)."""
        return torch.as_tensor(self.head(self.cells(x)[0][:, -1]))


class Transformer(nn.Module):
    """Two encoder layers over tokens with learnt positions, then their mean."""

    def __init__(self, n_tokens: int, n_features: int):
        super().__init__()
        self.embed = nn.Linear(n_features, WIDTH)
        self.positions = nn.Parameter(torch.zeros(n_tokens, WIDTH))
        layer = nn.TransformerEncoderLayer(WIDTH, 4, 2 * WIDTH, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens (B, tokens, features) to logits (B, 10)."""
        tokens = self.encoder(self.embed(x) + self.positions)
        return torch.as_tensor(self.head(tokens.mean(1)))


class Residual(nn.Module):
    """Add what a normalised layer finds."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.layer = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """Map rows to rows, (B, 32)."""
        return x + torch.relu(self.layer(self.norm(x)))


def residual_mlp() -> nn.Module:
    """Return a stem, two residual blocks, a norm and a head."""
    stem, head = nn.Linear(64, WIDTH), nn.Linear(WIDTH, CLASSES)
    return nn.Sequential(stem, Residual(), Residual(), nn.LayerNorm(WIDTH), head)


def small_cnn(norm: bool) -> nn.Module:
    """Return a network for 8 × 8 pixels: two convolutions, one halving."""
    last = nn.Flatten(), nn.Linear(16 * 4 * 4, CLASSES)
    return nn.Sequential(*_block(1, 8, norm), nn.MaxPool2d(2), *_block(8, 16, norm), *last)


def cnn(norm: bool) -> nn.Module:
    """Return a network for 28 × 28 pixels: two convolutions, each followed by a halving."""
    blocks = *_block(1, 8, norm), nn.MaxPool2d(2), *_block(8, 16, norm), nn.MaxPool2d(2)
    return nn.Sequential(*blocks, nn.Flatten(), nn.Linear(16 * 7 * 7, CLASSES))


def cnn_1d() -> nn.Module:
    """Return a network for 64 values in line: two convolutions, each followed by a halving."""
    first = nn.Conv1d(1, 8, 5, padding=2), nn.ReLU(), nn.MaxPool1d(2)
    second = nn.Conv1d(8, 16, 5, padding=2), nn.ReLU(), nn.MaxPool1d(2)
    return nn.Sequential(*first, *second, nn.Flatten(), nn.Linear(16 * 16, CLASSES))


def _block(n_in: int, n_out: int, norm: bool) -> Sequence[nn.Module]:
    norms = [nn.BatchNorm2d(n_out)] if norm else []
    return [nn.Conv2d(n_in, n_out, 3, padding=1), *norms, nn.ReLU()]


NETWORKS = {
    "LSTM, 20 steps": Network((20, 8), lambda: Recurrent(nn.LSTM, 8), 3.5),
    "GRU, 20 steps": Network((20, 8), lambda: Recurrent(nn.GRU, 8), 3.5),
    "transformer, 16 tokens": Network((16, 8), lambda: Transformer(16, 8), 2.5),
    "CNN, 8 × 8": Network((1, 8, 8), lambda: small_cnn(False), 2),
    "CNN, 8 × 8, BatchNorm": Network((1, 8, 8), lambda: small_cnn(True), 2),
    "CNN, 28 × 28": Network((1, 28, 28), lambda: cnn(False), 2, 2),
    "CNN, 28 × 28, BatchNorm": Network((1, 28, 28), lambda: cnn(True), 2, 2),
    "CNN, 64 in line": Network((1, 64), cnn_1d, 2),
    "residual MLP, LayerNorm": Network((64,), residual_mlp, 6),
}
