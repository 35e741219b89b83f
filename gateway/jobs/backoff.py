"""How long to wait before the next attempt. Pure: the randomness is passed in."""

from __future__ import annotations

from collections.abc import Callable

FIRST_S = 5.0
CEILING_S = 600.0
# 2^10 first waits are far beyond the ceiling; the exponent is capped so that a year of attempts stays a small number.
MAX_DOUBLINGS = 10


def delay_s(
    attempt: int, random: Callable[[], float], *, first_s: float = FIRST_S, ceiling_s: float = CEILING_S
) -> float:
    """Seconds to wait after the `attempt`-th failure in a row (from 1): doubling up to the ceiling, half of it random.

    `random` gives numbers from 0 to 1. The random half keeps the senders that one outage stopped from all coming back
    at once.
    """
    whole = min(ceiling_s, first_s * 2.0 ** min(max(attempt - 1, 0), MAX_DOUBLINGS))
    return whole / 2 + whole / 2 * random()
