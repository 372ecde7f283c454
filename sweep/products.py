"""Products of matrices, lane by lane, by the faster of the two libraries that are there.

torch multiplies by Intel's MKL, which makes no use of AVX-512 on AMD's CPUs. The OpenBLAS that
comes with numpy does: 230 against 110 GFLOP/s on an EPYC of family 26 (one thread, 1,024³ in
float32; `tests/benchmarks/floor.py`). Either, MKL in the mode that `lanes` sets, comes to the same
bits wherever a matrix lies and however many are beside it.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

from sweep.machine import is_amd_with_avx512

AVX512_KERNELS = ("SkylakeX", "Cooperlake")  # of OpenBLAS


def product(a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor:
    """Multiply (L, n, k) by (L, k, m) to (L, n, m); no gradient goes through it.

    Args:
        a, b: of each matrix one of the two strides is 1.
        out: where to, contiguous.
    """
    if not _is_for_numpy(a):
        return torch.bmm(a, b, out=out)
    if out is None:
        out = a.new_empty(len(a), a.shape[1], b.shape[2])
    with np.errstate(all="ignore"):  # a lane may diverge
        np.matmul(a.numpy(), b.numpy(), out=out.numpy())
    return out


def affine(bias: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return bias + product(a, b); the bias is broadcast to (L, n, m)."""
    return product(a, b).add_(bias) if _is_for_numpy(a) else torch.baddbmm(bias, a, b)


def _is_for_numpy(a: Tensor) -> bool:
    return a.device.type == "cpu" and not torch.compiler.is_compiling() and by_numpy()


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
