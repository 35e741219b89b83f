"""The method `grappa`: regularly undersampled Cartesian data, completed in k-space coil by coil."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from gateway.model.errors import Unsupported, UsageError
from gateway.model.mrd import Acquisition, Image, ScanHeader
from gateway.recon import finishing
from gateway.recon.coils import adaptive_weights, root_sum_of_squares
from gateway.recon.compression import compressed_images
from gateway.recon.fft import centred_fft, centred_ifft
from gateway.recon.parallel.grappa import Grappa, calibrate, fill, noise_gain
from gateway.recon.parallel.lattice import Lattice, lattice_of
from gateway.recon.parallel.outputs import KINDS, MAPS, CartesianOutput
from gateway.recon.parameters import Parameter
from gateway.recon.preparation import Preparation, Prepared
from gateway.recon.registry import Method, refuses_all_but
from gateway.recon.resources import Resources
from gateway.recon.sensitivities.estimate import calibration_block
from gateway.recon.standard_parameters import standard

_NAME = "grappa"


def reconstruct(
    header: ScanHeader, acquisitions: Iterator[Acquisition], parameters: Mapping[str, object], resources: Resources
) -> Iterator[Image]:
    """Images (1, z, y, x) float32, each as soon as its k-space is whole.

    Raises `Unsupported` where calibration is missing or the lines are on no lattice.
    """
    output = CartesianOutput(header, parameters, resources)
    if parameters["combine"] == "rss" and output.needs_phase:
        raise UsageError("parameter outputs: a root sum of squares has only magnitude; set combine=adaptive")
    preparation = Preparation(header, resources, whiten=bool(parameters["whiten"]), gaps_expected=True)
    for prepared in compressed_images(preparation.images(acquisitions), parameters, resources):
        output.require_memory(prepared)
        yield from _images(prepared, parameters, output, resources.workers)


def _images(
    prepared: Prepared, parameters: Mapping[str, object], output: CartesianOutput, workers: int
) -> Iterator[Image]:
    lattice = _lattice(prepared)
    kspace, grappa, told = prepared.kspace, None, {"CalibrationSource": (prepared.calibration.source.value,)}
    told["Combination"] = (str(parameters["combine"]),)
    if lattice is not None:
        grappa = _calibrated(prepared, lattice, parameters)
        kspace = _filled(prepared, grappa, workers)
    kspace, completion = output.finished(prepared, kspace)
    images = centred_ifft(kspace, (1, 2, 3), workers=workers).astype(np.complex64, copy=False)
    weights = adaptive_weights(images)
    combined = (weights.conj() * images).sum(axis=0)
    shown = root_sum_of_squares(images).astype(np.complex64) if parameters["combine"] == "rss" else combined
    yield from output.images(prepared, shown[None], {**told, "PartialFourierMethod": (completion,)})
    if output.with_noise:
        gain = np.ones_like(shown.real) if grappa is None else noise_gain(grappa, weights)
        noise = gain * np.float32(np.sqrt(1 if lattice is None else lattice.acceleration))
        yield from output.noise_maps(prepared, combined[None], noise[None], gain[None])


def _lattice(prepared: Prepared) -> Lattice | None:
    """None for k-space without gaps. Raises `Unsupported` for an irregular pattern."""
    lattice = lattice_of(prepared.sampled)
    extent = np.argwhere(prepared.sampled)
    first, last = extent.min(axis=0), extent.max(axis=0) + 1
    if lattice is None and not prepared.sampled[first[0] : last[0], first[1] : last[1]].all():
        raise Unsupported(f"{_NAME} needs every n-th line; the measured lines are on no lattice: use sense or cs")
    return lattice


def _calibrated(prepared: Prepared, lattice: Lattice, parameters: Mapping[str, object]) -> Grappa:
    samples, lines = int(str(parameters["kernel"])), int(str(parameters["lines"]))
    block = calibration_block(prepared.calibration, int(str(parameters["calib"])), lattice.step_1 + 1)
    damping = float(str(parameters["lambda"]))
    return calibrate(block, lattice, lines=lines, samples=samples, damping=damping)


def _filled(prepared: Prepared, grappa: Grappa, workers: int) -> NDArray[np.complex64]:
    """k-space (coils, k2, k1, k0) without gaps."""
    hybrid = centred_ifft(prepared.kspace, (3,), workers=workers).astype(np.complex64, copy=False)
    lines = np.ascontiguousarray(hybrid.transpose(1, 2, 0, 3))
    filled = fill(lines, prepared.sampled, grappa, workers=workers).transpose(2, 0, 1, 3)
    return centred_fft(np.ascontiguousarray(filled), (3,), workers=workers).astype(np.complex64, copy=False)


METHOD = Method(
    name=_NAME,
    version="1",
    summary="GRAPPA for Cartesian data on a lattice, in one or two dimensions, with CAIPIRINHA",
    parameters=(
        standard("calib"),
        standard("kernel", default=5),
        Parameter(
            "lines", int, 0, "measured lines that make a missing one; 0: as calibration allows", minimum=0, maximum=32
        ),
        standard("lambda", default=0.003),
        Parameter("combine", str, "adaptive", "how the channels are combined", choices=("adaptive", "rss")),
        *finishing.PARAMETERS,
        standard("coils_out"),
        standard("outputs", extra_choices=MAPS),
        standard("orientation"),
        standard("whiten"),
    ),
    reconstruct=reconstruct,
    refuses=refuses_all_but(_NAME, *KINDS),
)
