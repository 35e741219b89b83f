"""Samples off the Cartesian grid: trajectories, their density, transforms, and images by gridding and by iteration."""
