"""A radial scan as a series of frames that share what does not move: total variation along time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.model.mrd import Acquisition, Image, ScanHeader
from gateway.recon.dynamic.frames import acquired_of, frame_of, image_of
from gateway.recon.dynamic.temporal import Regularisation, solve
from gateway.recon.dynamic.windows import Windows
from gateway.recon.noncartesian.reconstruction import Former
from gateway.recon.registry import Method, ScanKind, refuses_all_but
from gateway.recon.resources import Resources
from gateway.recon.standard_parameters import standard
from gateway.recon.trajectories import Gathering, Readouts

_NAME = "grasp"
_PARAMETERS = (
    standard("window"),
    standard("lambda", default=0.01),
    standard("iters", default=6),
    standard("eps"),
    standard("calib"),
    standard("kernel"),
    standard("crop"),
    standard("delays"),
    standard("dcf"),
    standard("skip"),
    standard("outputs"),
    standard("orientation"),
    standard("whiten"),
)


def reconstruct(
    header: ScanHeader, acquisitions: Iterator[Acquisition], parameters: Mapping[str, object], resources: Resources
) -> Iterator[Image]:
    """One image (1, z, y, x) float32 for each frame; `repetition` counts the frames."""
    former = Former(header, parameters, resources)
    for readouts in Gathering(header, resources, whiten=former.options.whiten).images(acquisitions):
        yield from _images(former, readouts, resources)


def _images(former: Former, readouts: Readouts, resources: Resources) -> Iterator[Image]:
    placed = former.placed(readouts)
    windows = Windows.of(former.options.window, 0, 1, max(placed.coordinates.shape[-2:]))
    places = windows.frames(len(placed.coordinates.k))
    options = former.options
    series = solve(
        [frame_of(placed, place.reach) for place in places],
        former.sensitivities(placed)[0],
        Regularisation(options.damping, cyclic=False, iterations=options.iterations, tolerance=options.tolerance),
        resources,
        lambda done, total: resources.progress("iterations", done, total),
    )
    told = {
        "Combination": ("sense",),
        "Frames": (str(len(places)),),
        "ReadoutsPerFrame": (str(windows.window),),
        **placed.told,
    }
    for number, (place, pixels) in enumerate(zip(places, series, strict=True)):
        stamp = int(placed.readouts.stamps[(place.start + place.stop) // 2])
        yield from image_of(former, acquired_of(placed.readouts.acquired, stamp, repetition=number), pixels, told)


METHOD = Method(
    name=_NAME,
    version="1",
    summary="Golden-angle radial time series by CG-SENSE with total variation along time",
    parameters=_PARAMETERS,
    reconstruct=reconstruct,
    refuses=refuses_all_but(_NAME, ScanKind.RADIAL, ScanKind.OTHER),
)
