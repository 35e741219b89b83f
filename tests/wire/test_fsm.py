"""Every state × event of PS3.8 table 9-10, on the machine, against pynetdicom's transcription of the table."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest
from pynetdicom.fsm import TRANSITION_TABLE

from gateway.model.errors import LocalProtocolError
from gateway.wire.fragments import message_fragments
from gateway.wire.fsm import Role, State
from gateway.wire.pdu import (
    Abort,
    AssociateAc,
    AssociateRj,
    AssociateRq,
    ReleaseRp,
    ReleaseRq,
    encode,
)
from gateway.wire.upper_layer import Fragment, ProviderAborted, TransportClosed, UpperLayer

Feed = Callable[[UpperLayer, bytes], list[object]]


class Effect(NamedTuple):
    """What an action of tables 9-6 to 9-9 does: type of PDU sent, kind of indication, next state, timer."""

    sends: int | None
    indicates: type | None
    to: int
    artim: bool | None = None


# Written from tables 9-6 to 9-9, apart from the product's own. AR-8 depends on the role.
EFFECTS = {
    "AE-1": Effect(None, None, 4),
    "AE-2": Effect(1, None, 5),
    "AE-3": Effect(None, AssociateAc, 6),
    "AE-4": Effect(None, AssociateRj, 1),
    "AE-5": Effect(None, None, 2, True),
    "AE-6": Effect(None, AssociateRq, 3, False),
    "AE-7": Effect(2, None, 6),
    "AE-8": Effect(3, None, 13, True),
    "DT-1": Effect(None, None, 6),
    "DT-2": Effect(None, Fragment, 6),
    "AR-1": Effect(5, None, 7),
    "AR-2": Effect(None, ReleaseRq, 8),
    "AR-3": Effect(None, ReleaseRp, 1),
    "AR-4": Effect(6, None, 13, True),
    "AR-5": Effect(None, None, 1, False),
    "AR-6": Effect(None, Fragment, 7),
    "AR-7": Effect(None, None, 8),
    "AR-9": Effect(6, None, 11),
    "AR-10": Effect(None, ReleaseRp, 12),
    "AA-1": Effect(7, None, 13, True),
    "AA-2": Effect(None, None, 1, False),
    "AA-3": Effect(None, Abort, 1),
    "AA-4": Effect(None, TransportClosed, 1),
    "AA-5": Effect(None, None, 1, False),
    "AA-6": Effect(None, None, 13),
    "AA-7": Effect(7, None, 13),
    "AA-8": Effect(7, ProviderAborted, 13, True),
}
REJECTION = AssociateRj(1, 1, 7)
P_DATA = b"".join(b"".join(map(bytes, batch)) for batch in message_fragments(1, b"\0" * 8, None, 0))
LOCAL = {1, 7, 8, 9, 11, 14, 15}
TRANSPORT_AND_TIMER = {2, 5, 17, 18}


@pytest.fixture
def reach(feed: Feed, request_pdu: AssociateRq, answer_pdu: AssociateAc) -> Callable[[int], UpperLayer]:
    """A machine in the given state, by a dialogue that leads there."""
    ways: dict[int, tuple[Role, list[object]]] = {
        1: (Role.ACCEPTOR, []),
        2: (Role.ACCEPTOR, ["opened"]),
        3: (Role.ACCEPTOR, ["opened", request_pdu]),
        4: (Role.REQUESTOR, ["associate"]),
        5: (Role.REQUESTOR, ["associate", "opened"]),
        6: (Role.ACCEPTOR, ["opened", request_pdu, "accept"]),
        7: (Role.ACCEPTOR, ["opened", request_pdu, "accept", "release"]),
        8: (Role.ACCEPTOR, ["opened", request_pdu, "accept", ReleaseRq()]),
        9: (Role.REQUESTOR, ["associate", "opened", answer_pdu, "release", ReleaseRq()]),
        10: (Role.ACCEPTOR, ["opened", request_pdu, "accept", "release", ReleaseRq()]),
        11: (Role.REQUESTOR, ["associate", "opened", answer_pdu, "release", ReleaseRq(), "answer"]),
        12: (Role.ACCEPTOR, ["opened", request_pdu, "accept", "release", ReleaseRq(), ReleaseRp()]),
        13: (Role.ACCEPTOR, ["opened", request_pdu, "accept", "abort"]),
    }

    def go(state: int) -> UpperLayer:
        role, dialogue = ways[state]
        layer = UpperLayer(role)
        local: dict[str, Callable[[], None]] = {
            "opened": layer.transport_opened,
            "associate": lambda: layer.associate(request_pdu),
            "accept": lambda: layer.accept(answer_pdu),
            "release": layer.release,
            "answer": layer.answer_release,
            "abort": layer.abort,
        }
        for word in dialogue:
            if isinstance(word, str):
                local[word]()
            else:
                feed(layer, encode(word))  # type: ignore[arg-type]
        layer.data_to_send()
        assert layer.state == state
        return layer

    return go


@pytest.fixture
def happen(feed: Feed, request_pdu: AssociateRq, answer_pdu: AssociateAc) -> Callable[[UpperLayer, int], list[object]]:
    """Makes event number n of table 9-10 happen; returns the indications."""

    def act(layer: UpperLayer, event: int) -> list[object]:
        local: dict[int, Callable[[], object]] = {
            1: lambda: layer.associate(request_pdu),
            2: layer.transport_opened,
            5: layer.transport_opened,
            7: lambda: layer.accept(answer_pdu),
            8: lambda: layer.reject(REJECTION),
            9: layer.permit_data,
            11: layer.release,
            14: layer.answer_release,
            15: layer.abort,
            17: lambda: layer.received(0),
            18: layer.artim_expired,
        }
        pdus = {
            3: encode(answer_pdu),
            4: encode(REJECTION),
            6: encode(request_pdu),
            10: P_DATA,
            12: encode(ReleaseRq()),
            13: encode(ReleaseRp()),
            16: encode(Abort(0, 0)),
            19: b"\x63\x00\x00\x00\x00\x02ab",
        }
        if event in pdus:
            return feed(layer, pdus[event])
        local[event]()
        found = layer.next_event()
        return [] if found is None else [found]

    return act


CELLS = {(int(event[3:]), int(state[3:])): action for (event, state), action in TRANSITION_TABLE.items()}
# AR-8 (release collision) is tested by the dialogues that lead to states 9 and 10.
FILLED = sorted(cell for cell, action in CELLS.items() if action != "AR-8")
EMPTY_LOCAL = [(e, s) for e in sorted(LOCAL) for s in range(1, 14) if (e, s) not in CELLS]


@pytest.mark.parametrize(("event", "state"), FILLED)
def test_filled_cell(
    event: int,
    state: int,
    reach: Callable[[int], UpperLayer],
    happen: Callable[[UpperLayer, int], list[object]],
) -> None:
    effect = EFFECTS[CELLS[event, state]]
    layer = reach(state)
    indications = happen(layer, event)
    sent = layer.data_to_send()
    assert layer.state == effect.to
    assert (sent[0] if sent else None) == effect.sends
    assert [type(indication) for indication in indications] == ([effect.indicates] if effect.indicates else [])
    if effect.artim is not None:
        assert layer.artim_running is effect.artim


@pytest.mark.parametrize(("event", "state"), EMPTY_LOCAL)
def test_what_the_local_user_may_not_ask(
    event: int,
    state: int,
    reach: Callable[[int], UpperLayer],
    happen: Callable[[UpperLayer, int], list[object]],
) -> None:
    layer = reach(state)
    with pytest.raises(LocalProtocolError):
        happen(layer, event)
    assert layer.state == state
    assert layer.data_to_send() == b""


def test_the_collision_leads_requestor_and_acceptor_apart(reach: Callable[[int], UpperLayer]) -> None:
    assert reach(9).role is Role.REQUESTOR
    assert reach(10).role is Role.ACCEPTOR


@pytest.mark.parametrize(("state", "source", "reason"), [(2, 0, 0), (6, 2, 1)])
def test_an_unknown_pdu_is_answered_with_the_abort_of_the_state(
    state: int,
    source: int,
    reason: int,
    reach: Callable[[int], UpperLayer],
    happen: Callable[[UpperLayer, int], list[object]],
) -> None:
    layer = reach(state)
    happen(layer, 19)
    assert layer.data_to_send() == bytes((7, 0, 0, 0, 0, 4, 0, 0, source, reason))


def test_every_state_is_reached(reach: Callable[[int], UpperLayer]) -> None:
    assert [reach(state).state for state in range(1, 14)] == list(State)
