"""Frames of a radial scan while it runs: a window of spokes that slides, each frame by a few steps of CG-SENSE.

The images are for watching: a series of their own, marked as a preview. The sensitivities are those of the first frame,
and each frame starts from the one before it, so that few steps are enough.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gateway.model.errors import MalformedData
from gateway.model.mrd import Acquisition, Image, ScanHeader, is_imaging
from gateway.recon.assembly import ImageKey
from gateway.recon.dynamic.frames import acquired_of, frame_of, image_of
from gateway.recon.dynamic.windows import View, Windows
from gateway.recon.grid import grid_of
from gateway.recon.noise import NoiseEstimator
from gateway.recon.noncartesian.reconstruction import Former
from gateway.recon.noncartesian.sense import sense
from gateway.recon.parameters import Parameter
from gateway.recon.preparation import Acquired, Whitening
from gateway.recon.readouts import check_channels, check_samples, is_noise
from gateway.recon.registry import Method, ScanKind, refuses_all_but
from gateway.recon.resources import Resources
from gateway.recon.standard_parameters import standard
from gateway.recon.trajectories import check_alike, check_trajectory, stacked

# The first frame starts from nothing and takes as many times more steps.
_FIRST_FRAME = 3

_NAME = "live"
_PARAMETERS = (
    standard("window"),
    standard("stride"),
    Parameter("share", int, 3, "windows whose outer k-space a frame may borrow; 1: none", minimum=1, maximum=20),
    standard("iters", default=4),
    standard("lambda", default=0.01),
    standard("calib"),
    standard("kernel"),
    standard("crop"),
    standard("dcf"),
    standard("outputs"),
    standard("orientation"),
    standard("whiten"),
)


def reconstruct(
    header: ScanHeader, acquisitions: Iterator[Acquisition], parameters: Mapping[str, object], resources: Resources
) -> Iterator[Image]:
    """An image (1, z, y, x) float32 as soon as the last readout of its frame is there."""
    live = _Live(header, parameters, resources)
    for number, acquisition in enumerate(acquisitions):
        yield from live.take(acquisition, number)
    yield from live.finish()


@dataclass(slots=True)
class _Stream:
    """The latest readouts of one image, how many there were in all, how many frames were made, and the last of them."""

    latest: deque[Acquisition]
    count: int = 0
    frames: int = 0
    windows: Windows = field(default_factory=lambda: Windows(1, 1, 1))
    image: NDArray[np.complex64] | None = None

    @property
    def is_due(self) -> bool:
        """Whether the latest readout is the last one that the next frame looks at."""
        ahead = (self.windows.shared - self.windows.window) // 2
        return self.count == self.frames * self.windows.stride + self.windows.window + ahead


class _Live:
    """What is kept while the scan runs."""

    def __init__(self, header: ScanHeader, parameters: Mapping[str, object], resources: Resources) -> None:
        self._header = header
        self._resources = resources
        self._former = Former(header, parameters, resources)
        self._noise = NoiseEstimator()
        self._whitening = Whitening(header, resources, self._noise, switched_on=self._former.options.whiten)
        self._streams: dict[ImageKey, _Stream] = {}
        self._n_coils = 0

    def take(self, acquisition: Acquisition, number: int) -> Iterator[Image]:
        """The frames that readout `number` (from 0) completes."""
        if is_noise(acquisition):
            check_samples(acquisition, number)
            self._noise.add(acquisition)
        elif is_imaging(acquisition.flags):
            self._check(acquisition, number)
            key = ImageKey.of(acquisition)._replace(repetition=0)
            stream = self._streams.setdefault(key, self._opened(key))
            if stream.latest:
                check_alike(stream.latest[0], acquisition, number)
            stream.latest.append(acquisition)
            stream.count += 1
            if stream.is_due:
                yield from self._frame(key, stream)

    def finish(self) -> Iterator[Image]:
        """One frame of what there is, for streams too short for any."""
        if not self._streams:
            raise MalformedData("no imaging readouts: check the flags of the readouts")
        for key, stream in self._streams.items():
            if not stream.frames:
                yield from self._frame(key, stream)

    def _check(self, acquisition: Acquisition, number: int) -> None:
        check_samples(acquisition, number)
        self._n_coils = self._n_coils or acquisition.data.shape[0]
        check_channels(acquisition, number, self._n_coils)
        check_trajectory(acquisition, number, self._header.encodings)

    def _opened(self, key: ImageKey) -> _Stream:
        encoding = self._header.encodings[key.encoding]
        options = self._former.options
        windows = Windows.of(options.window, options.stride, options.share, max(encoding.encoded.matrix[:2]))
        return _Stream(deque(maxlen=windows.shared), windows=windows)

    def _frame(self, key: ImageKey, stream: _Stream) -> Iterator[Image]:
        held = list(stream.latest)
        encoding = self._header.encodings[key.encoding]
        acquired = Acquired(
            self._header, encoding, key, grid_of(encoding), held[0], held[-1], self._whitening(held[0]), gain=1.0
        )
        placed = self._former.placed(stacked(acquired, held))
        # The frame's own readouts, counted from the first one that is still held.
        start = max(0, stream.frames * stream.windows.stride - (stream.count - len(held)))
        window = min(stream.windows.window, len(held) - start)
        own = View(start, start + window, 0, len(held))
        frame = frame_of(placed, own.reach, own.weights(placed.coordinates))
        options = self._former.options
        solution = sense(
            frame.kspace,
            frame.points,
            self._former.sensitivities(placed),
            iterations=options.iterations * (_FIRST_FRAME if stream.image is None else 1),
            damping=options.damping,
            weights=frame.weights,
            x0=stream.image,
            resources=self._resources,
        )
        stamp = held[(own.start + own.stop) // 2].acquisition_time_stamp
        told = {
            "Combination": ("sense",),
            "Preview": ("true",),
            "Iterations": (str(solution.iterations),),
            "ReadoutsPerFrame": (str(window),),
            **placed.told,
        }
        acquired = acquired_of(acquired, stamp, repetition=stream.frames)
        stream.frames += 1
        stream.image = solution.x
        yield from image_of(self._former, acquired, solution.x[0], told)


METHOD = Method(
    name=_NAME,
    version="1",
    summary="Radial frames while the scan runs: sliding window, view sharing, CG-SENSE",
    parameters=_PARAMETERS,
    reconstruct=reconstruct,
    refuses=refuses_all_but(_NAME, ScanKind.RADIAL, ScanKind.OTHER),
)
