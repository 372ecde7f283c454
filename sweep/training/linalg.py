"""Products and sums of all lanes, whose bits do not depend on where a lane lies in memory.

torch multiplies by Intel's MKL, which does not use AVX-512 on AMD's CPUs. The OpenBLAS that comes
with numpy does: 230 against 110 GFLOP/s on an EPYC of family 26 (one thread, 1,024³ in float32;
`tests/benchmarks/floor.py`). So the faster of the two makes the products. Both libraries give
bit-identical products for any address and batch size (MKL only in the mode set in lanes.py).
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

from sweep.runtime import is_amd_with_avx512

AVX512_KERNELS = ("SkylakeX", "Cooperlake")  # of OpenBLAS
VECTORISED = 128  # entries from which torch reads a row on a GPU in vectors (ATen, Reduce.cuh)
FEW_ROWS = 64  # up to so many, a copy costs less than it saves


def product(a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor:
    """Multiply (L, n, k) by (L, k, m) to (L, n, m); no gradient goes through it.

    A lane that diverges makes numpy warn: call it under `np.errstate`.

    Args:
        a, b: of each matrix one of the two strides is 1.
        out: where to, contiguous or as its transpose.
    """
    if out is not None and not out.is_contiguous():
        assert out.mT.is_contiguous()
        product(b.mT, a.mT, out=out.mT)
        return out
    if a.shape[2] == 1:  # an outer product, for which both libraries take longer
        return torch.mul(a, b, out=out)
    if _is_for_numpy(a):
        return _multiply(a, b, a.new_empty(len(a), a.shape[1], b.shape[2]) if out is None else out)
    return torch.bmm(a, b, out=out)


def affine(bias: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return bias + a·b; the bias is broadcast over each matrix of the product.

    Args:
        bias, a, b: of lanes, (L, …) as in `product`; or of slots and places, (S, G, …), where
            what all slots share is (1, G, …), which is not copied.
    """
    if _is_for_numpy(a):
        lanes = max(a.shape[:-2], b.shape[:-2])
        return _multiply(a, b, a.new_empty(*lanes, a.shape[-2], b.shape[-1])).add_(bias)
    return torch.baddbmm(bias, a, b) if a.ndim == 3 else _by_slots_or_places(bias, a, b)


def sums(values: Tensor, out: Tensor | None = None) -> Tensor:
    """Add up along the last axis: (…, n) to (…).

    On a GPU torch adds a long row from its first aligned address on. If n is no multiple of 4, the
    last bit depends on the row's address, and so on the slot. So there the sum runs along a slow
    axis, where addresses do not matter.
    """
    if values.device.type == "cuda" and values.shape[-1] >= VECTORISED:
        return torch.sum(slow(values), 0, out=out)
    return torch.sum(values, -1, out=out)


def slow(values: Tensor) -> Tensor:
    """Copy with the last axis as the first and slowest one: (…, n) to (n, …)."""
    return values.movedim(-1, 0).contiguous()


def _multiply(a: Tensor, b: Tensor, out: Tensor) -> Tensor:
    np.matmul(_as_read_fastest(a, b).numpy(), b.numpy(), out=out.numpy())
    return out


def _as_read_fastest(a: Tensor, b: Tensor) -> Tensor:
    """Return `a`, or a copy of it, in the memory order in which OpenBLAS multiplies it fastest.

    For rows by rows, a·cᵀ, there is a kernel for small matrices up to 1,200 results alone; above
    it they are multiplied at half the rate of others, at a third if `a` has few rows. (OpenBLAS's
    sgemm_small_kernel_permit_skylakex.c, which names it TN.)
    """
    if b.stride(-1) == 1 or a.stride(-1) != 1:
        return a
    n, k, m = *a.shape[-2:], b.shape[-1]
    is_slow = n * m > 1200 and n * k * m <= 1e6
    return a.mT.contiguous().mT if is_slow and n <= FEW_ROWS else a


def _by_slots_or_places(bias: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Call torch once for each slot or each place, whichever are fewer: it takes one lane axis."""
    lanes = max(a.shape[:-2], b.shape[:-2])
    axis = 0 if lanes[0] < lanes[1] else 1
    out = a.new_empty(*lanes, a.shape[-2], b.shape[-1])
    operands = (t.expand(*lanes, -1, -1).unbind(axis) for t in (bias, a, b))
    for part, *of_part in zip(out.unbind(axis), *operands, strict=True):
        torch.baddbmm(*of_part, out=part)
    return out


def _is_for_numpy(a: Tensor) -> bool:
    is_wanted = a.device.type == "cpu" and not torch.compiler.is_compiling() and by_numpy()
    return is_wanted and a.shape[-1] > 1  # else numpy does without its library, slowly


@cache
def by_numpy() -> bool:
    """Whether numpy's library uses AVX-512 where torch's does not."""
    if not is_amd_with_avx512():
        return False
    from threadpoolctl import threadpool_info

    return any(
        library["internal_api"] == "openblas"
        and "numpy" in library["filepath"]
        and library["architecture"] in AVX512_KERNELS
        for library in threadpool_info()
    )
