"""Whether all of a scan is there, judged from the encoding limits and the last readout's flag.

The limits say how many slices, contrasts and so on there will be, not which lines: undersampled scans leave lines out
on purpose. So each counter must have reached the end that the header announced, and a stream must have been closed by
its sender.
"""

from __future__ import annotations

from gateway.model.mrd import Acquisition, AcquisitionFlag, EncodingLimits, Limit, ScanHeader

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
_NOT_IMAGE = (
    AcquisitionFlag.IS_NOISE_MEASUREMENT
    | AcquisitionFlag.IS_PARALLEL_CALIBRATION
    | AcquisitionFlag.IS_NAVIGATION_DATA
    | AcquisitionFlag.IS_PHASECORR_DATA
    | AcquisitionFlag.IS_DUMMYSCAN_DATA
    | AcquisitionFlag.IS_HPFEEDBACK_DATA
    | AcquisitionFlag.IS_RTFEEDBACK_DATA
)


class Completeness:
    """Watches the readouts of a scan."""

    def __init__(self, header: ScanHeader) -> None:
        self._limits = header.encodings[0].limits
        self._highest: dict[str, int] = {}
        self._finished = False
        self.readouts = 0

    def add(self, acquisition: Acquisition) -> None:
        """Take the next readout."""
        self.readouts += 1
        self._finished = self._finished or acquisition.has(AcquisitionFlag.LAST_IN_MEASUREMENT)
        if acquisition.encoding_space_ref != 0 or acquisition.has(_NOT_IMAGE):
            return
        for name in _COUNTERS:
            value: int = getattr(acquisition.idx, name)
            if value > self._highest.get(name, -1):
                self._highest[name] = value

    def missing(self) -> str:
        """What is not there, for the administrator; empty when nothing is missing.

        A readout that says it is the last of the measurement ends the scan, whatever the limits announced: a scan
        that the operator stops early is whole when the scanner says so.
        """
        if not self.readouts:
            return "no readout came"
        if self._finished:
            return ""
        short = [name for name in _COUNTERS if self._highest.get(name, -1) < _maximum(self._limits, name)]
        return f"{', '.join(short)} did not reach the limit in the header" if short else ""


def _maximum(limits: EncodingLimits, name: str) -> int:
    limit: Limit | None = getattr(limits, _LIMIT_OF.get(name, name))
    return 0 if limit is None else limit.maximum
