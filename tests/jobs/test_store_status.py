"""What a status means for the delivery."""

from __future__ import annotations

import pytest
from pynetdicom.status import GENERAL_STATUS, STORAGE_SERVICE_CLASS_STATUS

from gateway.jobs.store_status import Verdict, verdict_of


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (0x0000, Verdict.SENT),
        (0xB000, Verdict.SENT),
        (0xB006, Verdict.SENT),
        (0xB007, Verdict.SENT),
        (0x0111, Verdict.SENT),
        (0xA700, Verdict.DESTINATION_BUSY),
        (0xA7FF, Verdict.DESTINATION_BUSY),
        (0xA6FF, Verdict.REFUSED),
        (0xA800, Verdict.REFUSED),
        (0xA900, Verdict.REFUSED),
        (0xC000, Verdict.REFUSED),
        (0xCFFF, Verdict.REFUSED),
        (0x0122, Verdict.REFUSED),
        (0x0124, Verdict.REFUSED),
        (0xFE00, Verdict.REFUSED),
    ],
)
def test_whose_trouble_it_is(status: int, verdict: Verdict) -> None:
    assert verdict_of(status) is verdict


def test_every_warning_that_pynetdicom_knows_counts_as_sent() -> None:
    known = GENERAL_STATUS | STORAGE_SERVICE_CLASS_STATUS
    warnings = [status for status, (category, _) in known.items() if category in ("Success", "Warning")]
    assert warnings
    assert all(verdict_of(status) is Verdict.SENT for status in warnings)
