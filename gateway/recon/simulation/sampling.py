"""Which lines of k-space a simulated scan leaves out, and where its calibration comes from."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.model.mrd import AcquisitionFlag


@dataclass(frozen=True, slots=True)
class Undersampling:
    """A lattice through the origin: every `step_1`-th line along k1 and `step_2`-th along k2.

    From one measured row to the next the lines move by `shift` (CAIPIRINHA). `calibration` lines about the origin along
    each phase encoding (as far as there are so many) are measured in full: with the image, or before it when
    `separate`. The lines of `separate` calibration are no part of the image.
    """

    step_1: int = 1
    step_2: int = 1
    shift: int = 0
    calibration: int = 0
    separate: bool = False

    def measures(self, k2: int, k1: int, shape: tuple[int, int]) -> bool:
        """Whether the image has line (k2, k1) of a matrix of `shape`."""
        embedded = not self.separate and self.calibrates(k2, k1, shape)
        return embedded or self._on_lattice(k2, k1, shape)

    def calibrates(self, k2: int, k1: int, shape: tuple[int, int]) -> bool:
        """Whether line (k2, k1) is within the calibration region."""
        return all(
            -(self.calibration // 2) <= k - extent // 2 < self.calibration - self.calibration // 2
            for k, extent in zip((k2, k1), shape, strict=True)
            if extent > 1
        ) and bool(self.calibration)

    def flags(self, k2: int, k1: int, shape: tuple[int, int]) -> int:
        """What a readout of the image says of its line."""
        if self.separate or not self.calibrates(k2, k1, shape):
            return 0
        return int(AcquisitionFlag.IS_PARALLEL_CALIBRATION_AND_IMAGING)

    def _on_lattice(self, k2: int, k1: int, shape: tuple[int, int]) -> bool:
        row, off_row = divmod(k2 - shape[0] // 2, self.step_2)
        return not off_row and (k1 - shape[1] // 2 - self.shift * row) % self.step_1 == 0


EVERY_LINE = Undersampling()
