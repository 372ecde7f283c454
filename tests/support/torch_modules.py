"""The inputs on which torch tests its own modules, each as a small network of rows, in lanes.

`python -m tests.support.torch_modules` looks at all and prints what came of each, as JSON. It is
for a process of its own: torch's tests change switches of the whole process when imported.

They come from `torch.testing._internal.common_modules.module_db`, which needs `expecttest`. Left
out are losses, whole numbers as inputs, empty batches, and inputs without a batch unless they are
sequences, which are taken for one row.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.modules.lazy import LazyModuleMixin
from torch.testing._internal.common_modules import ModuleInfo, module_db
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten

from sweep.errors import UsageError
from sweep.training.vmapped import check_model
from tests.support.problems import generator
from tests.support.side_by_side import gap

MODULES = {info.name: info for info in module_db if "Loss" not in info.name}
MASKS = ("attn_mask", "src_mask", "tgt_mask", "memory_mask", "mask")


@dataclass(frozen=True)
class Sample:
    """One of torch's inputs for one of its modules.

    Args:
        name: its number among the module's, and what torch calls it.
        make: a network that maps rows (B, width) to (B, 3).
        width: of a row.
        draws: whether it draws in training: then it cannot be compared with torch's there.
    """

    name: str
    make: Callable[[], nn.Module]
    width: int
    draws: bool


class Rows(nn.Module):
    """A module of torch between a factor for each number of a row and a linear layer."""

    def __init__(self, layer: nn.Module, call: Any, width: int, n_found: int):
        super().__init__()
        self.factor, self.layer = nn.Parameter(torch.ones(width)), layer
        self.call, self.head = call, nn.Linear(n_found, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.head(self.call(self.layer, x * self.factor)))


class Call:
    """Calls a module on rows instead of torch's own batch or row, with the same options."""

    def __init__(self, layer: nn.Module, args: Any, options: dict[str, Any]):
        self.leaves, self.form = tree_flatten(args)
        self.options = options
        first = 1 if places_of(layer) is False else 0
        states = 1 if isinstance(layer, nn.RNNBase) else first
        self.places = [first, *[states] * (len(self.leaves) - 1)]
        self.is_batch = self.leaves[0].ndim >= batch_dimensions(layer)
        self.shapes = [[n for at, n in enumerate(leaf.shape) if not self.is_batch or at != place]
                       for leaf, place in zip(self.leaves, self.places, strict=True)]  # fmt: skip
        self.width = sum(prod(shape) for shape in self.shapes)

    def __call__(self, layer: nn.Module, x: Tensor) -> Tensor:
        parts = x.split([prod(shape) for shape in self.shapes], 1)
        how = zip(parts, self.shapes, self.places, strict=True)
        leaves = [part.reshape(len(x), *shape).movedim(0, at) for part, shape, at in how]
        options = {name: self._of_all(name, value, len(x)) for name, value in self.options.items()}
        found: Tensor = tree_leaves(layer(*tree_unflatten(leaves, self.form), **options))[0]
        return found.movedim(self.places[0], 0).flatten(1)

    def _of_all(self, name: str, value: Any, n_rows: int) -> Any:
        """Give each row what the first had, where an option has one for each row."""
        if isinstance(value, Tensor) and name.endswith("padding_mask"):
            return (value[:1] if self.is_batch else value).expand(n_rows, -1)
        if isinstance(value, Tensor) and name in MASKS and value.ndim == 3:  # one for each head
            n_heads = len(value) // (len(self.leaves[0]) if self.is_batch else 1)
            return value[:n_heads].repeat(n_rows, 1, 1)
        return value


def places_of(layer: nn.Module) -> bool | None:
    """Tell whether a module of sequences has its rows first; None: it is of no sequences."""
    said = (vars(part)["batch_first"] for part in layer.modules() if "batch_first" in vars(part))
    return next(said, None)


def batch_dimensions(layer: nn.Module) -> int:
    """Return of how many dimensions a batch is at least."""
    return 2 if places_of(layer) is None else 3


def samples(info: ModuleInfo) -> Iterator[Sample]:
    """Give those of torch's inputs for a module that are floating numbers."""
    inputs = info.module_inputs_func(
        info, device="cpu", dtype=torch.float32, requires_grad=False, training=True
    )
    for number, one in enumerate(inputs):
        sample = _sample(info.module_cls, f"{number} {one.desc}".strip(), one)
        if sample is not None:
            yield sample


def _sample(kind: type[nn.Module], name: str, one: Any) -> Sample | None:
    given, call = one.constructor_input, one.forward_input
    if call is None:
        return None
    options = dict(call.kwargs)
    args = call.args or (options.pop("input", None),)
    leaves = tree_leaves(args)
    if not all(isinstance(t, Tensor) and t.is_floating_point() and t.numel() for t in leaves):
        return None

    fixed = {name: v for name, v in given.kwargs.items() if name != "_random_samples"}

    def layer() -> nn.Module:
        made = kind(*given.args, **fixed)
        if isinstance(made, LazyModuleMixin):
            made(*args, **options)
        return made

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a stack will be slower than it might
        first = layer().eval()
    of_rows = isinstance(first, nn.RNNCellBase) or places_of(first) is not None
    if not of_rows and ("no_batch_dim" in one.desc or leaves[0].ndim < batch_dimensions(first)):
        return None
    use = Call(first, args, options)
    n_found = use(first, torch.randn(5, use.width)).shape[1]
    return Sample(name, lambda: Rows(layer(), use, use.width, n_found), use.width, draws(first))


def draws(layer: nn.Module) -> bool:
    """Tell whether a module gives two results for one input in training."""
    drawing = (_DropoutNd, nn.RReLU, nn.FractionalMaxPool2d, nn.FractionalMaxPool3d)
    parts = list(layer.modules())
    return any(isinstance(part, drawing) or getattr(part, "dropout", None) for part in parts)


def outcome(sample: Sample) -> dict[str, Any]:
    """Say by how much a sample in lanes differs from itself alone, or why it is refused."""
    rows = torch.rand(3, 5, sample.width, generator=generator(1), dtype=torch.float64)
    try:
        check_model(sample.make, rows[0, :4].float(), 3, fused=True)
    except UsageError as error:
        return {"refused": str(error)}
    return {"gap": gap(sample.make, rows, in_training=not sample.draws)}


def main() -> None:
    """Print what came of each, by module."""
    warnings.simplefilter("ignore")  # that a way of torch's is slow
    found = {name: {one.name: outcome(one) for one in samples(info)}
             for name, info in MODULES.items()}  # fmt: skip
    print(json.dumps(found))


if __name__ == "__main__":
    main()
