"""Images of readouts along a trajectory: by gridding, or by conjugate gradients with sensitivities from the data.

Radial and spiral scans, in two and three dimensions, take this way; they differ in what they are asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.model.errors import MalformedData
from gateway.model.mrd import Acquisition, Image, ScanHeader
from gateway.recon.coils import adaptive, root_sum_of_squares
from gateway.recon.fft import centred_ifft
from gateway.recon.grid import Grid
from gateway.recon.noncartesian.centre import gridded_centre
from gateway.recon.noncartesian.coordinates import Coordinates, coordinates_of
from gateway.recon.noncartesian.delays import corrected
from gateway.recon.noncartesian.density import analytic, pipe_menon
from gateway.recon.noncartesian.nufft import Nufft
from gateway.recon.noncartesian.sense import sense
from gateway.recon.parameters import Parameter
from gateway.recon.preparation import stage_name
from gateway.recon.presentation import Presenter
from gateway.recon.resources import Resources, complex_bytes
from gateway.recon.sensitivities import espirit
from gateway.recon.standard_parameters import standard
from gateway.recon.trajectories import Gathering, Readouts

COMBINE = Parameter(
    "combine",
    str,
    "auto",
    "sense: by sensitivities, iterating; rss or adaptive: of gridded images; auto: sense for several channels",
    choices=("auto", "sense", "rss", "adaptive"),
)
PARAMETERS = (
    COMBINE,
    standard("dcf"),
    standard("dcf_in_cg"),
    standard("iters", default=20),
    standard("lambda", default=0.0),
    standard("eps"),
    standard("calib"),
    standard("kernel"),
    standard("maps"),
    standard("crop"),
    standard("skip"),
    standard("outputs"),
    standard("orientation"),
    standard("whiten"),
)
# Complex, or the magnitudes of a root sum of squares.
Combined = NDArray[Any]
Told = dict[str, tuple[str, ...]]

# Arrays as large as the channels' images that exist at once while they are transformed and combined.
_COPIES = 3


@dataclass(frozen=True, slots=True)
class Options:
    """The parameters of a non-Cartesian or dynamic method, as far as it has them."""

    combine: str = "auto"
    dcf: str = "analytic"
    dcf_in_cg: bool = False
    iterations: int = 20
    damping: float = 0.0
    tolerance: float = 1e-4
    calib: int = 24
    kernel: int = 6
    maps: int = 1
    crop: float = 0.8
    skip: int = 0
    delays: str = "none"
    whiten: bool = True
    window: int = 0
    stride: int = 0
    share: int = 1
    phases: int = 20
    rr_window: float = 0.2
    warp: str = "diastole"

    @classmethod
    def of(cls, parameters: Mapping[str, object]) -> Options:
        """From the parameters of a method; what it does not have stays as it is here."""
        names = {"iters": "iterations", "lambda": "damping", "eps": "tolerance"}
        known = {names.get(name, name): value for name, value in parameters.items()}
        return cls(**{name: known[name] for name in cls.__dataclass_fields__ if name in known})  # type: ignore[arg-type]


def reconstruct(
    header: ScanHeader, acquisitions: Iterator[Acquisition], parameters: Mapping[str, object], resources: Resources
) -> Iterator[Image]:
    """Images (1, z, y, x) float32, each when the readouts of its image are over."""
    former = Former(header, parameters, resources)
    for readouts in Gathering(header, resources, whiten=former.options.whiten).images(acquisitions):
        yield from former.images(readouts)


class Former:
    """Makes images of the readouts of one scan. Sensitivities are those of the first image of each slice."""

    def __init__(self, header: ScanHeader, parameters: Mapping[str, object], resources: Resources) -> None:
        self.options = Options.of(parameters)
        self.presenter = Presenter(header, parameters, resources)
        self._resources = resources
        self._maps: dict[tuple[int, int, tuple[int, ...]], NDArray[np.complex64]] = {}

    def images(self, readouts: Readouts) -> Iterator[Image]:
        """The series that were asked for. Raises `MalformedData`, `Unsupported`, `LimitExceeded`."""
        placed = self.placed(readouts)
        acquired = placed.readouts.acquired
        iterates = self.iterates(placed.readouts)
        image, told = self._by_sense(placed) if iterates else self._by_gridding(placed)
        if not iterates:
            acquired = replace(acquired, gain=self._gain(placed))
        yield from self.presenter.images(
            acquired,
            cropped(image, acquired.grid),
            unit_noise=not iterates,
            attributes=told | placed.told,
        )

    def iterates(self, readouts: Readouts) -> bool:
        """Whether sensitivities are used."""
        several = readouts.kspace.shape[0] > 1
        return self.options.combine == "sense" or (self.options.combine == "auto" and several)

    def placed(self, readouts: Readouts) -> Placed:
        """The readouts that count, with their coordinates and density compensation."""
        readouts = without_first(readouts, self.options.skip)
        profile = self.presenter.profile(readouts.acquired)
        coordinates = coordinates_of(readouts, reversed_in_plane=profile.reverses_in_plane)
        self._require(readouts, coordinates)
        told: Told = {"DensityCompensation": (self.options.dcf,)}
        if self.options.delays == "ring":
            coordinates, found = corrected(readouts.kspace, coordinates)
            told["GradientDelays"] = tuple(f"{delay:.4f}" for delay in found)
        if (outside := int(np.count_nonzero(~coordinates.inside))) > 0:
            told["SamplesOutside"] = (str(outside),)
        weights = density(coordinates, self.options.dcf)
        return Placed(readouts, coordinates, weights, told)

    def sensitivities(self, placed: Placed) -> NDArray[np.complex64]:
        """(maps, coils, *shape), those of the first image of the slice."""
        key = placed.readouts.key
        known = (key.encoding, key.slice, placed.coordinates.shape)
        if known not in self._maps:
            self._maps[known] = self._estimated(placed)
        return self._maps[known]

    def _estimated(self, placed: Placed) -> NDArray[np.complex64]:
        shape, options = placed.coordinates.shape, self.options
        weights = placed.weights if options.dcf != "none" else density(placed.coordinates, "pipe")
        centre = gridded_centre(placed.readouts.kspace, placed.coordinates, weights, options.calib, self._resources)
        planes = shape[0] if len(shape) == 3 else 1
        if planes == 1 or centre.shape[1] >= 2 * options.kernel:
            found = self._espirit(centre, (planes, *shape[-2:]))
        else:
            # Too few partitions for a kernel along them, but all of them: plane by plane.
            images = centred_ifft(centre, (1,), workers=self._resources.workers).astype(np.complex64)
            found = np.concatenate(
                [self._espirit(images[:, plane : plane + 1], (1, *shape[-2:])) for plane in range(planes)], axis=2
            )
        if self._resources.stages is not None:
            name = stage_name(placed.readouts.key)
            self._resources.stages(f"sensitivities {name}", found, ("map", "coil", "z", "y", "x"))
        return found.reshape(*found.shape[:2], *shape)

    def _espirit(self, centre: NDArray[np.complex64], shape: tuple[int, ...]) -> NDArray[np.complex64]:
        options = self.options
        return espirit(
            centre,
            (shape[0], shape[1], shape[2]),
            kernel=options.kernel,
            crop=options.crop,
            maps=options.maps,
            workers=self._resources.workers,
        ).maps

    def _by_sense(self, placed: Placed) -> tuple[Combined, Told]:
        kspace, coordinates = placed.readouts.kspace, placed.coordinates
        # About one on average, so that `lambda` means the same with them and without.
        weights = placed.weights / placed.weights.mean() if self.options.dcf_in_cg else None
        if weights is None and not coordinates.inside.all():
            weights = coordinates.inside.astype(np.float32)
        solution = sense(
            kspace.reshape(kspace.shape[0], -1),
            coordinates.points,
            self.sensitivities(placed),
            iterations=self.options.iterations,
            tolerance=self.options.tolerance,
            damping=self.options.damping,
            weights=None if weights is None else weights.ravel(),
            resources=self._resources,
            progress=lambda done, total: self._resources.progress("iterations", done, total),
        )
        told: Told = {
            "Combination": ("sense",),
            "Iterations": (str(solution.iterations),),
            "Residual": (f"{solution.residuals[-1]:.3g}",),
        }
        return (root_sum_of_squares(solution.x) if self.options.maps > 1 else solution.x[0]), told

    def _by_gridding(self, placed: Placed) -> tuple[Combined, Told]:
        kspace, coordinates = placed.readouts.kspace, placed.coordinates
        transform = Nufft(coordinates.points, coordinates.shape, resources=self._resources)
        images = transform.adjoint(kspace.reshape(kspace.shape[0], -1) * placed.weights.ravel())
        volumes = images if images.ndim == 4 else images[:, None]
        combine = "rss" if self.options.combine == "auto" and self.presenter.outputs == ("magnitude",) else "adaptive"
        if self.options.combine in ("rss", "adaptive"):
            combine = self.options.combine
        combined = root_sum_of_squares(volumes) if combine == "rss" else adaptive(volumes)
        return combined.reshape(coordinates.shape), {"Combination": (combine,)}

    def _gain(self, placed: Placed) -> float:
        """That makes the noise of a weighted adjoint of unit noise one again."""
        power = float((placed.weights.astype(np.float64) ** 2).sum()) / math.prod(placed.coordinates.shape)
        return 1 / math.sqrt(power) if placed.readouts.acquired.whitener.snr_units and power > 0 else 1.0

    def _require(self, readouts: Readouts, coordinates: Coordinates) -> None:
        """Before anything large is made."""
        n_coils = readouts.kspace.shape[0]
        doubled = (2 * size for size in coordinates.shape)
        needed = _COPIES * complex_bytes(n_coils, *coordinates.shape) + 2 * readouts.kspace.nbytes
        needed += (2 * self._resources.workers + 1) * complex_bytes(*doubled)
        sizes = " x ".join(str(size) for size in reversed(coordinates.shape))
        self._resources.require(needed, f"an image of {sizes} points and {n_coils} channels off the grid")


@dataclass(frozen=True, slots=True)
class Placed:
    """Readouts with their place in k-space: `weights` (readouts, samples) is the density compensation.

    `told` is what is to be said of it with the image.
    """

    readouts: Readouts
    coordinates: Coordinates
    weights: NDArray[np.float32]
    told: Told


def density(coordinates: Coordinates, kind: str) -> NDArray[np.float32]:
    """The weights by the name of their kind; zero for samples that are not to be used."""
    if kind == "none":
        weights = np.ones(coordinates.k.shape[:2], np.float32)
    else:
        weights = (analytic if kind == "analytic" else pipe_menon)(coordinates.k, coordinates.shape)
    return np.where(coordinates.inside, weights, np.float32(0))


def without_first(readouts: Readouts, skip: int) -> Readouts:
    """Without the `skip` readouts that came first. Raises `MalformedData` when nothing is left."""
    count = len(readouts.trajectory)
    if skip >= count:
        raise MalformedData(f"parameter skip: {skip} readouts are to be left out, but an image has only {count}")
    return chosen(readouts, np.arange(skip, count)) if skip else readouts


def chosen(readouts: Readouts, which: NDArray[np.intp]) -> Readouts:
    """Some of the readouts, in the order of `which`."""
    per_readout = ("trajectory", "k1", "k2", "segment", "average", "stamps", "physiology", "center_sample")
    parts = {name: getattr(readouts, name)[which] for name in per_readout}
    return replace(readouts, kspace=np.ascontiguousarray(readouts.kspace[:, which]), **parts)


def cropped(image: Combined, grid: Grid) -> Combined:
    """The pixels (z, y, x) about the centre that the image keeps of its grid; zero beyond the grid."""
    kept = (grid.y.kept, grid.x.kept) if image.ndim == 2 else (grid.z.kept, grid.y.kept, grid.x.kept)
    whole = np.zeros([max(size, extent) for size, extent in zip(kept, image.shape, strict=True)], image.dtype)
    whole[tuple(_about_centre(big, size) for big, size in zip(whole.shape, image.shape, strict=True))] = image
    part: Combined = whole[tuple(_about_centre(big, size) for big, size in zip(whole.shape, kept, strict=True))]
    return part if part.ndim == 3 else part[None]


def _about_centre(whole: int, part: int) -> slice:
    start = whole // 2 - part // 2
    return slice(start, start + part)
