"""Compressed sensing: images that are sparse in a transform, from fewer samples than pixels."""
