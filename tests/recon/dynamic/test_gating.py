"""Heart beats from time stamps."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.model.errors import Unsupported
from gateway.recon.dynamic.gating import TICK_MS, gate


def stamps_of(lengths_ms: list[float], step_ms: float = 10.0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ticks since the last R wave and of the clock, for readouts every `step_ms` through beats of these lengths."""
    waves = np.concatenate(([0.0], np.cumsum(lengths_ms)))
    times = np.arange(0, waves[-1], step_ms)
    beat = np.searchsorted(waves, times, side="right") - 1
    return np.floor((times - waves[beat]) / TICK_MS).astype(int), np.floor(times / TICK_MS).astype(int)


def test_an_early_beat_and_the_pause_after_it_are_left_out() -> None:
    since, clock = stamps_of([800, 820, 780, 480, 1120, 800, 810])
    gating = gate(since, clock, rr_window=0.2)
    assert (gating.beats, gating.accepted) == (7, 5)
    assert gating.rr_ms == pytest.approx(800, abs=10)
    unused = np.isnan(gating.phase)
    assert unused[since.size // 2]
    assert unused.sum() == pytest.approx(160, abs=3)


@pytest.mark.parametrize("warp", ["diastole", "linear"])
def test_every_beat_ends_at_the_end_of_the_cycle(warp: str) -> None:
    since, clock = stamps_of([800, 900, 720, 800])
    phase = gate(since, clock, rr_window=0.2, warp=warp).phase
    last = np.flatnonzero(np.diff(since) < 0)
    np.testing.assert_allclose(phase[last], 0.99, atol=0.012)
    assert (np.diff(phase)[np.diff(since) >= 0] >= 0).all()


def test_systole_is_not_stretched() -> None:
    since, clock = stamps_of([800, 940, 800, 800])
    stretched, linear = (gate(since, clock, rr_window=0.2, warp=warp).phase for warp in ("diastole", "linear"))
    at = 80 + 20  # 200 ms into the second beat
    assert stretched[at] == pytest.approx(200 / 800, abs=0.01)
    assert linear[at] == pytest.approx(200 / 940, abs=0.01)


def test_without_a_clock_the_last_readout_of_a_beat_tells_its_length() -> None:
    since, clock = stamps_of([800, 480, 800, 820])
    assert gate(since, np.zeros_like(clock), rr_window=0.2).accepted == 3


@pytest.mark.parametrize("since", [np.zeros(50, int), np.arange(50), np.arange(3229293, 3229343)])
def test_stamps_that_are_never_reset_are_no_gating_signal(since: NDArray[np.int64]) -> None:
    with pytest.raises(Unsupported, match="no gating signal"):
        gate(since, np.arange(50), rr_window=0.2)
