"""Solvers against problems whose answer NumPy knows, and their sums on any number of threads."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.model.errors import MalformedData
from gateway.recon.kernels import use_threads
from gateway.recon.solvers import Proximal, Solution, conjugate_gradient, largest_eigenvalue, proximal_gradient
from gateway.recon.solvers.vectors import real_inner

Matrix = NDArray[np.complex64]


def positive(size: int, seed: int = 1) -> Matrix:
    generator = np.random.default_rng(seed)
    factor = generator.standard_normal((size, 2 * size)) + 1j * generator.standard_normal((size, 2 * size))
    return (factor @ factor.conj().T / size).astype(np.complex64)


def vector(*shape: int, seed: int = 2) -> Matrix:
    generator = np.random.default_rng(seed)
    return (generator.standard_normal(shape) + 1j * generator.standard_normal(shape)).astype(np.complex64)


def solve(matrix: Matrix, rhs: Matrix, iterations: int = 60, tolerance: float = 1e-6, **more: object) -> Solution:
    def normal(x: Matrix) -> Matrix:
        return (matrix @ x.reshape(-1)).reshape(x.shape)

    return conjugate_gradient(normal, rhs, iterations=iterations, tolerance=tolerance, **more)  # type: ignore[arg-type]


def test_conjugate_gradients_solve_the_equations_for_arrays_of_any_shape() -> None:
    matrix, rhs = positive(24), vector(4, 6)
    solution = solve(matrix, rhs)
    expected = np.linalg.solve(matrix.astype(np.complex128), rhs.reshape(-1)).reshape(4, 6)
    np.testing.assert_allclose(solution.x, expected, rtol=2e-5, atol=2e-5)
    assert solution.residuals[0] == pytest.approx(1.0)
    assert solution.residuals[-1] <= 1e-6
    assert solution.iterations == len(solution.residuals) - 1 < 60


def test_damping_is_a_multiple_of_the_identity() -> None:
    matrix, rhs = positive(24), vector(24)
    expected = np.linalg.solve(matrix + 0.7 * np.eye(24), rhs)
    np.testing.assert_allclose(solve(matrix, rhs, damping=0.7).x, expected, rtol=2e-5, atol=2e-5)


def test_a_start_near_the_solution_shortens_the_way() -> None:
    matrix, rhs = positive(24), vector(24)
    exact = np.linalg.solve(matrix, rhs)
    near = solve(matrix, rhs, tolerance=1e-4, x0=(exact * 1.001).astype(np.complex64))
    assert near.residuals[0] < 0.01
    assert near.iterations < solve(matrix, rhs, tolerance=1e-4).iterations


def test_nothing_in_gives_nothing_out() -> None:
    solution = solve(positive(8), np.zeros(8, np.complex64))
    assert not solution.x.any()
    assert solution.iterations == 0


def test_a_right_hand_side_that_is_not_finite_is_refused() -> None:
    rhs = vector(8)
    rhs[3] = np.nan
    with pytest.raises(MalformedData, match="not finite"):
        solve(positive(8), rhs)


def test_progress_counts_the_iterations() -> None:
    told: list[tuple[int, int]] = []
    solution = solve(positive(24), vector(24), progress=lambda done, most: told.append((done, most)))
    assert told == [(n + 1, 60) for n in range(solution.iterations)]


def test_the_largest_eigenvalue_of_a_matrix() -> None:
    matrix = positive(24)
    expected = float(np.linalg.eigvalsh(matrix)[-1])
    found = largest_eigenvalue(lambda x: matrix @ x, vector(24), iterations=200, tolerance=1e-6)
    assert found == pytest.approx(expected, rel=1e-3)


def test_proximal_gradient_finds_the_soft_threshold_where_the_operator_is_the_identity() -> None:
    rhs, penalty = vector(40), 0.5
    solution = proximal_gradient(lambda x: x, rhs, soft(penalty), lipschitz=1.0, iterations=5)
    np.testing.assert_allclose(solution.x, soft(penalty)(rhs, 1.0), atol=1e-6)


def test_proximal_gradient_reaches_the_optimum() -> None:
    matrix, rhs, penalty = positive(24), vector(24), 0.8
    lipschitz = 1.01 * float(np.linalg.eigvalsh(matrix)[-1])
    x = proximal_gradient(lambda x: matrix @ x, rhs, soft(penalty), lipschitz=lipschitz, iterations=500).x
    # Optimal where the gradient balances the penalty: of modulus `penalty` where x is not zero, below it elsewhere.
    gradient = rhs - matrix @ x
    used = np.abs(x) > 1e-4
    assert 3 < used.sum() < 24
    np.testing.assert_allclose(gradient[used], penalty * x[used] / np.abs(x[used]), atol=2e-3)
    assert np.abs(gradient[~used]).max() <= penalty * 1.01


def soft(penalty: float) -> Proximal:
    def proximal(x: Matrix, step: float) -> Matrix:
        modulus = np.abs(x)
        shrunk: Matrix = x * (np.maximum(modulus - penalty * step, 0) / np.maximum(modulus, 1e-20)).astype(np.float32)
        return shrunk

    return proximal


def test_sums_are_the_same_on_one_thread_and_on_two() -> None:
    a, b = vector(317, 211, seed=5), vector(317, 211, seed=6)
    try:
        sums = []
        for workers in (1, 2):
            use_threads(workers)
            sums.append(real_inner(a, b))
    finally:
        use_threads(1024)
    assert sums[0] == sums[1]
    assert sums[0] == pytest.approx(np.vdot(a.astype(np.complex128), b).real, rel=1e-9)
