"""Every state × event of PS3.8 table 9-10, on the machine, against the table as it is printed."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from gateway.model.errors import LocalProtocolError
from gateway.wire.fragments import message_fragments
from gateway.wire.fsm import Role, State, Trigger, step_for
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


# Tables 9-6 to 9-9. AR-8 leads to state 9 where this side requested the association.
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
    "AR-8": Effect(None, ReleaseRq, 10),
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


# Table 9-10: a line an event, in it the actions by their states; a range of states shares one.
PRINTED = """
 1: 1 AE-1
 2: 4 AE-2
 3: 2 AA-1, 3 AA-8, 5 AE-3, 6-12 AA-8, 13 AA-6
 4: 2 AA-1, 3 AA-8, 5 AE-4, 6-12 AA-8, 13 AA-6
 5: 1 AE-5
 6: 2 AE-6, 3 AA-8, 5-12 AA-8, 13 AA-7
 7: 3 AE-7
 8: 3 AE-8
 9: 6 DT-1, 8 AR-7
10: 2 AA-1, 3 AA-8, 5 AA-8, 6 DT-2, 7 AR-6, 8-12 AA-8, 13 AA-6
11: 6 AR-1
12: 2 AA-1, 3 AA-8, 5 AA-8, 6 AR-2, 7 AR-8, 8-12 AA-8, 13 AA-6
13: 2 AA-1, 3 AA-8, 5-6 AA-8, 7 AR-3, 8-9 AA-8, 10 AR-10, 11 AR-3, 12 AA-8, 13 AA-6
14: 8 AR-4, 9 AR-9, 12 AR-4
15: 3 AA-1, 4 AA-2, 5-12 AA-1
16: 2 AA-2, 3 AA-3, 5-12 AA-3, 13 AA-2
17: 2 AA-5, 3-12 AA-4, 13 AR-5
18: 2 AA-2, 13 AA-2
19: 2 AA-1, 3 AA-8, 5-12 AA-8, 13 AA-7
"""


def cells_of(printed: str) -> dict[tuple[int, int], str]:
    """Event and state of every filled cell, with its action."""
    cells = {}
    for line in printed.strip().splitlines():
        event, _, row = line.partition(":")
        for entry in row.split(","):
            states, action = entry.split()
            first, _, last = states.partition("-")
            for state in range(int(first), int(last or first) + 1):
                cells[int(event), state] = action
    return cells


CELLS = cells_of(PRINTED)
EVERY_CELL = [(event, state) for event in range(1, 20) for state in range(1, 14)]
# By its role a machine knows whether an open connection confirms (2) or indicates (5): the other cannot happen to it.
IMPOSSIBLE = {(2, 1), (5, 4)}


def test_the_table_has_as_many_cells_as_the_printed_one() -> None:
    assert len(EVERY_CELL) == 247
    assert len(CELLS) == 123
    filled = {cell for cell in EVERY_CELL if step_for(State(cell[1]), Trigger(cell[0]), Role.ACCEPTOR) is not None}
    assert filled == CELLS.keys()


@pytest.mark.parametrize(("event", "state"), EVERY_CELL)
def test_cell(
    event: int,
    state: int,
    reach: Callable[[int], UpperLayer],
    happen: Callable[[UpperLayer, int], list[object]],
) -> None:
    layer = reach(state)
    if action := CELLS.get((event, state)):
        check_action(layer, EFFECTS[action], happen(layer, event))
    elif (event, state) not in IMPOSSIBLE:
        check_nothing(layer, event, state, happen)


def check_action(layer: UpperLayer, effect: Effect, indications: list[object]) -> None:
    """What the action does, and nothing else."""
    sent = layer.data_to_send()
    assert layer.state == effect.to
    assert (sent[0] if sent else None) == effect.sends
    assert [type(indication) for indication in indications] == ([effect.indicates] if effect.indicates else [])
    if effect.artim is not None:
        assert layer.artim_running is effect.artim


def check_nothing(layer: UpperLayer, event: int, state: int, happen: Callable[[UpperLayer, int], list[object]]) -> None:
    """An empty cell: what this side may not ask, and bytes before there is a connection, are mistakes of ours; the
    rest is no matter."""
    without_connection = state == State.AWAITING_TRANSPORT and event not in (17, 18)
    if event in LOCAL or event in (2, 5) or without_connection:
        with pytest.raises(LocalProtocolError):
            happen(layer, event)
    else:
        assert happen(layer, event) == []
    assert layer.state == state
    assert layer.data_to_send() == b""


def test_a_release_collision_where_this_side_requested(reach: Callable[[int], UpperLayer]) -> None:
    assert reach(9).state == 9  # by AR-8 out of state 7, as the way there says


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
