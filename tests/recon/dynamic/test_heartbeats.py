"""Heart beats from waveforms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.model.errors import LimitExceeded, MalformedData, Unsupported
from gateway.model.mrd import Waveform, WaveformInformation
from gateway.recon.dynamic.gating import gate_by_beats
from gateway.recon.dynamic.heartbeats import beats_of
from gateway.recon.simulation.beating import Beating, Ecg, simulate_beating
from gateway.recon.waveforms import WaveformLog

SMALL = Beating(radial=False, protocol=replace(Beating().protocol, matrix=(16, 16), coils=1))
# The simulated scan begins a second after its clock.
LEAD_MS = 1000.0


def log_of(*waveforms: Waveform) -> WaveformLog:
    log = WaveformLog()
    for waveform in waveforms:
        log.add(waveform)
    return log


def pulses(at: list[int], channels: int = 1, **values: object) -> Waveform:
    """500 samples of 2 ms; the last channel is zero but at the samples `at`."""
    data = np.full((channels, 500), 2048, np.uint32)
    data[-1] = 0
    data[-1, at] = 1 << 14
    return replace(Waveform(data, sample_time_us=2000.0), **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(("ecg", "within_ms"), [(Ecg.TRIGGERS, 2.5), (Ecg.SIGNAL, 8.0)])
def test_every_beat_of_a_simulated_ecg_is_found(ecg: Ecg, within_ms: float) -> None:
    scan = simulate_beating(replace(SMALL, ecg=ecg))
    # Pieces may come in any order.
    beats = beats_of(log_of(*reversed(scan.waveforms)), {}, "ecg")[: len(scan.rhythm.strengths)]
    np.testing.assert_allclose(beats, LEAD_MS + scan.rhythm.waves_ms[:-1], atol=within_ms)


def test_a_pulse_that_lasts_is_one_beat_and_pieces_keep_their_time() -> None:
    log = log_of(pulses([10, 11, 12]), pulses([0], time_stamp=4000))
    assert beats_of(log, {}, "ecg").tolist() == [20.0, 10_000.0]


def test_the_header_names_the_channel_of_the_triggers() -> None:
    two = pulses([100], channels=2)
    swapped = replace(two, data=two.data[::-1].copy())
    assert beats_of(log_of(swapped), {0: WaveformInformation("ECG", 0)}, "ecg").tolist() == [200.0]
    with pytest.raises(MalformedData, match="waveformTriggerChannel 7 of waveform 0, which has 2 channels"):
        beats_of(log_of(two), {0: WaveformInformation("ECG", 7)}, "ecg")


def test_a_pulse_wave_without_triggers_tells_no_beat() -> None:
    wave = Waveform(np.arange(500, dtype=np.uint32)[None] + 1, 1, sample_time_us=2000.0)
    assert not beats_of(log_of(wave), {}, "pulse").size
    assert beats_of(log_of(pulses([3], waveform_id=4)), {}, "external").tolist() == [6.0]


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (pulses([3], sample_time_us=float("nan")), "waveform 0: sample_time_us nan"),
        (pulses([3], channels=3), "waveform 0: 3 channels, the one before had 1"),
    ],
)
def test_what_is_wrong_is_named(second: Waveform, message: str) -> None:
    with pytest.raises(MalformedData, match=message):
        beats_of(log_of(pulses([3]), second), {}, "ecg")


def test_waveforms_beyond_the_limit_are_not_held() -> None:
    huge = Waveform(np.zeros((1, 1 << 24), np.uint32), sample_time_us=1.0)
    log = log_of(huge, huge, replace(huge, waveform_id=1024))
    with pytest.raises(LimitExceeded, match="bytes of cardiac waveforms"):
        log.of(0)
    assert not log_of(replace(huge, waveform_id=1024)).of(1024)


def stamps(first_ms: float, last_ms: float) -> NDArray[np.int64]:
    return np.arange(first_ms, last_ms, 10).astype(np.int64) * 2 // 5


def test_readouts_before_the_first_beat_are_not_used() -> None:
    gating = gate_by_beats(np.array([500.0, 1300.0, 2100.0]), stamps(0, 2900), rr_window=0.2)
    assert np.isnan(gating.phase[:50]).all()
    assert gating.phase[50 + 8] == pytest.approx(0.1, abs=0.01)
    assert (gating.beats, gating.accepted, gating.rr_ms) == (3, 3, 800.0)


def test_beats_by_another_clock_are_named() -> None:
    with pytest.raises(Unsupported, match="0 heart beats lie between"):
        gate_by_beats(np.array([500.0, 1300.0, 2100.0]), stamps(9000, 12_000), rr_window=0.2)
