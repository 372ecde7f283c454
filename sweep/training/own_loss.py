"""A loss of the user's own: f(outputs (B, C), targets (B,) or (B, T)) -> losses of rows (B,)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import torch
from torch import Tensor
from torch.func import vmap

from sweep.data.guarded import guarded
from sweep.data.user_code import OwnFunction
from sweep.errors import UsageError
from sweep.training.loss import Loss

Function = Callable[[Tensor, Tensor], Tensor]
FRAME = (__file__, "one")  # which runs the user's function


def own(function: Function, fused: bool) -> Loss:
    """Make a loss of a function; what it comes to without weights is not known.

    Args:
        function: the user's, of one lane.
        fused: whether the lanes are trained as one; else it is called lane by lane.
    """

    def one(out: Tensor, y: Tensor) -> Tensor:
        return function(out, y)

    many = vmap(one) if fused else _by_lanes(one)

    def slope(z: Tensor, y: Tensor) -> Tensor:
        with torch.enable_grad():
            out = z.detach().mT.requires_grad_()
            (gradient,) = torch.autograd.grad(many(out, y).mean(1).sum(), out)
        return gradient.mT

    return Loss(many, slope, None, None)


def _by_lanes(one: Function) -> Function:
    return lambda out, y: torch.stack([one(*lane) for lane in zip(out, y, strict=True)])


# --- refused early


def check_own_loss(function: OwnFunction, y: Tensor, n_outputs: int, *, fused: bool) -> None:
    """Try a function on a few rows.

    Args:
        function: the user's.
        y: (B,) or (B, T) targets of some rows, on the device that trains.
        n_outputs: C.
        fused: whether the lanes are trained as one.

    Raises:
        UsageError: in one line, when it fails, gives anything but one finite loss a row, cannot
            be differentiated, changes what it is given, mixes rows, is not the same twice, or
            cannot be batched by vmap.
    """
    draw = torch.Generator().manual_seed(0)
    out = torch.randn(2, len(y), n_outputs, generator=draw).to(y.device)
    losses = _tried(function, out[0], y)
    _check_gradient(function, out[0], y)
    if not torch.equal(_tried(function, out[0], y), losses):
        _refuse(function, "the same whenever it is called", "two results", "Draw nothing in it")
    half = len(y) // 2
    if not torch.allclose(_tried(function, out[0, :half], y[:half]), losses[:half], 1e-4, 1e-6):
        got = "other losses of the same rows beside others"
        _refuse(function, "of each row by itself", got, "Leave out means over rows")
    if fused:
        _check_fused(function, out, y)


def _check_fused(function: OwnFunction, out: Tensor, y: Tensor) -> None:
    hint = "Change that line, or train one lane at a time with --set training.fused=false"
    fused = guarded(
        lambda: own(function.function, True).rows(out, y.expand(2, *y.shape)),
        lambda got: _line(function, "batchable by torch.vmap", got, hint),
    )
    alone = torch.stack([_tried(function, lane, y) for lane in out])
    if not torch.allclose(fused, alone, 1e-4, 1e-6):
        _refuse(function, "the same under torch.vmap", "another result", hint)


def _tried(function: OwnFunction, out: Tensor, y: Tensor) -> Tensor:
    given, targets = out.clone(), y.clone()
    losses = guarded(
        lambda: function.function(given, targets),
        lambda got: _line(
            function, f"made of outputs {tuple(out.shape)} and targets {tuple(y.shape)}", got
        ),
    )
    if not isinstance(losses, Tensor):
        _refuse(function, "a tensor", type(losses).__name__)
    if losses.shape != (len(out),):
        got = f"shape {tuple(losses.shape)}"
        _refuse(function, f"one loss a row, ({len(out)},)", got, "Leave out means over rows")
    if not losses.is_floating_point() or not bool(losses.isfinite().all()):
        got = str(losses.dtype) if not losses.is_floating_point() else "NaN or infinity"
        _refuse(function, "finite numbers", got)
    if not torch.equal(given, out) or not torch.equal(targets, y):
        _refuse(function, "made without changing what it is given", "other values in it",
                "Use no in-place operation on them")  # fmt: skip
    return losses


def _check_gradient(function: OwnFunction, out: Tensor, y: Tensor) -> None:
    leaf = out.clone().requires_grad_()

    def gradient() -> Tensor | None:
        losses = function.function(leaf * 1, y)
        if not losses.requires_grad:
            return None
        found: Tensor | None
        (found,) = torch.autograd.grad(losses.sum(), leaf, allow_unused=True)
        return found

    found = guarded(gradient, lambda got: _line(function, "differentiable by autograd", got))
    if found is None or not bool(found.isfinite().all()):
        got = "no gradient by the outputs" if found is None else "NaN or infinity as the gradient"
        _refuse(function, "differentiable by autograd", got, "Use torch's functions of outputs")


def _line(function: OwnFunction, rule: str, got: str, hint: str = "Mend the function") -> str:
    return f"training.loss: the losses must be {rule}, got {got} ({function.source}). {hint}"


def _refuse(
    function: OwnFunction, rule: str, got: str, hint: str = "Mend the function"
) -> NoReturn:
    raise UsageError(_line(function, rule, got, hint))
