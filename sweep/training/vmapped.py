"""The networks of all lanes, run as one; and whether a network can be.

| symbol | meaning | shape |
|---|---|---|
| L | lanes | |
| C | outputs | |
| x | rows of one batch | (B, *features) |
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import vmap

from sweep.errors import UsageError
from sweep.training.layout import Layout, Tensors
from sweep.training.modules import Factory, build


class Stacked:
    """Run the networks of all lanes as one.

    Each call puts the lanes' tensors where the template has its own: `torch.func.functional_call`
    without its search for every name, which costs as much as a small network.

    Args:
        module: the template of one network; its own tensors are never used.
        fused: False runs the one lane there is without vmap.
    """

    def __init__(self, module: nn.Module, *, fused: bool = True):
        self.module = module
        self._homes = _homes(module)
        self._own, self._shared = self._run((0, 0), fused), self._run((0, None), fused)

    def _run(self, in_dims: tuple[int, int | None], fused: bool) -> Callable[..., Tensor]:
        own = [owner[leaf] for owner, leaf, _ in self._homes]

        def one(tensors: Tensors, x: Tensor) -> Tensor:
            for owner, leaf, name in self._homes:
                owner[leaf] = tensors[name]
            out = torch.as_tensor(self.module(x))
            # After vmap its tensors are dead, and torch.compile trips over those it finds.
            for (owner, leaf, _), tensor in zip(self._homes, own, strict=True):
                owner[leaf] = tensor
            return out

        if fused:
            return vmap(one, in_dims)

        def alone(tensors: Tensors, x: Tensor) -> Tensor:
            first = {name: tensor[0] for name, tensor in tensors.items()}
            return one(first, x if in_dims[1] is None else x[0])[None]

        return alone

    def train(self, tensors: Tensors, x: Tensor) -> Tensor:
        """Map each lane's rows (L, B, *features) to outputs (L, B, C), in training mode."""
        self.module.train()
        return self._own(tensors, x)

    def evaluate(self, tensors: Tensors, x: Tensor) -> Tensor:
        """Map each lane's rows (L, B, *features) to outputs (L, B, C), in eval mode."""
        self.module.eval()
        return self._own(tensors, x)

    def evaluate_shared(self, tensors: Tensors, x: Tensor) -> Tensor:
        """Map rows (B, *features) shared by all lanes to outputs (L, B, C), in eval mode."""
        self.module.eval()
        return self._shared(tensors, x)


def stack_buffers(modules: Sequence[nn.Module]) -> Tensors:
    """Stack what several networks hold but do not train, by name: (L, *shape).

    That is buffers, such as BatchNorm's, and frozen parameters.
    """
    held = [
        dict(module.named_buffers())
        | {name: p.detach() for name, p in module.named_parameters() if not p.requires_grad}
        for module in modules
    ]
    return {name: torch.stack([tensors[name] for tensors in held]) for name in held[0]}


def check_model(factory: Factory, x: Tensor, n_outputs: int, *, fused: bool) -> None:
    """Train and evaluate two lanes on a few rows (B, *features), to refuse early.

    It is done on the device of the rows: a tensor that forward() makes may be on another.

    Raises:
        UsageError: the network cannot be run on these rows, gives another width than
            `n_outputs`, has nothing to train, or cannot be batched by vmap.
    """
    lanes = [build(factory, seed).to(x.device) for seed in range(2 if fused else 1)]
    layout = Layout.of(lanes[0])
    if not layout.places:
        raise UsageError("model: must have trainable parameters, got none")
    shape = tuple(_call(lanes[0].eval(), x).shape)
    if shape != (len(x), n_outputs):
        raise UsageError(
            f"model output: must be (rows, {n_outputs}), got {shape} for {len(x)} rows."
            f" Give the last layer {n_outputs} outputs"
        )
    if fused:
        _check_fusible(lanes, layout, x)


def _homes(module: nn.Module) -> list[tuple[dict[str, Any], str, str]]:
    """List where each tensor lives: (a module's dict, key, name); tied ones at each place."""
    names: dict[int, str] = {}
    found = []
    for prefix, owner in module.named_modules():
        for home in (owner._parameters, owner._buffers):
            for leaf, tensor in home.items():
                if tensor is not None:
                    name = names.setdefault(id(tensor), f"{prefix}.{leaf}".lstrip("."))
                    found.append((home, leaf, name))
    return found


def _call(module: nn.Module, x: Tensor) -> Tensor:
    try:
        return torch.as_tensor(module(x))
    except Exception as error:
        raise UsageError(
            f"model: must accept rows of shape {tuple(x.shape[1:])} on device {x.device}, got"
            f" {first_line(error)}. Mend forward()"
        ) from None


def _check_fusible(lanes: Sequence[nn.Module], layout: Layout, x: Tensor) -> None:
    flat = layout.flat(torch.stack([layout.row(module) for module in lanes]))
    tensors = {name: t.requires_grad_() for name, t in layout.views(flat).items()}
    stacked, buffers = Stacked(lanes[0]), stack_buffers(lanes)
    try:
        with warnings.catch_warnings():
            # vmap falls back to a slow loop with a warning where a batching rule is missing
            warnings.filterwarnings("error", message=".*performance drop.*")
            out = stacked.train(tensors | buffers, x.expand(len(lanes), *x.shape))
            grads = torch.autograd.grad(out.sum(), list(tensors.values()), allow_unused=True)
            stacked.evaluate_shared(tensors | buffers, x)
    except Exception as error:
        # Whatever a forward() of the user's own raises is the user's to mend.
        raise UsageError(
            f"model: must be batchable by torch.vmap, got {first_line(error)}."
            " Change that line of forward(), or train one lane at a time with"
            " --set training.fused=false"
        ) from None
    for name, grad in zip(tensors, grads, strict=True):
        if grad is None:
            raise UsageError(
                f"model: every trainable parameter must take part in forward(), got no gradient"
                f" for {name}. Remove it, or set requires_grad=False"
            )


def first_line(error: Exception) -> str:
    """Return the kind of an error and the first line of its message, without a full stop."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return f"{type(error).__name__}: {text.rstrip('.')}"
