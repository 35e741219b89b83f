"""Associations that are kept between batches: whom they are lent to, and when they end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from gateway.jobs.open_sessions import OpenSessions
from gateway.model.errors import AssociationAborted, GatewayError, PeerUnreachable
from gateway.scu.contexts import Kind
from gateway.scu.outgoing import Outgoing
from gateway.scu.sender import StoreOutcome

MR, CT = ("1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.1.2"), ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2")


class FakeSession:
    """`after_a_pause`: what the peer has done meanwhile, to be said or raised."""

    def __init__(self) -> None:
        self.after_a_pause: bool | GatewayError = True
        self.ended: str = ""

    def send(self, item: Outgoing, /) -> StoreOutcome:
        raise NotImplementedError

    def stands(self) -> bool:
        if isinstance(self.after_a_pause, GatewayError):
            raise self.after_a_pause
        return self.after_a_pause


class Opened(list[FakeSession]):
    """Every association, in order."""

    @contextmanager
    def connect(self, kinds: Sequence[Kind]) -> Iterator[FakeSession]:
        session = FakeSession()
        self.append(session)
        try:
            yield session
        except BaseException as error:
            session.ended = type(error).__name__
            raise
        session.ended = "released"


@pytest.fixture
def opened() -> Opened:
    return Opened()


def test_an_association_is_kept_for_kinds_that_it_was_opened_for(opened: Opened) -> None:
    with OpenSessions(opened.connect) as sessions:
        assert not sessions.any
        for kinds in ([MR, CT], [MR], [CT, MR]):
            with sessions.lend(kinds):
                assert not sessions.any
            assert sessions.any
        assert [each.ended for each in opened] == [""]
    assert [each.ended for each in opened] == ["released"]


def test_one_for_other_kinds_is_released_first(opened: Opened) -> None:
    """The destination takes only so many."""
    with OpenSessions(opened.connect) as sessions:
        for kinds in ([MR], [MR, CT]):
            with sessions.lend(kinds):
                assert [each.ended for each in opened] == ["released"] * (len(opened) - 1) + [""]
    assert len(opened) == 2


def test_several_are_lent_at_the_same_time_and_all_are_kept(opened: Opened) -> None:
    with OpenSessions(opened.connect) as sessions:
        for _ in range(2):
            with sessions.lend([MR]) as one, sessions.lend([MR]) as other:
                assert one is not other
        assert len(opened) == 2


def test_an_error_ends_the_association_and_is_raised(opened: Opened) -> None:
    with OpenSessions(opened.connect) as sessions:
        with pytest.raises(PeerUnreachable), sessions.lend([MR]):
            raise PeerUnreachable("away")
        assert not sessions.any
    assert [each.ended for each in opened] == ["PeerUnreachable"]


@pytest.mark.parametrize("meanwhile", [False, AssociationAborted("idle for too long", source=2, reason=0)])
def test_one_that_the_peer_ended_meanwhile_is_replaced(opened: Opened, meanwhile: bool | GatewayError) -> None:
    """No object is under way, so none has anything to do with it."""
    with OpenSessions(opened.connect) as sessions:
        with sessions.lend([MR]):
            pass
        opened[0].after_a_pause = meanwhile
        with sessions.lend([MR]) as second:
            assert second is opened[1]
    assert [each.ended for each in opened] == ["AssociationAborted" if meanwhile else "released", "released"]


def test_what_ends_the_whole_aborts_what_is_kept(opened: Opened) -> None:
    sessions = OpenSessions(opened.connect)
    with sessions.lend([MR]):
        pass
    with pytest.raises(ZeroDivisionError), sessions:
        raise ZeroDivisionError
    assert [each.ended for each in opened] == ["ZeroDivisionError"]
