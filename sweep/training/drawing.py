"""The functions of torch that draw, with the draws of a lane instead of the global generator.

Each takes the lane's `Draws` first, then what torch's function takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import sqrt
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from sweep.errors import UsageError
from sweep.training.counters import Draws

Drawing = Callable[..., Any]
SELU_LIMIT = -1.7580993408473766  # what SELU tends to: alpha dropout sets dropped entries to it


# --- dropout


def dropout(
    draws: Draws, x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Drop entries."""
    return _into(x, inplace, _dropped(draws, x, p, x.shape) if training and p else x)


def feature_dropout(
    draws: Draws, x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Drop whole channels of (N, C, *)."""
    return _into(x, inplace, _dropped(draws, x, p, _channels(x)) if training and p else x)


def dropout1d(
    draws: Draws, x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Drop whole channels of (N, C, L), or of (C, L)."""
    shape = _channels(x) if x.ndim == 3 else (x.shape[0], 1)
    return _into(x, inplace, _dropped(draws, x, p, shape) if training and p else x)


def dropout3d(
    draws: Draws, x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Drop whole channels of (N, C, D, H, W), or of (C, D, H, W)."""
    shape = _channels(x) if x.ndim == 5 else (x.shape[0], 1, 1, 1)
    return _into(x, inplace, _dropped(draws, x, p, shape) if training and p else x)


def alpha_dropout(
    draws: Draws, x: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Set entries to the limit of SELU, and keep mean 0 and variance 1."""
    return _into(x, inplace, _limited(draws, x, p, x.shape) if training and p else x)


def feature_alpha_dropout(
    draws: Draws, x: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Do the same to whole channels of (N, C, *)."""
    return _into(x, inplace, _limited(draws, x, p, _channels(x)) if training and p else x)


def rrelu(
    draws: Draws, x: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False,
    inplace: bool = False,
) -> Tensor:  # fmt: skip
    """Multiply negative entries by slopes between lower and upper; in evaluation by their mean."""
    slope: Tensor | float = (lower + upper) / 2
    if training:
        slope = lower + (upper - lower) * draws.uniform(x.shape, x.dtype)
    return _into(x, inplace, torch.where(x < 0, slope * x, x))


def gumbel_softmax(
    draws: Draws, logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10,
    dim: int = -1,
) -> Tensor:  # fmt: skip
    """Take the softmax of logits with Gumbel noise."""
    noise = -draws.exponential(logits.shape, logits.dtype).log()
    soft = ((logits + noise) / tau).softmax(dim)
    if not hard:
        return soft
    index = soft.max(dim, keepdim=True).indices
    chosen = torch.zeros_like(soft).scatter(dim, index, torch.ones_like(soft))
    return chosen - soft.detach() + soft


def _dropped(draws: Draws, x: Tensor, p: float, shape: Sequence[int]) -> Tensor:
    _check_share(p)
    zero = torch.zeros((), dtype=x.dtype, device=x.device)
    return torch.where(draws.kept(p, shape), x / (1 - p), zero) if p < 1 else x * 0


def _limited(draws: Draws, x: Tensor, p: float, shape: Sequence[int]) -> Tensor:
    _check_share(p)
    if p == 1:
        return x * 0
    scale = 1 / sqrt((SELU_LIMIT**2 * p + 1) * (1 - p))
    limit = torch.full((), SELU_LIMIT, dtype=x.dtype, device=x.device)
    return scale * torch.where(draws.kept(p, shape), x, limit) - scale * SELU_LIMIT * p


def _check_share(p: float) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"p: must be 0 to 1, got {p}")


def _channels(x: Tensor) -> tuple[int, ...]:
    return (*x.shape[:2], *[1] * (x.ndim - 2))


def _into(x: Tensor, inplace: bool, result: Tensor) -> Tensor:
    return x.copy_(result) if inplace and result is not x else result


# --- new tensors


def rand(draws: Draws, *size: Any, **options: Any) -> Tensor:
    """Draw from [0, 1)."""
    shape, dtype = _new(size, options)
    return _as(draws.uniform(shape, dtype), options)


def randn(draws: Draws, *size: Any, **options: Any) -> Tensor:
    """Draw from N(0, 1)."""
    shape, dtype = _new(size, options)
    return _as(draws.normal(shape, dtype), options)


def randint(draws: Draws, *args: Any, **options: Any) -> Tensor:
    """Draw whole numbers, of (high, size) or (low, high, size)."""
    given = [*args, *(options.pop(name) for name in ("low", "high", "size") if name in options)]
    *ends, shape = given
    _new((), options)
    return _as(draws.integers(*_range(ends), shape), options)


def randperm(draws: Draws, n: int, **options: Any) -> Tensor:
    """Draw an order of n."""
    _new((), options)
    return _as(draws.bits((n,)).argsort(), options)


def rand_like(draws: Draws, x: Tensor, **options: Any) -> Tensor:
    """Draw from [0, 1), as many as another tensor has."""
    return _as(draws.uniform(x.shape, options.get("dtype") or x.dtype), options)


def randn_like(draws: Draws, x: Tensor, **options: Any) -> Tensor:
    """Draw from N(0, 1), as many as another tensor has."""
    return _as(draws.normal(x.shape, options.get("dtype") or x.dtype), options)


def randint_like(draws: Draws, x: Tensor, *ends: int, **options: Any) -> Tensor:
    """Draw whole numbers, of (high) or (low, high), as many as another tensor has."""
    given = [*ends, *(options.pop(name) for name in ("low", "high") if name in options)]
    return _as(draws.integers(*_range(given), x.shape), {"dtype": x.dtype} | options)


def normal(
    draws: Draws, mean: Any = 0.0, std: Any = 1.0, size: Sequence[int] | None = None,
    **options: Any,
) -> Tensor:  # fmt: skip
    """Draw from N(mean, std**2)."""
    given = [each for each in (mean, std) if isinstance(each, Tensor)]
    shape = torch.broadcast_shapes(*(each.shape for each in given)) if given else size
    dtype = given[0].dtype if given else _new((), options)[1]
    return _as(mean + std * draws.normal(shape or (), dtype), options)


def bernoulli(draws: Draws, x: Tensor, p: float | None = None, **options: Any) -> Tensor:
    """Draw 1 with the probability of each entry, else 0."""
    _new((), options)
    return (draws.inside(x.shape) < (x if p is None else p)).to(x.dtype)


def multinomial(
    draws: Draws, x: Tensor, num_samples: int, replacement: bool = False, **options: Any
) -> Tensor:
    """Draw indices of the last axis, with the probability of each entry over their sum."""
    _new((), options)
    if not replacement:  # the largest of log p + Gumbel noise
        noise = draws.exponential(x.shape, x.dtype)
        return (x / noise).topk(num_samples, -1).indices
    noise = draws.exponential((num_samples, *x.shape), x.dtype)
    return (x / noise).argmax(-1).movedim(0, -1)


def _range(ends: Sequence[int]) -> tuple[int, int]:
    low, high = (0, *ends) if len(ends) == 1 else ends
    return low, high


def _new(size: Sequence[Any], options: dict[str, Any]) -> tuple[tuple[int, ...], torch.dtype]:
    """Return shape and dtype of a new tensor; refuse a generator, which is a hidden state."""
    if options.get("generator") is not None:
        raise UsageError(
            "model: must draw in forward() without a generator, whose state is not a lane's, got"
            " generator=. Leave it out: the draws follow from seed, replicate and step"
        )
    shape = options.get("size", size)
    shape = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
    return tuple(shape), options.get("dtype") or torch.get_default_dtype()


def _as(drawn: Tensor, options: dict[str, Any]) -> Tensor:
    drawn = drawn.to(device=options.get("device"), dtype=options.get("dtype"))
    return drawn.requires_grad_() if options.get("requires_grad") else drawn


# --- tensors that are filled


def uniform_(draws: Draws, x: Tensor, a: float = 0.0, b: float = 1.0, **options: Any) -> Tensor:
    """Fill from [a, b)."""
    _new((), options)
    low, high = options.get("from", a), options.get("to", b)
    return x.copy_(low + (high - low) * draws.uniform(x.shape, x.dtype))


def normal_(
    draws: Draws, x: Tensor, mean: float = 0.0, std: float = 1.0, **options: Any
) -> Tensor:
    """Fill from N(mean, std**2)."""
    _new((), options)
    return x.copy_(mean + std * draws.normal(x.shape, x.dtype))


def exponential_(draws: Draws, x: Tensor, lambd: float = 1.0, **options: Any) -> Tensor:
    """Fill from the exponential distribution."""
    _new((), options)
    return x.copy_(draws.exponential(x.shape, x.dtype) / lambd)


def bernoulli_(draws: Draws, x: Tensor, p: Any = 0.5, **options: Any) -> Tensor:
    """Fill with 1 with probability p, else 0."""
    _new((), options)
    return x.copy_((draws.inside(x.shape) < p).to(x.dtype))


def empty(draws: Draws, *size: Any, **options: Any) -> Tensor:
    """Make a tensor of the lane's own, so that it can be filled with the lane's draws."""
    shape, dtype = _new(size, options)
    made = draws.bits((1,)).to(dtype).expand(shape).clone()
    return _as(made, options)


def empty_like(draws: Draws, x: Tensor, **options: Any) -> Tensor:
    """Make a tensor of the lane's own, as another one."""
    options.pop("memory_format", None)
    return empty(draws, *x.shape, **({"dtype": x.dtype, "device": x.device} | options))


def _refused(name: str) -> Drawing:
    def refuse(*_: Any, **__: Any) -> None:
        raise UsageError(
            f"model: must draw in forward() by rand, randn, randint, normal, bernoulli or"
            f" multinomial, got {name}. Write it with those"
        )

    return refuse


_methods = torch.Tensor
DRAWING: Mapping[Any, Drawing] = {
    F.dropout: dropout, torch.dropout: dropout,
    F.dropout1d: dropout1d, F.dropout2d: feature_dropout, F.dropout3d: dropout3d,
    torch.feature_dropout: feature_dropout,
    F.alpha_dropout: alpha_dropout, torch.alpha_dropout: alpha_dropout,
    F.feature_alpha_dropout: feature_alpha_dropout,
    torch.feature_alpha_dropout: feature_alpha_dropout,
    F.rrelu: rrelu, torch.rrelu: rrelu, F.gumbel_softmax: gumbel_softmax,
    torch.rand: rand, torch.randn: randn, torch.randint: randint, torch.randperm: randperm,
    torch.rand_like: rand_like, torch.randn_like: randn_like, torch.randint_like: randint_like,
    torch.normal: normal, torch.bernoulli: bernoulli, _methods.bernoulli: bernoulli,
    torch.multinomial: multinomial, _methods.multinomial: multinomial,
    _methods.uniform_: uniform_, _methods.normal_: normal_, _methods.bernoulli_: bernoulli_,
    _methods.exponential_: exponential_, torch.empty: empty, torch.empty_like: empty_like,
    **{
        getattr(torch, name): _refused(f"torch.{name}")
        for name in ("poisson", "binomial", "_standard_gamma", "_sample_dirichlet")
    },
    **{
        getattr(_methods, name): _refused(f"Tensor.{name}")
        for name in ("cauchy_", "geometric_", "log_normal_", "random_")
    },
}  # fmt: skip
