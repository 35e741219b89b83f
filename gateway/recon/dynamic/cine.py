"""A beating heart: readouts of many beats sorted by the phase of the beat, one image for each phase.

Lines of a Cartesian scan are interpolated in phase; spokes are binned, and phases share what does not move (`lambda`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gateway.model.errors import MalformedData, Unsupported, UsageError
from gateway.model.mrd import Acquisition, Image, ScanHeader, is_imaging
from gateway.recon import finishing
from gateway.recon.assembly import ImageKey
from gateway.recon.calibration import Calibration, CalibrationSource
from gateway.recon.coils import adaptive, root_sum_of_squares
from gateway.recon.dynamic.cardiac_lines import CardiacLines
from gateway.recon.dynamic.frames import acquired_of, frame_of, image_of
from gateway.recon.dynamic.gating import TICK_MS, Gating
from gateway.recon.dynamic.heartbeats import STAMPS, GatingSignal
from gateway.recon.dynamic.temporal import Regularisation, solve
from gateway.recon.filters import NONE
from gateway.recon.finishing import Finishing
from gateway.recon.grid import grid_of
from gateway.recon.noise import NoiseEstimator
from gateway.recon.noncartesian.reconstruction import Former, Told
from gateway.recon.oversampling import remove_oversampling, without_oversampling
from gateway.recon.parameters import Parameter
from gateway.recon.partial_fourier import ZERO_FILL
from gateway.recon.preparation import Acquired, Prepared, Whitening, reduced_samples
from gateway.recon.readouts import check_channels, check_samples, is_noise, unknown_encoding
from gateway.recon.registry import Method, ScanKind, encoding_of, refuses_all_but, scan_kind
from gateway.recon.resources import Resources, complex_bytes
from gateway.recon.standard_parameters import standard
from gateway.recon.trajectories import Gathering, Readouts
from gateway.recon.waveforms import CARDIAC

_NAME = "cine"
_CARTESIAN = (ScanKind.CARTESIAN, ScanKind.ACCELERATED)
_PARAMETERS = (
    standard("phases"),
    standard("rr_window"),
    Parameter(
        "gating",
        str,
        "auto",
        "what tells the heart beat: the readouts' stamps or a waveform; auto: the first of these that the scan has",
        choices=("auto", STAMPS, *CARDIAC),
    ),
    Parameter(
        "warp",
        str,
        "diastole",
        "how beats of unequal length are made one: stretch the diastole, or all of the beat (linear), or nothing",
        choices=("diastole", "linear", "none"),
    ),
    Parameter("combine", str, "auto", "of the channels of Cartesian lines", choices=("auto", "rss", "adaptive")),
    *finishing.PARAMETERS,
    standard("lambda", default=0.01),
    standard("iters", default=6),
    standard("eps"),
    standard("calib"),
    standard("kernel"),
    standard("crop"),
    standard("delays"),
    standard("dcf"),
    standard("skip"),
    standard("outputs"),
    standard("orientation"),
    standard("whiten"),
)
_Held = list[tuple[int, Acquisition]]


def reconstruct(
    header: ScanHeader, acquisitions: Iterator[Acquisition], parameters: Mapping[str, object], resources: Resources
) -> Iterator[Image]:
    """One image (1, z, y, x) float32 for each phase of the beat; `phase` counts them, at the end of the scan."""
    former, gate_of = Former(header, parameters, resources), GatingSignal(header, parameters, resources)
    if scan_kind(encoding_of(header)) in _CARTESIAN:
        finish = Finishing(parameters, former.presenter.outputs, workers=resources.workers)
        yield from _Lines(header, former, gate_of, finish, resources).images(acquisitions)
        return
    if (parameters["partial_fourier"], parameters["filter"]) != (ZERO_FILL, NONE):
        raise UsageError("parameters partial_fourier and filter are of Cartesian lines; a radial scan has none")
    for readouts in Gathering(header, resources, whiten=former.options.whiten).images(acquisitions):
        yield from _of_spokes(former, gate_of, readouts, resources)


def _of_spokes(former: Former, gate_of: GatingSignal, readouts: Readouts, resources: Resources) -> Iterator[Image]:
    options, placed = former.options, former.placed(readouts)
    readouts = placed.readouts
    gating = gate_of(readouts.physiology[:, 0], readouts.stamps)
    with np.errstate(invalid="ignore"):
        bins = np.floor(gating.phase * options.phases)
    members = [np.flatnonzero(bins == number) for number in range(options.phases)]
    fewest = min(len(member) for member in members)
    if not fewest:
        raise MalformedData(
            f"parameter phases: no readout falls into one of {options.phases} phases of the beat; set phases to less"
        )
    series = solve(
        [frame_of(placed, member) for member in members],
        former.sensitivities(placed)[0],
        Regularisation(options.damping, cyclic=True, iterations=options.iterations, tolerance=options.tolerance),
        resources,
        lambda done, total: resources.progress("iterations", done, total),
    )
    told: Told = {"Combination": ("sense",), **_told(gating, options.phases), **placed.told}
    for number, pixels in enumerate(series):
        acquired = _at_phase(readouts.acquired, gating, number, options.phases)
        yield from image_of(former, acquired, pixels, told)


def _at_phase(acquired: Acquired, gating: Gating, number: int, phases: int) -> Acquired:
    """Phase `number`, with the time of its middle since the R wave where Trigger Time is taken from."""
    acquired = acquired_of(acquired, acquired.first.acquisition_time_stamp, phase=number)
    ticks = max(1, round(gating.trigger_time_ms(_middle(number, phases)) / TICK_MS))
    first = replace(acquired.first, physiology_time_stamp=(ticks, *acquired.first.physiology_time_stamp[1:]))
    return replace(acquired, first=first)


def _prepared(acquired: Acquired, lines: CardiacLines, kspace: NDArray[np.complex64]) -> Prepared:
    """One phase; `kspace` (coils, k2, k1, k0) without oversampling, not yet whitened."""
    kspace, sampled = acquired.whitener(kspace), lines.sampled
    k0 = reduced_samples(lines.k0, lines.shape[2], kspace.shape[3])
    calibration = Calibration(kspace, sampled, CalibrationSource.CENTRE)
    return Prepared(acquired, kspace, sampled, k0, sampled.astype(np.uint32), calibration)


def _middle(number: int, phases: int) -> float:
    return (number + 0.5) / phases


def _told(gating: Gating, phases: int) -> Told:
    return {
        "Phases": (str(phases),),
        "HeartBeats": (f"{gating.accepted} of {gating.beats}",),
        "NominalInterval": (f"{gating.rr_ms:.0f}",),
    }


class _Lines:
    """Holds the lines of a Cartesian scan until its end."""

    def __init__(
        self, header: ScanHeader, former: Former, gate_of: GatingSignal, finish: Finishing, resources: Resources
    ) -> None:
        self._header = header
        self._former = former
        self._gate_of = gate_of
        self._finish = finish
        self._resources = resources
        self._noise = NoiseEstimator()
        self._whitening = Whitening(header, resources, self._noise, switched_on=former.options.whiten)
        self._held: dict[ImageKey, _Held] = {}
        self._bytes = 0

    def images(self, acquisitions: Iterator[Acquisition]) -> Iterator[Image]:
        """All phases of each slice. Counters of phases and repetitions do not tell images apart: the gating does."""
        for number, acquisition in enumerate(acquisitions):
            if is_noise(acquisition):
                check_samples(acquisition, number)
                self._noise.add(acquisition)
            elif is_imaging(acquisition.flags):
                self._hold(acquisition, number)
        if not self._held:
            raise MalformedData("no imaging readouts: check the flags of the readouts")
        for key, held in self._held.items():
            yield from self._phases(key, held)

    def _hold(self, acquisition: Acquisition, number: int) -> None:
        check_samples(acquisition, number)
        if acquisition.encoding_space_ref >= len(self._header.encodings):
            raise unknown_encoding(acquisition, number, len(self._header.encodings))
        held = self._held.setdefault(ImageKey.of(acquisition)._replace(phase=0, repetition=0), [])
        if held:
            check_channels(acquisition, number, held[0][1].data.shape[0])
        self._bytes += complex_bytes(*acquisition.data.shape)
        self._resources.require(3 * self._bytes, "the readouts of all heart beats")
        held.append((number, acquisition))

    def _phases(self, key: ImageKey, held: _Held) -> Iterator[Image]:
        options, encoding = self._former.options, self._header.encodings[key.encoding]
        numbers, readouts = [number for number, _ in held], [one for _, one in held]
        gating = self._gate_of(
            np.array([one.physiology_time_stamp[0] for one in readouts]),
            np.array([one.acquisition_time_stamp for one in readouts]),
        )
        lines = CardiacLines.of(readouts, numbers, encoding, self._resources)
        lines.check(gating.phase)
        full = grid_of(encoding)
        grid = without_oversampling(full)
        n_coils = readouts[0].data.shape[0]
        needed = complex_bytes(2 * n_coils, *(max(axis.grid, axis.encoded, axis.kept) for axis in full.axes))
        self._resources.require(needed, f"an image of {' x '.join(str(axis.kept) for axis in full.axes)} points")
        acquired = Acquired(
            self._header, encoding, key, grid, readouts[0], readouts[-1], self._whitening(readouts[0]), gain=1.0
        )
        for number in range(options.phases):
            kspace = lines.kspace(gating.phase, _middle(number, options.phases))
            reduced = remove_oversampling(kspace, grid.x.encoded, workers=self._resources.workers)
            prepared = _prepared(_at_phase(acquired, gating, number, options.phases), lines, reduced)
            yield from self._image(prepared, gating)
            self._resources.progress("phases", number + 1, options.phases)

    def _image(self, prepared: Prepared, gating: Gating) -> Iterator[Image]:
        presenter, combine = self._former.presenter, self._former.options.combine
        if combine == "rss" and presenter.outputs != ("magnitude",):
            raise Unsupported("parameter outputs: a root sum of squares has only magnitude; set combine=adaptive")
        if combine == "auto":
            combine = "rss" if presenter.outputs == ("magnitude",) else "adaptive"
        finished, completion = self._finish(prepared)
        acquired = finished.acquired
        images = presenter.from_kspace(acquired, finished.kspace)
        told: Told = {"Combination": (combine,), "PartialFourierMethod": (completion,)}
        told |= _told(gating, self._former.options.phases)
        combined = root_sum_of_squares(images) if combine == "rss" else adaptive(images)
        # Interpolation between beats leaves less noise than one of them has: not a known amount.
        yield from presenter.images(acquired, combined, unit_noise=False, attributes=told)


METHOD = Method(
    name=_NAME,
    version="1",
    summary="Phases of the heart beat from many beats, Cartesian or radial, retrospectively gated",
    parameters=_PARAMETERS,
    reconstruct=reconstruct,
    refuses=refuses_all_but(_NAME, *_CARTESIAN, ScanKind.RADIAL),
)
