"""Spiral sampling in 2-D and stacks, by CG-SENSE or gridding."""

from __future__ import annotations

from gateway.model.mrd import ScanHeader
from gateway.recon.noncartesian.reconstruction import PARAMETERS, reconstruct
from gateway.recon.registry import Method, ScanKind, encoding_of, scan_kind

_NAME = "spiral"
_KINDS = (ScanKind.SPIRAL, ScanKind.OTHER)


def refuses(header: ScanHeader) -> str | None:
    """Why a scan with this header cannot be done, or None."""
    kind = scan_kind(encoding_of(header))
    return None if kind in _KINDS else f"{_NAME} does not do {kind.value}"


METHOD = Method(
    name=_NAME,
    version="1",
    summary="Spiral sampling in 2-D and stacks, by CG-SENSE or gridding",
    parameters=PARAMETERS,
    reconstruct=reconstruct,
    refuses=refuses,
)
