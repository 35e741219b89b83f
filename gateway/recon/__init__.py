"""Reconstruction: readouts in, images out. Pure NumPy and SciPy: no file, socket, thread, process or clock."""
