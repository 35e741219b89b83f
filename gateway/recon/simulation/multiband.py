"""A simulated scan in which several slices are excited together, after a single-band reference of each.

Made of two ordinary scans of the same slices, with and without noise: the sum of the slices has the noise of one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gateway.model.mrd import Acquisition, Limit, Multiband, ParallelImaging, ScanHeader, is_imaging
from gateway.recon.simulation.header import header_xml
from gateway.recon.simulation.protocol import Protocol
from gateway.recon.simulation.sampling import EVERY_LINE
from gateway.recon.simulation.scan import SimulatedScan, simulate

# The encoding section of the single-band reference.
_REFERENCE = 1


def simulate_multiband(
    protocol: Protocol, factor: int, *, shift: int = 1, step: int = 1, silent: Sequence[int] = ()
) -> SimulatedScan:
    """`protocol.slices` slices, a multiple of `factor`, excited `factor` at a time as far apart as can be.

    From one to the next slice of a group the image moves by 1/`shift` of the field of view; `step`: every how many
    lines are measured. Slices in `silent` give no signal when they are excited with others.
    """
    plain = replace(protocol, undersampling=EVERY_LINE)
    noisy, clean = simulate(plain), simulate(replace(plain, snr=None))
    groups = protocol.slices // factor
    distance = groups * protocol.slice_spacing
    multiband = Multiband(
        factor, (tuple(band * distance for band in range(factor)),), 1 / (shift * distance), "separable2D", _REFERENCE
    )
    measured = [one for one in noisy.acquisitions if is_imaging(one.flags)]
    before = [one for one in noisy.acquisitions if not is_imaging(one.flags)]
    without_noise = {
        (one.idx.slice, one.idx.kspace_encode_step_1): one.data for one in clean.acquisitions if is_imaging(one.flags)
    }
    excited = _excited(measured, without_noise, _Pattern(multiband, groups, shift, step, frozenset(silent)))
    reference = (replace(one, encoding_space_ref=_REFERENCE) for one in measured)
    readouts = tuple(
        replace(one, scan_counter=number) for number, one in enumerate((*before, *reference, *excited), start=1)
    )
    header = _header(noisy.header, multiband, groups, shift, step)
    return replace(noisy, header=header, header_xml=header.xml, acquisitions=readouts)


class _Pattern:
    """Which slices a readout excites, and with which phases."""

    def __init__(self, multiband: Multiband, groups: int, shift: int, step: int, silent: frozenset[int]) -> None:
        self.step = step
        self._multiband = multiband
        self._groups = groups
        self._shift = shift
        self._silent = silent

    def is_measured(self, slice_: int, line: int) -> bool:
        return slice_ < self._groups and line % self.step == 0

    def counter(self, line: int) -> int:
        return line // self.step % self._shift

    def factors(self, group: int, line: int) -> Iterator[tuple[int, complex]]:
        """Each slice with the factor of its signal."""
        for band in range(self._multiband.factor):
            slice_ = group + band * self._groups
            turns = self.counter(line) * band / self._shift
            if slice_ not in self._silent:
                yield slice_, complex(np.exp(2j * np.pi * turns))


def _excited(
    measured: Sequence[Acquisition], clean: dict[tuple[int, int], NDArray[np.complex64]], pattern: _Pattern
) -> Iterator[Acquisition]:
    """The lines of the groups, each in the place of its first slice, with the noise of that."""
    for one in measured:
        group, line = one.idx.slice, one.idx.kspace_encode_step_1
        if pattern.is_measured(group, line):
            noise = one.data - clean[group, line]
            signal = sum((factor * clean[slice_, line] for slice_, factor in pattern.factors(group, line)), noise)
            idx = replace(one.idx, kspace_encode_step_2=pattern.counter(line))
            yield replace(one, data=np.ascontiguousarray(signal, np.complex64), idx=idx)


def _header(plain: ScanHeader, multiband: Multiband, groups: int, shift: int, step: int) -> ScanHeader:
    (encoding,) = plain.encodings
    limits = replace(encoding.limits, slice=Limit(0, groups - 1, 0), kspace_encoding_step_2=Limit(0, shift - 1, 0))
    images = replace(encoding, limits=limits, parallel=ParallelImaging(step, 1, "separate", multiband=multiband))
    header = replace(plain, encodings=(images, encoding))
    return replace(header, xml=header_xml(header))
