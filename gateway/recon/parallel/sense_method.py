"""The method `sense`: accelerated Cartesian data, unfolded with coil sensitivities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.model.mrd import Acquisition, Image, ScanHeader
from gateway.recon import finishing
from gateway.recon.compression import compressed_images
from gateway.recon.parallel.outputs import KINDS, MAPS, CartesianOutput
from gateway.recon.parallel.sense import SenseSettings, sense
from gateway.recon.preparation import Preparation, stage_name
from gateway.recon.registry import Method, refuses_all_but
from gateway.recon.resources import Resources
from gateway.recon.sensitivities.estimate import PARAMETERS, estimate
from gateway.recon.standard_parameters import standard

_NAME = "sense"


def reconstruct(
    header: ScanHeader, acquisitions: Iterator[Acquisition], parameters: Mapping[str, object], resources: Resources
) -> Iterator[Image]:
    """Images (1, z, y, x) float32, each as soon as its k-space is whole.

    Raises `Unsupported` where calibration is missing, `MalformedData` for data that contradicts itself.
    """
    settings = SenseSettings(
        float(str(parameters["lambda"])), int(str(parameters["iters"])), float(str(parameters["eps"]))
    )
    output = CartesianOutput(header, parameters, resources)
    preparation = Preparation(header, resources, whiten=bool(parameters["whiten"]), gaps_expected=True)
    for prepared in compressed_images(preparation.images(acquisitions), parameters, resources):
        output.require_memory(prepared)
        shape = prepared.kspace.shape[1], prepared.kspace.shape[2], prepared.kspace.shape[3]
        found = estimate(prepared.calibration, shape, parameters, workers=resources.workers)
        if resources.stages is not None:
            resources.stages(f"maps {stage_name(prepared.key)}", found.maps, ("map", "coil", "z", "y", "x"))
        unaliased = sense(
            prepared.kspace,
            prepared.n_averages,
            found.maps,
            settings,
            with_noise=output.with_noise,
            workers=resources.workers,
            progress=lambda done, total: resources.progress(_NAME, done, total),
        )
        told = {"Solver": (unaliased.solver,), "CalibrationSource": (prepared.calibration.source.value,)}
        yield from output.unfolded(prepared, unaliased.image, told)
        yield from output.noise_maps(prepared, unaliased.image, unaliased.noise, unaliased.g_factor)


METHOD = Method(
    name=_NAME,
    version="1",
    summary="SENSE for Cartesian undersampling: closed form on a lattice, else conjugate gradients",
    parameters=(
        *PARAMETERS,
        standard("lambda", default=0.005),
        standard("iters"),
        standard("eps"),
        *finishing.PARAMETERS,
        standard("coils_out"),
        standard("outputs", extra_choices=MAPS),
        standard("orientation"),
        standard("whiten"),
    ),
    reconstruct=reconstruct,
    refuses=refuses_all_but(_NAME, *KINDS),
)
