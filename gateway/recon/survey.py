"""What kind of scan this is, from its header and, where that does not say, from the lines that were measured.

Headers announce what was planned: a factor of parallel imaging with every line measured, a random pattern as "3", or
nothing at all. So of Cartesian scans the first image is looked at before a method is chosen; its readouts are kept and
go the same way as all others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from gateway.model.mrd import Acquisition, AcquisitionFlag, Encoding, ScanHeader, is_imaging
from gateway.recon.assembly import ImageKey
from gateway.recon.coverage import is_regular, is_undersampled
from gateway.recon.kspace import Placement, placement_of
from gateway.recon.registry import ScanKind, encoding_of, scan_kind

_LAST = int(AcquisitionFlag.LAST_IN_SLICE | AcquisitionFlag.LAST_IN_REPETITION | AcquisitionFlag.LAST_IN_MEASUREMENT)
_CALIBRATING = int(AcquisitionFlag.IS_PARALLEL_CALIBRATION | AcquisitionFlag.IS_PARALLEL_CALIBRATION_AND_IMAGING)
# What is held to look at: a 3-D volume of 256 × 256 × 128 points in 4 channels. What is longer is judged by its part.
_HELD_BYTES = 256 * 1024**2
# Beyond that the header decides: no memory for scans that cannot be.
_MOST_LINES = 4096 * 4096
_CARTESIAN = (ScanKind.CARTESIAN, ScanKind.ACCELERATED)


def surveyed(header: ScanHeader, acquisitions: Iterable[Acquisition]) -> tuple[ScanKind, Iterator[Acquisition]]:
    """The kind of a scan, and all of its readouts.

    Takes as many readouts as the first image has, and only of a Cartesian scan. Raises `MalformedData` for a header
    without encoding or with limits that do not fit.
    """
    encoding = encoding_of(header)
    kind, readouts = scan_kind(encoding), iter(acquisitions)
    if kind not in _CARTESIAN:
        return kind, readouts
    held: list[Acquisition] = []
    first = _first_image(encoding, readouts, held)
    return kind if first is None else _kind_of(first, kind), chain(held, readouts)


@dataclass(slots=True)
class _Lines:
    """The lines (k2, k1) of one image that were seen; `missing` of those within the limits were not."""

    n_coils: int
    sampled: NDArray[np.bool_]
    calibrating: NDArray[np.bool_]
    missing: int


def _first_image(encoding: Encoding, readouts: Iterator[Acquisition], held: list[Acquisition]) -> _Lines | None:
    """The lines of the image that is over first, or has most at the end; what was read is in `held`."""
    placement = placement_of(encoding)
    if placement.k1.encoded * placement.k2.encoded > _MOST_LINES:
        return None
    images: dict[ImageKey, _Lines] = {}
    size = 0
    for acquisition in readouts:
        held.append(acquisition)
        size += acquisition.data.nbytes
        if is_imaging(acquisition.flags) and acquisition.encoding_space_ref == 0 and acquisition.data.ndim == 2:
            key = ImageKey.of(acquisition)
            before = [image for other, image in images.items() if other.repetition < key.repetition]
            if before:
                return before[0]
            if key not in images:
                images[key] = _nothing(placement, acquisition.data.shape[0])
                size += 2 * images[key].sampled.nbytes
            lines = images[key]
            _see(lines, placement, acquisition)
            if acquisition.flags & _LAST or not lines.missing:
                return lines
        if size > _HELD_BYTES:
            break
    return max(images.values(), key=lambda lines: int(lines.sampled.sum()), default=None)


def _nothing(placement: Placement, n_coils: int) -> _Lines:
    shape = placement.k2.encoded, placement.k1.encoded
    empty = np.zeros(shape, np.bool_)
    return _Lines(n_coils, empty, empty.copy(), empty[placement.k2.measured, placement.k1.measured].size)


def _see(lines: _Lines, placement: Placement, acquisition: Acquisition) -> None:
    """Counters out of range are for the method to refuse: it knows the readout's number."""
    idx = acquisition.idx
    if not (placement.k1.contains(idx.kspace_encode_step_1) and placement.k2.contains(idx.kspace_encode_step_2)):
        return
    line = idx.kspace_encode_step_2 + placement.k2.offset, idx.kspace_encode_step_1 + placement.k1.offset
    lines.missing -= int(not lines.sampled[line])
    lines.sampled[line] = True
    lines.calibrating[line] |= bool(acquisition.flags & _CALIBRATING)


def _kind_of(lines: _Lines, stated: ScanKind) -> ScanKind:
    centre = lines.sampled.shape[0] // 2, lines.sampled.shape[1] // 2
    if not lines.sampled[centre]:  # broken off early: nothing can be told
        return stated
    if not is_undersampled(lines.sampled, centre):
        return ScanKind.CARTESIAN
    # One channel cannot unfold anything.
    regular = lines.n_coils > 1 and is_regular(lines.sampled, lines.calibrating)
    return ScanKind.ACCELERATED if regular else ScanKind.IRREGULAR
