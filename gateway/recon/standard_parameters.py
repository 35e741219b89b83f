"""The parameters that several methods share, each with one name, one meaning and one range.

A method picks its own by name, and may change the default: `standard("lambda", default=0.01)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gateway.recon.geometry import AUTO, OrientationProfile
from gateway.recon.parameters import Parameter, Value

_ALL = (
    Parameter("calib", int, 24, "calibration lines used along each phase encoding", minimum=2, maximum=1024),
    Parameter("kernel", int, 6, "side of the kernel in k-space, in samples", minimum=2, maximum=31),
    Parameter("lambda", float, 0.001, "weight of the regularisation", minimum=0, maximum=1e6),
    Parameter("iters", int, 30, "most iterations", minimum=1, maximum=10_000),
    Parameter("maps", int, 1, "sets of coil sensitivities", minimum=1, maximum=4),
    Parameter("crop", float, 0.8, "eigenvalue below which a sensitivity is taken as zero", minimum=0, maximum=1),
    Parameter("wavelet", str, "db4", "wavelet of the sparsity transform", choices=("haar", "db2", "db4", "sym4")),
    Parameter("eps", float, 1e-4, "relative change at which the iteration ends, or precision of a transform",
              minimum=1e-12, maximum=0.1),
    Parameter("coils_out", int, 0, "virtual channels after coil compression; 0 keeps all", minimum=0, maximum=1024),
    Parameter("dcf", str, "analytic", "density compensation", choices=("analytic", "pipe", "none")),
    Parameter("dcf_in_cg", bool, False, "weight the residual with the density compensation"),
    Parameter("delays", str, "none", "correction of gradient delays", choices=("none", "ring")),
    Parameter("window", int, 0, "readouts of one frame; 0 takes what the matrix needs", minimum=0, maximum=1_000_000),
    Parameter("stride", int, 0, "readouts from one frame to the next; 0: as many as a frame has", minimum=0,
              maximum=1_000_000),
    Parameter("phases", int, 20, "phases of the cardiac cycle", minimum=1, maximum=1000),
    Parameter("rr_window", float, 0.2, "share by which an accepted heart beat may differ from the median", minimum=0,
              maximum=1),
    Parameter("skip", int, 0, "readouts of each contrast left out at the beginning", minimum=0, maximum=1_000_000),
    Parameter("outputs", str, ("magnitude",), "series to make",
              choices=("magnitude", "phase", "real", "imaginary", "complex"), many=True),
    Parameter("orientation", str, AUTO, "the converter that wrote the scan", choices=(AUTO, *OrientationProfile)),
    Parameter("nucleus", str, AUTO, "the imaged nucleus, where the header does not tell",
              pattern=r"auto|\d{1,3}[A-Za-z]{1,2}", words="auto, or a nucleus such as 129XE"),
    Parameter("whiten", bool, True, "whiten the channels where the noise is known"),
)  # fmt: skip

STANDARD: Mapping[str, Parameter] = {parameter.name: parameter for parameter in _ALL}


# Of every method: what the images are of, not how they are made.
OF_EVERY_METHOD = ("nucleus",)


def standard(name: str, *, default: Value | None = None, extra_choices: tuple[str, ...] = ()) -> Parameter:
    """The parameter `name`, with another default or more choices where a method needs them."""
    parameter = STANDARD[name]
    if default is not None:
        parameter = replace(parameter, default=default)
    return replace(parameter, choices=(*parameter.choices, *extra_choices)) if extra_choices else parameter
