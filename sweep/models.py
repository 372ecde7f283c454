"""The network of ONE trial, and how its tensors lie in a lane.

| symbol | meaning | shape |
|---|---|---|
| L | lanes | |
| P | entries of all parameters of one network | |
| w | penalised entries: they come first in a lane | w ≤ P |
| x | rows of one batch | (B, *features) |
"""

from __future__ import annotations

import fnmatch
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import vmap

from sweep.errors import UsageError
from sweep.flat import Flat

Factory = Callable[[], nn.Module]
Tensors = dict[str, Tensor]


class SiLU(nn.Module):
    """Map x to x·sigmoid(x), with the same bits wherever a lane lies.

    torch.nn.SiLU, ELU and sigmoid round differently in the tail of a vector: the last lane
    would get other bits than the rest. Those of tanh and expm1 are the same everywhere.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map entries of any shape."""
        return x * (0.5 + 0.5 * torch.tanh(0.5 * x))


class ELU(nn.Module):
    """Map x to x where positive, else exp(x) - 1, with the same bits wherever a lane lies."""

    def forward(self, x: Tensor) -> Tensor:
        """Map entries of any shape."""
        return torch.where(x > 0, x, torch.expm1(x.clamp(max=0)))


ACTIVATIONS: Mapping[str, type[nn.Module]] = {
    "relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU, "silu": SiLU, "elu": ELU,
}  # fmt: skip


class MLP(nn.Module):
    """Stack linear layers with an activation between them; no hidden layer is linear.

    `sweep.backprop` runs it in many lanes.
    """

    def __init__(self, n_features: int, hidden: Sequence[int], n_outputs: int, activation: str):
        super().__init__()
        widths = [n_features, *hidden, n_outputs]
        self.layers = nn.ModuleList(
            nn.Linear(fan_in, fan_out) for fan_in, fan_out in pairwise(widths)
        )
        self.activation = ACTIVATIONS[activation]()

    def forward(self, x: Tensor) -> Tensor:
        """Map rows (…, F) to outputs (…, C)."""
        for index, layer in enumerate(self.layers):
            x = layer(self.activation(x) if index else x)
        return x


