"""Cartesian k-space, fully sampled or with partial Fourier, in two or three dimensions.

Noise readouts whiten the channels; averages and segments are merged; each axis is transformed by a centred inverse FFT
on the grid that the fields of view ask for; the channels are combined. Elliptical shutters are zero-filled, and so is
partial Fourier unless a way to complete it is asked for. Undersampled data is refused: without unfolding it would give
aliased images.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.model.errors import Unsupported
from gateway.model.mrd import Acquisition, Image, ScanHeader
from gateway.recon import finishing
from gateway.recon.coils import COMBINATIONS, combination_for, combine
from gateway.recon.coverage import is_undersampled
from gateway.recon.finishing import Finishing
from gateway.recon.parameters import Parameter
from gateway.recon.partial_fourier import ZERO_FILL
from gateway.recon.preparation import Preparation, Prepared
from gateway.recon.presentation import Presenter
from gateway.recon.registry import ALIASED_WAY, Method, ScanKind, refuses_all_but, scan_kind
from gateway.recon.resources import Resources
from gateway.recon.sorting import Whole, describe
from gateway.recon.standard_parameters import standard

_NAME = "cartesian"
_KINDS = (ScanKind.CARTESIAN, ScanKind.ACCELERATED)
_PARAMETERS = (
    Parameter("combine", str, "auto", "how the channels are combined", choices=("auto", *COMBINATIONS)),
    standard("outputs"),
    standard("orientation"),
    *finishing.PARAMETERS,
    Parameter("undersampled", str, "refuse", "what to do with undersampled data", choices=("refuse", ZERO_FILL)),
    standard("whiten"),
)


def reconstruct(
    header: ScanHeader, acquisitions: Iterator[Acquisition], parameters: Mapping[str, object], resources: Resources
) -> Iterator[Image]:
    """Images (1, z, y, x) float32, each as soon as its k-space is whole."""
    former = _Former(header, parameters, resources)
    aliased = parameters["undersampled"] == ZERO_FILL
    preparation = Preparation(header, resources, whiten=bool(parameters["whiten"]), gaps_expected=aliased)
    refused = []
    for whole in preparation.whole(acquisitions):
        if (error := _cannot(whole, aliased)) is None:
            yield from former.images(preparation.prepare(whole))
        elif not whole.ended:
            raise error
        else:
            refused.append(error)
    # Only after all that can be done.
    if refused:
        raise refused[0]


def _cannot(whole: Whole, aliased: bool) -> Unsupported | None:
    """Why an image cannot be made of `whole`: undersampled, or on another trajectory."""
    kind = scan_kind(whole.encoding)
    if kind not in _KINDS:
        return Unsupported(f"{_NAME} does not do {kind.value}")
    assembly = whole.assembly
    if aliased or not is_undersampled(assembly.sampled, assembly.centre):
        return None
    return _refusal(f"{assembly.n_missing} of {assembly.n_lines} lines are missing ({describe(assembly.key)})")


class _Former:
    """Makes images of whole k-space."""

    def __init__(self, header: ScanHeader, parameters: Mapping[str, object], resources: Resources) -> None:
        """Raises `UsageError` for parameters that contradict each other."""
        self._presenter = Presenter(header, parameters, resources)
        self._finish = Finishing(parameters, self._presenter.outputs, workers=resources.workers)
        self._combination = combination_for(self._presenter.outputs, str(parameters["combine"]))

    def images(self, prepared: Prepared) -> Iterator[Image]:
        prepared, completion = self._finish(prepared)
        channels = self._presenter.from_kspace(prepared.acquired, prepared.kspace)
        yield from self._presenter.images(
            prepared.acquired,
            combine(channels, self._combination),
            unit_noise=completion == ZERO_FILL,
            attributes={"Combination": (self._combination,), "PartialFourierMethod": (completion,)},
        )


def _refusal(what: str) -> Unsupported:
    return Unsupported(f"{_NAME} cannot reconstruct undersampled data: {what}; for aliased images: {ALIASED_WAY}")


METHOD = Method(
    name=_NAME,
    version="2",
    summary="Cartesian sampling, full or partial Fourier, in 2-D and 3-D",
    parameters=_PARAMETERS,
    reconstruct=reconstruct,
    refuses=refuses_all_but(_NAME, *_KINDS),
)
