"""What may be zero-filled, and what would alias."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.recon.coverage import is_undersampled

SHAPE = (12, 16)
CENTRE = (6, 8)
K2, K1 = np.indices(SHAPE)

ALLOWED = {
    "full": np.ones(SHAPE, bool),
    "partial Fourier": K1 >= 5,
    "partial Fourier along both": (K1 >= 5) & (K2 < 9),
    "elliptical shutter": ((K1 - 8) / 8) ** 2 + ((K2 - 6) / 6) ** 2 <= 1,
    "the centre alone": (K1 == 8) & (K2 == 6),
}
REFUSED = {
    "nothing": np.zeros(SHAPE, bool),
    "every second line": K1 % 2 == 0,
    "every second partition": K2 % 2 == 0,
    "one line lost": K1 != 11,
    "one line of one partition lost": (K1 != 11) | (K2 != 3),
    "without the centre": K1 >= 9,
    "diagonal shifts of two": (K1 + K2) % 2 == 0,
}


@pytest.mark.parametrize("sampled", ALLOWED.values(), ids=ALLOWED)
def test_missing_edges_are_no_undersampling(sampled: NDArray[np.bool_]) -> None:
    assert not is_undersampled(sampled, CENTRE)


@pytest.mark.parametrize("sampled", REFUSED.values(), ids=REFUSED)
def test_gaps_are_undersampling(sampled: NDArray[np.bool_]) -> None:
    assert is_undersampled(sampled, CENTRE)
