"""What a network's outputs tell of it, on a few real rows and before any training.

| symbol | meaning |
|---|---|
| θ | the parameters: near those that training begins with, but none at a special value |
| z | outputs of the rows, (B, C) |
| ‖z‖ | their spread over the rows: the norm of z less its mean row |

θ is drawn anew around the first weights, since layers often begin at 0, where much holds that
training ends: a bias of 0 does not yet spoil a normalisation, a branch of 0 does not yet count.
Each call runs on copies of parameters and buffers, and from the same state of the generators: the
randomness of training stays as it is, and the network but for its mode.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode

from sweep.training.forward import Forward
from sweep.training.weights import NORMS, owner_of

SAME = 1e-3  # of ‖z‖: outputs that differ by less are the same
NEARLY = 1e-1  # of ‖z‖: as much may come of a normalisation's eps, which SMALLER then takes out
SMALLER = 1e-4  # times eps; not 0, where nothing but rounding varies
OTHER = 2e-2  # of ‖z‖: outputs that differ by more are others
LIKELY = 2e-2  # of ‖z‖: a slope below it is worth a trial
LEAST = 1e-3  # of the norm of z: a spread below it has too much rounding in it to tell anything
DIRECTIONS = 2  # of z, along which slopes are taken
FACTORS = (30.0, 5.0, 2.0, 1.3)  # that θ is multiplied by, twice: the first that keeps z finite
GROWN = 64.0  # times as large, to see whether a layer is homogeneous
NOISE = 0.1  # of the size of a tensor, or of 1
TINY = 2e-4  # root mean square of what is as good as 0: the scale of a layer that begins so

Group = tuple[str, ...]  # tensors that are scaled together, W first
Tensors = dict[str, Tensor]


class Probe:
    """One network, run on some rows.

    Args:
        module: on the device of the rows; used for nothing else meanwhile.
        x: rows (B, *features) that it is trained on.
    """

    def __init__(self, module: nn.Module, x: Tensor):
        self._module, self._x = module, x
        self._noise = torch.Generator().manual_seed(0)
        named = [*module.named_parameters()]
        self._theta = {name: _nearby(tensor.detach(), self._noise) for name, tensor in named}
        norms = (part for part in module.modules() if isinstance(part, NORMS))
        self._eps = [(norm, norm.eps) for norm in norms if norm.eps]
        self._buffers = {name: t.detach().clone() for name, t in module.named_buffers()}

    def scale_free(self, weights: Sequence[str]) -> list[str]:
        """Name the weights whose size does not change the outputs: a normalisation follows.

        Those are the W for which z is the same at 2W and 2b, in training mode, but is another at
        another W of the same size; b is nothing, or vectors of the same layer. Gradients have the
        slopes of z along all W and b; only where a slope is about 0 the double is tried, of all
        such W at once, and one by one where that changes z.
        """
        out, _ = self._slopes
        if not self._spread >= LEAST * float(out.norm()) > 0:
            return []
        likely = [groups for name in weights if (groups := self._likely(name))]
        first = [groups[0] for groups in likely]
        if not likely or self._is_free(first):
            return [name for name, *_ in first]
        return [
            groups[0][0] for groups in likely if any(self._is_free([group]) for group in groups)
        ]

    def balanced(self, weights: Sequence[str]) -> list[tuple[str, str]]:
        """Pair each weight W with the next one, V, where z is the same at cW, cb and V / c.

        All between them is homogeneous then, such as a ReLU; b is the vectors of W's layer, none
        of them a weight. c is large, since all activations are nearly linear close to 0. Of a
        normalisation z is the same at cW alone: such pairs are left out.
        """
        return [pair for pair in pairwise(weights) if self._undoes(*pair, weights)]

    def _undoes(self, first: str, then: str, weights: Sequence[str]) -> bool:
        vectors = self._vectors(first)
        if set(vectors) & set(weights) or self._homes[first] == self._homes[then]:
            return False
        grown = {name: GROWN * self._theta[name] for name in (first, *vectors)}
        undone = grown | {then: self._theta[then] / GROWN}
        once, alone, both = (
            self._run(self._theta | changed, True, SMALLER) for changed in ({}, grown, undone)
        )
        spread = float((once - once.mean(0)).norm())
        same = float((both - once).norm()) <= SAME * spread
        return same and float((alone - once).norm()) >= OTHER * spread > 0

    def squashed(self) -> tuple[float, float] | None:
        """Return the range that outputs stay in whatever θ, if it lies within -1 and 1.

        Logits grow with θ; a sigmoid's or a tanh's outputs cannot.
        """
        grown = ((factor, self._grown(factor**2)) for factor in FACTORS)
        factor, out = next((f, z) for f, z in grown if z.isfinite().all() or f == FACTORS[-1])
        outs = torch.stack([self._evaluated, self._grown(factor), out])
        *before, last = outs.abs().amax((1, 2)).tolist()
        if not 0 < max(before) <= 1 + SAME or not last <= (1 + SAME) * max(before):
            return None
        return (0.0 if float(outs.min()) >= 0 else -1.0), 1.0

    def looked_up(self) -> list[str]:
        """Name the tensors of which each row of the data takes some rows, as an embedding does."""
        with _Lookups(len(self._x)) as lookups:
            self._run(self._theta, training=True)
        return [name for name, t in self._theta.items() if t.data_ptr() in lookups.tables]

    def trains(self) -> bool:
        """Run forward() on the rows in training mode: true, or what it raises."""
        self._run(self._theta, training=True)
        return True

    def n_returned(self) -> int:
        """Count what forward() returns in a tuple or list; 0 where it is neither."""
        forward = self._module.forward
        assert isinstance(forward, Forward)
        self._module.eval()
        try:
            with _same_randomness(self._x.device):
                returned = forward.returned(self._x)
        finally:
            for name, buffer in self._module.named_buffers():
                buffer.copy_(self._buffers[name])
        return len(returned) if isinstance(returned, tuple | list) else 0

    def are_probabilities(self) -> bool:
        """Tell whether the outputs of each row are shares of 1, in training or in evaluation."""
        outs = (self._trained, self._evaluated)
        sums = (z.double().sum(1) for z in outs if (z >= 0).all())
        return any(bool(((total - 1).abs() < SAME).all()) for total in sums)

    @cached_property
    def _slopes(self) -> tuple[Tensor, list[Tensors]]:
        """Return z in training mode, and the gradients of v·z by θ for some random v."""
        leaves = {name: tensor.clone().requires_grad_() for name, tensor in self._theta.items()}
        found = []
        with torch.enable_grad():
            out = self._run(leaves, True, SMALLER)
            for _ in range(DIRECTIONS):
                v = torch.randn(out.shape, generator=self._noise).to(out)
                gradients = torch.autograd.grad(
                    (out * v).sum(), [*leaves.values()], retain_graph=True, materialize_grads=True
                )
                found.append(dict(zip(leaves, gradients, strict=True)))
        return out.detach(), found

    @cached_property
    def _spread(self) -> float:
        out, _ = self._slopes
        return float((out - out.mean(0)).norm())

    def _likely(self, name: str) -> list[Group]:
        """List what may be scaled with W without a change of z: nothing, vectors of its layer."""
        _, gradients = self._slopes
        matters = max(float(of[name].norm()) for of in gradients) * _size(self._theta[name])
        if not matters >= OTHER * self._spread:
            return []

        def slope(group: Group, of: Tensors) -> float:
            return abs(sum(float((self._theta[each] * of[each]).sum()) for each in group))

        groups = ((name, *vectors) for vectors in _some_of(self._vectors(name)))
        most = LIKELY * self._spread
        return [group for group in groups if all(slope(group, of) <= most for of in gradients)]

    def _vectors(self, name: str) -> list[str]:
        home = self._homes[name]
        return [
            other
            for other, tensor in self._theta.items()
            if tensor.ndim < 2 and other != name and self._homes[other] == home
        ]

    @cached_property
    def _homes(self) -> dict[str, str]:
        return {name: owner_of(self._module, name)[0] for name in self._theta}

    def _is_free(self, groups: Iterable[Group]) -> bool:
        """Tell whether z stays as it is when every tensor of some groups is doubled."""
        doubled = {name: 2 * self._theta[name] for group in groups for name in group}

        def change(once: Tensor, eps: float) -> float:
            twice = self._run(self._theta | doubled, True, eps)
            return float((twice - once).norm()) / self._spread

        same = change(self._slopes[0], SMALLER) <= SAME
        return same and (not self._eps or change(self._trained, 1.0) <= NEARLY)

    @cached_property
    def _trained(self) -> Tensor:
        return self._run(self._theta, training=True)

    @cached_property
    def _evaluated(self) -> Tensor:
        return self._run(self._theta, training=False)

    def _grown(self, factor: float) -> Tensor:
        grown = {name: factor * tensor for name, tensor in self._theta.items()}
        return self._run(grown, training=False)

    def _run(self, parameters: Tensors, training: bool, eps: float = 1.0) -> Tensor:
        """Return z; the eps of torch's norm layers is multiplied by `eps`."""
        buffers = {name: buffer.clone() for name, buffer in self._buffers.items()}
        self._module.train(training)
        with _same_randomness(self._x.device), self._with_eps(eps):
            torch.manual_seed(0)
            return torch.as_tensor(
                functional_call(self._module, {**parameters, **buffers}, (self._x,))
            )

    @contextmanager
    def _with_eps(self, factor: float) -> Iterator[None]:
        for norm, eps in self._eps:
            norm.eps = factor * eps
        try:
            yield
        finally:
            for norm, eps in self._eps:
                norm.eps = eps


