"""Which weights of a network an L2 penalty makes equally large.

Where all between two layers is homogeneous, such as a ReLU, W₁ → cW₁, b₁ → cb₁, W₂ → W₂ / c leaves
the network's outputs as they are, but changes α(‖W₁‖² + ‖W₂‖²), which is least where both are
equal. So wherever training has come to rest, ‖W₁‖² = ‖W₂‖² exactly, whatever the data, the loss
and the optimiser are.
"""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from sweep.data.problem import Problem
from sweep.plan.remarks import ROWS, tried
from sweep.spec.sections import MlpSpec
from sweep.spec.study import StudySpec
from sweep.training.layout import Layout
from sweep.training.probe import Probe


def balanced(
    spec: StudySpec, problem: Problem, layout: Layout, module: nn.Module
) -> list[tuple[str, str]]:
    """Return pairs of names of weights, the first one's outputs feeding the second.

    None of another penalty than L2 in the loss. The user's own network is tried on a few rows.

    Args:
        spec: the study.
        problem: its rows.
        layout: of the network's parameters.
        module: a network of its own, on the device that trains.
    """
    if spec.strength != "alpha" or spec.penalty.ratio:
        return []
    if isinstance(spec.model, MlpSpec):
        if spec.model.activation != "relu":
            return []
        layers = [f"layers.{index}" for index in range(len(spec.model.hidden) + 1)]
        return [
            (f"{first}.weight", f"{then}.weight")
            for first, then in pairwise(layers)
            if {f"{first}.weight", f"{then}.weight"} <= {*layout.penalised}
            and f"{first}.bias" not in layout.penalised
        ]
    rows = problem.rows(problem.train[0, :ROWS]).to(next(module.parameters()).device)
    return tried(lambda: Probe(module, rows).balanced(layout.penalised)) or []
