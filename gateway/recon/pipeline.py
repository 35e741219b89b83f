"""A reconstruction from its name to pixels that are ready for DICOM: resolve, reconstruct, number, scale."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from gateway.model.errors import Unsupported
from gateway.model.mrd import Acquisition, Image, ImageType, ScanHeader
from gateway.recon.parameters import canonical
from gateway.recon.registry import AUTO, Method, ScanKind, choose, get, parse_parameters
from gateway.recon.resources import Resources
from gateway.recon.scaling import SeriesScaler
from gateway.recon.survey import surveyed


@dataclass(frozen=True, slots=True)
class ResolvedRecon:
    """What will be run: the method that `auto` became, and every parameter, typed and as canonical text."""

    method: Method
    parameters: Mapping[str, object]
    canonical: Mapping[str, str]


def resolve(
    method_name: str, header: ScanHeader, parameters: Mapping[str, str], kind: ScanKind | None = None
) -> ResolvedRecon:
    """Look at names and header only; `kind` is what `surveyed` has found, for `auto`.

    Raises `Unsupported` for an unknown method or a scan that it cannot do, `UsageError` for a parameter and
    `MalformedData` for a header without encoding.
    """
    method = choose(header, kind) if method_name == AUTO else get(method_name)
    if reason := method.refuses(header):
        raise Unsupported(reason)
    values = parse_parameters(method, parameters)
    return ResolvedRecon(method, values, canonical(values))


def execute(
    resolved: ResolvedRecon,
    header: ScanHeader,
    acquisitions: Iterable[Acquisition],
    resources: Resources | None = None,
) -> Iterator[Image]:
    """The images of a scan, (1, z, y, x) uint16 or, for phase, real and imaginary parts, int16.

    They come while readouts still arrive. `image_index` counts from 1 in this order. The attributes tell the window
    (`WindowCenter`, `WindowWidth`), the scale (`PixelScale`, `SnrUnits`, `ClippedPixels`) and what the method says of
    its work. Raises `MalformedData`, `Unsupported` or `LimitExceeded` where the data shows that it cannot be done.
    """
    images = resolved.method.reconstruct(header, iter(acquisitions), resolved.parameters, resources or Resources())
    scalers: dict[tuple[int, ImageType], SeriesScaler] = {}
    for index, image in enumerate(images, start=1):
        scaler = scalers.setdefault((image.image_series_index, image.image_type), SeriesScaler())
        yield from scaler.push(replace(image, image_index=index))
    for scaler in scalers.values():
        yield from scaler.finish()


def run(
    method_name: str,
    header: ScanHeader,
    acquisitions: Iterable[Acquisition],
    parameters: Mapping[str, str],
    resources: Resources | None = None,
) -> Iterator[Image]:
    """`resolve`, at once, and then `execute`; `auto` looks at the first image before."""
    kind = None
    if method_name == AUTO:
        kind, acquisitions = surveyed(header, acquisitions)
    return execute(resolve(method_name, header, parameters, kind), header, acquisitions, resources)
