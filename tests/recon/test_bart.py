"""Arrays in BART's layout."""

from __future__ import annotations

import numpy as np

from gateway.recon.bart import bart_array, bart_header


def test_axes_go_to_their_places_in_column_major_order() -> None:
    data = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    dimensions, values = bart_array(data, ("coil", "z", "y", "x"))
    assert dimensions == (5, 4, 3, 2, *[1] * 12)
    np.testing.assert_array_equal(values.reshape(dimensions, order="F")[1, 2, 0, 1, *[0] * 12], data[1, 0, 2, 1])


def test_any_order_of_the_axes_will_do() -> None:
    data = np.arange(6 * 7 * 2).reshape(6, 7, 2) * 1j
    dimensions, values = bart_array(data, ("readout", "sample", "dimension"))
    assert dimensions[:3] == (2, 7, 6)
    np.testing.assert_array_equal(values.reshape(dimensions, order="F")[1, 3, 5], data[5, 3, 1])
    _, turned = bart_array(data.transpose(2, 0, 1), ("dimension", "readout", "sample"))
    np.testing.assert_array_equal(turned, values)


def test_the_header_lists_sixteen_dimensions() -> None:
    assert bart_header((4, *[1] * 15)).splitlines()[1].split() == ["4", *["1"] * 15]
