"""Slices excited together, told apart by the coils."""
