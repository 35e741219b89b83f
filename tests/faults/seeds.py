"""Chance that can be repeated: every run of a test says which seed it had, and takes one from the environment.

GATEWAY_TEST_SEED=1234 make soak
"""

from __future__ import annotations

import os
import random
import time


def chance(usual: int | None = None) -> random.Random:
    """Random numbers by GATEWAY_TEST_SEED, else by `usual`, else by the clock; what it was is printed."""
    told = os.environ.get("GATEWAY_TEST_SEED")
    seed = int(told) if told else time.time_ns() % 1_000_000_007 if usual is None else usual
    print(f"seed {seed}: repeat with GATEWAY_TEST_SEED={seed}")
    return random.Random(seed)
