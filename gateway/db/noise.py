"""Noise measurements in the index: for scans whose noise was measured apart.

A measurement outlives its scan: deleting raw data must not change what later scans come out as.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Connection, delete, insert, select

from gateway.db.tables import noise_measurements


@dataclass(frozen=True, slots=True)
class StoredNoise:
    """`measurement_id` is the MRD header's, `system` names the scanner, `noise` is the text of `recon.noise_text`."""

    measurement_id: str
    system: str
    coil_names: tuple[str, ...]
    noise: str = field(repr=False)


def record(conn: Connection, scan_id: int, stored: StoredNoise) -> None:
    """Keep what a scan has measured, in place of what it had before."""
    conn.execute(delete(noise_measurements).where(noise_measurements.c.scan_pk == scan_id))
    values = {"scan_pk": scan_id, "measurement_id": stored.measurement_id, "system": stored.system}
    values |= {"coil_names": list(stored.coil_names), "noise": stored.noise}
    conn.execute(insert(noise_measurements).values(values))


def of_measurement(conn: Connection, measurement_id: str, *, limit: int = 32) -> list[StoredNoise]:
    """What was measured under an id, the newest first."""
    table = noise_measurements
    statement = select(table).where(table.c.measurement_id == measurement_id).order_by(table.c.id.desc()).limit(limit)
    return [
        StoredNoise(row.measurement_id, row.system, tuple(row.coil_names), row.noise) for row in conn.execute(statement)
    ]
