"""Parallel imaging of Cartesian data: sampling lattices, SENSE and GRAPPA, and what they do to noise."""
