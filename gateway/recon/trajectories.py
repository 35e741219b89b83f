"""Readouts along a trajectory, gathered image by image and whitened: what a non-Cartesian method starts from.

The stages that do not ask where a sample lies are those of Cartesian data: noise, whitening, checks, counters.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.model.errors import MalformedData
from gateway.model.mrd import Acquisition, Encoding, ScanHeader, is_imaging
from gateway.recon.assembly import ImageKey
from gateway.recon.grid import grid_of
from gateway.recon.noise import NoiseEstimator
from gateway.recon.preparation import Acquired, Whitening
from gateway.recon.readouts import check_channels, check_samples, is_noise, unknown_encoding
from gateway.recon.resources import Resources, complex_bytes

# Gradient delays and ramps take a readout somewhat beyond half a cycle per pixel.
LEEWAY = 1.1


@dataclass(frozen=True, slots=True)
class Readouts:
    """The readouts of one image in the order of their coming, `n` of them, discarded samples cut off.

    `kspace`: (coils, n, samples) complex64, whitened where the noise is known. `trajectory`: (n, samples, dimensions)
    float32, as sent. `k1`, `k2`, `segment`, `average`: (n,) counters. `stamps`: (n,) uint32 acquisition time stamps,
    `physiology`: (n, 3) uint32. `center_sample`: (n,), counted from the first sample that is kept. `dwell_us`: time
    between samples. `acquired.gain` is left at 1: it follows from the transform.
    """

    acquired: Acquired
    kspace: NDArray[np.complex64]
    trajectory: NDArray[np.float32]
    k1: NDArray[np.uint16]
    k2: NDArray[np.uint16]
    segment: NDArray[np.uint16]
    average: NDArray[np.uint16]
    stamps: NDArray[np.uint32]
    physiology: NDArray[np.uint32]
    center_sample: NDArray[np.int32]
    dwell_us: float

    @property
    def key(self) -> ImageKey:
        """Which image they belong to."""
        return self.acquired.key


class Gathering:
    """Takes the readouts of one scan apart into images: `take` each, `finish` at the end.

    An image is over when its slice, contrast, phase and set go on with a later repetition, or when the scan ends.
    """

    def __init__(self, header: ScanHeader, resources: Resources, *, whiten: bool = True) -> None:
        noise = NoiseEstimator()
        self._header = header
        self._resources = resources
        self._noise = noise
        self._whitening = Whitening(header, resources, noise, switched_on=whiten)
        self._open: dict[ImageKey, list[Acquisition]] = {}
        self._n_coils = 0
        self._held = 0

    def images(self, acquisitions: Iterator[Acquisition]) -> Iterator[Readouts]:
        """Each image as soon as its readouts are there. Raises `MalformedData`, `LimitExceeded`."""
        for number, acquisition in enumerate(acquisitions):
            yield from self.take(acquisition, number)
        yield from self.finish()

    def take(self, acquisition: Acquisition, number: int) -> Iterator[Readouts]:
        """The images that readout `number` (counted from 0) ends."""
        if is_noise(acquisition):
            check_samples(acquisition, number)
            self._noise.add(acquisition)
            return
        if not is_imaging(acquisition.flags):
            return
        check_samples(acquisition, number)
        self._check(acquisition, number)
        key = ImageKey.of(acquisition)
        for other in [other for other in self._open if other[:-1] == key[:-1] and other.repetition < key.repetition]:
            yield self._closed(other)
        held = self._open.setdefault(key, [])
        if held:
            check_alike(held[0], acquisition, number)
        self._hold(acquisition)
        held.append(acquisition)

    def finish(self) -> Iterator[Readouts]:
        """What is left at the end of the scan. Raises `MalformedData` when no readout belonged to an image."""
        if not self._n_coils:
            raise MalformedData("no imaging readouts: check the flags of the readouts")
        for key in list(self._open):
            yield self._closed(key)

    def _check(self, acquisition: Acquisition, number: int) -> None:
        """Raise `MalformedData` for what no non-Cartesian method can take."""
        self._n_coils = self._n_coils or acquisition.data.shape[0]
        check_channels(acquisition, number, self._n_coils)
        check_trajectory(acquisition, number, self._header.encodings)

    def _hold(self, acquisition: Acquisition) -> None:
        # Held once as they came and once as one array.
        self._held += 2 * complex_bytes(*acquisition.data.shape) + acquisition.trajectory.nbytes
        self._resources.require(self._held, "the readouts of the images that are not over")

    def _closed(self, key: ImageKey) -> Readouts:
        held = self._open.pop(key)
        self._held -= sum(2 * complex_bytes(*one.data.shape) + one.trajectory.nbytes for one in held)
        first, last = held[0], held[-1]
        encoding = self._header.encodings[key.encoding]
        whitener = self._whitening(first)
        acquired = Acquired(self._header, encoding, key, grid_of(encoding), first, last, whitener, gain=1.0)
        return stacked(acquired, held)


def check_trajectory(acquisition: Acquisition, number: int, encodings: Sequence[Encoding]) -> None:
    """Raise `MalformedData` unless readout `number` has a known encoding and possible coordinates for its samples."""
    if acquisition.encoding_space_ref >= len(encodings):
        raise unknown_encoding(acquisition, number, len(encodings))
    trajectory, n_samples = acquisition.trajectory, acquisition.data.shape[1]
    if trajectory.ndim != 2 or trajectory.shape[0] != n_samples or trajectory.shape[1] not in (2, 3):
        raise MalformedData(
            f"readout {number}: trajectory of shape {trajectory.shape} for {n_samples} samples; needed are"
            " two or three coordinates for each (trajectory_dimensions)"
        )
    if not math.isfinite(float(np.abs(trajectory).max())):
        raise MalformedData(
            f"readout {number}: its trajectory holds values that are not finite numbers; write the trajectory again"
        )
    if acquisition.discard_pre + acquisition.discard_post >= n_samples:
        raise MalformedData(
            f"readout {number}: all of its {n_samples} samples are to be discarded; correct discard_pre and"
            " discard_post"
        )
    _check_range(acquisition, number, encodings[acquisition.encoding_space_ref])


def _check_range(acquisition: Acquisition, number: int, encoding: Encoding) -> None:
    """Raise `MalformedData` for coordinates beyond half the encoded matrix, in whichever unit they are."""
    n_axes = 2 if encoding.encoded.matrix[2] == 1 else acquisition.trajectory.shape[1]
    largest = np.abs(acquisition.trajectory[_kept(acquisition), :n_axes]).max(axis=0)
    matrix = np.array(encoding.encoded.matrix[:n_axes])
    beyond = np.flatnonzero(largest > np.maximum(matrix / 2, 0.5) * LEEWAY)
    if beyond.size:
        axis = int(beyond[0])
        raise MalformedData(
            f"readout {number}: its trajectory reaches {largest[axis]:.4g} along {'xyz'[axis]}; it must be within 0.5"
            f" (cycles per pixel) or within half the encoded matrix of {matrix[axis]} (cycles per field of view)"
        )


def check_alike(first: Acquisition, acquisition: Acquisition, number: int) -> None:
    """Raise `MalformedData` where readout `number` is of another length or dimension than the `first` of its image."""
    ours, theirs = ((_length(one), one.trajectory.shape[1]) for one in (acquisition, first))
    if ours != theirs:
        raise MalformedData(
            f"readout {number}: {ours[0]} samples with {ours[1]} coordinates, the first readout of its image has"
            f" {theirs[0]} with {theirs[1]}; correct it, or leave it out"
        )


def _kept(acquisition: Acquisition) -> slice:
    return slice(acquisition.discard_pre, acquisition.data.shape[1] - acquisition.discard_post)


def _length(acquisition: Acquisition) -> int:
    kept = _kept(acquisition)
    return int(kept.stop) - int(kept.start)


def stacked(acquired: Acquired, held: list[Acquisition]) -> Readouts:
    """Readouts that are alike (`check_alike`) as arrays, whitened."""
    kspace = np.stack([one.data[:, _kept(one)] for one in held], axis=1)
    trajectory = np.stack([one.trajectory[_kept(one)] for one in held])
    indices = [one.idx for one in held]
    return Readouts(
        acquired=acquired,
        kspace=acquired.whitener(np.asarray(kspace, np.complex64)),
        trajectory=np.asarray(trajectory, np.float32),
        k1=np.array([idx.kspace_encode_step_1 for idx in indices], np.uint16),
        k2=np.array([idx.kspace_encode_step_2 for idx in indices], np.uint16),
        segment=np.array([idx.segment for idx in indices], np.uint16),
        average=np.array([idx.average for idx in indices], np.uint16),
        stamps=np.array([one.acquisition_time_stamp for one in held], np.uint32),
        physiology=np.array([one.physiology_time_stamp for one in held], np.uint32).reshape(-1, 3),
        center_sample=np.array([one.center_sample - one.discard_pre for one in held], np.int32),
        dwell_us=float(acquired.first.sample_time_us),
    )
