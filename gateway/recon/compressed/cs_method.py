"""The method `cs`: compressed sensing of Cartesian data, image by image or a whole time series at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from gateway.model.errors import UsageError
from gateway.model.mrd import Acquisition, Image, ScanHeader
from gateway.recon import finishing
from gateway.recon.compressed.reconstruction import Penalty, SparseSettings, reconstruct_sparse
from gateway.recon.compression import compressed_images
from gateway.recon.parallel.outputs import KINDS, CartesianOutput
from gateway.recon.parameters import Parameter
from gateway.recon.preparation import Preparation, Prepared, stage_name
from gateway.recon.registry import Method, refuses_all_but
from gateway.recon.resources import Resources, complex_bytes
from gateway.recon.sensitivities.estimate import PARAMETERS, estimate
from gateway.recon.standard_parameters import standard

_NAME = "cs"
_AUTO = "auto"
_OVER_TIME = (Penalty.LOW_RANK, Penalty.TEMPORAL_TV)
# The weight that suits most scans, for each penalty; they have other units.
_WEIGHTS = {Penalty.WAVELET: 0.0015, Penalty.TV: 0.001, Penalty.LOW_RANK: 0.01, Penalty.TEMPORAL_TV: 0.01}


def reconstruct(
    header: ScanHeader, acquisitions: Iterator[Acquisition], parameters: Mapping[str, object], resources: Resources
) -> Iterator[Image]:
    """Images (1, z, y, x) float32: each as soon as its k-space is whole, those of a time series at the end.

    Raises `Unsupported` where there are several channels and nothing to learn their sensitivities from.
    """
    maker = _Maker(header, parameters, resources)
    preparation = Preparation(header, resources, whiten=bool(parameters["whiten"]), gaps_expected=True)
    series: dict[tuple[int, ...], list[Prepared]] = {}
    over_time = _is_over_time(header, str(parameters["penalty"]))
    for prepared in compressed_images(preparation.images(acquisitions), parameters, resources):
        if over_time:
            series.setdefault(prepared.key[:-1], []).append(prepared)
            maker.require_memory(sum(map(len, series.values())), prepared)
        else:
            yield from maker.images([prepared])
    for frames in series.values():
        yield from maker.images(frames)


class _Maker:
    """Makes the images of one scan."""

    def __init__(self, header: ScanHeader, parameters: Mapping[str, object], resources: Resources) -> None:
        self._parameters = parameters
        self._resources = resources
        self._output = CartesianOutput(header, parameters, resources)

    def require_memory(self, n_frames: int, prepared: Prepared) -> None:
        """Raises `LimitExceeded` where so many frames would not fit."""
        needed = 4 * n_frames * complex_bytes(*prepared.kspace.shape)
        self._resources.require(needed, f"compressed sensing of {n_frames} frames at once")

    def images(self, frames: list[Prepared]) -> Iterator[Image]:
        """Images of the frames of one slice, one or several."""
        self._output.require_memory(frames[0])
        settings = self._settings(len(frames))
        maps = self._maps(frames)
        found = reconstruct_sparse(
            np.stack([frame.kspace for frame in frames]),
            np.stack([frame.n_averages for frame in frames]),
            maps,
            settings,
            workers=self._resources.workers,
            progress=lambda done, total: self._resources.progress(_NAME, done, total),
        )
        told = {"Solver": (f"FISTA, {settings.penalty.value}, {found.iterations} iterations",)}
        for frame, image in zip(frames, found.images, strict=True):
            yield from self._output.unfolded(frame, image, told)

    def _settings(self, n_frames: int) -> SparseSettings:
        named, weight = str(self._parameters["penalty"]), float(str(self._parameters["lambda"]))
        penalty = Penalty(named) if named != _AUTO else Penalty.LOW_RANK if n_frames > 1 else Penalty.WAVELET
        return SparseSettings(
            penalty=penalty,
            weight=weight or _WEIGHTS[penalty],
            wavelet=str(self._parameters["wavelet"]),
            iterations=int(str(self._parameters["iters"])),
            tolerance=float(str(self._parameters["eps"])),
        )

    def _maps(self, frames: list[Prepared]) -> NDArray[np.complex64]:
        """(maps, coils, z, y, x): from the frame with most lines about its centre; one channel needs none."""
        best = max(frames, key=_calibration_size)
        n_coils, *extents = best.kspace.shape
        shape = extents[0], extents[1], extents[2]
        if n_coils == 1:
            return np.ones((1, 1, *shape), np.complex64)
        found = estimate(best.calibration, shape, self._parameters, workers=self._resources.workers)
        if self._resources.stages is not None:
            self._resources.stages(f"maps {stage_name(best.key)}", found.maps, ("map", "coil", "z", "y", "x"))
        return found.maps


def _calibration_size(prepared: Prepared) -> int:
    k2, k1 = prepared.calibration.region
    lines: int = (k2.stop - k2.start) * (k1.stop - k1.start)
    return lines


def _is_over_time(header: ScanHeader, penalty: str) -> bool:
    """Whether the repetitions are one series. Raises `UsageError` for a penalty that needs one where there is none."""
    limit = header.encodings[0].limits.repetition
    repeated = limit is not None and limit.maximum > limit.minimum
    if penalty in _OVER_TIME and not repeated:
        raise UsageError(
            f"parameter penalty: {penalty} needs repetitions, and the header states one; set penalty=wavelet"
        )
    return repeated and penalty in (_AUTO, *_OVER_TIME)


METHOD = Method(
    name=_NAME,
    version="1",
    summary="Compressed sensing of Cartesian data: wavelets or total variation, low rank over time",
    parameters=(
        *PARAMETERS,
        Parameter(
            "penalty",
            str,
            _AUTO,
            "what is penalised; auto: low-rank for repetitions, else wavelet",
            choices=(_AUTO, *(each.value for each in Penalty)),
        ),
        Parameter(
            "lambda",
            float,
            0.0,
            "weight of the penalty, of the brightest pixel; 0: as suits it",
            minimum=0,
            maximum=1e6,
        ),
        standard("wavelet", default="db2"),
        standard("iters", default=60),
        standard("eps"),
        *finishing.PARAMETERS,
        standard("coils_out"),
        standard("outputs"),
        standard("orientation"),
        standard("whiten"),
    ),
    reconstruct=reconstruct,
    refuses=refuses_all_but(_NAME, *KINDS),
)
