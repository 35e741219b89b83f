"""When the heart beat: by stamps or by waveforms, of which the triggers count, else the R waves of the ECG.

The channel with the scanner's triggers is the one that the header names (`waveformTriggerChannel`), else the last one
where it is zero but for pulses, as converters of the makers write it. R waves are found as the steepest places of the
signal: bursts of squared slopes, summed over a window of the QRS complex, about their middle. Pan and Tompkins, IEEE
Trans Biomed Eng 1985;32:230.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gateway.model.errors import MalformedData, Unsupported
from gateway.model.mrd import ScanHeader, Waveform, WaveformInformation
from gateway.recon.dynamic.gating import TICK_MS, Gating, gate, gate_by_beats, is_gating_signal
from gateway.recon.resources import Resources
from gateway.recon.waveforms import CARDIAC, WaveformLog

# The stamps of the readouts, as a source beside those of `CARDIAC`.
STAMPS = "stamps"
# A channel that is not zero for more of its samples is a signal.
_MOST_PULSES = 0.25
_QRS_MS = 80.0
# Of the slopes in a typical QRS complex: T waves have a tenth.
_THRESHOLD = 0.3
# Two beats lie further apart than that, in people.
_REFRACTORY_MS = 250.0
_TYPICAL_BEAT_MS = 1500.0


class GatingSignal:
    """Finds the phase of each readout, by what the parameter `gating` names."""

    def __init__(self, header: ScanHeader, parameters: Mapping[str, object], resources: Resources) -> None:
        self._named = header.waveforms
        self._log = resources.waveforms
        self._source = str(parameters["gating"])
        self._rr_window = float(str(parameters["rr_window"]))
        self._warp = str(parameters["warp"])

    def __call__(self, since_trigger: NDArray[np.integer], stamps: NDArray[np.integer]) -> Gating:
        """Of readouts (n,) with these stamps. Raises `Unsupported` where there is no gating signal."""
        by_stamps = self._source == STAMPS or (self._source == "auto" and is_gating_signal(since_trigger))
        for source in () if by_stamps else CARDIAC if self._source == "auto" else (self._source,):
            beats = beats_of(self._log, self._named, source)
            if beats.size:
                return gate_by_beats(beats, stamps, rr_window=self._rr_window, warp=self._warp)
        if self._source in CARDIAC:
            raise Unsupported(f"parameter gating: the scan has no {self._source} waveform with heart beats in it")
        return gate(since_trigger, stamps, rr_window=self._rr_window, warp=self._warp)


def beats_of(log: WaveformLog, named: Mapping[int, WaveformInformation], source: str) -> NDArray[np.float64]:
    """(beats,) times in ms on the clock of the readouts, ascending; empty where `source` was not recorded.

    `source` is a key of `CARDIAC`, `named` what the header says by `waveform_id`. Raises `MalformedData` and
    `LimitExceeded`.
    """
    for number in CARDIAC[source]:
        pieces = log.of(number)
        if not pieces:
            continue
        values = np.concatenate([piece.data for piece in pieces], axis=1)
        times = np.concatenate([_times_ms(piece) for piece in pieces])
        marked = _trigger_channel(values, number, named.get(number))
        if marked is not None:
            return times[_rises(values[marked])]
        # Only an ECG has waves so sharp that the beat is where they are.
        if source == "ecg":
            return _r_waves(values, times)
    return np.empty(0)


def _times_ms(piece: Waveform) -> NDArray[np.float64]:
    steps = np.arange(piece.data.shape[1]) * (piece.sample_time_us / 1000)
    return np.asarray(piece.time_stamp * TICK_MS + steps, np.float64)


def _trigger_channel(values: NDArray[np.uint32], number: int, stated: WaveformInformation | None) -> int | None:
    """The channel with the triggers, None where there is none."""
    if stated is not None and stated.trigger_channel is not None:
        if stated.trigger_channel >= len(values):
            raise MalformedData(
                f"MRD header: waveformTriggerChannel {stated.trigger_channel} of waveform {number}, which has"
                f" {len(values)} channels"
            )
        return stated.trigger_channel
    pulses = np.count_nonzero(values[-1])
    return len(values) - 1 if 0 < pulses < _MOST_PULSES * values.shape[1] else None


def _rises(channel: NDArray[np.uint32]) -> NDArray[np.intp]:
    """Where a pulse begins."""
    on = channel != 0
    return np.flatnonzero(on & ~np.concatenate(([False], on[:-1])))


def _r_waves(values: NDArray[np.uint32], times: NDArray[np.float64]) -> NDArray[np.float64]:
    """The time of each QRS complex, over all channels."""
    if len(times) < 2:
        return np.empty(0)
    step = float(np.median(np.diff(times)))
    slopes = np.square(np.diff(values.astype(np.float64), axis=1)).sum(axis=0)
    energy = np.convolve(slopes, np.ones(max(1, round(_QRS_MS / step))), mode="same")
    typical = np.median([part.max() for part in np.array_split(energy, max(1, int(np.ptp(times) / _TYPICAL_BEAT_MS)))])
    found: list[float] = []
    bursts = np.flatnonzero(np.diff(np.concatenate(([0], energy > _THRESHOLD * typical, [0]))))
    for start, end in bursts.reshape(-1, 2):
        middle = float(np.average(times[start:end], weights=energy[start:end]))
        if not found or middle - found[-1] > _REFRACTORY_MS:
            found.append(middle)
    return np.array(found)
