"""The method `sms`: slices excited together, told apart by split slice-GRAPPA with a single-band reference.

The reference has an encoding section of its own, fully sampled, one image a slice. What is left out in the plane is
filled by GRAPPA, learnt from the same reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gateway.model.errors import Unsupported, UsageError
from gateway.model.mrd import Acquisition, Image, Multiband, ScanHeader
from gateway.recon import finishing
from gateway.recon.coils import adaptive_weights, root_sum_of_squares
from gateway.recon.coverage import is_undersampled
from gateway.recon.fft import centred_fft, centred_ifft
from gateway.recon.multiband.bands import Blips, multiband_of, offsets, phases, slices_of
from gateway.recon.multiband.slice_grappa import SliceKernels, calibrate, separate
from gateway.recon.parallel import grappa
from gateway.recon.parallel.lattice import Lattice, lattice_of
from gateway.recon.parallel.outputs import CartesianOutput
from gateway.recon.parameters import Parameter
from gateway.recon.preparation import Preparation, Prepared, stage_name
from gateway.recon.registry import Method, ScanKind, encoding_of, scan_kind
from gateway.recon.resources import Resources
from gateway.recon.sensitivities.estimate import calibration_block
from gateway.recon.standard_parameters import standard

_NAME = "sms"
Complex = NDArray[np.complex64]
# Samples along the readout of the kernel that fills lines in the plane.
_IN_PLANE_SAMPLES = 5


def refuses(header: ScanHeader) -> str | None:
    """Why a scan with this header cannot be done, or None."""
    if scan_kind(encoding_of(header)) is not ScanKind.MULTIBAND:
        return f"{_NAME} does only {ScanKind.MULTIBAND.value}"
    try:
        multiband_of(header)
    except Unsupported as error:
        return str(error)
    return None


def reconstruct(
    header: ScanHeader, acquisitions: Iterator[Acquisition], parameters: Mapping[str, object], resources: Resources
) -> Iterator[Image]:
    """Images (1, 1, y, x) float32 of every slice, as soon as its group and the reference are whole.

    Raises `Unsupported` where the reference is missing, `MalformedData` for what contradicts the header.
    """
    multiband, blips = multiband_of(header), Blips.of(header)
    preparation = Preparation(blips.header, resources, whiten=bool(parameters["whiten"]), gaps_expected=True)
    separation = _Separation(header, multiband, blips, parameters, resources)
    references: dict[int, Prepared] = {}
    waiting: list[Prepared] = []
    for prepared in preparation.images(blips.taken_off(acquisitions)):
        if prepared.key.encoding == multiband.calibration_encoding:
            if is_undersampled(prepared.sampled, prepared.centre):
                raise Unsupported(
                    f"{stage_name(prepared.key)}: {prepared.acquired.missing} lines of the single-band reference are"
                    " missing; it must be measured without gaps"
                )
            references[prepared.key.slice] = prepared
        else:
            waiting.append(prepared)
        for excited in tuple(waiting):
            slices = slices_of(excited, offsets(multiband, excited.key.slice), references.values())
            if slices is not None:
                waiting.remove(excited)
                yield from separation.images(excited, slices)
    if waiting:
        raise Unsupported(
            f"{stage_name(waiting[0].key)}: no single-band reference (encoding section"
            f" {multiband.calibration_encoding}) lies where multiband/spacing says that its slices are; send it"
            " with the scan, or correct the header"
        )


class _Separation:
    """Makes the slices' images. Kernels are learnt once for each group of slices."""

    def __init__(
        self,
        header: ScanHeader,
        multiband: Multiband,
        blips: Blips,
        parameters: Mapping[str, object],
        resources: Resources,
    ) -> None:
        self._multiband = multiband
        self._blips = blips
        self._parameters = parameters
        self._resources = resources
        self._output = CartesianOutput(header, parameters, resources)
        self._kernels: dict[tuple[int, ...], SliceKernels] = {}
        if parameters["combine"] == "rss" and self._output.needs_phase:
            raise UsageError("parameter outputs: a root sum of squares has only magnitude; set combine=adaptive")

    def images(self, excited: Prepared, slices: tuple[Prepared, ...]) -> Iterator[Image]:
        """One image for each of `slices`, the references of those that were `excited` together."""
        self._output.require_memory(excited)
        lattice = _lattice(excited)
        places = offsets(self._multiband, excited.key.slice)
        turned = phases(self._multiband, places, self._blips.counts())[:, None, :, None]
        kernels = self._learnt(slices, turned, lattice)
        apart = separate(excited.kspace[:, 0], kernels, each=self._resources.each, workers=self._resources.workers)
        apart *= turned.conj() * excited.sampled[0, :, None]
        for reference, kspace in zip(slices, apart, strict=True):
            one = _placed(excited, reference, kspace[:, None])
            yield from self._image(one, reference, lattice)

    def _learnt(self, slices: tuple[Prepared, ...], turned: Complex, lattice: Lattice | None) -> SliceKernels:
        group = tuple(reference.key.slice for reference in slices)
        if group not in self._kernels:
            size = int(str(self._parameters["calib"]))
            step = lattice.step_1 if lattice else 1
            blocks = [
                _block(replace(reference, kspace=reference.kspace * turn[:, None]), size, step)
                for reference, turn in zip(slices, turned, strict=True)
            ]
            self._kernels[group] = calibrate(
                np.stack(blocks),
                kernel=int(str(self._parameters["kernel"])),
                step=step,
                damping=float(str(self._parameters["lambda"])),
            )
        return self._kernels[group]

    def _image(self, one: Prepared, reference: Prepared, lattice: Lattice | None) -> Iterator[Image]:
        workers = self._resources.workers
        kspace = one.kspace if lattice is None else self._filled(one, reference, lattice)
        kspace, completion = self._output.finished(one, kspace)
        images = centred_ifft(kspace, (1, 2, 3), workers=workers).astype(np.complex64, copy=False)
        if self._parameters["combine"] == "rss":
            shown = root_sum_of_squares(images).astype(np.complex64)
        else:
            shown = (adaptive_weights(images).conj() * images).sum(axis=0)
        told = {
            "MultibandFactor": (str(self._multiband.factor),),
            "Combination": (str(self._parameters["combine"]),),
            "PartialFourierMethod": (completion,),
        }
        yield from self._output.images(one, shown[None], told)

    def _filled(self, one: Prepared, reference: Prepared, lattice: Lattice) -> Complex:
        workers = self._resources.workers
        block = calibration_block(reference.calibration, int(str(self._parameters["calib"])), lattice.step_1 + 1)
        damping = float(str(self._parameters["lambda"]))
        learnt = grappa.calibrate(block, lattice, lines=0, samples=_IN_PLANE_SAMPLES, damping=damping)
        hybrid = centred_ifft(one.kspace, (3,), workers=workers).astype(np.complex64, copy=False)
        lines = np.ascontiguousarray(hybrid.transpose(1, 2, 0, 3))
        filled = grappa.fill(lines, one.sampled, learnt, workers=workers).transpose(2, 0, 1, 3)
        return centred_fft(np.ascontiguousarray(filled), (3,), workers=workers).astype(np.complex64, copy=False)


