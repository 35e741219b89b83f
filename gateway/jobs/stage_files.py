"""Intermediate results of a reconstruction as BART's `.cfl` and `.hdr` files, for a physicist's own tools."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from gateway.jobs.recon_task import StageBegun
from gateway.model.errors import LimitExceeded, NodeFault
from gateway.model.mrd import Image
from gateway.recon.bart import bart_header

# A name comes from the reconstruction process, which is not trusted: only these signs of it become a file's.
_NOT_A_NAME = re.compile(r"[^a-z0-9]+")
_LONGEST_NAME = 100
# So many files say nothing to anybody.
MOST_STAGES = 20_000


class CflWriter:
    """Writes each stage to `folder`/NNNN_name.cfl and .hdr, in the order in which they come."""

    def __init__(self, folder: Path) -> None:
        self.written: list[Path] = []
        self._folder = folder
        self._missing = 0

    def begin(self, stage: StageBegun) -> None:
        """Write the header. Raises LimitExceeded, NodeFault, MalformedData, OSError."""
        if self._missing:
            raise NodeFault("the reconstruction process broke off an intermediate result")
        if len(self.written) >= MOST_STAGES:
            raise LimitExceeded(f"more than {MOST_STAGES} intermediate results")
        self._missing = stage.elements
        name = _NOT_A_NAME.sub("_", stage.name.casefold()).strip("_")[:_LONGEST_NAME]
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{len(self.written) + 1:04d}_{name}.cfl"
        path.write_bytes(b"")
        path.with_suffix(".hdr").write_text(bart_header(stage.dimensions))
        self.written.append(path)

    def take(self, piece: Image) -> bool:
        """Append a piece; False when nothing is missing. Raises NodeFault for more than was announced."""
        if not self._missing:
            return False
        if piece.data.dtype != np.complex64 or piece.data.size > self._missing:
            raise NodeFault("the reconstruction process wrote more of an intermediate result than it announced")
        with self.written[-1].open("ab") as file:
            file.write(piece.data.tobytes())
        self._missing -= piece.data.size
        return True
