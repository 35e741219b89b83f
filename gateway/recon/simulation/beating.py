"""A simulated cine scan: a heart that beats irregularly while lines or golden-angle spokes are measured.

Each readout sees the heart as it is at its own time, to one of `_LEVELS` contractions. The stamps tell the time since
the last R wave; or an ECG does, in waveforms of half a second that begin before the scan. A
Cartesian scan measures the lines of one segment again and again during a beat and goes on to the next segment with the
next beat; where a beat's length was out of bounds the segment is measured again, as scanners do.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from gateway.model.mrd import Acquisition, AcquisitionFlag, Counters, EncodingLimits, Limit, ScanHeader, Waveform
from gateway.recon.simulation.header import header_of, header_xml
from gateway.recon.simulation.heart import Rhythm, chest
from gateway.recon.simulation.offgrid import mixing_of, noise, noise_readouts, sampled
from gateway.recon.simulation.paths import Path, coordinates
from gateway.recon.simulation.protocol import Protocol
from gateway.recon.simulation.receive import sensitivities
from gateway.recon.simulation.scan import SimulatedScan

_LEVELS = 33
_TICK_MS = 2.5
_DWELL_US = 5.0
# A beat that differs by more from the mean is measured again.
_BOUNDS = 0.2
_SEGMENT = 8
# The scan begins a second after the clock.
_START_TICKS = 400
# An ECG of four channels and the scanner's triggers, as Siemens' converter writes it.
_ECG_CHANNELS, _ECG_STEP_MS, _ECG_PIECE = 4, 2.5, 200
_ECG_ZERO, _ECG_NOISE = 2048.0, 12.0
_TRIGGER = 1 << 14
# (amplitude, time after the R wave in ms, width in ms): P, Q, R, S and T wave; T is raised by the magnet.
_ECG_WAVES = ((60.0, -160.0, 25.0), (-90.0, -22.0, 8.0), (700.0, 0.0, 9.0), (-160.0, 24.0, 9.0), (330.0, 260.0, 45.0))


class Ecg(Enum):
    """What tells the beats: stamps of the readouts, an ECG with the scanner's triggers, or its signal alone."""

    STAMPS = "stamps"
    TRIGGERS = "triggers"
    SIGNAL = "signal"


@dataclass(frozen=True, slots=True)
class Beating:
    """`beats` of about `rr_ms` with one ectopic; `radial` for golden-angle spokes, else lines in segments."""

    radial: bool = True
    beats: int = 14
    rr_ms: float = 800.0
    jitter: float = 0.1
    ectopic: int | None = 6
    repetition_ms: float = 4.0
    ecg: Ecg = Ecg.STAMPS
    protocol: Protocol = field(
        default_factory=lambda: Protocol(
            matrix=(96, 96), field_of_view=(240.0, 240.0), coils=5, readout_oversampling=1.0
        )
    )


@dataclass(frozen=True, slots=True)
class BeatingScan:
    """The scan and how the heart beat in it."""

    scan: SimulatedScan
    rhythm: Rhythm
    waveforms: tuple[Waveform, ...] = ()

    def frame(self, level: float) -> NDArray[np.float64]:
        """(y, x): the truth at a contraction of `level`."""
        x, y, _ = self.scan.protocol.encoded_matrix
        return chest((y, x), self.scan.protocol.field_of_view[0] / self.scan.protocol.matrix[0], level)


def simulate_beating(beating: Beating | None = None) -> BeatingScan:
    """The same description gives the same bytes. The truth of the scan is the chest with the heart relaxed."""
    beating = beating or Beating()
    protocol = beating.protocol
    generator = np.random.default_rng(protocol.seed)
    mixing = mixing_of(protocol, generator)
    rhythm = Rhythm.of(beating.beats, beating.rr_ms, beating.jitter, beating.ectopic, protocol.seed)
    times = np.arange(0, rhythm.waves_ms[-1], beating.repetition_ms)
    lines = np.arange(len(times)) if beating.radial else _segmented(beating, rhythm, times)
    times = times[: len(lines)]
    levels, since = rhythm.state(times)
    k = _places(beating, lines)
    data = _measured(protocol, k, levels) + noise(mixing, k.shape[1] * len(k), generator).reshape(-1, *k.shape[:2])
    header = _header(beating, len(lines))
    readouts = (
        *noise_readouts(protocol, mixing, generator, k.shape[1]),
        *_readouts(beating, data, k if beating.radial else None, lines, times, since),
    )
    x, y, _ = protocol.encoded_matrix
    relaxed = chest((y, x), protocol.field_of_view[0] / protocol.matrix[0], 0.0)
    truth = relaxed.astype(np.float32)[None, None, None, None, None]
    covariance = 2 * np.einsum("ij,kj->ik", mixing, mixing.conj())
    scan = SimulatedScan(protocol, header, header.xml, readouts, truth, covariance)
    return BeatingScan(scan, rhythm, () if beating.ecg is Ecg.STAMPS else tuple(_ecg(beating, rhythm)))


