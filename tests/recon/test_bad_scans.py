"""What is wrong with a scan is named, by every method: which readout or header field, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest

from gateway.model.errors import GatewayError, LimitExceeded, MalformedData, Unsupported
from gateway.model.mrd import Acquisition, AcquisitionFlag, Encoding, EncodingLimits, Limit, ScanHeader, is_imaging
from gateway.recon import registry
from gateway.recon.pipeline import run
from gateway.recon.resources import Resources
from tests.recon.every_method import METHODS, NEED_CALIBRATION, OFF_GRID, QUICK, scan_for

Scan = tuple[ScanHeader, list[Acquisition]]
Change = Callable[[ScanHeader, list[Acquisition]], Scan]
LIMIT = Resources(memory_limit=256 * 1024**2)
CARTESIAN = tuple(method for method in METHODS if method not in OFF_GRID)
# Methods that take a line as often as it comes: every beat measures it again, and spokes have no lines.
ANY_LINES = ("cine", *OFF_GRID)
NUMBER = 5  # of the imaging readouts, the one that is at fault


def images_of(readouts: list[Acquisition]) -> list[int]:
    return [number for number, one in enumerate(readouts) if is_imaging(one.flags) and not one.encoding_space_ref]


def one(change: Callable[[Acquisition], Acquisition]) -> Change:
    """A fault of one readout."""

    def changed(header: ScanHeader, readouts: list[Acquisition]) -> Scan:
        at = images_of(readouts)[NUMBER]
        return header, [*readouts[:at], change(readouts[at]), *readouts[at + 1 :]]

    return changed


def every(change: Callable[[Acquisition], Acquisition]) -> Change:
    return lambda header, readouts: (header, [change(readout) for readout in readouts])


def encoded(change: Callable[[Encoding], Encoding]) -> Change:
    """A fault of the first encoding section."""

    def changed(header: ScanHeader, readouts: list[Acquisition]) -> Scan:
        first, *others = header.encodings
        return replace(header, encodings=(change(first), *others)), readouts

    return changed


def with_sample(value: complex) -> Change:
    def changed(readout: Acquisition) -> Acquisition:
        data = readout.data.copy()
        data[1, 7] = value
        return replace(readout, data=data)

    return one(changed)


def with_trajectory(value: float, dimensions: int) -> Change:
    def changed(readout: Acquisition) -> Acquisition:
        return replace(readout, trajectory=np.full((readout.data.shape[1], dimensions), value, np.float32))

    return one(changed)


def longer(readout: Acquisition) -> Acquisition:
    more = ((0, 40), (0, 0))
    trajectory = np.pad(readout.trajectory, more) if readout.trajectory.shape[0] else readout.trajectory
    return replace(readout, data=np.pad(readout.data, more[::-1]), trajectory=trajectory)


def without(*places: int) -> Change:
    """Lines that were lost."""

    def changed(header: ScanHeader, readouts: list[Acquisition]) -> Scan:
        lost = {images_of(readouts)[place] for place in places}
        return header, [readout for number, readout in enumerate(readouts) if number not in lost]

    return changed


def twice(header: ScanHeader, readouts: list[Acquisition]) -> Scan:
    return header, [*readouts, readouts[images_of(readouts)[NUMBER]]]


def without_calibration(header: ScanHeader, readouts: list[Acquisition]) -> Scan:
    calibrating = int(AcquisitionFlag.IS_PARALLEL_CALIBRATION)
    return header, [one for one in readouts if not one.flags & calibrating and not one.encoding_space_ref]


def without_images(header: ScanHeader, readouts: list[Acquisition]) -> Scan:
    return header, [readout for readout in readouts if not is_imaging(readout.flags)]


def without_reference_lines(header: ScanHeader, readouts: list[Acquisition]) -> Scan:
    return header, [one for one in readouts if not one.encoding_space_ref or one.idx.kspace_encode_step_1 != 9]


@dataclass(frozen=True)
class Fault:
    """`readout`: the message begins with the number of the readout."""

    name: str
    change: Change
    message: str
    methods: tuple[str, ...] = METHODS
    kind: type[GatewayError] = MalformedData
    readout: bool = True


def no_matrix(encoding: Encoding) -> Encoding:
    return replace(encoding, encoded=replace(encoding.encoded, matrix=(0, 0, 0)))


def no_field_of_view(encoding: Encoding) -> Encoding:
    return replace(encoding, encoded=replace(encoding.encoded, field_of_view=(240.0, 0.0, 5.0)))


def far_lines(encoding: Encoding) -> Encoding:
    return replace(encoding, limits=replace(encoding.limits, kspace_encoding_step_1=Limit(0, 900, 450)))


def huge(encoding: Encoding) -> Encoding:
    sides = (65_535, 65_535, 65_535)
    return replace(encoding, encoded=replace(encoding.encoded, matrix=sides), limits=EncodingLimits())


def huge_image(encoding: Encoding) -> Encoding:
    return replace(encoding, recon=replace(encoding.recon, matrix=(65_535, 65_535, 1)))


def another_kind(encoding: Encoding) -> Encoding:
    return replace(encoding, trajectory="cartesian" if encoding.trajectory != "cartesian" else "spiral")


FAULTS = (
    Fault("nan", with_sample(np.nan), r"1 of \d+ samples are not finite numbers; convert"),
    Fault("infinite", with_sample(complex(0, np.inf)), r"1 of \d+ samples are not finite numbers; convert"),
    Fault("no-coils", one(lambda it: replace(it, data=it.data[:0])), r"\(0, \d+\) is not \(channels, samples\).*leave"),
    Fault("no-samples", one(lambda it: replace(it, data=it.data[:, :0])), r"\(\d, 0\) is not \(channels, samples\)"),
    Fault("other-coils", one(lambda it: replace(it, data=it.data[:2])), "2 channels, the readouts before.*must not"),
    Fault("longer", one(longer), "correct"),
    Fault("all-discarded", one(lambda it: replace(it, discard_pre=it.data.shape[1])), "discarded; correct discard"),
    Fault("no-such-encoding", one(lambda it: replace(it, encoding_space_ref=9)), r"encoding_space_ref 9.*correct"),
    Fault(
        "line-outside",
        one(lambda it: replace(it, idx=replace(it.idx, kspace_encode_step_1=5000))),
        r"kspace_encode_step_1 5000 is outside 0\.\.31; correct",
        CARTESIAN,
    ),
    Fault("repeated-line", twice, "encodingLimits", tuple(m for m in METHODS if m not in ANY_LINES)),
    Fault("lost-lines", without(4, 9), "2 of 32 lines", ("cartesian", "epi"), Unsupported, readout=False),
    Fault("lost-lines", without(4, 9), "on no lattice: use sense or cs", ("grappa",), Unsupported, readout=False),
    Fault("lost-reference", without_reference_lines, "1 of 32 lines.*must", ("sms",), Unsupported, readout=False),
    Fault("no-calibration", without_calibration, "send (it|the cal)", NEED_CALIBRATION, Unsupported, readout=False),
    Fault("no-images", without_images, "no imaging readouts.*check the flags", readout=False),
    Fault("nothing", lambda header, _: (header, []), "no imaging readouts", readout=False),
    Fault("no-matrix", encoded(no_matrix), "^MRD header: .*matri", readout=False),
    Fault("no-extent", encoded(no_field_of_view), "^MRD header: encodedSpace fieldOfView_mm y must", readout=False),
    Fault("far-limits", encoded(far_lines), r"^MRD header: .* 0\.\.900 .*; correct", CARTESIAN, readout=False),
    Fault("no-encoding", lambda old, its: (replace(old, encodings=()), its), "MRD header: no enc", readout=False),
    Fault("huge", encoded(huge), "65535.*GiB.*raise it, or correct", CARTESIAN, LimitExceeded, readout=False),
    Fault("huge", encoded(huge), "trajectory: 0 of .* correct matrixSize", OFF_GRID, readout=False),
    Fault("huge-image", encoded(huge_image), "65535 x 65535.*GiB", kind=LimitExceeded, readout=False),
    Fault("another-kind", encoded(another_kind), "; auto would take", kind=Unsupported, readout=False),
    Fault("no-trajectory", with_trajectory(0, 0), r"trajectory of shape \(\d+, 0\)", OFF_GRID),
    Fault("one-coordinate", with_trajectory(0, 1), r"trajectory of shape \(\d+, 1\).*needed are two", OFF_GRID),
    Fault("three-coordinates", with_trajectory(0, 3), "3 coordinates, the first readout of its image", OFF_GRID),
    Fault("trajectory-nan", with_trajectory(np.nan, 2), "trajectory holds values that are not finite", OFF_GRID),
    Fault("trajectory-far", with_trajectory(1e6, 2), r"reaches 1e\+06 along x; it must be within", OFF_GRID),
    Fault(
        "trajectory-unset",
        every(lambda it: replace(it, trajectory=it.trajectory * np.float32(0))),
        "all coordinates are zero; the file must hold",
        OFF_GRID,
        readout=False,
    ),
)


def cases() -> Iterator[object]:
    for fault in FAULTS:
        for method in fault.methods:
            yield pytest.param(method, fault, id=f"{method}-{fault.name}")


@pytest.mark.parametrize(("method", "fault"), list(cases()))
def test_a_fault_is_named(method: str, fault: Fault) -> None:
    header, readouts = scan_for(method)
    at = images_of(list(readouts))[NUMBER]
    broken = fault.change(header, list(readouts))
    with pytest.raises(fault.kind) as raised:
        list(run(method, *broken, QUICK.get(method, {}), LIMIT))
    message = str(raised.value)
    assert re.search(fault.message, message)
    if fault.readout:
        last = len(readouts) if fault.change is twice else at
        assert message.startswith(f"readout {last}: ")


@pytest.mark.parametrize("method", METHODS)
def test_without_a_fault_there_are_images(method: str) -> None:
    header, readouts = scan_for(method)
    images = list(run(method, header, readouts, QUICK.get(method, {}), LIMIT))
    assert images
    assert all(image.data.max() > 100 for image in images)


def test_every_installed_method_is_looked_at() -> None:
    assert tuple(registry.methods()) == METHODS
