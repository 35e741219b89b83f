"""From a stream of readouts to whole images in k-space, each handed on as soon as it is whole.

An image is whole when every line of the limits is there (`Assembly.is_complete`); or when its repetition has been said
to be over and the next one has begun; or when the scan ends. Until then it is held: readouts of slices, contrasts,
phases and repetitions may come interleaved in any order. Readouts for calibration alone are kept apart, and go with
every image that has none nearer of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.model.errors import MalformedData
from gateway.model.mrd import Acquisition, Encoding, ScanHeader, is_imaging
from gateway.recon.assembly import Assembly, ImageKey, shape_of
from gateway.recon.grid import grid_of
from gateway.recon.kspace import Placement, placement_of
from gateway.recon.noise import NoiseEstimator
from gateway.recon.readouts import check_channels, check_samples, is_calibration_only, is_noise, unknown_encoding
from gateway.recon.resources import Resources, complex_bytes


@dataclass(frozen=True, slots=True)
class Whole:
    """An image in k-space that nothing more will be added to; `ended` when only the end of the scan closed it.

    `calibration` holds the readouts for calibration alone that are nearest to the image, and `calibration_encoding`
    is theirs.
    """

    assembly: Assembly
    encoding: Encoding
    ended: bool = False
    calibration: Assembly | None = None
    calibration_encoding: Encoding | None = None


class Sorter:
    """Give it readouts one by one with `take`, and `finish` when the scan has ended.

    `gaps_expected`: lines may be left out on purpose, so that the beginning of the next repetition ends an image even
    when its last readout did not say so. `noise` collects the noise readouts.
    """

    def __init__(self, header: ScanHeader, resources: Resources, *, gaps_expected: bool = False) -> None:
        self.noise = NoiseEstimator()
        self._encodings = header.encodings
        self._resources = resources
        self._gaps_expected = gaps_expected
        self._placements: dict[int, Placement] = {}
        self._open: dict[ImageKey, Assembly] = {}
        self._done: set[ImageKey] = set()
        self._calibrations: dict[ImageKey, Assembly] = {}
        self._n_coils = 0

    def take(self, acquisition: Acquisition, number: int) -> Iterator[Whole]:
        """The images that readout `number` (counted from 0) completes, oldest first."""
        if is_noise(acquisition):
            check_samples(acquisition, number)
            self.noise.add(acquisition)
        elif is_imaging(acquisition.flags):
            yield from self._take_imaging(acquisition, number)
        elif is_calibration_only(acquisition):
            self._take_calibration(acquisition, number)

    def finish(self) -> Iterator[Whole]:
        """What is left at the end of the scan. Raises `MalformedData` when no readout belonged to an image."""
        if not (self._open or self._done):
            calibrating = sum(1 for _ in self._calibrations)
            what = f", only calibration for {calibrating} slices" if calibrating else ""
            raise MalformedData(f"no imaging readouts{what}: check the flags of the readouts")
        for key in list(self._open):
            yield self._close(key, ended=True)

    def _take_imaging(self, acquisition: Acquisition, number: int) -> Iterator[Whole]:
        check_samples(acquisition, number)
        self._check_channels(acquisition, number)
        key = ImageKey.of(acquisition)
        if key in self._done:
            raise MalformedData(
                f"readout {number}: a line of an image that is already complete ({describe(key)}); averages, segments"
                " and repetitions are told apart by idx and counted in encodingLimits"
            )
        if key not in self._open:
            yield from self._earlier_repetitions(key)
            self._open[key] = self._opened(key, acquisition, number)
        assembly = self._open[key]
        assembly.add(acquisition, number)
        if assembly.is_complete(acquisition):
            yield self._close(key)

    def _take_calibration(self, acquisition: Acquisition, number: int) -> None:
        check_samples(acquisition, number)
        self._check_channels(acquisition, number)
        key = ImageKey.of(acquisition)
        if key not in self._calibrations:
            for older in [other for other in self._calibrations if other in self._done and other[:3] == key[:3]]:
                del self._calibrations[older]
            self._calibrations[key] = self._opened(key, acquisition, number)
        self._calibrations[key].add(acquisition, number)

    def _calibration_for(self, key: ImageKey) -> Assembly | None:
        """The image's own, else the latest of its slice, best of the same contrast and encoding."""
        if key in self._calibrations:
            return self._calibrations[key]
        of_slice = [other for other in self._calibrations if other.slice == key.slice]
        same = [(other.encoding == key.encoding, other.contrast == key.contrast) for other in of_slice]
        best = max(range(len(of_slice)), key=lambda index: (same[index], index), default=None)
        return None if best is None else self._calibrations[of_slice[best]]

    def _earlier_repetitions(self, key: ImageKey) -> Iterator[Whole]:
        earlier = [
            other
            for other, assembly in self._open.items()
            if other[:-1] == key[:-1]
            and other.repetition < key.repetition
            and (assembly.seen_last or self._gaps_expected)
        ]
        for other in earlier:
            yield self._close(other)

    def _opened(self, key: ImageKey, first: Acquisition, number: int) -> Assembly:
        encoding = self._encoding(first, number)
        placement = self._placements.get(key.encoding)
        if placement is None:
            placement = self._placements[key.encoding] = placement_of(encoding)
        self._require_memory(placement, encoding)
        return Assembly(key, placement, encoding.limits, first)

    def _encoding(self, first: Acquisition, number: int) -> Encoding:
        reference = first.encoding_space_ref
        if reference >= len(self._encodings):
            raise unknown_encoding(first, number, len(self._encodings))
        return self._encodings[reference]

    def _require_memory(self, placement: Placement, encoding: Encoding) -> None:
        """For the images that are open, one more, and the copies while one is transformed."""
        one = complex_bytes(*shape_of(placement, self._n_coils))
        n_open = len(self._open) + len(self._calibrations) + 1
        grid = grid_of(encoding)
        transformed = complex_bytes(self._n_coils, *(max(axis.grid, axis.encoded, axis.kept) for axis in grid.axes))
        sizes = " x ".join(str(max(axis.encoded, axis.kept)) for axis in grid.axes)
        self._resources.require(
            one * n_open + 2 * transformed,
            f"{n_open} images of {sizes} points and {self._n_coils} channels at once",
        )

    def _check_channels(self, acquisition: Acquisition, number: int) -> None:
        self._n_coils = self._n_coils or acquisition.data.shape[0]
        check_channels(acquisition, number, self._n_coils)

    def _close(self, key: ImageKey, *, ended: bool = False) -> Whole:
        self._done.add(key)
        calibration = self._calibration_for(key)
        encoding = None if calibration is None else self._encodings[calibration.key.encoding]
        return Whole(self._open.pop(key), self._encodings[key.encoding], ended, calibration, encoding)


def describe(key: ImageKey) -> str:
    """An image by its counters, for messages: those that are not zero, at least the slice."""
    counters = key._asdict()
    named = [f"{name} {value}" for name, value in counters.items() if value and name != "encoding"]
    return ", ".join(named) or "slice 0"
