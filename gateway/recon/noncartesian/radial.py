"""Radial sampling in 2-D and 3-D, by CG-SENSE or gridding."""

from __future__ import annotations

from gateway.model.mrd import ScanHeader
from gateway.recon.noncartesian.reconstruction import PARAMETERS, reconstruct
from gateway.recon.registry import Method, ScanKind, encoding_of, scan_kind
from gateway.recon.standard_parameters import standard

_NAME = "radial"
_KINDS = (ScanKind.RADIAL, ScanKind.OTHER)


def refuses(header: ScanHeader) -> str | None:
    """Why a scan with this header cannot be done, or None."""
    kind = scan_kind(encoding_of(header))
    return None if kind in _KINDS else f"{_NAME} does not do {kind.value}"


METHOD = Method(
    name=_NAME,
    version="1",
    summary="Radial sampling in 2-D and 3-D, by CG-SENSE or gridding",
    parameters=(*PARAMETERS, standard("delays")),
    reconstruct=reconstruct,
    refuses=refuses,
)
