"""What is done to k-space when nothing else is missing in it: partial Fourier is completed, a filter is laid over it.

Every Cartesian method takes these two stages from here, by the same parameters: on the channels where it has them, else
on the image that it has unfolded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gateway.model.errors import UsageError
from gateway.recon.fft import centred_fft
from gateway.recon.filters import FILTER, NONE, filtered
from gateway.recon.partial_fourier import PARTIAL_FOURIER, ZERO_FILL, check_outputs, completed
from gateway.recon.preparation import Prepared

PARAMETERS = (FILTER, PARTIAL_FOURIER)
# Maps of the noise are of the image as it was unfolded.
_OF_THE_PLAIN_IMAGE = "snr"
_MAPS = ("snr", "g-factor")


class Finishing:
    """The two stages as the parameters ask for them. Raises `UsageError` for outputs that they cannot give."""

    def __init__(self, parameters: Mapping[str, object], outputs: tuple[str, ...], *, workers: int = 1) -> None:
        self._how, self._filter = str(parameters["partial_fourier"]), str(parameters["filter"])
        self._workers = workers
        check_outputs(self._how, tuple(output for output in outputs if output not in _MAPS))
        if _OF_THE_PLAIN_IMAGE in outputs and (self._how, self._filter) != (ZERO_FILL, NONE):
            raise UsageError(
                "parameter outputs: the noise after a filter or a completion is not known; leave out snr, or set"
                " filter=none and partial_fourier=zero-fill"
            )

    def __call__(self, prepared: Prepared) -> tuple[Prepared, str]:
        """`prepared`, its k-space without gaps, finished; and how partial Fourier was completed."""
        whole, how = completed(prepared, self._how, workers=self._workers)
        return filtered(whole, self._filter), how

    def of_pixels(self, prepared: Prepared, pixels: NDArray[np.complex64]) -> tuple[NDArray[np.complex64], str]:
        """k-space (n, k2, k1, k0) of unfolded `pixels` (n, z, y, x), finished; `prepared` tells what was measured."""
        kspace = np.asarray(centred_fft(pixels, (1, 2, 3), workers=self._workers), np.complex64)
        finished, how = self(replace(prepared, kspace=kspace))
        return finished.kspace, how
