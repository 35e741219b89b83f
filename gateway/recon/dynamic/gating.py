"""When the heart was in which phase: the phase of each readout, from its time stamps or from the times of the beats.

Retrospective gating as in Lenz et al., Magn Reson Med 1989;12:14 (each readout is sorted by the time since its R wave).
Beats that are much shorter or longer than the median are left out. A beat that lasts longer than another has a longer
diastole, while its systole hardly changes; so the time after the systole is stretched.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.model.errors import Unsupported

# Both stamps count ticks of 2.5 ms, as converters of the makers write them.
TICK_MS = 2.5
# Electromechanical systole in ms at a heart rate per minute: Weissler et al., Circulation 1968;37:149.
_SYSTOLE_MS, _SYSTOLE_SLOPE = 546.0, 2.1
# In heart rates beyond these the formula does not hold: systole is then this share of the beat.
_LEAST_SYSTOLE, _MOST_SYSTOLE = 0.3, 0.6


@dataclass(frozen=True, slots=True)
class Gating:
    """`phase`: (readouts,) 0 to 1 through the beat, NaN for readouts of beats that are not used.

    `rr_ms`: the median beat, to which all are scaled. `beats`: how many there are, `accepted`: how many are used.
    """

    phase: NDArray[np.float64]
    rr_ms: float
    beats: int
    accepted: int

    def trigger_time_ms(self, phase: float) -> float:
        """Time since the R wave in the median beat."""
        return phase * self.rr_ms


def is_gating_signal(since_trigger: NDArray[np.integer]) -> bool:
    """Whether stamps (readouts,) of the time since the last R wave ever begin anew."""
    return bool(np.any(np.diff(since_trigger.astype(np.int64)) < 0))


def gate(
    since_trigger: NDArray[np.integer], stamps: NDArray[np.integer], *, rr_window: float, warp: str = "diastole"
) -> Gating:
    """`since_trigger`: (readouts,) ticks since the last R wave; `stamps`: (readouts,) ticks of the acquisition.

    `rr_window`: the share by which a beat may differ from the median. `warp`: `diastole` stretches what follows the
    systole, `linear` the whole beat, `none` takes the time since the R wave as it is.
    Raises `Unsupported` where the stamps are no gating signal.
    """
    since = since_trigger.astype(np.float64) * TICK_MS
    if not is_gating_signal(since_trigger):
        raise Unsupported(
            "physiology_time_stamp: it never goes back during the scan, so that it is no gating signal; a stamp of the"
            " time since the last R wave, which begins anew with every beat, is needed, or a waveform of the ECG"
        )
    starts = np.flatnonzero(np.diff(since) < 0) + 1
    beat = np.searchsorted(starts, np.arange(len(since)), side="right")
    lengths = _lengths(since, stamps.astype(np.float64) * TICK_MS, beat)
    return _gated(since, beat, lengths, rr_window, warp)


def gate_by_beats(
    beats_ms: NDArray[np.float64], stamps: NDArray[np.integer], *, rr_window: float, warp: str = "diastole"
) -> Gating:
    """As `gate`, for R waves at `beats_ms` on the clock of `stamps`, ascending.

    Raises `Unsupported` where fewer than two beats lie within the scan.
    """
    times = stamps.astype(np.float64) * TICK_MS
    within = np.flatnonzero((beats_ms > times.min()) & (beats_ms <= times.max()))
    if within.size < 2:
        raise Unsupported(
            f"waveforms: {within.size} heart beats lie between the first and the last readout; their time_stamp and the"
            " acquisition_time_stamp of the readouts must count the same clock"
        )
    # With the beat in which the scan began.
    waves = beats_ms[max(within[0] - 1, 0) : within[-1] + 1]
    beat = np.searchsorted(waves, times, side="right") - 1
    # What came before the first R wave is in no beat: its phase is NaN, whatever it is counted to.
    since = np.where(beat >= 0, times - waves[np.maximum(beat, 0)], np.nan)
    return _gated(since, np.maximum(beat, 0), np.append(np.diff(waves), np.nan), rr_window, warp)


def _gated(
    since: NDArray[np.float64], beat: NDArray[np.intp], lengths: NDArray[np.float64], rr_window: float, warp: str
) -> Gating:
    # The scan ended in the middle of a beat, of which nobody knows how long it was: taken for a median one.
    median = float(np.median(lengths[:-1]))
    lengths[-1] = median
    accepted = np.abs(lengths / median - 1) <= rr_window
    phase = _phase(since, lengths[beat], median, warp)
    phase[~accepted[beat] | (phase >= 1)] = np.nan
    return Gating(phase, median, len(lengths), int(accepted.sum()))


def _lengths(since: NDArray[np.float64], stamps: NDArray[np.float64], beat: NDArray[np.intp]) -> NDArray[np.float64]:
    """Of each beat in ms: from R wave to R wave by the clock, or what its last readout tells where there is none."""
    count = int(beat[-1]) + 1
    last = np.searchsorted(beat, np.arange(count), side="right") - 1
    if np.all(np.diff(stamps) >= 0) and stamps[-1] > stamps[0]:
        waves = np.array([np.median((stamps - since)[beat == number]) for number in range(count)])
        return np.append(np.diff(waves), np.nan)
    step = float(np.median(np.diff(since)[np.diff(since) >= 0])) if len(since) > 1 else 0.0
    return since[last] + step


def _phase(since: NDArray[np.float64], length: NDArray[np.float64], median: float, warp: str) -> NDArray[np.float64]:
    if warp == "none":
        return since / median
    if warp == "linear":
        return since / length
    rate = 60_000 / median
    systole = float(np.clip(_SYSTOLE_MS - _SYSTOLE_SLOPE * rate, _LEAST_SYSTOLE * median, _MOST_SYSTOLE * median))
    diastole = (since - systole) / np.maximum(length - systole, 1e-6)
    late = systole / median + diastole * (1 - systole / median)
    return np.where(since <= systole, since / median, late)
