"""A model of your own: what the study file own-model.yaml names as `python:own_model:make_model`.

Its data, own_model.csv, are the 442 patients of scikit-learn's diabetes data set (Efron, Hastie,
Johnstone and Tibshirani, "Least Angle Regression", 2004), made to look like a table from daily
life: readable column names, sex as a or b, glucose (s6) cut at its terciles into low, mid and
high, and 3 % of the feature cells blanked at random (numpy.random.default_rng(0)). The target,
progression, is the disease's state one year later, a number from 25 to 346.
"""

import torch
from torch import Tensor, nn


class OwnModel(nn.Module):
    """Add what one normalised block finds to what a first layer found."""

    def __init__(self, n_features: int, n_outputs: int, width: int = 32) -> None:
        super().__init__()
        # `sweep validate` lists these names: stem.weight, block.weight and head.weight are
        # penalised; biases are not, and neither is norm.weight, which has one dimension only.
        self.stem = nn.Linear(n_features, width)
        self.norm = nn.LayerNorm(width)
        self.block = nn.Linear(width, width)
        self.head = nn.Linear(width, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map rows (B, n_features) to outputs (B, n_outputs)."""
        found = torch.relu(self.stem(x))
        # The norm stands before a layer, never after it: a norm right after would undo the
        # size of the layer's weights, and their penalty with it.
        return self.head(found + torch.relu(self.block(self.norm(found))))


def make_model(n_features: int, n_outputs: int) -> nn.Module:
    """Make one network; sweep calls this for every seed and trains many of them at once."""
    return OwnModel(n_features, n_outputs)
