"""What the header says of slices excited together: where they lie, and which phase each has from line to line."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from gateway.model.errors import MalformedData, Unsupported
from gateway.model.mrd import Acquisition, Multiband, ScanHeader, Vector, is_imaging
from gateway.recon.kspace import placement_of
from gateway.recon.preparation import Prepared
from gateway.recon.registry import encoding_of, is_multiband

# A slice is the one at the stated place when it is no further off: half the thinnest slice in practice.
_TOLERANCE_MM = 0.5


def multiband_of(header: ScanHeader) -> Multiband:
    """Raises `Unsupported` for a header that states none, or no reference of its own."""
    encoding = encoding_of(header)
    multiband = encoding.parallel.multiband if encoding.parallel else None
    if multiband is None or not is_multiband(encoding):
        raise Unsupported("MRD header: parallelImaging/multiband is missing; sms needs its factor and spacing")
    if not 0 < multiband.calibration_encoding < len(header.encodings):
        raise Unsupported(
            f"MRD header: multiband/calibration_encoding {multiband.calibration_encoding} is no other encoding section"
            " than the image's; the single-band reference must have one of its own"
        )
    return multiband


def offsets(multiband: Multiband, group: int) -> tuple[float, ...]:
    """Where the slices of a group lie from the position of its readouts, in mm. Raises `MalformedData`."""
    spacings = multiband.spacings
    stated = spacings[group] if group < len(spacings) and len(spacings) > 1 else next(iter(spacings), ())
    if len(stated) == multiband.factor:
        return stated
    distances = stated * (multiband.factor - 1) if len(stated) == 1 else stated
    if len(distances) != multiband.factor - 1:
        raise MalformedData(
            f"MRD header: multiband/spacing has {len(stated)} dZ for a multiband_factor of {multiband.factor}"
        )
    return tuple(math.fsum(distances[:count]) for count in range(multiband.factor))


@dataclass(slots=True)
class Blips:
    """The counters of the second phase encoding, which here is no encoding of a volume but a phase of the slices.

    `header` is that of the scan without them.
    """

    header: ScanHeader
    _centre: int = 0
    _counters: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, header: ScanHeader) -> Blips:
        """For the images' encoding section."""
        encoding = encoding_of(header)
        limit = encoding.limits.kspace_encoding_step_2
        flat = replace(encoding, limits=replace(encoding.limits, kspace_encoding_step_2=None))
        return cls(replace(header, encodings=(flat, *header.encodings[1:])), limit.center if limit else 0)

    def taken_off(self, acquisitions: Iterable[Acquisition]) -> Iterator[Acquisition]:
        """The readouts with counter 0. Raises `MalformedData` where a line comes with two counters."""
        for number, acquisition in enumerate(acquisitions):
            if acquisition.encoding_space_ref or not is_imaging(acquisition.flags):
                yield acquisition
                continue
            line, counter = acquisition.idx.kspace_encode_step_1, acquisition.idx.kspace_encode_step_2
            if self._counters.setdefault(line, counter) != counter:
                raise MalformedData(
                    f"readout {number}: line {line} has kspace_encode_step_2 {counter},"
                    f" and had {self._counters[line]} before"
                )
            yield replace(acquisition, idx=replace(acquisition.idx, kspace_encode_step_2=0))

    def counts(self) -> NDArray[np.int64]:
        """(k1,): the counter from its centre on each line; a line that was left out has that of the one before."""
        axis = placement_of(encoding_of(self.header)).k1
        known: Mapping[int, int] = {line + axis.offset: count - self._centre for line, count in self._counters.items()}
        counts = np.zeros(axis.encoded, np.int64)
        latest = next((known[line] for line in sorted(known)), 0)
        for line in range(axis.encoded):
            latest = counts[line] = known.get(line, latest)
        return counts


def phases(multiband: Multiband, places: Iterable[float], counts: NDArray[np.int64]) -> NDArray[np.complex64]:
    """(slices, k1): the factor that each slice at `places` (mm) has on each line."""
    turns = 2 * math.pi * multiband.delta_kz * np.outer(np.array(tuple(places)), counts)
    factors: NDArray[np.complex64] = np.exp(1j * turns).astype(np.complex64)
    return factors


def slices_of(
    excited: Prepared, places: Iterable[float], references: Iterable[Prepared]
) -> tuple[Prepared, ...] | None:
    """The references that lie where the slices of an image do; None while one of them has not come."""
    known = tuple(references)
    found = []
    for place in places:
        at = _moved(excited.acquired.first.position, excited.acquired.first.slice_dir, place)
        near = [one for one in known if math.dist(one.acquired.first.position, at) <= _TOLERANCE_MM]
        if not near:
            return None
        found.append(near[-1])
    return tuple(found)


def _moved(position: Vector, direction: Vector, distance: float) -> Vector:
    x, y, z = (at + distance * along for at, along in zip(position, direction, strict=True))
    return x, y, z
