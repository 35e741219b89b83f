"""Readouts along a trajectory, gathered image by image and whitened: what a non-Cartesian method starts from.

The stages that do not ask where a sample lies are those of Cartesian data: noise, whitening, checks, counters.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.model.errors import MalformedData
from gateway.model.mrd import Acquisition, ScanHeader, is_imaging
from gateway.recon.assembly import ImageKey
from gateway.recon.grid import grid_of
from gateway.recon.noise import NoiseEstimator
from gateway.recon.preparation import Acquired, Whitening
from gateway.recon.readouts import check_samples, is_noise
from gateway.recon.resources import Resources, complex_bytes


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
        self._hold(acquisition)
        self._open.setdefault(key, []).append(acquisition)

    def finish(self) -> Iterator[Readouts]:
        """What is left at the end of the scan. Raises `MalformedData` when no readout belonged to an image."""
        if not self._n_coils:
            raise MalformedData("no imaging readouts")
        for key in list(self._open):
            yield self._closed(key)

    def _check(self, acquisition: Acquisition, number: int) -> None:
        """Raise `MalformedData` for what no non-Cartesian method can take."""
        n_coils = acquisition.data.shape[0]
        self._n_coils = self._n_coils or n_coils
        if n_coils != self._n_coils:
            raise MalformedData(f"readout {number}: {n_coils} channels, the readouts before it have {self._n_coils}")
        check_trajectory(acquisition, number, len(self._header.encodings))

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


def check_trajectory(acquisition: Acquisition, number: int, n_encodings: int) -> None:
    """Raise `MalformedData` unless readout `number` has a known encoding and finite coordinates for its samples."""
    if acquisition.encoding_space_ref >= n_encodings:
        raise MalformedData(
            f"readout {number}: encoding_space_ref {acquisition.encoding_space_ref}, but the header has"
            f" {n_encodings} encodings"
        )
    trajectory, n_samples = acquisition.trajectory, acquisition.data.shape[1]
    if trajectory.ndim != 2 or trajectory.shape[0] != n_samples or trajectory.shape[1] not in (2, 3):
        raise MalformedData(
            f"readout {number}: trajectory of shape {trajectory.shape} for {n_samples} samples; needed are"
            " two or three coordinates for each (trajectory_dimensions)"
        )
    if not math.isfinite(float(np.abs(trajectory).max())):
        raise MalformedData(f"readout {number}: its trajectory holds values that are not finite numbers")
    if acquisition.discard_pre + acquisition.discard_post >= n_samples:
        raise MalformedData(f"readout {number}: all of its {n_samples} samples are to be discarded")


def stacked(acquired: Acquired, held: list[Acquisition]) -> Readouts:
    """Readouts as arrays, whitened. Raises `MalformedData` when they differ in length or dimensions."""
    kept = [slice(one.discard_pre, one.data.shape[1] - one.discard_post) for one in held]
    shapes = {(part.stop - part.start, one.trajectory.shape[1]) for one, part in zip(held, kept, strict=True)}
    if len(shapes) > 1:
        lengths = ", ".join(str(shape) for shape in sorted(shapes)[:4])
        raise MalformedData(f"readouts of one image differ in (samples, trajectory dimensions): {lengths}")
    kspace = np.stack([one.data[:, part] for one, part in zip(held, kept, strict=True)], axis=1)
    trajectory = np.stack([one.trajectory[part] for one, part in zip(held, kept, strict=True)])
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
