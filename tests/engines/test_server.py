"""What crosses from a worker to its owner; that it trains is tested in test_hire.py."""

import pickle

import pytest
import torch

from sweep.engines.server import sendable
from sweep.errors import UsageError
from sweep.runtime import is_out_of_memory


class Odd(Exception):
    """Its pickle cannot be read: that calls it with one argument."""

    def __init__(self, a: int, b: int):
        super().__init__(f"{a} and {b}")


def sent(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:
        read: Exception = pickle.loads(pickle.dumps(sendable(caught)))
        return read


def test_an_error_arrives_as_what_it_is_and_tells_where_it_was_raised() -> None:
    read = sent(UsageError("width: must be positive, got 0. Raise it"))
    assert isinstance(read, UsageError) and str(read).startswith("width: must be positive")
    assert any("test_server.py" in note for note in read.__notes__)


def test_an_error_that_cannot_be_read_arrives_by_name() -> None:
    read = sent(Odd(1, 2))
    assert type(read) is RuntimeError and str(read) == "Odd: 1 and 2"
    assert any("test_server.py" in note for note in read.__notes__)


@pytest.mark.parametrize(
    "error",
    [MemoryError(), torch.OutOfMemoryError("CUDA out of memory"),
     RuntimeError("CUDA error: out of memory"),
     RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)"),
     RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 byte")],
)  # fmt: skip
def test_memory_that_was_short_is_told_as_that(error: Exception) -> None:
    assert is_out_of_memory(sent(error))
    assert not is_out_of_memory(sent(ValueError("too large")))
