"""Which tensors of a network are weights, which the penalty shrinks.

Studies, refits and configs in a loop of the user's own all ask `weight_names`: what is a weight is
decided here alone, by what a module is, never by what its class is called.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from sweep.errors import UsageError, did_you_mean

NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)  # _NormBase: batch, instance
EMBEDDING_LAYERS = (nn.Embedding, nn.EmbeddingBag)
_PARAMETRIZED = "parametrizations"  # where torch.nn.utils.parametrize puts what it replaces


def weight_names(
    module: nn.Module, exempt: Sequence[str] = (), include: Sequence[str] = ()
) -> list[str]:
    """Name the tensors of one network that are penalised, in the network's own order.

    What a pattern of `include` matches is penalised, what one of `exempt` matches is not. Of the
    rest, tensors of two dimensions or more are, but for biases, what torch's norm layers and
    their subclasses have of their own, and scales and shifts: see `is_scale`. A tensor that
    several modules share goes by each of its names. Ask before stacking: a stacked bias has two
    dimensions.

    Args:
        module: the network.
        exempt, include: shell patterns of names.

    Raises:
        UsageError: a pattern matches no tensor, or patterns of both match the same one.
    """
    names = _all_names(module)
    spared = _matched("exempt", exempt, names)
    asked = _matched("include", include, names)
    if both := spared & asked:
        raise UsageError(
            f"penalty.include: must not match what penalty.exempt does, got {min(both)} in both."
            " Remove a pattern"
        )
    return [
        name
        for name in names
        if name in asked or (name not in spared and _is_weight(module, name))
    ]


def hidden_matrices(module: nn.Module) -> set[str]:
    """Name the trainable weights of two dimensions, but embeddings and the last one.

    The last one, in the network's own order, makes the outputs.
    """
    found = [
        name
        for name in weight_names(module)
        if (tensor := module.get_parameter(name)).requires_grad and tensor.ndim == 2
        and not isinstance(owner_of(module, name)[1], EMBEDDING_LAYERS)
    ]  # fmt: skip
    return set(found[:-1])


def matched_names(module: nn.Module, patterns: Sequence[str]) -> set[str]:
    """Name the tensors that shell patterns match, each by the first of its names."""
    return {
        name
        for name, known in _all_names(module).items()
        if any(_matches(pattern, known) for pattern in patterns)
    }


def owner_of(module: nn.Module, name: str) -> tuple[str, nn.Module, str]:
    """Return whose a tensor is: the path of the layer, the layer, what it calls the tensor."""
    *path, leaf = name.split(".")
    if _PARAMETRIZED in path:  # layer.parametrizations.weight.original
        at = path.index(_PARAMETRIZED)
        path, leaf = path[:at], path[at + 1]
    prefix = ".".join(path)
    return prefix, module.get_submodule(prefix), leaf


def is_bias(leaf: str) -> bool:
    """Tell by a tensor's own name whether it is a bias: bias, in_proj_bias, bias_ih_l0."""
    return leaf.endswith("bias") or "bias" in leaf.split("_")


def is_scale(owner: nn.Module, tensor: Tensor) -> bool:
    """Tell whether a tensor scales or shifts units, rather than mixing them.

    It has one dimension, or more of which all but one have a single entry, such as (C, 1, 1).
    A kernel of a convolution may look like that; a matrix (1, F) is the weight of one unit.
    """
    if tensor.ndim < 2:
        return True
    flat = tensor.numel() == max(tensor.shape, default=1)
    return tensor.ndim > 2 and flat and not isinstance(owner, _ConvNd | nn.Bilinear)


def _is_weight(module: nn.Module, name: str) -> bool:
    _, owner, leaf = owner_of(module, name)
    spared = is_bias(leaf) or isinstance(owner, NORMS)
    return not (spared or is_scale(owner, module.get_parameter(name)))


def _all_names(module: nn.Module) -> dict[str, list[str]]:
    """Return every name of each tensor, by the first of them."""
    first: dict[int, str] = {}
    names: dict[str, list[str]] = {}
    for name, tensor in module.named_parameters(remove_duplicate=False):
        names.setdefault(first.setdefault(id(tensor), name), []).append(name)
    return names


def _matched(key: str, patterns: Sequence[str], names: dict[str, list[str]]) -> set[str]:
    found: set[str] = set()
    for pattern in patterns:
        matched = {name for name, known in names.items() if _matches(pattern, known)}
        if not matched:
            raise UsageError(
                f"penalty.{key}: must match a tensor of the network, got {pattern!r}."
                f" {did_you_mean(pattern, names)}"
            )
        found |= matched
    return found


def _matches(pattern: str, names: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for name in names)
