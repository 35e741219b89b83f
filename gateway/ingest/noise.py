"""Which noise measurement belongs to a scan: its header names the measurement, and the channels their coils.

The scanner measures the noise once and names that measurement in each later header (`measurementDependency` of the
type "Noise"). A measurement fits when it holds every coil of the scan by name; its channels are then put into the
scan's order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import structlog
from sqlalchemy import Connection

from gateway.db import noise
from gateway.db.noise import StoredNoise
from gateway.model.errors import MalformedData
from gateway.model.mrd import ScanHeader
from gateway.recon.noise import NoiseMeasurement
from gateway.recon.noise_text import noise_from_text, noise_text

_log = structlog.get_logger()

_DEPENDENCY = "noise"


def record(conn: Connection, scan_id: int, header: ScanHeader, text: str) -> None:
    """Keep the noise that a scan has measured, if later scans can name it."""
    if text and header.measurement.measurement_id:
        measured = StoredNoise(header.measurement.measurement_id, system_of(header), header.system.coil_names, text)
        noise.record(conn, scan_id, measured)


def noise_for(conn: Connection, header: ScanHeader) -> str:
    """The noise of the measurement that a header names, in its order of channels; empty where there is none."""
    dependencies = header.measurement.dependencies.items()
    wanted = [measured for kind, measured in dependencies if kind.strip().casefold() == _DEPENDENCY and measured]
    if not wanted:
        return ""
    return fitting(header, lambda: noise.of_measurement(conn, wanted[0]))


def fitting(header: ScanHeader, candidates: Callable[[], Sequence[StoredNoise]]) -> str:
    """The first of `candidates` that is of the same scanner and holds every coil of the scan."""
    for stored in candidates():
        if not _same_system(stored.system, system_of(header)):
            continue
        try:
            measured = of_coils(noise_from_text(stored.noise), stored.coil_names, header.system.coil_names)
        except MalformedData as error:
            _log.warning("noise.unreadable", measurement=stored.measurement_id, error=str(error))
            continue
        if measured is not None:
            return noise_text(measured)
    return ""


def of_coils(
    measured: NoiseMeasurement, measured_names: Sequence[str], wanted_names: Sequence[str]
) -> NoiseMeasurement | None:
    """The channels of `wanted_names` in that order; all of them as they are where either side names none.

    None when a wanted coil is missing, or where names do not tell the channels apart.
    """
    if not measured_names or not wanted_names or tuple(measured_names) == tuple(wanted_names):
        return measured
    places = {name: place for place, name in enumerate(measured_names)}
    if len(places) != len(measured_names) or len(places) != len(measured.covariance):
        return None
    if len(set(wanted_names)) != len(wanted_names) or not places.keys() >= set(wanted_names):
        return None
    order = np.array([places[name] for name in wanted_names])
    return NoiseMeasurement(measured.covariance[np.ix_(order, order)], measured.samples, measured.dwell_us)


def system_of(header: ScanHeader) -> str:
    """What tells one scanner from another, as far as the header does."""
    system = header.system
    return "|".join((system.vendor, system.model, system.device_serial_number, system.station_name)).strip("|")


def _same_system(first: str, second: str) -> bool:
    """A header that says nothing of its scanner contradicts none."""
    return not first or not second or first == second
