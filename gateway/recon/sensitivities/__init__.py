"""Coil sensitivities from calibration data: ESPIRiT, and from images of low resolution: Walsh and Inati."""

from gateway.recon.sensitivities.espirit import Sensitivities, espirit
from gateway.recon.sensitivities.estimate import calibration_block, estimate

__all__ = ["Sensitivities", "calibration_block", "espirit", "estimate"]
