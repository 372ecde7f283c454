"""Products and sums, lane by lane."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info
from torch import Tensor

from sweep import runtime
from sweep.training import linalg
from sweep.training.linalg import AVX512_KERNELS, VECTORISED, affine, product, slow, sums

AMD = "vendor_id\t: AuthenticAMD\nflags\t\t: fpu sse avx2 "


def matrices(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    a, b = (
        torch.rand(shape, generator=generator, dtype=dtype) for shape in ((3, 5, 7), (3, 7, 4))
    )
    return a, b


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "laid", [lambda t: t, lambda t: t.mT.contiguous().mT, lambda t: t[:1].expand(3, -1, -1)],
    ids=["rows", "columns", "one of all lanes"],
)  # fmt: skip
def test_each_lane_is_multiplied(laid: Callable[[Tensor], Tensor], dtype: torch.dtype) -> None:
    a, b = matrices(dtype)
    a, b = laid(a), laid(b)
    want = torch.stack([a[lane] @ b[lane] for lane in range(3)])
    torch.testing.assert_close(product(a, b), want)
    out = torch.empty_like(want)
    assert product(a, b, out=out) is out
    torch.testing.assert_close(out, want)
    bias = torch.rand(3, 1, 4, dtype=dtype)
    torch.testing.assert_close(affine(bias, a, b), want + bias)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(("n", "k", "m"), [(5, 7, 4), (5, 1, 4), (10, 32, 180), (70, 32, 180)])
@pytest.mark.parametrize("by", ["rows", "columns"])
def test_results_go_where_they_belong_however_all_is_laid(n: int, k: int, m: int, by: str) -> None:
    a, b = torch.rand(3, n, k), torch.rand(3, m, k).mT
    out = torch.full((3, n, m), torch.nan)
    out = out if by == "rows" else out.mT.contiguous().mT
    assert product(a, b, out=out) is out
    torch.testing.assert_close(out, torch.matmul(a, b))
    torch.testing.assert_close(product(a, b), torch.matmul(a, b))


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("slots", [1, 2, 6])
@pytest.mark.parametrize("k", [1, 7])
def test_slots_share_what_lies_at_a_place(slots: int, k: int) -> None:
    shared, bias = torch.rand(1, 3, 5, k), torch.rand(slots, 3, 1, 4)
    weights = torch.rand(slots, 3, 4, k).mT
    torch.testing.assert_close(affine(bias, shared, weights), bias + shared @ weights)
    want = bias.mT + weights.mT @ shared.mT
    torch.testing.assert_close(affine(bias.mT, weights.mT, shared.mT), want)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("shape", [(50, 64, 32), (50, 128, 128), (7, 5, 3), (180, 64, 10)])
def test_a_lane_has_the_same_bits_wherever_it_lies(shape: tuple[int, int, int]) -> None:
    n, k, m = shape
    generator = torch.Generator().manual_seed(0)
    a, b = torch.rand(n, k, generator=generator), torch.rand(k, m, generator=generator)
    a_columns, b_columns = a.mT.contiguous().mT, b.mT.contiguous().mT
    for one_a, one_b in ((a, b), (a_columns, b), (a, b_columns), (a_columns, b_columns)):
        want = product(one_a[None], one_b[None])[0]
        for lanes, shift in ((2, 1), (5, 3), (13, 7)):
            many_a, many_b = (laid_as(one, lanes, shift) for one in (one_a, one_b))
            many_a[0] = float("nan")
            with np.errstate(all="ignore"):
                assert torch.equal(product(many_a, many_b)[-1], want)


def laid_as(matrix: Tensor, lanes: int, shift: int) -> Tensor:
    """Put a matrix into the last of so many lanes, at an odd address, in its own order."""
    by_rows = matrix.is_contiguous()
    rows = matrix if by_rows else matrix.mT
    many = torch.zeros(lanes * rows.numel() + shift)[shift:].view(lanes, *rows.shape)
    many[-1] = rows
    return many if by_rows else many.mT


def test_what_is_compiled_is_torchs(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> bool:
        raise AssertionError("numpy was asked")

    monkeypatch.setattr(linalg, "by_numpy", refuse)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    a, b = matrices(torch.float32)
    torch.testing.assert_close(product(a, b), a @ b)


@pytest.mark.parametrize(
    ("cpu", "is_one"),
    [
        (f"{AMD}avx512f\n\nvendor_id\t: other\n", True),
        (f"{AMD}\n\nflags : avx512f\n", False),
        (f"{AMD}avx512f\n".replace("AuthenticAMD", "GenuineIntel"), False),
        ("Processor : an ARM\n", False),
        (None, False),
    ],
)
def test_an_amd_cpu_with_avx512_is_known_by_its_flags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cpu: str | None, is_one: bool
) -> None:
    if cpu is not None:
        (tmp_path / "cpuinfo").write_text(cpu)
    monkeypatch.setattr(runtime, "CPUS", tmp_path / "cpuinfo")
    runtime.is_amd_with_avx512.cache_clear()
    try:
        assert runtime.is_amd_with_avx512() is is_one
    finally:
        runtime.is_amd_with_avx512.cache_clear()


def test_numpy_is_asked_which_kernels_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    kernels = {
        library["architecture"]
        for library in threadpool_info()
        if library["internal_api"] == "openblas" and "numpy" in library["filepath"]
    }
    for amd in (True, False):
        monkeypatch.setattr(linalg, "is_amd_with_avx512", lambda amd=amd: amd)
        linalg.by_numpy.cache_clear()
        assert linalg.by_numpy() == (amd and bool(kernels & set(AVX512_KERNELS)))
    linalg.by_numpy.cache_clear()


# --- sums along the last axis


@pytest.mark.parametrize("shape", [(3, 5), (2, 3, 129), (1, 200)])
def test_the_last_axis_is_added_up(shape: tuple[int, ...]) -> None:
    values = torch.rand(shape, dtype=torch.float64)
    torch.testing.assert_close(sums(values), values.sum(-1))
    out = torch.empty(shape[:-1], dtype=torch.float64)
    assert sums(values, out=out) is out
    torch.testing.assert_close(out, values.sum(-1))


def test_made_slow_the_axis_adds_up_to_the_same() -> None:
    values = torch.rand(4, 3, 129, dtype=torch.float64).mT.contiguous().mT  # any strides
    assert slow(values).shape == (129, 4, 3) and slow(values).is_contiguous()
    torch.testing.assert_close(slow(values).sum(0), values.sum(-1))


class OnGpu:
    """Pass for a tensor of a GPU."""

    def __init__(self, values: torch.Tensor):
        self.values, self.device, self.shape = values, torch.device("cuda"), values.shape


@contextmanager
def noticed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """List how the rows of an `OnGpu` are added up."""
    how: list[str] = []

    def slowed(values: Any) -> torch.Tensor:
        how.append("by a slow axis")
        return slow(values.values)

    def added(values: Any, axis: int, out: torch.Tensor | None = None) -> torch.Tensor:
        values = getattr(values, "values", values) if isinstance(values, OnGpu) else values
        return values.sum(axis)  # type: ignore[no-any-return]

    with monkeypatch.context() as patch:
        patch.setattr("sweep.training.linalg.slow", slowed)
        patch.setattr(torch, "sum", added)
        yield how


@pytest.mark.parametrize("n", [VECTORISED - 1, VECTORISED, 129])
def test_on_a_gpu_long_rows_are_added_up_along_a_slow_axis(
    monkeypatch: pytest.MonkeyPatch, n: int
) -> None:
    values = torch.rand(3, n, dtype=torch.float64)
    with noticed(monkeypatch) as how:
        found = sums(OnGpu(values))  # type: ignore[arg-type]
    torch.testing.assert_close(found, values.sum(1))
    assert how == ["by a slow axis"] * (n >= VECTORISED)
