"""What a process asks of its machine and finds there, and how it is interrupted."""

from __future__ import annotations

import gc
import io
import logging
import os
import platform
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from functools import cache
from pathlib import Path
from types import FrameType

from sweep import __version__
from sweep.errors import INTERRUPTED

CPUS = Path("/proc/cpuinfo")  # Linux
CONTAINER = Path("/sys/fs/cgroup/memory.max")
INTERRUPTS = (signal.SIGINT, signal.SIGTERM)
AGAIN_S = 0.01  # once the finaliser is left


@contextmanager
def importing() -> Iterator[None]:
    """Import without looking for garbage: all that torch and the others make stays to the end."""
    before = len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > before:  # or the garbage of a study that ran here would stay
            gc.freeze()  # nor look for any in it later
        gc.enable()


def interrupt(_: int, frame: FrameType | None) -> None:
    """Interrupt a command, as a signal's handler; leave at once amid an import.

    Modules that try to import others may take any exception for a sign that they are missing.
    """
    while frame:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            os._exit(INTERRUPTED)
        frame = frame.f_back
    raise KeyboardInterrupt


def interruptible() -> None:
    """Let an interrupt end the process without a word, wherever in a library it falls.

    A library that logs what ends it is not heard, unless its user has set up logs; and one that
    falls where Python cannot raise, as in a finaliser, comes again a moment later.
    """
    if logging.lastResort:
        logging.lastResort.addFilter(lambda record: not _tells_of_an_interrupt(record))
    before = sys.unraisablehook

    def hook(unraisable: sys.UnraisableHookArgs) -> None:
        if not isinstance(unraisable.exc_value, KeyboardInterrupt):
            before(unraisable)
            return
        again = threading.Timer(AGAIN_S, os.kill, (os.getpid(), signal.SIGINT))
        again.daemon = True
        again.start()

    sys.unraisablehook = hook


def _tells_of_an_interrupt(record: logging.LogRecord) -> bool:
    kind = record.exc_info[0] if record.exc_info else None
    return kind is not None and issubclass(kind, KeyboardInterrupt)


class _Stop:
    """Whether a stop was asked for, and whether the main thread waits, perhaps in vain."""

    asked = False
    impatient = False


@contextmanager
def asked_to_stop(say: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """Turn the first SIGINT or SIGTERM into a request, and say so; the second interrupts at once.

    So does the first one where the main thread is `impatient`.
    """

    def ask(_: int, __: FrameType | None) -> None:
        again, _Stop.asked = _Stop.asked, True
        if again or _Stop.impatient:
            raise KeyboardInterrupt
        say()

    before = {number: signal.signal(number, ask) for number in INTERRUPTS}
    try:
        yield lambda: _Stop.asked
    finally:
        _Stop.asked = False
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def impatient() -> Iterator[None]:
    """Wait for what may never come: a request to stop, made before or now, interrupts at once.

    In the main thread only, the one that signals interrupt.

    Raises:
        KeyboardInterrupt: a stop was asked for.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _Stop.impatient = True
    try:
        if _Stop.asked:
            raise KeyboardInterrupt
        yield
    finally:
        _Stop.impatient = False


class _ToStderr(io.TextIOBase):
    """A stdout that writes to stderr, whatever that is by then; closing it closes nothing."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text) if sys.stderr else len(text)

    def flush(self) -> None:
        if sys.stderr:
            sys.stderr.flush()

    def close(self) -> None:
        self.flush()

    def fileno(self) -> int:
        return sys.stderr.fileno()

    @property
    def buffer(self) -> io.BufferedIOBase:
        return sys.stderr.buffer  # type: ignore[return-value]


@contextmanager
def stderr_closed() -> Iterator[None]:
    """Have nothing that is written to descriptor 2 inside come out, whoever writes it."""
    if sys.stderr:
        sys.stderr.flush()
    before = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)


