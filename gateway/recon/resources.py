"""What a reconstruction is given beside the scan: limits of the machine, who listens, and noise measured apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from numpy.typing import NDArray

from gateway.model.errors import LimitExceeded
from gateway.recon.noise import NoiseMeasurement
from gateway.recon.waveforms import WaveformLog

_GIB = 1024**3
_COMPLEX64 = 8
_T = TypeVar("_T")


class Each(Protocol):
    """Does `work` for every item, in this thread or shared out to several; the results in the order of the items."""

    def __call__(self, work: Callable[[int], _T], items: Iterable[int], /) -> Iterator[_T]: ...


def _one_by_one(work: Callable[[int], _T], items: Iterable[int], /) -> Iterator[_T]:
    return map(work, items)


class StageSink(Protocol):
    """Takes intermediate results for somebody who wants to look at them.

    `name` tells the stage and the image ("kspace slice 3"), `axes` names each axis of `data` by `x y z coil map time
    readout sample`; a fixed order of the axes is the sink's affair.
    """

    def __call__(self, name: str, data: NDArray[Any], axes: Sequence[str]) -> None: ...


def _unread(_: str) -> None:
    """Nobody reads notices."""


def _nobody(_: str, done: int, total: int) -> None:
    del done, total


@dataclass(frozen=True, slots=True)
class Resources:
    """`memory_limit`: bytes that the arrays of one reconstruction may take together. `workers`: threads of an FFT.

    `each` shares independent pieces of work out to as many threads.
    `noise` is the noise of the same coils from another measurement, for scans without noise readouts; `waveforms` are
    those of the scan, complete when its readouts have come to their end. Nothing else here may change a pixel.
    `progress(what, done, total)` may be called as often as one likes. `notice`
    takes a line that somebody should read, without a value of the patient. `stages` is None where nobody
    looks: what is only for it need not be made.
    """

    memory_limit: int = 4 * _GIB
    workers: int = 1
    each: Each = _one_by_one
    noise: NoiseMeasurement | None = None
    waveforms: WaveformLog = field(default_factory=WaveformLog)
    progress: Callable[[str, int, int], None] = _nobody
    stages: StageSink | None = None
    notice: Callable[[str], None] = _unread

    def require(self, needed: int, purpose: str) -> None:
        """Raise `LimitExceeded` unless `needed` bytes are within the limit; to be called before they are allocated."""
        if needed > self.memory_limit:
            raise LimitExceeded(
                f"{purpose} needs {needed / _GIB:.1f} GiB of memory, the limit is {self.memory_limit / _GIB:.1f} GiB"
                " (recon.memory_limit): raise it, or correct the sizes in the header"
            )


def complex_bytes(*shape: int) -> int:
    """Size of a complex64 array of that shape, in Python integers: a header's sizes overflow machine words."""
    size = _COMPLEX64
    for extent in shape:
        size *= extent
    return size
