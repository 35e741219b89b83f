"""This node and its peers, side by side in one run: `python -m benchmarks --json FILE`.

A row is a case with our figure, a peer's figure and the ratio; absolute figures drift from machine to machine, the
ratio is what is claimed. Every case is repeated in turn (ours, peer, ours, peer, …) and its median is taken.
"""
