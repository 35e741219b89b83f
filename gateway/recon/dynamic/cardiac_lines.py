"""Lines of Cartesian k-space measured again and again while the heart beats, as k-space of any phase of the beat.

Each line is interpolated between the two of its measurements that are nearest in phase, round the cycle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.model.errors import MalformedData, Unsupported
from gateway.model.mrd import Acquisition, Encoding
from gateway.recon.kspace import placement_of
from gateway.recon.resources import Resources, complex_bytes

# An image whose lines are missing for more than this share was undersampled on purpose.
_MOST_MISSING = 0.1


@dataclass(frozen=True, slots=True)
class CardiacLines:
    """`data`: (measurements, coils, k0); `line`: (measurements,) place in k2 · k1; `shape`: (k2, k1, k0).

    `expected`: the lines within the limits of the header. `k0`: the samples that were measured, from first to last.
    """

    data: NDArray[np.complex64]
    line: NDArray[np.intp]
    expected: NDArray[np.intp]
    shape: tuple[int, int, int]
    k0: slice

    @property
    def sampled(self) -> NDArray[np.bool_]:
        """(k2, k1): the lines that were measured."""
        lines = np.zeros(self.shape[0] * self.shape[1], np.bool_)
        lines[self.line] = True
        return lines.reshape(self.shape[:2])

    @classmethod
    def of(cls, held: list[Acquisition], numbers: list[int], encoding: Encoding, resources: Resources) -> CardiacLines:
        """Of readouts with their numbers in the scan. Raises `MalformedData` for one that has no place."""
        placement = placement_of(encoding)
        shape = placement.k2.encoded, placement.k1.encoded, placement.k0
        n_coils = held[0].data.shape[0]
        resources.require(
            2 * complex_bytes(len(held), n_coils, shape[2]) + 4 * complex_bytes(n_coils, *shape),
            f"{len(held)} readouts of {n_coils} channels in a matrix of {shape[2]} x {shape[1]} x {shape[0]}",
        )
        data = np.zeros((len(held), n_coils, shape[2]), np.complex64)
        line = np.empty(len(held), np.intp)
        first, last = shape[2], 0
        for index, (acquisition, number) in enumerate(zip(held, numbers, strict=True)):
            k2, k1 = placement.line(acquisition, number)
            samples, k0 = placement.samples(acquisition, number)
            line[index] = k2 * shape[1] + k1
            data[index][:, k0] = acquisition.data[:, samples]
            first, last = min(first, k0.start), max(last, k0.stop)
        k2s, k1s = placement.k2.measured, placement.k1.measured
        expected = (np.arange(k2s.start, k2s.stop)[:, None] * shape[1] + np.arange(k1s.start, k1s.stop)).ravel()
        return cls(data, line, expected, shape, slice(first, last))

    def kspace(self, phase: NDArray[np.float64], at: float) -> NDArray[np.complex64]:
        """(coils, k2, k1, k0) at phase `at` of the beat, for the `phase` of each measurement, NaN for unused ones."""
        result = np.zeros((self.data.shape[1], self.shape[0] * self.shape[1], self.shape[2]), np.complex64)
        for line, measurements in self._by_line(phase).items():
            result[:, line] = self._interpolated(measurements, phase[measurements], at)
        return result.reshape(len(result), *self.shape)

    def check(self, phase: NDArray[np.float64]) -> None:
        """Raise `Unsupported` or `MalformedData` for lines that were in no accepted beat."""
        measured = self._by_line(phase)
        missing = [line for line in self.expected if line not in measured]
        if not missing:
            return
        what = f"{len(missing)} of {len(self.expected)} lines were measured in no accepted heart beat"
        if len(missing) > _MOST_MISSING * len(self.expected):
            raise Unsupported(
                f"cine does not unfold undersampled lines: {what}; set rr_window to more if they are there"
            )
        raise MalformedData(f"{what}; set rr_window to more")

    def _by_line(self, phase: NDArray[np.float64]) -> dict[int, NDArray[np.intp]]:
        used = np.flatnonzero(~np.isnan(phase))
        order = used[np.lexsort((phase[used], self.line[used]))]
        lines, first = np.unique(self.line[order], return_index=True)
        return {int(line): part for line, part in zip(lines, np.split(order, first[1:]), strict=True)}

    def _interpolated(
        self, measurements: NDArray[np.intp], phase: NDArray[np.float64], at: float
    ) -> NDArray[np.complex64]:
        """`measurements` of one line, sorted by `phase`."""
        after = int(np.searchsorted(phase, at)) % len(phase)
        before = after - 1
        gap = (phase[after] - phase[before]) % 1
        share = np.float32(((at - phase[before]) % 1) / gap if gap else 0)
        one, two = self.data[measurements[before]], self.data[measurements[after]]
        return np.asarray((1 - share) * one + share * two, np.complex64)