@contextmanager
def stdout_to_stderr(wanted: bool = True) -> Iterator[None]:
    """Have what is written to stdout inside come out on stderr; child processes' words too.

    So that what a command prints for programs holds nothing else.
    """
    if not wanted:
        yield
        return
    _flush_stdout()
    try:
        kept = os.dup(1)
        os.dup2(2, 1)
    except OSError:  # a process without one of them
        kept = None
    try:
        with redirect_stdout(_ToStderr()):
            yield
    finally:
        _flush_stdout()
        if kept is not None:
            os.dup2(kept, 1)
            os.close(kept)


def _flush_stdout() -> None:
    for stream in (sys.stdout, sys.__stdout__):
        if stream and not stream.closed:
            stream.flush()


@cache
def is_amd_with_avx512() -> bool:
    """Whether this is an AMD CPU with AVX-512, of which MKL makes no use (Linux)."""
    try:
        with CPUS.open(encoding="ascii", errors="replace") as file:
            first = file.read(1 << 13).split("\n\n")[0]  # of many CPUs alike
    except OSError:
        return False
    told = dict(line.split(":", 1) for line in first.splitlines() if ":" in line)
    fields = {name.strip(): value.split() for name, value in told.items()}
    return fields.get("vendor_id") == ["AuthenticAMD"] and "avx512f" in fields.get("flags", [])


def use_one_thread() -> None:
    """Train on one CPU thread unless the user asked for more.

    A step is many short operations: on cores that have other work, threads wait for each
    other at every one of them, and two were nearly twice as slow as one.
    """
    import torch  # here: the owner of a run does without

    if "OMP_NUM_THREADS" in os.environ:
        return
    torch.set_num_threads(1)
    if is_amd_with_avx512():
        from threadpoolctl import threadpool_limits

        threadpool_limits(1, user_api="blas")  # of numpy: see `linalg`


def use_full_precision() -> None:
    """Let a GPU convolve in float32, as it multiplies matrices: by default TF32 errs near 1e-3."""
    import torch

    torch.backends.cudnn.allow_tf32 = False


def keep_freed_memory() -> None:
    """Keep glibc from handing freed blocks back to the system between steps.

    A step's temporaries would be mapped anew in the next step, at hundreds of page faults
    each time: up to a third of a step. What a process had at its peak it keeps to its end.
    """
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None:  # glibc; the numbers are of its malloc.h
        trim_threshold, mmap_max, never = -1, -4, -1
        mallopt(trim_threshold, never)
        mallopt(mmap_max, 0)  # else what takes more than 32 MB is mapped anew each time


def die_with_parent(parent: int) -> None:
    """Have the system end this process as soon as its parent is gone, whatever ends that (Linux).

    Args:
        parent: the process that forked this one.
    """
    import ctypes

    set_parent_death_signal = 1  # of Linux's prctl.h
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
    if os.getppid() != parent:  # it was gone before
        os._exit(1)


def total_memory_bytes() -> int:
    """Return the memory of this machine, or what its container may use of it (cgroup v2)."""
    if not hasattr(os, "sysconf"):
        return sys.maxsize
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):  # it says "max" where there is no limit
        return min(physical, int(CONTAINER.read_text(encoding="ascii")))
    return physical


def is_out_of_memory(error: BaseException) -> bool:
    """Tell an allocation that failed; on the CPU torch raises a plain RuntimeError."""
    # Kinds of other packages by their names, since the owner of workers does without torch, and
    # most runs without Ray. What Ray raises tells of a process that is gone, perhaps killed since
    # its host was short of memory: fewer lanes are no answer to that.
    packages = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    if "ray" in packages:
        return False
    if isinstance(error, MemoryError):
        return True
    if "torch" in packages and type(error).__name__ == "OutOfMemoryError":
        return True
    # CUDA's libraries raise others; a thread needs memory for its stack.
    signs = ("t allocate", "out of memory", "ALLOC_FAILED", "t start new thread")
    return any(sign in str(error) for sign in signs)


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of Python, sweep and these packages; `unknown` is not installed."""
    from importlib.metadata import PackageNotFoundError, version  # not for `sweep --help`

    found = {"python": platform.python_version(), "sweep": __version__}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found
