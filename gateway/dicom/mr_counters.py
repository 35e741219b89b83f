"""Numbers that an image has among the others of its series: encoding, instance, series and temporal position.

An image comes alone, without its neighbours, so that everything here is computed from its own counters and the
encoding limits of the header.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway.model.errors import MalformedData
from gateway.model.mrd import Encoding, EncodingLimits, Image, ImageType, Limit, ScanHeader

# Offsets within the series numbers of one scan. A scanner's numbers rise by one: a thousand runs stay apart.
_COMPONENTS = {ImageType.MAGNITUDE: 0, ImageType.PHASE: 1, ImageType.REAL: 2, ImageType.IMAGINARY: 3}
_COMPONENTS_A_SERIES = len(_COMPONENTS)
_PREVIEW_OFFSET = 500
# The attributes by which a reconstruction tells how many phases or frames it makes; counters have 16 bits.
_MADE = {"phase": "Phases", "repetition": "Frames"}
_MOST_DIGITS = 5
_RUN_OFFSET = 1000


@dataclass(frozen=True, slots=True)
class TemporalPosition:
    """`identifier` counts from 1; `count` is None where the limits do not say how many there will be."""

    identifier: int
    count: int | None


def encoding_of(header: ScanHeader, image: Image) -> Encoding:
    """The encoding section that `image` was made with: the first whose reconstruction matrix is the image's.

    Its limits are those of the images: a reconstruction that makes phases or frames of its own says how many.
    """
    if not header.encodings:
        raise MalformedData("MRD header: no encoding section")
    _, n_z, n_y, n_x = image.data.shape
    matching = (encoding for encoding in header.encodings if encoding.recon.matrix == (n_x, n_y, n_z))
    encoding = next(matching, header.encodings[0])
    made = {name: Limit(0, count - 1, 0) for name in ("phase", "repetition") if (count := _made(image, name))}
    return replace(encoding, limits=replace(encoding.limits, **made)) if made else encoding


def _made(image: Image, counter: str) -> int:
    """How many values of a counter the reconstruction has made, 0 where it left the scan's own."""
    text = next(iter(image.attributes.get(_MADE[counter], ())), "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else 0


def count_of(limit: Limit | None) -> int:
    """How many values a counter takes; 1 where the header does not say."""
    return 1 if limit is None else max(limit.maximum, 0) + 1


def instance_number(limits: EncodingLimits, image: Image, partition: int) -> int:
    """Instance Number: partitions and slices run fastest, repetitions slowest, so that volumes stay together.

    Where a counter is beyond its limit, the numbers follow the image index behind all numbers within the limits.
    """
    n_z = int(image.data.shape[1])
    counters = (
        (image.slice, count_of(limits.slice)),
        (image.contrast, count_of(limits.contrast)),
        (image.set, count_of(limits.set)),
        (image.phase, count_of(limits.phase)),
        (image.average, count_of(limits.average)),
    )
    number, radix = partition, n_z
    for value, count in counters:
        number += radix * value
        radix *= count
    if all(value < count for value, count in counters):
        return number + radix * image.repetition + 1
    return radix * count_of(limits.repetition) + n_z * image.image_index + partition + 1


def series_number(initial: int | None, image: Image, *, preview: bool, run: int) -> int:
    """Series Number: the scan's own (1 where unknown) plus an offset for component, output, preview and run."""
    offset = _COMPONENTS_A_SERIES * image.image_series_index + _COMPONENTS[image.image_type]
    return (1 if initial is None else initial) + offset + preview * _PREVIEW_OFFSET + (run - 1) * _RUN_OFFSET


def temporal_position(limits: EncodingLimits, image: Image) -> TemporalPosition | None:
    """Which time point of a dynamic scan: the repetition, or the phase where nothing is repeated; None otherwise."""
    for value, limit in ((image.repetition, limits.repetition), (image.phase, limits.phase)):
        count = count_of(limit)
        if value > 0 or count > 1:
            return TemporalPosition(value + 1, count if value < count else None)
    return None
