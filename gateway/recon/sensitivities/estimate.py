"""The sensitivities of one image from its calibration data, by the method that the parameters name."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gateway.model.errors import Unsupported
from gateway.recon.calibration import Calibration, CalibrationSource
from gateway.recon.parameters import Parameter
from gateway.recon.sensitivities.espirit import Sensitivities, espirit
from gateway.recon.sensitivities.local import inati, low_resolution, walsh
from gateway.recon.standard_parameters import standard

# What `estimate` looks at; a method adds these to its own.
PARAMETERS = (
    Parameter("sensitivities", str, "espirit", "how they are estimated", choices=("espirit", "walsh", "inati")),
    standard("calib"),
    standard("kernel"),
    standard("crop"),
    standard("maps"),
)


def estimate(
    calibration: Calibration, shape: tuple[int, int, int], parameters: Mapping[str, object], *, workers: int = 1
) -> Sensitivities:
    """On a grid of `shape` (z, y, x).

    Raises `Unsupported` where there is nothing to learn them from, `MalformedData` for data that says nothing.
    """
    block = calibration_block(calibration, _integer(parameters["calib"]), _integer(parameters["kernel"]))
    method, maps = str(parameters["sensitivities"]), _integer(parameters["maps"])
    if method == "espirit":
        crop = float(str(parameters["crop"]))
        kernel = _integer(parameters["kernel"])
        return espirit(block, shape, kernel=kernel, crop=crop, maps=maps, workers=workers)
    if maps > 1:
        raise Unsupported(f"parameter maps: {method} gives one map; set maps=1 or sensitivities=espirit")
    images = low_resolution(block, shape, workers=workers)
    return walsh(images) if method == "walsh" else inati(images)


def calibration_block(calibration: Calibration, size: int, kernel: int) -> NDArray[np.complex64]:
    """(coils, k2, k1, k0) about the origin. Raises `Unsupported` where it holds no kernel."""
    k2, k1 = calibration.region
    lines = [region.stop - region.start for region in (k2, k1)]
    needed = [min(kernel, extent) for extent in calibration.sampled.shape]
    if any(found < least for found, least in zip(lines, needed, strict=True)):
        where = {
            CalibrationSource.SEPARATE: "the separate calibration scan holds",
            CalibrationSource.EMBEDDED: "the lines that are flagged as calibration hold",
            CalibrationSource.CENTRE: "no line is flagged as calibration, and the centre of k-space holds",
        }[calibration.source]
        found, least = (" x ".join(str(n) for n in pair) for pair in (lines, needed))
        raise Unsupported(
            f"calibration: {where} {found} lines (k2 x k1) without a gap, a kernel of {kernel} needs {least}:"
            " send the calibration scan with the data, or set kernel to less"
        )
    return calibration.block(size)


def _integer(value: object) -> int:
    assert isinstance(value, int)  # noqa: S101 - parsed as a whole number
    return value
