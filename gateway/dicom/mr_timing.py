"""Times of an image from the time stamps of its readouts.

Siemens counts both stamps in ticks of 2.5 ms: the acquisition stamp since midnight, the physiology stamps since the
last trigger. Other makers write what they like, often nothing, so that a stamp is believed only where it makes sense.
"""

from __future__ import annotations

from gateway.dicom.mr_values import seconds_of_day
from gateway.model.mrd import Image, ScanHeader

_TICK_S = 0.0025
_DAY_S = 86_400
# A slower heart is none (20 beats a minute); longer stamps count since the scan began: no trigger ever reset them.
_LONGEST_INTERVAL_S = 3.0
# Clocks of host and measurement differ by seconds, and an examination lasts hours.
_BEFORE_S = 300
_AFTER_S = 12 * 3600


def acquisition_time(header: ScanHeader, image: Image) -> str:
    """Acquisition Time (0008,0032) as TM, or the empty string.

    The stamp is the time of day for Siemens, and for others when it falls into the hours after the header's time.
    """
    since_midnight = image.acquisition_time_stamp * _TICK_S
    if not 0 < since_midnight < _DAY_S:
        return ""
    if "siemens" not in header.system.vendor.lower() and not _agrees(since_midnight, header):
        return ""
    return _tm(image.acquisition_time_stamp)


def trigger_time_ms(image: Image) -> float | None:
    """Trigger Time (0018,1060): ms since the R wave, None where the stamp is absent or was never reset."""
    since_trigger = image.physiology_time_stamp[0] * _TICK_S
    return since_trigger * 1000 if 0 < since_trigger <= _LONGEST_INTERVAL_S else None


def _agrees(since_midnight: float, header: ScanHeader) -> bool:
    begin = seconds_of_day(header.measurement.series_time) or seconds_of_day(header.study.time)
    return begin is not None and -_BEFORE_S <= since_midnight - begin <= _AFTER_S


def _tm(ticks: int) -> str:
    seconds, fraction = divmod(ticks, 400)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02}{minute:02}{second:02}.{fraction * 25:04}"
