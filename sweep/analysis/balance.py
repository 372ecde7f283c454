"""The balance of layers: a figure of how far training is from rest.

At rest an L2 penalty is shared equally by layers that feed each other through something
homogeneous (`plan.balance`): the factor between their shares tells how far from it training ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sweep.analysis.selection import Finished
from sweep.search.point import Point
from sweep.spec.attributes import LAYER_NORMS

NEAR = 1.05  # a smaller factor is as good as none


def factor_of(finished: Finished, point: Point) -> float | None:
    """Return the factor between the layers' penalties at a strength; None where it tells nothing.

    It tells nothing without a penalty, where nothing is left of the weights, and of networks and
    penalties that need not come to a balance.
    """
    norms = point.attrs.get(LAYER_NORMS, ())
    if point.at <= 0 or len(norms) != len(finished.penalised):
        return None
    return imbalance(dict(zip(finished.penalised, norms, strict=True)), finished.balanced)


def imbalance(norms: Mapping[str, float], pairs: Sequence[Sequence[str]]) -> float | None:
    """Return the largest factor within a chain of layers; None without one, or with one of size 0.

    Args:
        norms: ‖W‖₂² of each weight.
        pairs: of weights that come to a balance.
    """
    chains: list[list[str]] = []
    for first, then in pairs:
        if chains and chains[-1][-1] == first:
            chains[-1].append(then)
        else:
            chains.append([first, then])
    sizes = [[norms.get(name, 0.0) for name in chain] for chain in chains]
    if not sizes or min(map(min, sizes)) <= 0:
        return None
    return max(max(each) / min(each) for each in sizes)


def sentence(factor: float) -> str:
    """Say what a factor means, without a full stop."""
    said = f"The layers' penalties differ by a factor of {factor:.3g}"
    if factor <= NEAR:
        return f"{said}: training has settled, where they are equal"
    return f"{said}: training has not yet settled, where they are equal"
