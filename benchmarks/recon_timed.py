"""The time of a reconstruction beside the error of its image: neither says anything without the other."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Complex = NDArray[np.complex64]


@dataclass(frozen=True, slots=True)
class Timed:
    """Seconds of the median run, and the image's error."""

    seconds: float
    error: float

    def __str__(self) -> str:
        return f"{1000 * self.seconds:.0f} ms at {self.error:.4f}"


def timed(run: Callable[[], Complex], error: Callable[[Complex], float], repeats: int) -> Timed:
    """So many runs, after one that is not counted."""
    result, seconds = run(), []
    for _ in range(repeats):
        begin = time.perf_counter()
        result = run()
        seconds.append(time.perf_counter() - begin)
    return Timed(statistics.median(seconds), error(result))
