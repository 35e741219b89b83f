"""From the readouts of one image to frames with their samples, and from frames to images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gateway.model.mrd import Image
from gateway.recon.dynamic.temporal import Frame
from gateway.recon.noncartesian.coordinates import Coordinates
from gateway.recon.noncartesian.reconstruction import Former, Placed, Told, cropped
from gateway.recon.preparation import Acquired


def frame_of(placed: Placed, which: NDArray[np.intp], weights: NDArray[np.float32] | None = None) -> Frame:
    """The samples of the readouts `which`, with `weights` (readouts, samples) of their own."""
    k, inside = placed.coordinates.k[which], placed.coordinates.inside[which]
    if not inside.all():
        weights = inside * (np.float32(1) if weights is None else weights)
    kspace = placed.readouts.kspace[:, which]
    return Frame(
        kspace.reshape(len(kspace), -1),
        Coordinates(k, placed.coordinates.shape, inside).points,
        None if weights is None else weights.ravel().astype(np.float32),
    )


def image_of(former: Former, acquired: Acquired, pixels: NDArray[np.complex64], told: Told) -> Iterator[Image]:
    """The series that were asked for of one frame (*shape)."""
    yield from former.presenter.images(acquired, cropped(pixels, acquired.grid), unit_noise=False, attributes=told)


def acquired_of(acquired: Acquired, stamp: int, *, repetition: int | None = None, phase: int | None = None) -> Acquired:
    """What is known of a frame: as of the image, but its own counters and acquisition time stamp."""
    first = replace(acquired.first, acquisition_time_stamp=stamp)
    counters = {"repetition": repetition, "phase": phase}
    key = acquired.key._replace(**{name: value for name, value in counters.items() if value is not None})
    return replace(acquired, first=first, key=key)
