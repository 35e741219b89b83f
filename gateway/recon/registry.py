"""The reconstruction methods that are installed, by name, and the choice of `auto`.

Methods are entry points of the group `gateway.recon`. A peer's string reaches `get` and nothing else: it is compared
with names and never imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache
from importlib.metadata import entry_points

from gateway.model.errors import MalformedData, Unsupported
from gateway.model.mrd import Acquisition, Encoding, Image, ScanHeader
from gateway.recon.parameters import Parameter, Value, parse, shown
from gateway.recon.resources import Resources
from gateway.recon.standard_parameters import OF_EVERY_METHOD, STANDARD

__all__ = ["AUTO", "Method", "Parameter", "Reconstruct", "choose", "get", "methods", "parse_parameters"]

AUTO = "auto"
_GROUP = "gateway.recon"

Reconstruct = Callable[[ScanHeader, Iterator[Acquisition], Mapping[str, object], Resources], Iterator[Image]]


@dataclass(frozen=True, slots=True)
class Method:
    """A reconstruction.

    `reconstruct` takes readouts as they come and gives images, (1, z, y, x) float32, as soon as each is whole; noise of
    unit variance where the attribute `SnrUnits` is `true`. It is pure: the same readouts and parameters give the same
    bytes. `refuses` says why a header cannot be done, or None. `version` changes when the pixels do.
    """

    name: str
    version: str
    summary: str
    parameters: tuple[Parameter, ...]
    reconstruct: Reconstruct
    refuses: Callable[[ScanHeader], str | None]


@cache
def methods() -> Mapping[str, Method]:
    """Every installed method by its name, in alphabetical order."""
    loaded = (_completed(point.load()) for point in entry_points(group=_GROUP))
    return {method.name: method for method in sorted(loaded, key=lambda method: method.name)}


def _completed(method: Method) -> Method:
    """With the parameters that every method has."""
    own = {parameter.name for parameter in method.parameters}
    common = tuple(STANDARD[name] for name in OF_EVERY_METHOD if name not in own)
    return replace(method, parameters=(*method.parameters, *common))


def get(name: str) -> Method:
    """The method of that name. Raises `Unsupported` with the known names."""
    known = methods()
    if name not in known:
        raise Unsupported(f"no reconstruction method {shown(name)}; known are {', '.join((AUTO, *known))}")
    return known[name]


def parse_parameters(method: Method, given: Mapping[str, str]) -> Mapping[str, Value]:
    """All parameters of `method`, typed. Raises `UsageError` naming the parameter and what it may be."""
    return parse(method.parameters, given)


class ScanKind(Enum):
    """How k-space was filled, as far as it decides the method."""

    CARTESIAN = "Cartesian sampling"
    ACCELERATED = "Cartesian sampling with parallel imaging"
    IRREGULAR = "irregular Cartesian sampling"
    MULTIBAND = "simultaneous multi-slice imaging"
    EPI = "echo-planar imaging"
    RADIAL = "radial sampling"
    SPIRAL = "spiral sampling"
    OTHER = "sampling along another trajectory"


# The methods that `auto` takes for each kind, best first; what is not installed is passed over, and a kind without a
# method is refused by name. ACCELERATED is a regular pattern in several channels, IRREGULAR any other that leaves gaps.
_CHOICES: Mapping[ScanKind, tuple[str, ...]] = {
    ScanKind.CARTESIAN: ("cartesian",),
    ScanKind.ACCELERATED: ("sense", "grappa", "cs"),
    ScanKind.IRREGULAR: ("cs", "sense"),
    ScanKind.MULTIBAND: ("sms",),
    ScanKind.EPI: ("epi",),
    ScanKind.RADIAL: ("radial",),
    ScanKind.SPIRAL: ("spiral", "radial"),
    ScanKind.OTHER: ("radial",),
}

# Parameters that make images, though aliased ones, of undersampled data; who wants these asks for them.
ALIASED_WAY = "--method cartesian --set undersampled=zero-fill"

_TRAJECTORIES: Mapping[str, ScanKind] = {
    "cartesian": ScanKind.CARTESIAN,
    "epi": ScanKind.EPI,
    "radial": ScanKind.RADIAL,
    "goldenangle": ScanKind.RADIAL,
    "spiral": ScanKind.SPIRAL,
}


def choose(header: ScanHeader, kind: ScanKind | None = None) -> Method:
    """The method that `auto` stands for; `kind` is what the data has shown, else the header decides.

    Raises `Unsupported` naming what cannot be done, `MalformedData` for a header without encoding.
    """
    kind = kind or scan_kind(encoding_of(header))
    known = methods()
    candidates = [known[name] for name in _CHOICES[kind] if name in known]
    reasons = []
    for method in candidates:
        reason = method.refuses(header)
        if reason is None:
            return method
        reasons.append(reason)
    why = "; ".join(reasons) or f"no installed method does {kind.value}"
    way = f"; for aliased images: {ALIASED_WAY}" if kind in (ScanKind.ACCELERATED, ScanKind.IRREGULAR) else ""
    raise Unsupported(f"this scan cannot be reconstructed: {why}; installed are {', '.join(known)}{way}")


def choices() -> Mapping[ScanKind, tuple[str, ...]]:
    """What `auto` takes for each kind of scan, best first."""
    return _CHOICES


def encoding_of(header: ScanHeader) -> Encoding:
    """The encoding section of the images, which is the first. Raises `MalformedData` where there is none."""
    if not header.encodings:
        raise MalformedData("MRD header: no encoding section")
    return header.encodings[0]


def scan_kind(encoding: Encoding) -> ScanKind:
    """The kind of an encoding section."""
    kind = _TRAJECTORIES.get(encoding.trajectory.strip().casefold(), ScanKind.OTHER)
    if kind is ScanKind.CARTESIAN and is_multiband(encoding):
        return ScanKind.MULTIBAND
    if kind is ScanKind.CARTESIAN and is_accelerated(encoding):
        return ScanKind.ACCELERATED
    return kind


def refuses_all_but(name: str, *kinds: ScanKind) -> Callable[[ScanHeader], str | None]:
    """A method's `refuses`: why it cannot do a scan with this header, or None for those of `kinds`."""

    def refuses(header: ScanHeader) -> str | None:
        kind = scan_kind(encoding_of(header))
        return None if kind in kinds else f"{name} does not do {kind.value}"

    return refuses


def is_multiband(encoding: Encoding) -> bool:
    """True when the header states that several slices are excited together."""
    multiband = encoding.parallel.multiband if encoding.parallel else None
    return multiband is not None and multiband.factor > 1


def is_accelerated(encoding: Encoding) -> bool:
    """True when the header states parallel imaging with a factor above one."""
    parallel = encoding.parallel
    return parallel is not None and max(parallel.acceleration_1, parallel.acceleration_2) > 1
