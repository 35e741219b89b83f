"""GRAPPA on simulated scans with known truth, and its g-factor against replicas."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.model.errors import Unsupported
from gateway.recon.coils import adaptive_weights
from gateway.recon.fft import centred_fft, centred_ifft
from gateway.recon.parallel.grappa import calibrate, fill, noise_gain
from gateway.recon.parallel.lattice import Lattice
from gateway.recon.pipeline import run
from gateway.recon.simulation.phantom import head
from gateway.recon.simulation.protocol import Protocol
from gateway.recon.simulation.receive import sensitivities
from gateway.recon.simulation.sampling import Undersampling
from gateway.recon.simulation.scan import simulate
from tests.recon.parallel.unfolded import error, reconstructed

SMALL = Protocol(matrix=(64, 72), coils=8, snr=50.0, readout_oversampling=1.5)
SLAB = replace(SMALL, matrix=(40, 48), partitions=24, readout_oversampling=1.0)


@pytest.mark.parametrize(
    "protocol",
    [
        replace(SMALL, undersampling=Undersampling(2, calibration=24)),
        replace(SMALL, undersampling=Undersampling(2, calibration=24, separate=True)),
        replace(SMALL, undersampling=Undersampling(3, calibration=24)),
        replace(SMALL, matrix=(61, 73), undersampling=Undersampling(2, calibration=24)),
        replace(SLAB, undersampling=Undersampling(2, 2, 1, calibration=20)),
        replace(SLAB, undersampling=Undersampling(2, 2, 1, calibration=20, separate=True)),
    ],
    ids=["embedded", "separate", "embedded-3", "odd", "caipi-embedded", "caipi-separate"],
)
def test_the_truth_comes_back(protocol: Protocol) -> None:
    scan = simulate(protocol)
    images = reconstructed(scan, method="grappa")
    assert len(images) == 1
    zero_filled = reconstructed(scan, {"undersampled": "zero-fill"}, method="cartesian")[0]
    found, aliased = (error(image, scan.truth[0, 0, 0, 0]) for image in (images[0], zero_filled))
    assert found < 0.6 * aliased
    assert found < (0.14 if protocol.partitions > 1 else 0.11)


def test_full_sampling_is_left_as_it_is() -> None:
    scan = simulate(SMALL)
    completed = reconstructed(scan, {"combine": "rss"}, method="grappa")[0]
    plain = reconstructed(scan, method="cartesian")[0]
    np.testing.assert_allclose(completed, plain, rtol=1e-4, atol=1e-3)


def test_the_g_factor_is_that_of_replicas() -> None:
    shape, lattice = (1, 48, 32), Lattice(1, 2, 0, 0, 0)
    maps = sensitivities(8, shape, (5.0, 5.0, 7.5), 0.0)
    kspace = centred_fft(maps * head((48, 32), (5.0, 7.5), 0.0), (1, 2, 3)).astype(np.complex64)
    grappa = calibrate(kspace[:, :, 14:34, 6:26], lattice, lines=4, samples=3, damping=1e-3)
    weights = adaptive_weights(centred_ifft(kspace, (1, 2, 3)).astype(np.complex64))
    lines = lattice.mask((1, 48))
    generator = np.random.default_rng(7)
    total = np.zeros(shape)
    for _ in range(512):
        noise = generator.standard_normal((2, 1, 48, 8, 32))
        hybrid = ((noise[0] + 1j * noise[1]) * lines[..., None, None]).astype(np.complex64)
        completed = fill(hybrid, lines, grappa).transpose(2, 0, 1, 3)
        image = (weights.conj() * centred_ifft(completed, (1, 2))).sum(axis=0)
        total += np.abs(image) ** 2 / 2
    measured = np.sqrt(total / 512) / np.sqrt(2)
    ratio = noise_gain(grappa, weights) / measured
    # The matrix ends: its first and last lines lack a neighbour, which the closed form does not know.
    assert abs(np.median(ratio) - 1) < 0.02
    assert np.percentile(np.abs(ratio - 1), 95) < 0.05


def test_calibration_lines_stay_as_measured() -> None:
    lattice, kspace = Lattice(1, 2, 0, 0, 0), noise(1, 32, 4, 16)
    sampled = lattice.mask((1, 32))
    sampled[:, 10:22] = True
    block = np.ascontiguousarray(kspace[:, 10:22].transpose(2, 0, 1, 3))
    filled = fill(kspace, sampled, calibrate(block, lattice, lines=4, samples=3, damping=0.01))
    np.testing.assert_array_equal(filled[sampled], kspace[sampled])
    assert (np.abs(filled) > 0).all()


def noise(*shape: int) -> NDArray[np.complex64]:
    parts = np.random.default_rng(3).standard_normal((2, *shape))
    return np.asarray(parts[0] + 1j * parts[1], np.complex64)


def test_the_same_bytes_on_one_thread_and_on_two() -> None:
    scan = simulate(replace(SMALL, undersampling=Undersampling(3, calibration=24)))
    one, two = (reconstructed(scan, method="grappa", workers=workers)[0].tobytes() for workers in (1, 2))
    assert one == two


def test_what_it_cannot_do_is_named() -> None:
    scan = simulate(replace(SMALL, undersampling=Undersampling(3, calibration=8)))
    with pytest.raises(Unsupported, match=r"smaller than the GRAPPA kernel of 1 x 10 x 5"):
        list(run("grappa", scan.header, scan.acquisitions, {"lines": "4"}))
    irregular = [a for n, a in enumerate(scan.acquisitions) if n != 12]
    with pytest.raises(Unsupported, match="on no lattice: use sense or cs"):
        list(run("grappa", scan.header, irregular, {}))
