"""Three networks that read digits as they are: what digits-lstm, -transformer and -cnn.yaml name.

They are written as for one network; sweep trains those of all trials at once.
"""

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn


def sequences() -> dict:
    """Return each digit as 8 steps, the rows of its 8 x 8 pixels from top to bottom: (N, 8, 8)."""
    digits = load_digits()
    return {"X": digits.images.astype("float32") / 16, "y": digits.target}


def images() -> dict:
    """Return each digit as an image of one channel, (N, 1, 8, 8)."""
    found = sequences()
    return found | {"X": found["X"][:, None]}


class Lstm(nn.Module):
    """Read the rows one after another, and decide by the last state."""

    def __init__(self, n_pixels: int, n_outputs: int, width: int = 32) -> None:
        super().__init__()
        self.cells = nn.LSTM(n_pixels, width, batch_first=True)
        self.head = nn.Linear(width, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map rows of pixels (B, 8, 8) to logits (B, n_outputs)."""
        states, _ = self.cells(x)
        return self.head(states[:, -1])


class Transformer(nn.Module):
    """Let the rows look at each other, then decide by their mean."""

    def __init__(self, n_rows: int, n_pixels: int, n_outputs: int, width: int = 32) -> None:
        super().__init__()
        self.embed = nn.Linear(n_pixels, width)
        # Where a row stands. One dimension: it is not a weight, and so not penalised.
        self.position = nn.Parameter(torch.zeros(n_rows * width))
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Linear(width, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map rows of pixels (B, 8, 8) to logits (B, n_outputs)."""
        tokens = self.embed(x)
        tokens = self.encoder(tokens + self.position.view(tokens.shape[1:]))
        return self.head(tokens.mean(1))


def make_lstm(n_features: tuple, n_outputs: int) -> nn.Module:
    """Make one network; n_features is the shape of a digit, (8, 8)."""
    return Lstm(n_features[1], n_outputs)


def make_transformer(n_features: tuple, n_outputs: int) -> nn.Module:
    """Make one network; n_features is the shape of a digit, (8, 8)."""
    return Transformer(*n_features, n_outputs)


def make_cnn(n_features: tuple, n_outputs: int) -> nn.Module:
    """Make one network; n_features is the shape of a digit, (1, 8, 8)."""
    channels, height, width = n_features
    return nn.Sequential(
        nn.Conv2d(channels, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(16 * (height // 2) * (width // 2), n_outputs),
    )  # fmt: skip
