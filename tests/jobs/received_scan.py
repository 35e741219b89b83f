"""A raw scan as a client's stream leaves it."""

from __future__ import annotations

from gateway.ingest.scans import ScanIntake
from gateway.model.work import RawScan


def received(intake: ScanIntake, data: bytes) -> RawScan:
    """The sealed scan of a stream's bytes."""
    incoming = intake.begin("192.0.2.7")
    incoming.append(data)
    incoming.describe(incoming.summary.config, {})
    sealed = incoming.seal()
    assert sealed is not None
    return sealed
