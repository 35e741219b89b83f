"""What one reconstruction may use of the machine. Nothing here may change a pixel."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.model.errors import LimitExceeded

_GIB = 1024**3
_COMPLEX64 = 8


@dataclass(frozen=True, slots=True)
class Resources:
    """`memory_limit`: bytes that the arrays of one reconstruction may take together. `workers`: threads of an FFT."""

    memory_limit: int = 4 * _GIB
    workers: int = 1

    def require(self, needed: int, purpose: str) -> None:
        """Raise `LimitExceeded` unless `needed` bytes are within the limit; to be called before they are allocated."""
        if needed > self.memory_limit:
            raise LimitExceeded(
                f"{purpose} needs {needed / _GIB:.1f} GiB of memory, the limit is {self.memory_limit / _GIB:.1f} GiB"
                " (recon.memory_limit)"
            )


def complex_bytes(*shape: int) -> int:
    """Size of a complex64 array of that shape, in Python integers: a header's sizes overflow machine words."""
    size = _COMPLEX64
    for extent in shape:
        size *= extent
    return size
