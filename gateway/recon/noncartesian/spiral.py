"""Spiral sampling in 2-D and stacks, by CG-SENSE or gridding."""

from __future__ import annotations

from gateway.recon.noncartesian.reconstruction import PARAMETERS, reconstruct
from gateway.recon.registry import Method, ScanKind, refuses_all_but

_NAME = "spiral"


METHOD = Method(
    name=_NAME,
    version="1",
    summary="Spiral sampling in 2-D and stacks, by CG-SENSE or gridding",
    parameters=PARAMETERS,
    reconstruct=reconstruct,
    refuses=refuses_all_but(_NAME, ScanKind.SPIRAL, ScanKind.OTHER),
)
