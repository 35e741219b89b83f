"""Radial sampling in 2-D and 3-D, by CG-SENSE or gridding."""

from __future__ import annotations

from gateway.recon.noncartesian.reconstruction import PARAMETERS, reconstruct
from gateway.recon.registry import Method, ScanKind, refuses_all_but
from gateway.recon.standard_parameters import standard

_NAME = "radial"


METHOD = Method(
    name=_NAME,
    version="1",
    summary="Radial sampling in 2-D and 3-D, by CG-SENSE or gridding",
    parameters=(*PARAMETERS, standard("delays")),
    reconstruct=reconstruct,
    refuses=refuses_all_but(_NAME, ScanKind.RADIAL, ScanKind.OTHER),
)
