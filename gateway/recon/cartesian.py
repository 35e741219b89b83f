"""Cartesian k-space, fully sampled or with partial Fourier, in two or three dimensions.

Noise readouts whiten the channels; averages and segments are merged; each axis is transformed by a centred inverse FFT
on the grid that the fields of view ask for; the channels are combined. Partial Fourier and elliptical shutters are
zero-filled. Undersampled data is refused: without unfolding it would give aliased images.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.model.errors import Unsupported, UsageError
from gateway.model.mrd import Acquisition, Image, ImageType, ScanHeader
from gateway.recon.assembly import Assembly
from gateway.recon.coils import adaptive, root_sum_of_squares
from gateway.recon.coverage import is_undersampled
from gateway.recon.fft import image_axis
from gateway.recon.geometry import AUTO, OrientationProfile, directions_of, profile_of
from gateway.recon.grid import Grid, grid_of
from gateway.recon.noise import Whitener
from gateway.recon.parameters import Parameter
from gateway.recon.registry import ALIASED_WAY, Method, ScanKind, encoding_of, is_accelerated, scan_kind
from gateway.recon.resources import Resources
from gateway.recon.scaling import SNR_UNITS
from gateway.recon.sorting import Sorter, Whole, describe

_NAME = "cartesian"
_ZERO_FILL = "zero-fill"
_COMPONENTS = {
    "magnitude": ImageType.MAGNITUDE,
    "phase": ImageType.PHASE,
    "real": ImageType.REAL,
    "imaginary": ImageType.IMAGINARY,
}
_PARAMETERS = (
    Parameter("combine", str, "rss", "how the channels are combined", choices=("rss", "adaptive")),
    Parameter("component", str, "magnitude", "which part of the complex image", choices=tuple(_COMPONENTS)),
    Parameter("orientation", str, AUTO, "the converter that wrote the scan", choices=(AUTO, *OrientationProfile)),
    Parameter("undersampled", str, "refuse", "what to do with undersampled data", choices=("refuse", _ZERO_FILL)),
    Parameter("whiten", bool, True, "whiten the channels where there are noise readouts"),
)


def refuses(header: ScanHeader) -> str | None:
    """Why a scan with this header cannot be done, or None. What is undersampled shows in the data."""
    kind = scan_kind(encoding_of(header))
    return None if kind in (ScanKind.CARTESIAN, ScanKind.ACCELERATED) else f"{_NAME} does not do {kind.value}"


def reconstruct(
    header: ScanHeader, acquisitions: Iterator[Acquisition], parameters: Mapping[str, object], resources: Resources
) -> Iterator[Image]:
    """Images (1, z, y, x) float32, each as soon as its k-space is whole."""
    options = _Options.of(parameters)
    if is_accelerated(encoding_of(header)) and not options.zero_fill:
        raise _refusal("the header states parallel imaging")
    sorter = Sorter(header, resources, gaps_expected=options.zero_fill)
    former = _Former(header, options, resources, sorter)
    for number, acquisition in enumerate(acquisitions):
        for whole in sorter.take(acquisition, number):
            yield former.image(whole)
    refused = []
    for whole in sorter.finish():
        if former.refuses(whole.assembly):
            refused.append(whole)
        else:
            yield former.image(whole)
    # Only after all that can be done: `image` raises.
    for whole in refused:
        yield former.image(whole)


@dataclass(frozen=True, slots=True)
class _Options:
    combine: str
    component: ImageType
    orientation: str
    zero_fill: bool
    whiten: bool

    @classmethod
    def of(cls, parameters: Mapping[str, object]) -> _Options:
        """Raises `UsageError` for parameters that contradict each other."""
        component = _COMPONENTS[str(parameters["component"])]
        if component is not ImageType.MAGNITUDE and parameters["combine"] == "rss":
            raise UsageError("parameter component: a root sum of squares has only magnitude; set combine=adaptive")
        return cls(
            combine=str(parameters["combine"]),
            component=component,
            orientation=str(parameters["orientation"]),
            zero_fill=parameters["undersampled"] == _ZERO_FILL,
            whiten=bool(parameters["whiten"]),
        )


class _Former:
    """Makes images of whole k-spaces. The first one fixes whitening and gain for the scan: one scale for all."""

    def __init__(self, header: ScanHeader, options: _Options, resources: Resources, sorter: Sorter) -> None:
        self._header = header
        self._options = options
        self._resources = resources
        self._noise = sorter.noise
        self._whitener: Whitener | None = None
        self._gain = 1.0

    def refuses(self, assembly: Assembly) -> bool:
        """True for undersampled k-space, unless it is to be zero-filled."""
        return not self._options.zero_fill and is_undersampled(assembly.sampled, assembly.centre)

    def image(self, whole: Whole) -> Image:
        """Raises `Unsupported` for k-space that is undersampled or on another trajectory."""
        assembly = whole.assembly
        if self.refuses(assembly):
            lines = f"{assembly.n_missing} of {assembly.n_lines} lines are missing"
            raise _refusal(f"{lines} ({describe(assembly.key)})")
        if scan_kind(whole.encoding) not in (ScanKind.CARTESIAN, ScanKind.ACCELERATED):
            raise Unsupported(f"{_NAME} does not do {scan_kind(whole.encoding).value}")
        grid = grid_of(whole.encoding)
        whitener = self._whitener or self._fixed_whitener(assembly, grid)
        profile = profile_of(self._header, assembly.first, self._options.orientation)
        combined = self._combined(assembly.kspace(), grid, profile, whitener)
        pixels = _component(combined, self._options.component, self._gain)
        return _image(whole, grid, pixels, self._options.component, self._attributes(whole, whitener, profile))

    def _fixed_whitener(self, assembly: Assembly, grid: Grid) -> Whitener:
        """Whitening as the noise readouts up to the first image allow it, and the gain that gives unit noise."""
        first = assembly.first
        if self._options.whiten:
            bandwidth = self._header.system.relative_receiver_noise_bandwidth
            self._whitener = self._noise.whitener(first.data.shape[0], first.sample_time_us, bandwidth)
        else:
            self._whitener = Whitener(None, snr_units=False, note="switched off")
        if self._whitener.snr_units:
            # The transform is orthonormal: the noise power of a pixel is the mean over its grid.
            points = math.prod(axis.grid for axis in grid.axes)
            self._gain = math.sqrt(points / assembly.noise_power())
        return self._whitener

    def _combined(
        self, kspace: NDArray[np.complex64], grid: Grid, profile: OrientationProfile, whitener: Whitener
    ) -> NDArray[np.complex64] | NDArray[np.float32]:
        """(coils, k2, k1, k0) to (z, y, x). The readout goes first: it is cropped most."""
        forward = profile.reverses_in_plane
        workers = self._resources.workers
        data = image_axis(kspace, 3, grid=grid.x.grid, keep=grid.x.kept, forward=forward, workers=workers)
        data = whitener(data)
        data = image_axis(data, 2, grid=grid.y.grid, keep=grid.y.kept, forward=forward, workers=workers)
        if grid.z.encoded > 1:
            data = image_axis(data, 1, grid=grid.z.grid, keep=grid.z.kept, workers=workers)
        return root_sum_of_squares(data) if self._options.combine == "rss" else adaptive(data)

    def _attributes(self, whole: Whole, whitener: Whitener, profile: OrientationProfile) -> dict[str, tuple[str, ...]]:
        assembly = whole.assembly
        snr_units = whitener.snr_units and self._options.component is not ImageType.PHASE
        attributes = {
            SNR_UNITS: _flag(snr_units),
            "Whitened": _flag(whitener.matrix is not None),
            "WhiteningNote": (whitener.note,),
            "OrientationProfile": (profile.value,),
            "Combination": (self._options.combine,),
        }
        if assembly.n_missing:
            attributes["MissingLines"] = (f"{assembly.n_missing} of {assembly.n_lines}",)
        if assembly.n_missing and whole.ended and not assembly.seen_last:
            attributes["Incomplete"] = _flag(True)
        if directions_of(assembly.first).assumed:
            attributes["GeometryAssumed"] = _flag(True)
        return attributes


def _component(
    combined: NDArray[np.complex64] | NDArray[np.float32], component: ImageType, gain: float
) -> NDArray[np.float32]:
    """The wanted part of the image times `gain`; phase in radians."""
    if component is ImageType.PHASE:
        return np.angle(combined).astype(np.float32, copy=False)
    part = {ImageType.REAL: np.real, ImageType.IMAGINARY: np.imag}.get(component, np.abs)(combined)
    scaled: NDArray[np.float32] = part * np.float32(gain)
    return scaled


def _image(
    whole: Whole,
    grid: Grid,
    pixels: NDArray[np.float32],
    component: ImageType,
    attributes: Mapping[str, tuple[str, ...]],
) -> Image:
    first, key = whole.assembly.first, whole.assembly.key
    directions = directions_of(first)
    return Image(
        data=pixels[None],
        image_type=component,
        field_of_view=grid.field_of_view,
        position=first.position,
        read_dir=directions.read,
        phase_dir=directions.phase,
        slice_dir=directions.slice,
        patient_table_position=first.patient_table_position,
        measurement_uid=first.measurement_uid,
        slice=key.slice,
        contrast=key.contrast,
        phase=key.phase,
        repetition=key.repetition,
        set=key.set,
        acquisition_time_stamp=first.acquisition_time_stamp,
        physiology_time_stamp=first.physiology_time_stamp,
        user_int=first.user_int,
        user_float=first.user_float,
        attributes=attributes,
    )


def _refusal(what: str) -> Unsupported:
    return Unsupported(f"{_NAME} cannot reconstruct undersampled data: {what}; for aliased images: {ALIASED_WAY}")


def _flag(value: bool) -> tuple[str, ...]:
    return ("true" if value else "false",)


METHOD = Method(
    name=_NAME,
    version="1",
    summary="Cartesian sampling, full or partial Fourier, in 2-D and 3-D",
    parameters=_PARAMETERS,
    reconstruct=reconstruct,
    refuses=refuses,
)
