"""The networks of all lanes, run as one; and whether a network can be.

| symbol | meaning | shape |
|---|---|---|
| L | lanes | |
| C | outputs | |
| x | rows of one batch | (B, *features) |
"""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import vmap

from sweep.data.guarded import describe, guarded
from sweep.errors import UsageError
from sweep.runtime import is_out_of_memory
from sweep.training import own_loss
from sweep.training.layout import Layout, Tensors
from sweep.training.modules import Factory, build
from sweep.training.own_network import OwnFactory

REPEATED = 1e-4  # of the largest output: what differs by less is the same


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


def check_alike(modules: Sequence[nn.Module]) -> None:
    """Refuse networks that cannot lie side by side.

    Raises:
        UsageError: two of them have other tensors.
    """
    first, *others = map(_form, modules)
    for other in others:
        if other != first:
            name, was = next(iter(first.items() - other.items()), ("no such tensor", ""))
            now = other.get(name, "none")
            raise UsageError(
                f"model: must be the same network at every call, got {name} {was} and then {now}."
                " Let only its weights differ"
            )


def check_model(factory: Factory, x: Tensor, n_outputs: int, *, fused: bool) -> None:
    """Train and evaluate two lanes on a few rows (B, *features), to refuse early.

    It is done on the device of the rows: a tensor that forward() makes may be on another.

    Raises:
        UsageError: the network cannot be run on these rows, gives another width than
            `n_outputs`, has nothing to train, or cannot be batched by vmap.
    """
    guarded(
        lambda: _check(factory, x, n_outputs, fused),
        lambda got: f"model: must be a network to train, got {got}{_where(factory)}. Mend it",
    )


def _check(factory: Factory, x: Tensor, n_outputs: int, fused: bool) -> None:
    where = _where(factory)
    lanes = [build(factory, seed).to(x.device) for seed in range(2 if fused else 1)]
    check_alike(lanes)
    layout = Layout.of(lanes[0])
    if not layout.places:
        raise UsageError(
            f"model: must have trainable parameters, got none{where}."
            " Leave requires_grad=True on some"
        )
    lanes[0].eval()
    shape = tuple(_call(lanes[0], x, where).shape)
    if shape != (len(x), n_outputs):
        hint = f"Give the last layer {n_outputs} outputs"
        if shape[:1] != (len(x),):
            hint = "Return one for every row: layers of sequences need batch_first=True"
        elif len(shape) > 2:
            hint = "Give one step's output, or flatten what is behind the rows"
        raise UsageError(
            f"model output: must be (rows, {n_outputs}), got {shape} for {len(x)} rows{where}."
            f" {hint}"
        )
    _check_step(lanes, layout, x, where, fused=fused)
    _check_repeatable(lanes[0], x, where)


def _check_repeatable(module: nn.Module, x: Tensor, where: str) -> None:
    """Run a network twice from the same buffers: what it keeps elsewhere, or draws, shows."""
    kept = {name: (buffer, buffer.clone()) for name, buffer in module.named_buffers()}
    module.train()
    outs = []
    for _ in range(2):
        for buffer, began in kept.values():
            buffer.copy_(began)
        outs.append(_call(module, x, where))
        now = dict(module.named_buffers())
        if name := next((n for n, (buffer, _) in kept.items() if now.get(n) is not buffer), ""):
            raise UsageError(
                f"model: must change its buffers in place, got another tensor as {name}{where}."
                f" Write self.{name}.copy_(…)"
            )
    first, again = outs
    if not torch.allclose(first, again, REPEATED, REPEATED * _size(first), equal_nan=True):
        raise UsageError(
            "model: must give the same outputs for the same rows and tensors, got others the"
            f" second time{where}. Draw with torch instead of numpy or random, and keep what"
            " changes in buffers"
        )


def _size(out: Tensor) -> float:
    return float(out.detach().nan_to_num(0, 0, 0).abs().max())


def _where(factory: Factory) -> str:
    return factory.where if isinstance(factory, OwnFactory) else ""


def _form(module: nn.Module) -> dict[str, str]:
    """Describe a network's tensors by name; parameters that are trained as such."""
    tensors = [*module.named_parameters(), *module.named_buffers()]
    return {
        name: f"{tuple(t.shape)}" + " that is trained" * t.requires_grad for name, t in tensors
    }


@contextmanager
def running() -> Iterator[None]:
    """Run the networks of lanes, without gradients of it all; refuse a forward() that fails.

    numpy does not warn of a lane that diverges: see `linalg`.

    Raises:
        UsageError: it raised anything but for want of memory.
    """
    try:
        with torch.no_grad(), np.errstate(all="ignore"):
            yield
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        runs = [(frame.filename, frame.name) for frame in frames]
        whose = next((_CODE[run] for run in runs if run in _CODE), None)
        if whose is None or is_out_of_memory(error):
            raise
        key, code = whose
        raise UsageError(
            f"{key}: must train on every batch, got {describe(error)}. Mend {code}"
        ) from error


# What runs the user's own code: its key, and what to mend.
_CODE = {
    (__file__, "one"): ("model", "forward()"),
    own_loss.FRAME: ("training.loss", "the function"),
}


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


def _call(module: nn.Module, x: Tensor, where: str) -> Tensor:
    out: Tensor = guarded(
        lambda: module(x),
        lambda got: (
            f"model: must accept rows of shape {tuple(x.shape[1:])} on device {x.device}, got"
            f" {got}{where}. Mend forward()"
        ),
    )
    return out


def _check_step(
    lanes: Sequence[nn.Module], layout: Layout, x: Tensor, where: str, *, fused: bool
) -> None:
    flat = layout.flat(torch.stack([layout.row(module) for module in lanes]))
    tensors = {name: t.requires_grad_() for name, t in layout.views(flat).items()}
    stacked, buffers = Stacked(lanes[0], fused=fused), stack_buffers(lanes)

    def step() -> tuple[Tensor | None, ...]:
        with warnings.catch_warnings():
            # vmap falls back to a slow loop with a warning where a batching rule is missing
            warnings.filterwarnings("error", message=".*performance drop.*")
            out = stacked.train(tensors | buffers, x.expand(len(lanes), *x.shape))
            grads = torch.autograd.grad(out.sum(), list(tensors.values()), allow_unused=True)
            stacked.evaluate_shared(tensors | buffers, x)
        return grads

    rule = "batchable by torch.vmap" if fused else "trainable by autograd"
    hint = "Change that line of forward()"
    hint += ", or train one lane at a time with --set training.fused=false" * fused
    grads = guarded(step, lambda got: f"model: must be {rule}, got {got}{where}. {hint}")
    for name, grad in zip(tensors, grads, strict=True):
        if grad is None and fused:
            raise UsageError(
                f"model: every trainable parameter must take part in forward(), got no gradient"
                f" for {name}{where}. Remove it, or set requires_grad=False"
            )
