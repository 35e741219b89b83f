"""One small sound scan for each installed method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

from gateway.model.mrd import Acquisition, AcquisitionFlag, ScanHeader
from gateway.recon.simulation.beating import Beating, simulate_beating
from gateway.recon.simulation.multiband import simulate_multiband
from gateway.recon.simulation.offgrid import OffGrid, simulate_off_grid
from gateway.recon.simulation.paths import Path
from gateway.recon.simulation.protocol import Protocol
from gateway.recon.simulation.sampling import Undersampling
from gateway.recon.simulation.scan import SimulatedScan, simulate

Scan = tuple[ScanHeader, list[Acquisition]]
_SMALL = Protocol(matrix=(32, 32), coils=3, snr=40.0, readout_oversampling=1.0)
_HALF = replace(_SMALL, undersampling=Undersampling(2, calibration=16, separate=True))
_REVERSE = int(AcquisitionFlag.IS_REVERSE)


def _off_grid(path: Path, readouts: int = 48) -> SimulatedScan:
    return simulate_off_grid(OffGrid(path=path, readouts=readouts, samples=64, protocol=_SMALL))


def _beating() -> SimulatedScan:
    return simulate_beating(Beating(radial=False, beats=6, ectopic=None, protocol=_SMALL)).scan


def _sms() -> SimulatedScan:
    return simulate_multiband(replace(_SMALL, slices=2, coils=6, slice_spacing=24.0), 2, shift=2)


_SCANS: Mapping[str, Callable[[], SimulatedScan]] = {
    "cartesian": lambda: simulate(_SMALL),
    "cine": _beating,
    "cs": lambda: simulate(_HALF),
    "epi": lambda: simulate(replace(_SMALL, reverse_odd_lines=True)),
    "grappa": lambda: simulate(_HALF),
    "grasp": lambda: _off_grid(Path.GOLDEN),
    "live": lambda: _off_grid(Path.GOLDEN),
    "radial": lambda: _off_grid(Path.RADIAL),
    "sense": lambda: simulate(_HALF),
    "sms": _sms,
    "spiral": lambda: _off_grid(Path.SPIRAL, 8),
}
METHODS = tuple(_SCANS)
OFF_GRID = ("grasp", "live", "radial", "spiral")
NEED_CALIBRATION = ("cs", "grappa", "sense", "sms")
# Makes every method quick; what each does not know it is not given.
QUICK: Mapping[str, Mapping[str, str]] = {
    "cine": {"phases": "4"},
    "cs": {"iters": "2"},
    "grasp": {"iters": "1", "window": "24"},
    "live": {"iters": "1", "window": "24"},
    "radial": {"iters": "2"},
    "sense": {"iters": "2"},
    "spiral": {"iters": "2"},
}


@cache
def scan_for(method: str) -> tuple[ScanHeader, tuple[Acquisition, ...]]:
    """Header and readouts."""
    scan = _SCANS[method]()
    header = scan.header
    if method == "epi":
        header = replace(header, encodings=(replace(header.encodings[0], trajectory="epi"),))
    return header, scan.acquisitions
