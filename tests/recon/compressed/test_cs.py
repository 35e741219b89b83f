"""Compressed sensing against the truth, in space and over time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.model.errors import Unsupported, UsageError
from gateway.recon.compressed.reconstruction import Penalty, SparseSettings, reconstruct_sparse
from gateway.recon.fft import centred_fft
from gateway.recon.pipeline import run
from gateway.recon.simulation.protocol import Protocol
from gateway.recon.simulation.sampling import Undersampling
from gateway.recon.simulation.scan import simulate
from tests.recon.parallel.unfolded import error, reconstructed
from tests.recon.raw_scan import RawScan

SMALL = Protocol(
    matrix=(64, 72), coils=6, snr=12.0, readout_oversampling=1.0, undersampling=Undersampling(3, calibration=24)
)


@pytest.mark.parametrize("penalty", ["wavelet", "tv"])
@pytest.mark.parametrize("matrix", [(64, 72), (61, 73)])
def test_sparsity_takes_the_noise_that_sense_leaves(penalty: str, matrix: tuple[int, int]) -> None:
    scan = simulate(replace(SMALL, matrix=matrix))
    sparse = reconstructed(scan, {"penalty": penalty}, method="cs")[0]
    plain = reconstructed(scan)[0]
    truth = scan.truth[0, 0, 0, 0]
    assert error(sparse, truth) < 0.9 * error(plain, truth)


@pytest.mark.parametrize("penalty", [Penalty.LOW_RANK, Penalty.TEMPORAL_TV])
def test_a_series_is_better_together_than_frame_by_frame(penalty: Penalty) -> None:
    frames, shape = 12, (1, 48, 40)
    y, x = np.indices(shape[1:])
    still = ((y - 24) ** 2 + (x - 20) ** 2 < 200) * 1.0
    beating = np.stack([still + ((y - 24) ** 2 + (x - 20) ** 2 < 25) * np.cos(0.6 * t) for t in range(frames)])[:, None]
    kspace = centred_fft(beating[:, None].astype(np.complex64), (2, 3, 4)).astype(np.complex64)
    generator = np.random.default_rng(2)
    lines = (generator.random((frames, 1, 48)) < 0.35).astype(np.uint32)
    lines[:, :, 21:27] = 1
    kspace *= lines[:, None, :, :, None].astype(np.float32)
    maps = np.ones((1, 1, *shape), np.complex64)

    def distance(settings: SparseSettings) -> float:
        found = reconstruct_sparse(kspace, lines, maps, settings).images[:, 0]
        return float(np.linalg.norm(found - beating) / np.linalg.norm(beating))

    together = distance(SparseSettings(penalty, 0.005, iterations=150))
    apart = distance(SparseSettings(Penalty.WAVELET, 0.005, iterations=150))
    assert together < 0.6 * apart
    assert together < 0.12


def test_a_measured_series_with_one_channel_needs_no_calibration(read_scan: Callable[[str], RawScan]) -> None:
    scan = read_scan("c13_dynamic.h5")
    images = list(run("cs", scan.header, scan.acquisitions, {"iters": "20"}))
    assert [image.repetition for image in images] == list(range(13))
    brightness = np.array([float(np.quantile(np.asarray(image.data, np.float64), 0.995)) for image in images])
    assert brightness[0] > 3 * brightness[-1]


def test_a_measured_brain_is_within_four_hundredths(shared_data: Path, read_scan: Callable[[str], RawScan]) -> None:
    scan = read_scan("brain5t_16ch_vd.h5")
    truth = np.load(shared_data / "raw" / "brain5t_16ch_vd_truth.npz")
    expected, inside = np.squeeze(truth["image"] * truth["whitened_gain"]), np.squeeze(truth["support"]) > 0
    for method, most in (("cs", 0.040), ("sense", 0.060)):
        image = next(run(method, scan.header, scan.acquisitions, {})).data[0, 0].astype(np.float64)
        assert relative(image[inside], expected[inside]) <= most


def relative(found: NDArray[np.float64], expected: NDArray[np.float64]) -> float:
    factor = (found * expected).sum() / (found**2).sum()
    return float(np.linalg.norm(factor * found - expected) / np.linalg.norm(expected))


THREADS = """
import hashlib, os
from dataclasses import replace
from tests.recon.compressed.test_cs import SMALL
from gateway.recon.simulation.scan import simulate
from tests.recon.parallel.unfolded import reconstructed
workers = int(os.environ["NUMBA_NUM_THREADS"])
for method in ("sense", "grappa", "cs"):
    print(hashlib.sha256(reconstructed(simulate(SMALL), method=method, workers=workers)[0].tobytes()).hexdigest())
"""


def test_processes_of_one_and_of_two_threads_give_the_same_bytes() -> None:
    digests = []
    for threads in ("1", "2"):
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
        environment = {**os.environ, **dict.fromkeys(names, threads), "PYTHONPATH": str(Path.cwd())}
        command = [sys.executable, "-c", THREADS]
        finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        digests.append(finished.stdout)
    assert digests[0] == digests[1]


def test_a_penalty_over_time_without_a_series_is_named() -> None:
    scan = simulate(SMALL)
    with pytest.raises(UsageError, match="low-rank needs repetitions"):
        list(run("cs", scan.header, scan.acquisitions, {"penalty": "low-rank"}))


def test_missing_calibration_is_named() -> None:
    scan = simulate(replace(SMALL, undersampling=Undersampling(3)))
    with pytest.raises(Unsupported, match="calibration: no line is flagged"):
        list(run("cs", scan.header, scan.acquisitions, {}))


@pytest.mark.parametrize("weight", ["1e-12", "1e6"])
def test_extremes_of_the_weight_give_finite_images(weight: str) -> None:
    image = reconstructed(simulate(SMALL), {"lambda": weight, "iters": "20"}, method="cs")[0]
    assert np.isfinite(image).all()
