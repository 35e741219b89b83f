"""The wait before the next attempt."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.jobs.backoff import CEILING_S, delay_s


def test_it_doubles_up_to_ten_minutes() -> None:
    waits = [delay_s(attempt, lambda: 1.0) for attempt in range(1, 10)]
    assert waits == [5, 10, 20, 40, 80, 160, 320, 600, 600]


@given(attempt=st.integers(-5, 10**9), chance=st.floats(0, 1))
def test_half_of_it_is_random_and_none_is_longer(attempt: int, chance: float) -> None:
    wait = delay_s(attempt, lambda: chance)
    longest = delay_s(attempt, lambda: 1.0)
    assert longest / 2 <= wait <= longest <= CEILING_S