class _Lookups(TorchDispatchMode):
    """Note the tensors that rows are taken of, as many for each row of the data.

    Args:
        n_rows: of the data.
    """

    def __init__(self, n_rows: int):
        super().__init__()  # type: ignore[no-untyped-call]
        self._n_rows = n_rows
        self.tables: set[int] = set()  # by their address

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name.removeprefix("aten::")
        if name.startswith(("embedding", "_embedding_bag")) or (
            name in ("index", "index_select") and self._by_rows(args[1:])
        ):
            self.tables.add(args[0].data_ptr())
        return func(*args, **(kwargs or {}))

    def _by_rows(self, args: Sequence[Any]) -> bool:
        """Tell whether there are as many indices as rows, or so many times as many."""
        given = [each for arg in args for each in (arg if isinstance(arg, list) else [arg])]
        return any(isinstance(each, Tensor) and self._n_rows in each.shape for each in given)


def _some_of(vectors: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """List none of them, each alone, and all."""
    yield ()
    yield from ((vector,) for vector in vectors)
    if len(vectors) > 1:
        yield tuple(vectors)


def _nearby(tensor: Tensor, generator: torch.Generator) -> Tensor:
    """Return a tensor near another, that has no special value."""
    if not tensor.is_floating_point():
        return tensor.clone()
    size = _size(tensor)
    size = max(size, 1.0) if tensor.ndim < 2 or size < TINY else size
    noise = torch.randn(tensor.shape, generator=generator).to(tensor)
    return tensor + NOISE * size * noise


def _size(tensor: Tensor) -> float:
    """Return the root mean square of the entries."""
    return float(tensor.square().mean().sqrt()) if tensor.numel() else 0.0


@contextmanager
def _same_randomness(device: torch.device) -> Iterator[None]:
    """Leave the generators of torch, numpy and Python as they are."""
    devices = [device] if device.type == "cuda" else []
    own, numpys = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        random.setstate(own)
        np.random.set_state(numpys)
