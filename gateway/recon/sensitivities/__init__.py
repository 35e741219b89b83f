"""Coil sensitivities from calibration data: ESPIRiT, and from images: Walsh and Inati."""

from gateway.recon.sensitivities.espirit import Sensitivities, espirit

__all__ = ["Sensitivities", "espirit"]
