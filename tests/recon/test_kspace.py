"""Places of lines and samples, against their definition one by one."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.model.errors import MalformedData
from gateway.model.mrd import Acquisition, AcquisitionFlag, Counters, Encoding, EncodingLimits, Limit, Space
from gateway.recon.kspace import Placement, placement_of


def placement(
    matrix: tuple[int, int, int] = (16, 12, 5), step_1: Limit | None = None, step_2: Limit | None = None
) -> Placement:
    space = Space(matrix, (100.0, 100.0, 100.0))
    limits = EncodingLimits(kspace_encoding_step_1=step_1, kspace_encoding_step_2=step_2)
    return placement_of(Encoding(space, space, limits, "cartesian"))


def readout(n_samples: int, **fields: object) -> Acquisition:
    data = np.arange(n_samples, dtype=np.complex64)[None]
    return Acquisition(data=data, trajectory=np.zeros((0, 0), np.float32), **fields)  # type: ignore[arg-type]


def placed(where: Placement, acquisition: Acquisition) -> dict[int, int]:
    """k0 → the number of the sample that comes to lie there."""
    samples, k0 = where.samples(acquisition, 0)
    row = np.full(where.k0, -1)
    row[k0] = acquisition.data[0, samples].real.astype(int)
    return {place: int(sample) for place, sample in enumerate(row) if sample >= 0}


def expected(n_samples: int, k0: int, centre: int, pre: int = 0, post: int = 0, *, reverse: bool) -> dict[int, int]:
    direction = -1 if reverse else 1
    places = {direction * (j - centre) + k0 // 2: j for j in range(pre, n_samples - post)}
    return {place: sample for place, sample in places.items() if 0 <= place < k0}


@pytest.mark.parametrize("k0", [16, 17])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("missing", "pre", "post"), [(0, 0, 0), (3, 0, 0), (0, 2, 0), (0, 0, 1), (4, 1, 2)], ids=str)
def test_samples_lie_about_center_sample(k0: int, reverse: bool, missing: int, pre: int, post: int) -> None:
    n_samples = k0 - missing
    centre = n_samples - 1 - (k0 - 1 - k0 // 2) if not reverse else k0 - 1 - k0 // 2
    flags = int(AcquisitionFlag.IS_REVERSE) if reverse else 0
    acquisition = readout(n_samples, center_sample=centre, discard_pre=pre, discard_post=post, flags=flags)
    want = expected(n_samples, k0, centre, pre, post, reverse=reverse)
    assert len(want) == n_samples - pre - post
    assert placed(placement((k0, 12, 1)), acquisition) == want


def test_a_reverse_readout_centred_like_a_forward_one_gives_up_its_outermost_sample() -> None:
    acquisition = readout(16, center_sample=8, flags=int(AcquisitionFlag.IS_REVERSE))
    assert placed(placement(), acquisition) == {16 - j: j for j in range(1, 16)}


def test_a_centre_that_was_never_set_is_the_middle() -> None:
    assert placed(placement(), readout(16)) == {j: j for j in range(16)}
    assert placement(step_1=Limit(0, 11, 0)).k1.offset == 0


@pytest.mark.parametrize(
    "acquisition",
    [
        readout(17, center_sample=8),
        readout(16, center_sample=9),
        readout(16, center_sample=60_000),
        readout(16, center_sample=8, discard_pre=10, discard_post=6),
        readout(16, center_sample=5, flags=int(AcquisitionFlag.IS_REVERSE)),
    ],
)
def test_samples_that_do_not_fit_are_refused_by_the_number_of_the_readout(acquisition: Acquisition) -> None:
    with pytest.raises(MalformedData, match="readout 41"):
        placement().samples(acquisition, 41)


@pytest.mark.parametrize("encoded", [12, 13])
@pytest.mark.parametrize(("minimum", "maximum", "centre"), [(0, 11, 6), (0, 7, 2), (3, 9, 6), (100, 107, 104)])
def test_lines_lie_about_the_centre_of_the_limits(encoded: int, minimum: int, maximum: int, centre: int) -> None:
    where = placement((16, encoded, 5), Limit(minimum, maximum, centre), Limit(0, 4, 2))
    for counter in range(minimum, maximum + 1):
        idx = Counters(kspace_encode_step_1=counter, kspace_encode_step_2=3)
        assert where.line(readout(16, idx=idx), 0) == (3, counter - centre + encoded // 2)
    with pytest.raises(MalformedData, match="readout 7: kspace_encode_step_1"):
        where.line(readout(16, idx=Counters(kspace_encode_step_1=maximum + 1)), 7)


def test_without_limits_counters_are_lines() -> None:
    idx = Counters(kspace_encode_step_1=11, kspace_encode_step_2=4)
    assert placement().line(readout(16, idx=idx), 0) == (4, 11)


@pytest.mark.parametrize("limit", [Limit(0, 12, 6), Limit(0, 11, 9), Limit(5, 4, 5), Limit(0, 65_535, 6)])
def test_limits_that_do_not_fit_the_matrix_are_refused(limit: Limit) -> None:
    with pytest.raises(MalformedData, match="kspace_encode_step_1"):
        placement(step_1=limit)
