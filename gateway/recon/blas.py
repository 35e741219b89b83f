"""Linear algebra on one thread: what BLAS sums in parallel comes out differently for each number of threads."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache

from threadpoolctl import ThreadpoolController


def one_blas_thread() -> AbstractContextManager[object]:
    """While this holds, matrix products and decompositions of NumPy and SciPy run on the calling thread alone."""
    limit: AbstractContextManager[object] = _controller().limit(limits=1, user_api="blas")
    return limit


@cache
def _controller() -> ThreadpoolController:
    """Looks through the loaded libraries once: a millisecond, too much for every product."""
    return ThreadpoolController()
