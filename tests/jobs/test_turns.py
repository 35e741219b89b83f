"""One at a time for each peer."""

from __future__ import annotations

import threading

import pytest

from gateway.jobs import turns
from gateway.jobs.turns import Turns

WAIT_S = 10.0


def test_the_next_follows_when_the_first_is_done() -> None:
    all_turns, entered, had = Turns(), threading.Event(), []

    def second() -> None:
        entered.set()
        with all_turns.of("a") as mine:
            had.append(mine)

    thread = threading.Thread(target=second)
    with all_turns.of("a") as mine, all_turns.of("b") as another:
        assert mine
        assert another
        thread.start()
        assert entered.wait(WAIT_S)
        assert not had
    thread.join(WAIT_S)
    assert had == [True]


def test_who_has_been_silent_for_long_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_SHORT_S", 0.0)
    all_turns = Turns()
    with all_turns.of("silent"):
        with all_turns.of("silent") as mine:
            assert not mine
        with all_turns.of("silent") as mine:
            assert not mine, "a turn that was not had is not given back"
        with all_turns.of("another") as mine:
            assert mine
    with all_turns.of("silent") as mine:
        assert mine


def test_a_turn_ends_with_an_error_too() -> None:
    all_turns = Turns()
    with pytest.raises(RuntimeError), all_turns.of("a"):
        raise RuntimeError
    with all_turns.of("a") as mine:
        assert mine