def _lattice(excited: Prepared) -> Lattice | None:
    """Every how many lines were measured; None for all within their extent. Raises `Unsupported`."""
    lattice = lattice_of(excited.sampled)
    lines = np.flatnonzero(excited.sampled[0])
    if lattice is None and lines[-1] - lines[0] + 1 != lines.size:
        raise Unsupported(f"{_NAME} needs every n-th line; the lines of {stage_name(excited.key)} are on no lattice")
    return lattice


def _block(reference: Prepared, size: int, step: int) -> Complex:
    """(coils, k1, k0) about the origin."""
    calibration = replace(reference.calibration, kspace=reference.kspace, sampled=reference.sampled)
    return calibration_block(calibration, size, step + 1)[:, 0]


def _placed(excited: Prepared, reference: Prepared, kspace: Complex) -> Prepared:
    """One slice of an image: its place is that of the reference, its time that of the image."""
    acquired, there = excited.acquired, reference.acquired.first
    first = replace(acquired.first, position=there.position)
    key = acquired.key._replace(slice=reference.key.slice)
    return replace(excited, acquired=replace(acquired, key=key, first=first), kspace=np.ascontiguousarray(kspace))


METHOD = Method(
    name=_NAME,
    version="1",
    summary="Simultaneous multi-slice imaging: split slice-GRAPPA from a single-band reference",
    parameters=(
        standard("calib", default=64),
        standard("kernel", default=5),
        standard("lambda", default=1e-5),
        *finishing.PARAMETERS,
        Parameter("combine", str, "adaptive", "how the channels are combined", choices=("adaptive", "rss")),
        standard("outputs"),
        standard("orientation"),
        standard("whiten"),
    ),
    reconstruct=reconstruct,
    refuses=refuses,
)
