"""Which noise measurement belongs to a scan."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from gateway.db.engine import Database
from gateway.ingest.noise import noise_for, of_coils, record
from gateway.model.mrd import AcquisitionSystem, Measurement, ScanHeader
from gateway.recon.noise import NoiseMeasurement
from gateway.recon.noise_text import noise_from_text, noise_text

DIAGONAL = NoiseMeasurement(np.diag(np.array([1, 2, 3], np.complex128)), 1000, 5.0)
SYSTEM = AcquisitionSystem(vendor="Maker", model="One", coil_names=("a", "b", "c"))
NOISE = ScanHeader((), SYSTEM, measurement=Measurement(measurement_id="M7"))
SCAN = ScanHeader((), SYSTEM, measurement=Measurement(measurement_id="M8", dependencies={"Noise": "M7"}))


def found(database: Database, scan: ScanHeader, *noise: tuple[ScanHeader, NoiseMeasurement]) -> list[float] | None:
    """The noise power of each channel of `scan`, when `noise` was measured in this order."""
    for scan_id, (header, measured) in enumerate(noise, start=1):
        keep = partial(record, scan_id=scan_id, header=header, text=noise_text(measured))
        database.write(keep)
    with database.read() as conn:
        text = noise_for(conn, scan)
    return noise_from_text(text).covariance.diagonal().real.tolist() if text else None


def coils(header: ScanHeader, *names: str, model: str = SYSTEM.model) -> ScanHeader:
    return replace(header, system=replace(SYSTEM, coil_names=names, model=model))


def test_the_measurement_that_the_header_names_is_found(database: Database) -> None:
    assert found(database, SCAN, (NOISE, DIAGONAL)) == [1, 2, 3]


def test_channels_come_in_the_order_of_the_scan(database: Database) -> None:
    assert found(database, coils(SCAN, "c", "a"), (NOISE, DIAGONAL)) == [3, 1]


def test_the_newest_measurement_counts(database: Database) -> None:
    louder = replace(DIAGONAL, covariance=DIAGONAL.covariance * 4)
    assert found(database, SCAN, (NOISE, DIAGONAL), (NOISE, louder)) == [4, 8, 12]


@pytest.mark.parametrize(
    ("scan", "noise"),
    [
        (NOISE, NOISE),  # depends on nothing
        (replace(SCAN, measurement=replace(SCAN.measurement, dependencies={"Noise": "M6"})), NOISE),
        (replace(SCAN, measurement=replace(SCAN.measurement, dependencies={"SenMap": "M7"})), NOISE),
        (coils(SCAN, "a", "d"), NOISE),
        (coils(SCAN, "a", "b", "c", model="Two"), NOISE),
        (SCAN, coils(NOISE, "a", "a", "c")),
        (SCAN, replace(NOISE, measurement=Measurement())),
    ],
    ids=["no dependency", "another", "of another kind", "missing coil", "another scanner", "doubled name", "no id"],
)
def test_what_does_not_fit_is_not_taken(database: Database, scan: ScanHeader, noise: ScanHeader) -> None:
    assert found(database, scan, (noise, DIAGONAL)) is None


def test_names_are_only_asked_for_where_there_are_any() -> None:
    assert of_coils(DIAGONAL, (), ("a",)) is DIAGONAL
    assert of_coils(DIAGONAL, ("a", "b"), ("b", "a")) is None  # names for some of the channels only
