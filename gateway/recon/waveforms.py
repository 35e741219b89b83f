"""What was recorded of the heart beside the readouts: waveforms of the ECG, the pulse or a trigger from outside.

The `waveform_id` is MRD's: 0 ECG, 1 pulse oximetry, 2 respiration, 3 and 4 external, from 1024 on whatever the header
says. Their clock is that of the readouts: ticks of 2.5 ms, as converters of the makers write them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from gateway.model.errors import LimitExceeded, MalformedData
from gateway.model.mrd import Waveform

CARDIAC: Mapping[str, tuple[int, ...]] = {"ecg": (0,), "pulse": (1,), "external": (3, 4)}
_KEPT = frozenset(number for numbers in CARDIAC.values() for number in numbers)
# Half an hour of an ECG of five channels and one of the pulse, at 1,000 samples a second, is less.
_MOST_BYTES = 64 * 1024**2


class WaveformLog:
    """The cardiac waveforms of a scan, added while its readouts come; all others are passed over.

    A scan is not to fail by waveforms that its method never asks for: what is wrong is raised by `of`.
    """

    def __init__(self) -> None:
        self._held: dict[int, list[Waveform]] = {}
        self._bytes = 0

    def add(self, waveform: Waveform) -> None:
        """Take the next one; beyond 64 MiB none is held."""
        if waveform.waveform_id not in _KEPT:
            return
        self._bytes += waveform.data.nbytes
        held = self._held.setdefault(waveform.waveform_id, [])
        if self._bytes <= _MOST_BYTES:
            held.append(waveform)

    def of(self, waveform_id: int) -> tuple[Waveform, ...]:
        """Those of one id with samples, by their time. Raises `LimitExceeded` and `MalformedData`."""
        held = [each for each in self._held.get(waveform_id, ()) if each.data.size]
        if self._bytes > _MOST_BYTES:
            raise LimitExceeded(
                f"the scan has {self._bytes} bytes of cardiac waveforms, at most {_MOST_BYTES} are held;"
                " send them at 1,000 samples a second or less"
            )
        for each in held:
            if not (math.isfinite(each.sample_time_us) and each.sample_time_us > 0):
                raise MalformedData(f"waveform {waveform_id}: sample_time_us {each.sample_time_us:g} is no time")
            if each.data.shape[0] != held[0].data.shape[0]:
                raise MalformedData(
                    f"waveform {waveform_id}: {each.data.shape[0]} channels, the one before had {held[0].data.shape[0]}"
                )
        return tuple(sorted(held, key=lambda each: each.time_stamp))
