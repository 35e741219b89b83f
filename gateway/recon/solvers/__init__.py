"""Iterative solvers for x of the equations AᴴA x = Aᴴy, alone or with a penalty. Arrays of any shape, complex64."""

from gateway.recon.solvers.linear import Normal, Solution, conjugate_gradient, largest_eigenvalue
from gateway.recon.solvers.proximal import Proximal, proximal_gradient

__all__ = ["Normal", "Proximal", "Solution", "conjugate_gradient", "largest_eigenvalue", "proximal_gradient"]
