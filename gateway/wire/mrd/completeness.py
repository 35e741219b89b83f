"""Whether all of a scan is there, judged from the encoding limits and the last readout's flag.

The limits say how many slices, contrasts and so on there will be, not which lines: undersampled scans leave lines out
on purpose. So each counter must have reached the end that the header announced, and a stream must have been closed by
its sender.
"""

from __future__ import annotations

import struct

from gateway.model.mrd import Acquisition, AcquisitionFlag, EncodingLimits, Limit, ScanHeader, is_imaging
from gateway.wire.mrd.framing import Bytes

# Counters that separate images; the phase encodings are judged by their extent.
_COUNTERS = (
    "kspace_encode_step_1",
    "kspace_encode_step_2",
    "average",
    "slice",
    "contrast",
    "phase",
    "repetition",
    "set",
)
_LIMIT_OF = {"kspace_encode_step_1": "kspace_encoding_step_1", "kspace_encode_step_2": "kspace_encoding_step_2"}

# flags, encoding_space_ref, and the first eight of `idx`, which are the counters above in their order.
_HEAD = struct.Struct("<2xQ164xH66x8H")
READOUT_HEAD_SIZE = _HEAD.size


class Completeness:
    """Watches the readouts of a scan."""

    def __init__(self, header: ScanHeader) -> None:
        self._limits = header.encodings[0].limits
        self._highest = [-1] * len(_COUNTERS)
        self._finished = False
        self._noise = 0
        self.readouts = 0

    def add(self, acquisition: Acquisition) -> None:
        """Take the next readout."""
        idx = acquisition.idx
        self._add(acquisition.flags, acquisition.encoding_space_ref, [getattr(idx, name) for name in _COUNTERS])

    def add_head(self, head: Bytes) -> None:
        """The same from the first `READOUT_HEAD_SIZE` bytes of an ACQUISITION's body."""
        flags, encoding_space, *counters = _HEAD.unpack_from(head)
        self._add(flags, encoding_space, counters)

    @property
    def only_noise(self) -> bool:
        """True for a scan that measures the noise for others, and has no image."""
        return 0 < self._noise == self.readouts

    def missing(self) -> str:
        """What is not there, for the administrator; empty when nothing is missing.

        A readout that says it is the last of the measurement ends the scan, whatever the limits announced: a scan
        that the operator stops early is whole when the scanner says so.
        """
        if not self.readouts:
            return "no readout came"
        if self._finished or self.only_noise:
            return ""
        reached = zip(_COUNTERS, self._highest, strict=True)
        short = [name for name, highest in reached if highest < _maximum(self._limits, name)]
        return f"{', '.join(short)} did not reach the limit in the header" if short else ""

    def _add(self, flags: int, encoding_space: int, counters: list[int]) -> None:
        self.readouts += 1
        self._noise += bool(flags & AcquisitionFlag.IS_NOISE_MEASUREMENT)
        self._finished = self._finished or bool(flags & AcquisitionFlag.LAST_IN_MEASUREMENT)
        if encoding_space == 0 and is_imaging(flags):
            self._highest = list(map(max, self._highest, counters))


def _maximum(limits: EncodingLimits, name: str) -> int:
    limit: Limit | None = getattr(limits, _LIMIT_OF.get(name, name))
    return 0 if limit is None else limit.maximum
