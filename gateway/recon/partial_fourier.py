"""Partial Fourier: what one side of k-space tells of the other, because the phase of an image is smooth.

An axis is partial when its measured extent reaches further from the origin on one side than on the other: along either
phase encoding, or along the readout for an asymmetric echo. The phase is taken from the part that is measured on both
sides.

- Homodyne: each point counts as often as itself and its mirror image were measured, the phase is taken away, and the
  real part is the image. Noll, Nishimura and Macovski, IEEE Trans Med Imaging 1991;10:154. The phase is gone.
- POCS: projections onto images of that phase and onto the measured data, in turn. Haacke, Lindskog and Lin, J Magn
  Reson 1991;92:126. Phase and complex images stay.

Along two partial axes the corner that was measured nowhere, nor its mirror image, stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.model.errors import UsageError
from gateway.recon.fft import centred_fft, centred_ifft
from gateway.recon.parameters import Parameter
from gateway.recon.preparation import Prepared

# Beyond that nothing can be seen to change.
_ITERATIONS = 12
# Lines by which the two sides may differ in an axis that is whole: an even matrix has one line more before the origin.
_TOLERANCE = 2


ZERO_FILL = "zero-fill"
PARTIAL_FOURIER = Parameter(
    "partial_fourier",
    str,
    ZERO_FILL,
    "how partial Fourier and asymmetric echoes are completed",
    choices=(ZERO_FILL, "pocs", "homodyne"),
)


def check_outputs(how: str, outputs: tuple[str, ...]) -> None:
    """Raise `UsageError` for what homodyne cannot give: it has taken the phase away."""
    if how == "homodyne" and outputs != ("magnitude",):
        raise UsageError(
            "parameter outputs: homodyne leaves only a magnitude; set partial_fourier=pocs or outputs=magnitude"
        )


def completed(prepared: Prepared, how: str, *, workers: int = 1) -> tuple[Prepared, str]:
    """`prepared` with what partial Fourier left out, and how that was done: `how`, or zero-fill where nothing was."""
    if how == ZERO_FILL or not (partial := partial_axes(prepared.sampled, prepared.k0, prepared.kspace.shape[3])):
        return prepared, ZERO_FILL
    kspace = _COMPLETIONS[how](prepared.kspace, partial, workers=workers)
    return replace(prepared, kspace=kspace), how


@dataclass(frozen=True, slots=True)
class PartialAxis:
    """`axis` of (coils, k2, k1, k0), of `size` points with the origin at half; `measured` from first to last."""

    axis: int
    size: int
    measured: slice

    @property
    def half_width(self) -> int:
        """Points on each side of the origin that were measured on both sides."""
        return min(_sides(self.size, self.measured))

    @property
    def reversed(self) -> bool:
        """True when the part before the origin is the longer one."""
        before, after = _sides(self.size, self.measured)
        return before > after

    def distance(self) -> NDArray[np.float32]:
        """(size,): distance from the origin, positive on the longer side."""
        offset = np.arange(self.size, dtype=np.float32) - self.size // 2
        return -offset if self.reversed else offset

    def shaped(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """`values` (size,) along this axis of four."""
        return values.reshape([self.size if axis == self.axis else 1 for axis in range(4)])


def partial_axes(sampled: NDArray[np.bool_], k0: slice, n_samples: int) -> tuple[PartialAxis, ...]:
    """The axes along which one side is missing. `sampled`: (k2, k1); `k0`: the samples measured of `n_samples`."""
    extents = (
        (1, sampled.shape[0], _extent(sampled.any(axis=1))),
        (2, sampled.shape[1], _extent(sampled.any(axis=0))),
        (3, n_samples, k0),
    )
    return tuple(PartialAxis(*extent) for extent in extents if _is_partial(*extent[1:]))


def _extent(used: Any) -> slice:
    """From the first to the last entry of `used` (lines,) bool that is set."""
    indices = np.flatnonzero(used)
    return slice(int(indices[0]), int(indices[-1]) + 1)


def _sides(size: int, measured: slice) -> tuple[int, int]:
    """Points measured before and after the origin."""
    return size // 2 - int(measured.start), int(measured.stop) - 1 - size // 2


def _is_partial(size: int, measured: slice) -> bool:
    before, after = _sides(size, measured)
    return abs(before - after) > _TOLERANCE and min(before, after) > 0


def homodyne(
    kspace: NDArray[np.complex64], partial: Sequence[PartialAxis], *, workers: int = 1
) -> NDArray[np.complex64]:
    """The k-space of the image without its phase, (coils, k2, k1, k0) as given."""
    whole, axes = _whole_axes(kspace, partial), [each.axis for each in partial]
    data = _to_image(kspace, whole, workers)
    phase = _phase(data, partial, workers)
    own, mirrored = np.ones(1, np.float32), np.ones(1, np.float32)
    for each in partial:
        # Rises from nothing to all across the part that was measured on both sides: no edge, no ringing.
        rise = np.clip((each.distance() / (each.half_width + 1) + 1) / 2, 0, 1).astype(np.float32)
        own, mirrored = own * each.shaped(rise), mirrored * each.shaped(1 - rise)
    both = own + mirrored
    weight = np.divide(2 * own, both, out=np.zeros_like(both), where=both > 0)
    data = _to_image(data * weight, axes, workers)
    real = np.asarray((data * phase.conj()).real, np.complex64)
    return _to_kspace(real, [*axes, *whole], workers)


def pocs(kspace: NDArray[np.complex64], partial: Sequence[PartialAxis], *, workers: int = 1) -> NDArray[np.complex64]:
    """k-space with what was not measured filled in, (coils, k2, k1, k0) as given; what was measured stays."""
    whole, axes = _whole_axes(kspace, partial), [each.axis for each in partial]
    data = _to_image(kspace, whole, workers)
    phase = _phase(data, partial, workers)
    measured = (slice(None), *(_measured(partial, axis) for axis in (1, 2, 3)))
    filled = data
    for _ in range(_ITERATIONS):
        image = _to_image(filled, axes, workers)
        image = (image * phase.conj()).real * phase
        filled = _to_kspace(image, axes, workers)
        filled[measured] = data[measured]
    return _to_kspace(filled, whole, workers)


_COMPLETIONS: Mapping[str, Callable[..., NDArray[np.complex64]]] = {"pocs": pocs, "homodyne": homodyne}


def _phase(data: NDArray[np.complex64], partial: Sequence[PartialAxis], workers: int) -> NDArray[np.complex64]:
    """exp(i phase) of the image whose k-space along the partial axes is `data`, from what both sides have."""
    window = np.ones(1, np.float32)
    for each in partial:
        near = np.abs(each.distance()) / (each.half_width + 1)
        window = window * each.shaped((np.cos(np.pi / 2 * np.minimum(near, 1)) ** 2).astype(np.float32))
    image = _to_image(data * window.astype(np.float32), [each.axis for each in partial], workers)
    size = np.abs(image)
    return np.divide(image, size, out=np.ones_like(image), where=size > 0)


def _measured(partial: Sequence[PartialAxis], axis: int) -> slice:
    return next((each.measured for each in partial if each.axis == axis), slice(None))


def _whole_axes(kspace: NDArray[np.complex64], partial: Sequence[PartialAxis]) -> list[int]:
    """Those that are transformed once: every axis that is not partial."""
    taken = {each.axis for each in partial}
    return [axis for axis in (1, 2, 3) if axis not in taken and kspace.shape[axis] > 1]


def _to_image(data: NDArray[np.complex64], axes: Sequence[int], workers: int) -> NDArray[np.complex64]:
    return np.asarray(centred_ifft(np.asarray(data, np.complex64), axes, workers=workers), np.complex64)


def _to_kspace(data: NDArray[np.complex64], axes: Sequence[int], workers: int) -> NDArray[np.complex64]:
    return np.asarray(centred_fft(data, axes, workers=workers), np.complex64)