def _ecg(beating: Beating, rhythm: Rhythm) -> Iterator[Waveform]:
    """The ECG in pieces, from the beginning of the clock to the end of the scan."""
    lead_ms = _START_TICKS * _TICK_MS
    times = np.arange(0, rhythm.waves_ms[-1] + lead_ms, _ECG_STEP_MS) - lead_ms
    after = times[:, None] - rhythm.waves_ms
    sizes, places, widths = (np.array(column)[:, None, None] for column in zip(*_ECG_WAVES, strict=True))
    signal = (sizes * np.exp(-(((after - places) / widths) ** 2) / 2)).sum(axis=(0, 2))
    gains = np.linspace(1.0, -0.4, _ECG_CHANNELS)[:, None]
    generator = np.random.default_rng(beating.protocol.seed)
    leads = _ECG_ZERO + gains * signal + _ECG_NOISE * generator.standard_normal((_ECG_CHANNELS, len(times)))
    values = np.rint(leads).astype(np.uint32)
    if beating.ecg is Ecg.TRIGGERS:
        triggers = np.zeros((1, len(times)), np.uint32)
        triggers[0, np.searchsorted(times, rhythm.waves_ms[:-1])] = _TRIGGER
        values = np.concatenate((values, triggers))
    for number, start in enumerate(range(0, len(times), _ECG_PIECE)):
        yield Waveform(
            data=np.ascontiguousarray(values[:, start : start + _ECG_PIECE]),
            scan_counter=number,
            time_stamp=round(start * _ECG_STEP_MS / _TICK_MS),
            sample_time_us=1000 * _ECG_STEP_MS,
        )


def _segmented(beating: Beating, rhythm: Rhythm, times: NDArray[np.float64]) -> NDArray[np.intp]:
    """The line of each readout, as far as there are segments left to measure."""
    n_lines = beating.protocol.encoded_matrix[1]
    n_segments = math.ceil(n_lines / _SEGMENT)
    beat = np.clip(np.searchsorted(rhythm.waves_ms, times, side="right") - 1, 0, beating.beats - 1)
    lengths = np.diff(rhythm.waves_ms)
    good = np.abs(lengths / beating.rr_ms - 1) <= _BOUNDS
    segment_of_beat = np.concatenate(([0], np.cumsum(good)[:-1]))
    kept = segment_of_beat[beat] < n_segments
    first = np.searchsorted(times, rhythm.waves_ms[beat])
    within = np.arange(len(times)) - first
    lines = segment_of_beat[beat] + n_segments * (within % _SEGMENT)
    chosen: NDArray[np.intp] = np.minimum(lines, n_lines - 1)[kept].astype(np.intp)
    return chosen


def _places(beating: Beating, lines: NDArray[np.intp]) -> NDArray[np.float64]:
    """(readouts, samples, 2) in cycles per pixel."""
    n_x, n_y, n_z = beating.protocol.encoded_matrix
    if beating.radial:
        return coordinates(Path.GOLDEN, len(lines), 2 * n_x, (n_x, n_y, n_z))
    x = np.broadcast_to((np.arange(n_x) - n_x // 2) / n_x, (len(lines), n_x))
    y = np.broadcast_to(((lines - n_y // 2) / n_y)[:, None], x.shape)
    return np.stack((x, y), axis=2)


def _measured(protocol: Protocol, k: NDArray[np.float64], levels: NDArray[np.float64]) -> NDArray[np.complex64]:
    """(coils, readouts, samples)."""
    n_x, n_y, _ = protocol.encoded_matrix
    pixel = protocol.field_of_view[0] / protocol.matrix[0]
    maps = sensitivities(protocol.coils, (1, n_y, n_x), (1.0, pixel, pixel), 0.0)
    data = np.empty((protocol.coils, *k.shape[:2]), np.complex64)
    numbers = np.rint(levels * (_LEVELS - 1)).astype(int)
    for number in np.unique(numbers):
        here = numbers == number
        data[:, here] = sampled(maps * chest((n_y, n_x), pixel, number / (_LEVELS - 1)), k[here])
    return data


def _header(beating: Beating, count: int) -> ScanHeader:
    header = header_of(beating.protocol)
    n_lines = beating.protocol.encoded_matrix[1]
    first = Limit(0, count - 1, 0) if beating.radial else Limit(0, n_lines - 1, n_lines // 2)
    encoding = replace(
        header.encodings[0],
        trajectory="goldenangle" if beating.radial else "cartesian",
        limits=EncodingLimits(kspace_encoding_step_1=first),
    )
    sequence = replace(
        header.sequence, repetition_times=(beating.repetition_ms,), echo_times=(beating.repetition_ms / 2,)
    )
    header = replace(header, encodings=(encoding,), sequence=sequence)
    return replace(header, xml=header_xml(header))


def _readouts(
    beating: Beating,
    data: NDArray[np.complex64],
    trajectory: NDArray[np.float64] | None,
    lines: NDArray[np.intp],
    times: NDArray[np.float64],
    since: NDArray[np.float64],
) -> Iterator[Acquisition]:
    protocol = beating.protocol
    read, phase, slice_ = protocol.directions
    n_samples = data.shape[2]
    for number in range(len(lines)):
        last = number == len(lines) - 1
        yield Acquisition(
            data=np.ascontiguousarray(data[:, number]),
            trajectory=(
                np.zeros((n_samples, 0), np.float32) if trajectory is None else trajectory[number].astype(np.float32)
            ),
            idx=Counters(kspace_encode_step_1=int(lines[number])),
            flags=int(AcquisitionFlag.LAST_IN_MEASUREMENT) if last else 0,
            scan_counter=number + 1,
            acquisition_time_stamp=_START_TICKS + round(times[number] / _TICK_MS),
            physiology_time_stamp=(int(since[number] // _TICK_MS) if beating.ecg is Ecg.STAMPS else 0, 0, 0),
            center_sample=n_samples // 2,
            sample_time_us=_DWELL_US,
            available_channels=protocol.coils,
            position=protocol.position(0),
            read_dir=read,
            phase_dir=phase,
            slice_dir=slice_,
        )
