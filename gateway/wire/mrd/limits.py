"""How much of each thing a sender may claim.

The stream announces every length before the bytes come. These caps stop a wrong or hostile length before anything is
allocated for it; each is well above what scanners and converters send.
"""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps in bytes, but for `trajectory_dimensions`."""

    # Headers of scanners have 5 to 100 kB; with a vendor's protocol among the user parameters a few MB.
    header: int = 16 * MIB
    # A configuration is a name or a short XML or JSON text, a TEXT a line for a log or a set of parameters.
    text: int = 1 * MIB
    # 16 bits each let a header claim 65535 samples × 65535 coils, 32 GiB; 512 coils of 65535 samples are 256 MiB.
    acquisition: int = 256 * MIB
    # kx, ky, kz, a density and field-camera terms up to second order.
    trajectory_dimensions: int = 16
    # An hour of four channels at 1 kHz is 58 MB.
    waveform: int = 64 * MIB
    # A complex double volume of 512³ is 2 GiB.
    image: int = 2048 * MIB
    # Meta attributes of an image; vendors put a header of their own there.
    attributes: int = 16 * MIB


DEFAULT_LIMITS = Limits()