class CounterDropout(nn.Module):
    """Drop entries by a hash of (key, element), so that a mask has no hidden state.

    `nn.Dropout` draws from the global generator: its mask would depend on the lane
    and on what ran before. Whoever trains sets `key` before each step: see `dropout_key`.
    """

    key: Tensor

    def __init__(self, p: float):
        super().__init__()
        self.p = p
        self.register_buffer("key", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        """Scale the kept entries by 1 / (1 - p), as torch.nn.Dropout does."""
        if not self.training or self.p == 0:
            return x
        element = torch.arange(x.numel(), device=x.device).view(x.shape)
        kept = _hash32(element * _GOLDEN + self.key) >= int(self.p * 2**32)
        return torch.where(kept, x / (1 - self.p), torch.zeros((), dtype=x.dtype, device=x.device))


_GOLDEN = 0x9E3779B1
_LOW32 = 0xFFFFFFFF


def _hash32(x: Tensor) -> Tensor:
    """Mix integers to 32 uniform bits (the finaliser of MurmurHash3)."""
    x = x & _LOW32
    x = ((x ^ (x >> 16)) * 0x85EBCA6B) & _LOW32
    x = ((x ^ (x >> 13)) * 0xC2B2AE35) & _LOW32
    return x ^ (x >> 16)


def dropout_key(replicate_key: Tensor, step: Tensor, layer: int) -> Tensor:
    """Hash (replicate, step, layer) to the key of one dropout layer, shape of `step`."""
    return _hash32(_hash32(replicate_key + step.long() * _GOLDEN) + layer)


def with_counter_dropout(module: nn.Module) -> nn.Module:
    """Swap every nn.Dropout inside for a CounterDropout, in place."""
    for name, child in module.named_children():
        if isinstance(child, nn.Dropout):
            setattr(module, name, CounterDropout(child.p))
        else:
            with_counter_dropout(child)
    return CounterDropout(module.p) if isinstance(module, nn.Dropout) else module


def build(factory: Factory, seed: int) -> nn.Module:
    """Make one network whose initial weights follow from `seed` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = factory()
    if not isinstance(module, nn.Module):
        raise UsageError(
            f"model.source: must return a torch.nn.Module, got {type(module).__name__}."
            " Return the module itself"
        )
    return with_counter_dropout(module)


def is_weight(module: nn.Module, name: str, exempt: Sequence[str] = ()) -> bool:
    """Tell whether a parameter is a penalised weight.

    Weights have two dimensions or more and are no bias, no part of a norm layer and
    not matched by `exempt`. Ask on the unstacked module: stacked, a bias has two.
    """
    parent, _, leaf = name.rpartition(".")
    owner = type(module.get_submodule(parent)).__name__
    spared = leaf.endswith("bias") or "Norm" in owner
    spared = spared or any(fnmatch.fnmatch(name, pattern) for pattern in exempt)
    return module.get_parameter(name).ndim >= 2 and not spared


@dataclass(frozen=True)
class Place:
    """Where one tensor lies in a lane."""

    name: str
    shape: torch.Size
    penalised: bool

    @property
    def size(self) -> int:
        """Entries."""
        return prod(self.shape)


@dataclass(frozen=True)
class Layout:
    """In which order a network's parameters lie in a lane: penalised ones first."""

    places: tuple[Place, ...]

    @classmethod
    def of(cls, module: nn.Module, exempt: Sequence[str] = ()) -> Layout:
        """Lay out the trainable parameters of `module`."""
        named = [(n, p.shape) for n, p in module.named_parameters() if p.requires_grad]
        weights = {name for name, _ in named if is_weight(module, name, exempt)}
        named.sort(key=lambda item: item[0] not in weights)
        return cls(tuple(Place(name, shape, name in weights) for name, shape in named))

    @property
    def size(self) -> int:
        """P, entries in a lane."""
        return sum(place.size for place in self.places)

    @property
    def n_weights(self) -> int:
        """w, penalised entries."""
        return sum(place.size for place in self.places if place.penalised)

    @property
    def penalised(self) -> tuple[str, ...]:
        """Names of the penalised tensors."""
        return tuple(place.name for place in self.places if place.penalised)

    @property
    def exempt(self) -> tuple[str, ...]:
        """Names of the tensors that are never penalised."""
        return tuple(place.name for place in self.places if not place.penalised)

    def flat(self, rows: Tensor, places: int = 1) -> Flat:
        """Lay out lanes given as rows (L, P), of which so many make a slot."""
        sizes, n_penalised = [place.size for place in self.places], len(self.penalised)
        parts = [part.reshape(-1) for part in rows.split(sizes, 1)]
        return Flat(torch.cat(parts), sizes, n_penalised, places)

    def views(self, flat: Flat) -> Tensors:
        """View lanes as tensors by name, each (L, *shape)."""
        pairs = zip(self.places, flat.parts, strict=True)
        return {place.name: part.view(-1, *place.shape) for place, part in pairs}

    def row(self, module: nn.Module) -> Tensor:
        """Read the parameters of one module as a row (P,)."""
        parameters = dict(module.named_parameters())
        return torch.cat([parameters[place.name].detach().flatten() for place in self.places])


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

    Raises:
        UsageError: the network cannot be run on these rows, gives another width than
            `n_outputs`, has nothing to train, or cannot be batched by vmap.
    """
    lanes = [build(factory, seed) for seed in range(2 if fused else 1)]
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


def _call(module: nn.Module, x: Tensor) -> Tensor:
    try:
        return torch.as_tensor(module(x))
    except Exception as error:
        raise UsageError(
            f"model: must accept rows of shape {tuple(x.shape[1:])}, got {_first_line(error)}."
            " Mend forward()"
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
            f"model: must be batchable by torch.vmap, got {_first_line(error)}."
            " Change that line of forward(), or train one lane at a time with"
            " --set training.fused=false"
        ) from None
    for name, grad in zip(tensors, grads, strict=True):
        if grad is None:
            raise UsageError(
                f"model: every trainable parameter must take part in forward(), got no gradient"
                f" for {name}. Remove it, or set requires_grad=False"
            )


def _first_line(error: Exception) -> str:
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return f"{type(error).__name__}: {text.rstrip('.')}"
