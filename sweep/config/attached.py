"""The penalty inside the steps of a torch optimiser, by hooks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from sweep.config.twins import GAIN, TWINS, Group, Reach
from sweep.errors import UsageError

Parameters = Callable[[], Iterable[nn.Parameter]]


class Moving(NamedTuple):
    """A weight in the step under way.

    Attributes:
        group: its group.
        weight: the parameter.
        given: the gradient of the user's loss.
        used: the gradient that the optimiser sees.
    """

    group: Group
    weight: nn.Parameter
    given: Tensor
    used: Tensor


class Attached:
    """The penalty in every step of one optimiser, whose groups stay as they are.

    Args:
        weights: the model's penalised weights, asked for anew when the optimiser has others.
        parameters: all of the model's, likewise.
        alpha: the strength.
        ratio: the share of l1 in the norm.
    """

    def __init__(self, weights: Parameters, parameters: Parameters, alpha: float, ratio: float):
        self._weights, self._parameters = weights, parameters
        self._absolute, self._squared = alpha * ratio, 2 * alpha * (1 - ratio)
        self._all: dict[int, nn.Parameter] = {}  # held, so that no new one has an old one's id
        self._own: set[int] = set()
        self._moving: list[Moving] = []
        self._handles: tuple[RemovableHandle, ...] = ()

    def join(self, optimizer: torch.optim.Optimizer) -> Attached:
        """Check the optimiser and hook into its steps."""
        self._check(optimizer)
        if not any(
            id(p) in self._own for group in optimizer.param_groups for p in group["params"]
        ):
            raise UsageError(
                "config.attach: must be an optimiser of this model's weights, got one that holds"
                " none of them. Make it from model.parameters()"
            )
        if any(other._own & self._own for other in _attached_to(optimizer)):
            raise UsageError(
                "config.attach: must be attached once, got an optimiser that has this penalty."
                " Leave this .attach out, or call .remove() on what the first one returned"
            )
        self._handles = (
            optimizer.register_step_pre_hook(self._before),
            optimizer.register_step_post_hook(self._after),
        )
        return self

    def remove(self) -> None:
        """Take the penalty out of the optimiser's steps."""
        for handle in self._handles:
            handle.remove()

    def _look(self, optimizer: torch.optim.Optimizer) -> None:
        """Look at the model again if the optimiser holds what was not in it at the last look."""
        held = (id(p) for group in optimizer.param_groups for p in group["params"])
        if not all(one in self._all for one in held):
            self._all = {id(p): p for p in self._parameters()}
            self._own = set(map(id, self._weights()))

    def _check(self, optimizer: torch.optim.Optimizer) -> None:
        _reach_of(optimizer)
        self._look(optimizer)
        for group in optimizer.param_groups:
            if group["weight_decay"] and any(id(p) in self._all for p in group["params"]):
                raise UsageError(
                    "config.attach: weight_decay must be 0, since the penalty takes its place, got"
                    f" {float(group['weight_decay']):g}. Make the optimiser without it"
                )

    def _before(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: dict[str, Any]) -> Any:
        """Pull the gradients; those of a closure once it has run."""
        self._check(optimizer)
        closure = kwargs.get("closure", args[1] if len(args) > 1 else None)
        if closure is None:
            self._pull(optimizer)
            return None

        def pulled() -> Any:
            loss = closure()
            self._pull(optimizer)
            return loss

        return args[:1], {**kwargs, "closure": pulled}

    @torch.no_grad()
    def _pull(self, optimizer: torch.optim.Optimizer) -> None:
        """Add the squared part's gradient; what the user sees of it ends with the step."""
        self._give_back()  # of a step that broke off
        strength = self._squared
        # Under a GradScaler a fused optimiser unscales its gradients by itself.
        scale = getattr(optimizer, "grad_scale", None)
        unit = 1.0 if scale is None else scale
        for group in optimizer.param_groups:
            for weight in group["params"]:
                given = weight.grad
                if given is None or not weight.requires_grad or id(weight) not in self._own:
                    continue
                used = (weight * strength).mul_(unit).add_(given) if strength else given
                self._moving.append(Moving(group, weight, given, used))
                weight.grad = used
                # A buffer that is older than the penalty: it has no share of it yet.
                state = optimizer.state.get(weight, {})
                if self._absolute and state.get("momentum_buffer") is not None:
                    state.setdefault(GAIN, 0.0)

    def _after(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        # A fused optimiser is called for a step with infinite gradients too, and leaves it out.
        infinite = getattr(optimizer, "found_inf", None)
        if self._absolute and not (infinite is not None and infinite.item()):
            reach = _reach_of(optimizer)
            for move in self._moving:
                unit = reach(move.group, optimizer.state[move.weight])
                _soft(move.weight, self._absolute * unit)
        self._give_back()

    def _give_back(self) -> None:
        for _, weight, given, used in self._moving:
            if weight.grad is used:
                weight.grad = given
        self._moving.clear()


def _attached_to(optimizer: torch.optim.Optimizer) -> list[Attached]:
    hooks = optimizer._optimizer_step_post_hooks.values()
    owners = [getattr(hook, "__self__", None) for hook in hooks]
    return [owner for owner in owners if isinstance(owner, Attached)]


def _reach_of(optimizer: torch.optim.Optimizer) -> Reach:
    """Return the reach of an optimiser; refuse those whose proximal step is not known."""
    known = {twin.kind: twin.reach for twin in TWINS.values() if twin.reach}
    name = type(optimizer).__name__
    if reach := known.get(type(optimizer)):
        options = (
            "amsgrad", "maximize", "decoupled_weight_decay", "differentiable", "centered",
        )  # fmt: skip
        used = [o for o in options if any(group.get(o) for group in optimizer.param_groups)]
        if not used:
            return reach
        name += f" with {', '.join(used)}"
    *most, last = (kind.__name__ for kind in known)
    raise UsageError(
        f"config.attach: must be plain torch.optim.{', '.join(most)} or {last}, got {name}."
        " Use .penalty(model) in the loss"
    )


@torch.no_grad()
def _soft(parameter: Tensor, threshold: float | Tensor) -> None:
    size = torch.as_tensor(threshold, dtype=parameter.dtype, device=parameter.device)
    parameter.copy_(parameter.sign() * (parameter.abs() - size).clamp_min(0))
