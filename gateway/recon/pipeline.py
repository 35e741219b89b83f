"""A reconstruction from its name to pixels that are ready for DICOM: resolve, reconstruct, number, scale."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from gateway.model.errors import Unsupported
from gateway.model.mrd import Acquisition, AcquisitionFlag, Image, ImageType, ScanHeader
from gateway.model.nucleus import resonance, with_nucleus
from gateway.recon.parameters import canonical
from gateway.recon.registry import (
    AUTO,
    Method,
    ScanKind,
    choices,
    choose,
    encoding_of,
    get,
    parse_parameters,
    scan_kind,
)
from gateway.recon.resources import Resources
from gateway.recon.scaling import SeriesScaler
from gateway.recon.survey import surveyed

# Series of one contrast: the image and its maps.
_SERIES_A_CONTRAST = 4


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
        kinds = ", ".join(choices()[scan_kind(encoding_of(header))])
        raise Unsupported(f"{reason}; {AUTO} would take {kinds}")
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
    given = resources or Resources()
    series = _SeriesOfContrasts(header, resolved.parameters, given)
    readouts = _without_spectra(header, iter(acquisitions), given)
    images = resolved.method.reconstruct(header, readouts, resolved.parameters, given)
    scalers: dict[tuple[int, ImageType], SeriesScaler] = {}
    for index, made in enumerate(images, start=1):
        image = series.placed(made)
        scaler = scalers.setdefault((image.image_series_index, image.image_type), SeriesScaler())
        yield from scaler.push(replace(image, image_index=index))
    for scaler in scalers.values():
        yield from scaler.finish()


class _SeriesOfContrasts:
    """Contrasts of another nucleus than the proton are other substances (gas and dissolved xenon), a thousand times
    brighter or darker, and become series of their own; echoes of the proton stay together."""

    def __init__(self, header: ScanHeader, parameters: Mapping[str, object], resources: Resources) -> None:
        named = str(parameters.get("nucleus", AUTO))
        nucleus = resonance(header if named == AUTO else with_nucleus(header, named)).nucleus
        self._apart = nucleus not in ("", "1H")
        # Simulations and phantoms that state no field strength claim nothing that could be doubted.
        if not nucleus and header.system.field_strength_t is not None:
            resources.notice(
                "the imaged nucleus is unknown: the header has no user parameter Nucleus, and H1resonanceFrequency_Hz"
                " and systemFieldStrength_T fit none; set nucleus=1H, 129XE, 13C or another"
            )

    def placed(self, image: Image) -> Image:
        if not self._apart or not image.contrast:
            return image
        mark = {"SeriesMark": (f"contrast {image.contrast}",)}
        index = image.image_series_index + _SERIES_A_CONTRAST * image.contrast
        return replace(image, image_series_index=index, attributes={**image.attributes, **mark})


def _without_spectra(
    header: ScanHeader, acquisitions: Iterator[Acquisition], resources: Resources
) -> Iterator[Acquisition]:
    """Readouts of further encoding spaces that belong to no image: left out, counted and named."""
    skipped: dict[int, int] = {}
    for acquisition in acquisitions:
        reference = acquisition.encoding_space_ref
        if 0 < reference < len(header.encodings) and acquisition.flags & AcquisitionFlag.IS_NAVIGATION_DATA:
            skipped[reference] = skipped.get(reference, 0) + 1
        else:
            yield acquisition
    for reference, count in sorted(skipped.items()):
        kind = scan_kind(header.encodings[reference]).value
        resources.notice(
            f"{count} readouts of encoding space {reference} ({kind}) are spectra or navigators, no part of an"
            " image; they were skipped"
        )


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
