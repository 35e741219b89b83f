"""Compiled loops, for what NumPy would do in several passes over memory.

A kernel is declared with its types and compiled when it is first called, never at import; the machine code is kept on
disk, in NUMBA_CACHE_DIR or beside this package. A reconstruction process may write no file once it has its task, so
that it compiles what `declared` lists while it waits for one.

The same bytes every time: arithmetic is IEEE's, in the order in which it is written. What "fast math" allows would
make a result depend on whether a loop runs on vectors, which the addresses of its arrays decide; and a parallel loop
runs over whole rows or tiles of a fixed size, whatever the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

import numba

# Contiguous arrays of one and of two dimensions, in signatures.
COMPLEX = "complex64[::1]"
ROWS = "complex64[:,::1]"

_declared: list[Kernel] = []


class Kernel:
    """A function that is compiled for `signature` (Numba's notation) on its first call."""

    def __init__(self, function: Callable[..., Any], signature: str, *, parallel: bool) -> None:
        self._function = function
        self._signature = signature
        self._parallel = parallel
        self._compiled: Callable[..., Any] | None = None
        update_wrapper(self, function)

    def __call__(self, *arguments: Any) -> Any:
        return (self._compiled or self.compile())(*arguments)

    @property
    def compiled(self) -> bool:
        """Whether the machine code is there."""
        return self._compiled is not None

    def compile(self) -> Callable[..., Any]:
        """The machine code: from disk, or compiled now."""
        try:
            self._compiled = self._made(cache=True)
        except (OSError, RuntimeError):  # no folder that may be written to: compiled for this process alone
            self._compiled = self._made(cache=False)
        return self._compiled

    def _made(self, *, cache: bool) -> Callable[..., Any]:
        make = numba.njit(self._signature, cache=cache, nogil=True, parallel=self._parallel)
        made: Callable[..., Any] = make(self._function)
        return made


def kernel(signature: str, *, parallel: bool = True) -> Callable[[Callable[..., Any]], Kernel]:
    """Declare a kernel with these types."""

    def declare(function: Callable[..., Any]) -> Kernel:
        made = Kernel(function, signature, parallel=parallel)
        _declared.append(made)
        return made

    return declare


def part(function: Callable[..., Any]) -> Callable[..., Any]:
    """A part of the kernels of the same file: compiled with the kernel that calls it."""
    declared: Callable[..., Any] = numba.njit(nogil=True)(function)
    return declared


def declared() -> tuple[Kernel, ...]:
    """Every kernel of the modules that are imported by now."""
    return tuple(_declared)


def use_threads(workers: int) -> None:
    """Let parallel loops of this thread run on `workers` threads, as far as the process has them."""
    most: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
    numba.set_num_threads(max(1, min(workers, most)))
