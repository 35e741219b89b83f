"""What is to be simulated: the protocol of a scan, and the sizes that follow from it."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.model.mrd import Vector
from gateway.recon.simulation.sampling import EVERY_LINE, Undersampling

_AXIAL: tuple[Vector, Vector, Vector] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
# Double oblique: 15 degrees about the slice direction, then 25 degrees about the read direction; right-handed.
_OBLIQUE: tuple[Vector, Vector, Vector] = (
    (0.9659258262890683, 0.25881904510252074, 0.0),
    (-0.23456971600980447, 0.8754260978638586, 0.42261826174069944),
    (0.10938165494661603, -0.40821789367673483, 0.9063077870366499),
)


@dataclass(frozen=True, slots=True)
class Protocol:
    """A Cartesian spoiled gradient echo of the head.

    `matrix` (x, y) and `field_of_view` (mm) are those of the image; `partitions` above 1 makes one 3-D slab of them,
    else `slices` planes are measured, interleaved. `readout_oversampling` and `phase_oversampling` widen the encoded
    field of view; `partial_fourier` is the share of the phase-encoding lines that are measured, the first ones left
    out, and `partial_echo` that of the samples; `undersampling` leaves out lines in between. Odd lines run backwards
    with `reverse_odd_lines`. `snr` is that of
    white matter in one channel of a single average, None for no noise at all and no noise readouts.
    """

    matrix: tuple[int, int] = (256, 256)
    field_of_view: tuple[float, float] = (240.0, 240.0)
    slices: int = 1
    slice_thickness: float = 5.0
    slice_spacing: float = 6.0
    partitions: int = 1
    coils: int = 8
    averages: int = 1
    segments: int = 1
    repetitions: int = 1
    phases: int = 1
    contrasts: int = 1
    readout_oversampling: float = 2.0
    phase_oversampling: float = 1.0
    partial_fourier: float = 1.0
    partial_echo: float = 1.0
    undersampling: Undersampling = EVERY_LINE
    reverse_odd_lines: bool = False
    oblique: bool = False
    isocentre_offset: Vector = (0.0, 0.0, 0.0)
    snr: float | None = 25.0
    seed: int = 20240102

    @property
    def encoded_matrix(self) -> tuple[int, int, int]:
        """(x, y, z)."""
        x, y = self.matrix
        return round(x * self.readout_oversampling), round(y * self.phase_oversampling), self.partitions

    @property
    def recon_matrix(self) -> tuple[int, int, int]:
        """(x, y, z)."""
        return (*self.matrix, self.partitions)

    @property
    def recon_field_of_view(self) -> Vector:
        """(x, y, z) in mm."""
        return (*self.field_of_view, self.slice_thickness * self.partitions)

    @property
    def encoded_field_of_view(self) -> Vector:
        """(x, y, z) in mm: pixels are as large as those of the image."""
        x, y, z = (
            extent * encoded / recon
            for extent, encoded, recon in zip(
                self.recon_field_of_view, self.encoded_matrix, self.recon_matrix, strict=True
            )
        )
        return x, y, z

    @property
    def lines(self) -> range:
        """The lines of the first phase encoding that are measured, by their place in the encoded matrix."""
        n_lines = self.encoded_matrix[1]
        return range(n_lines - round(n_lines * self.partial_fourier), n_lines)

    @property
    def phase_encodings(self) -> tuple[int, int]:
        """(k2, k1): lines of the encoded matrix."""
        return self.encoded_matrix[2], self.encoded_matrix[1]

    @property
    def first_sample(self) -> int:
        """The first sample along the readout, by its place in the encoded matrix."""
        n_samples = self.encoded_matrix[0]
        return n_samples - round(n_samples * self.partial_echo)

    @property
    def directions(self) -> tuple[Vector, Vector, Vector]:
        """Unit vectors of read, phase and slice in patient coordinates (LPS)."""
        return _OBLIQUE if self.oblique else _AXIAL

    def slice_offset(self, index: int) -> float:
        """Distance in mm of slice `index` from the middle of the stack."""
        return (index - self.slices // 2) * self.slice_spacing

    def position(self, index: int) -> Vector:
        """Centre of slice `index`, or of the slab, in patient coordinates (LPS, mm)."""
        offset, direction = self.slice_offset(index), self.directions[2]
        x, y, z = (
            origin + offset * component for origin, component in zip(self.isocentre_offset, direction, strict=True)
        )
        return x, y, z
