"""Arrays to and from BART's .cfl files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Complex = NDArray[np.complex64]


def write_cfl(path: Path, data: Complex) -> None:
    """`data` with BART's dimensions from last to first: (..., coils, z, y, x)."""
    header = "# Dimensions\n" + " ".join(str(extent) for extent in reversed(data.shape)) + "\n"
    path.with_suffix(".hdr").write_text(header)
    np.ascontiguousarray(data, np.complex64).tofile(path.with_suffix(".cfl"))


def read_cfl(path: Path) -> Complex:
    """What BART wrote, its dimensions from last to first, those of one entry left out at the front."""
    lines = path.with_suffix(".hdr").read_text().splitlines()
    extents = [int(text) for text in lines[lines.index("# Dimensions") + 1].split()]
    while len(extents) > 3 and extents[-1] == 1:
        extents.pop()
    return np.fromfile(path.with_suffix(".cfl"), np.complex64).reshape(extents[::-1])
