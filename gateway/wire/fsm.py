"""The upper layer's state machine: PS3.8 section 9.2, tables 9-1 to 9-10, as one table.

A cell of the table names an action; an action is a `Step`: the next state and what to do on the way. The machine
knows nothing of bytes: `gateway.wire.upper_layer` carries the steps out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum


class Role(Enum):
    """Which side asked for the association."""

    REQUESTOR = "requestor"
    ACCEPTOR = "acceptor"


class State(IntEnum):
    """PS3.8 tables 9-1 to 9-5."""

    IDLE = 1
    AWAITING_RQ = 2
    AWAITING_LOCAL_RESPONSE = 3
    AWAITING_TRANSPORT = 4
    AWAITING_AC_OR_RJ = 5
    ESTABLISHED = 6
    AWAITING_RELEASE_RP = 7
    AWAITING_LOCAL_RELEASE = 8
    COLLISION_REQUESTOR_LOCAL = 9
    COLLISION_ACCEPTOR_RP = 10
    COLLISION_REQUESTOR_RP = 11
    COLLISION_ACCEPTOR_LOCAL = 12
    AWAITING_CLOSE = 13


class Trigger(IntEnum):
    """The events of table 9-10, by their numbers: primitives of the local user, PDUs, transport and timer."""

    ASSOCIATE_REQUEST = 1
    TRANSPORT_CONFIRM = 2
    ASSOCIATE_AC = 3
    ASSOCIATE_RJ = 4
    TRANSPORT_INDICATION = 5
    ASSOCIATE_RQ = 6
    ASSOCIATE_ACCEPT = 7
    ASSOCIATE_REJECT = 8
    P_DATA_REQUEST = 9
    P_DATA_TF = 10
    RELEASE_REQUEST = 11
    RELEASE_RQ = 12
    RELEASE_RP = 13
    RELEASE_RESPONSE = 14
    ABORT_REQUEST = 15
    ABORT = 16
    TRANSPORT_CLOSED = 17
    ARTIM_EXPIRED = 18
    INVALID_PDU = 19


LOCAL_TRIGGERS = frozenset(
    {
        Trigger.ASSOCIATE_REQUEST,
        Trigger.ASSOCIATE_ACCEPT,
        Trigger.ASSOCIATE_REJECT,
        Trigger.P_DATA_REQUEST,
        Trigger.RELEASE_REQUEST,
        Trigger.RELEASE_RESPONSE,
        Trigger.ABORT_REQUEST,
    }
)


class Send(Enum):
    """What an action writes: nothing, the PDU of the primitive at hand, or an A-ABORT as user or as provider."""

    NOTHING = 0
    PDU = 1
    ABORT_AS_USER = 2
    ABORT_AS_PROVIDER = 3


class Artim(Enum):
    """What an action does to the association request/reject/release timer."""

    LEAVE = 0
    START = 1
    STOP = 2


@dataclass(frozen=True, slots=True)
class Step:
    """An action of tables 9-6 to 9-9. `indicate`: the user is told; `close`: the transport connection is closed."""

    to: State
    send: Send = Send.NOTHING
    indicate: bool = False
    artim: Artim = Artim.LEAVE
    close: bool = False


_S = State
_START, _STOP = Artim.START, Artim.STOP

# Tables 9-6 to 9-9. AE-6 rejects what the provider cannot take, such as another protocol version; here that is the
# user's A-ASSOCIATE response (AE-8), which puts the same bytes on the wire.
AE1 = Step(_S.AWAITING_TRANSPORT)
AE2 = Step(_S.AWAITING_AC_OR_RJ, send=Send.PDU)
AE3 = Step(_S.ESTABLISHED, indicate=True)
AE4 = Step(_S.IDLE, indicate=True, close=True)
AE5 = Step(_S.AWAITING_RQ, artim=_START)
AE6 = Step(_S.AWAITING_LOCAL_RESPONSE, indicate=True, artim=_STOP)
AE7 = Step(_S.ESTABLISHED, send=Send.PDU)
AE8 = Step(_S.AWAITING_CLOSE, send=Send.PDU, artim=_START)
DT1 = Step(_S.ESTABLISHED, send=Send.PDU)
DT2 = Step(_S.ESTABLISHED, indicate=True)
AR1 = Step(_S.AWAITING_RELEASE_RP, send=Send.PDU)
AR2 = Step(_S.AWAITING_LOCAL_RELEASE, indicate=True)
AR3 = Step(_S.IDLE, indicate=True, close=True)
AR4 = Step(_S.AWAITING_CLOSE, send=Send.PDU, artim=_START)
AR5 = Step(_S.IDLE, artim=_STOP)
AR6 = Step(_S.AWAITING_RELEASE_RP, indicate=True)
AR7 = Step(_S.AWAITING_LOCAL_RELEASE, send=Send.PDU)
AR8 = Step(_S.COLLISION_REQUESTOR_LOCAL, indicate=True)
AR9 = Step(_S.COLLISION_REQUESTOR_RP, send=Send.PDU)
AR10 = Step(_S.COLLISION_ACCEPTOR_LOCAL, indicate=True)
AA1 = Step(_S.AWAITING_CLOSE, send=Send.ABORT_AS_USER, artim=_START)
AA2 = Step(_S.IDLE, artim=_STOP, close=True)
AA3 = Step(_S.IDLE, indicate=True, close=True)
AA4 = Step(_S.IDLE, indicate=True)
AA5 = Step(_S.IDLE, artim=_STOP)
AA6 = Step(_S.AWAITING_CLOSE)
AA7 = Step(_S.AWAITING_CLOSE, send=Send.ABORT_AS_PROVIDER)
AA8 = Step(_S.AWAITING_CLOSE, send=Send.ABORT_AS_PROVIDER, indicate=True, artim=_START)
# AR-8 where this side accepted the association.
AR8_ACCEPTOR = Step(_S.COLLISION_ACCEPTOR_RP, indicate=True)

___ = None

# fmt: off
# Table 9-10, one row an event, one column a state.
_TABLE: Mapping[Trigger, tuple[Step | None, ...]] = {
    #                           Sta1 Sta2 Sta3 Sta4 Sta5 Sta6 Sta7 Sta8 Sta9 Sta10 Sta11 Sta12 Sta13
    Trigger.ASSOCIATE_REQUEST:    (AE1, ___, ___, ___, ___, ___, ___, ___, ___, ___,  ___,  ___,  ___),
    Trigger.TRANSPORT_CONFIRM:    (___, ___, ___, AE2, ___, ___, ___, ___, ___, ___,  ___,  ___,  ___),
    Trigger.ASSOCIATE_AC:         (___, AA1, AA8, ___, AE3, AA8, AA8, AA8, AA8, AA8,  AA8,  AA8,  AA6),
    Trigger.ASSOCIATE_RJ:         (___, AA1, AA8, ___, AE4, AA8, AA8, AA8, AA8, AA8,  AA8,  AA8,  AA6),
    Trigger.TRANSPORT_INDICATION: (AE5, ___, ___, ___, ___, ___, ___, ___, ___, ___,  ___,  ___,  ___),
    Trigger.ASSOCIATE_RQ:         (___, AE6, AA8, ___, AA8, AA8, AA8, AA8, AA8, AA8,  AA8,  AA8,  AA7),
    Trigger.ASSOCIATE_ACCEPT:     (___, ___, AE7, ___, ___, ___, ___, ___, ___, ___,  ___,  ___,  ___),
    Trigger.ASSOCIATE_REJECT:     (___, ___, AE8, ___, ___, ___, ___, ___, ___, ___,  ___,  ___,  ___),
    Trigger.P_DATA_REQUEST:       (___, ___, ___, ___, ___, DT1, ___, AR7, ___, ___,  ___,  ___,  ___),
    Trigger.P_DATA_TF:            (___, AA1, AA8, ___, AA8, DT2, AR6, AA8, AA8, AA8,  AA8,  AA8,  AA6),
    Trigger.RELEASE_REQUEST:      (___, ___, ___, ___, ___, AR1, ___, ___, ___, ___,  ___,  ___,  ___),
    Trigger.RELEASE_RQ:           (___, AA1, AA8, ___, AA8, AR2, AR8, AA8, AA8, AA8,  AA8,  AA8,  AA6),
    Trigger.RELEASE_RP:           (___, AA1, AA8, ___, AA8, AA8, AR3, AA8, AA8, AR10, AR3,  AA8,  AA6),
    Trigger.RELEASE_RESPONSE:     (___, ___, ___, ___, ___, ___, ___, AR4, AR9, ___,  ___,  AR4,  ___),
    Trigger.ABORT_REQUEST:        (___, ___, AA1, AA2, AA1, AA1, AA1, AA1, AA1, AA1,  AA1,  AA1,  ___),
    Trigger.ABORT:                (___, AA2, AA3, ___, AA3, AA3, AA3, AA3, AA3, AA3,  AA3,  AA3,  AA2),
    Trigger.TRANSPORT_CLOSED:     (___, AA5, AA4, AA4, AA4, AA4, AA4, AA4, AA4, AA4,  AA4,  AA4,  AR5),
    Trigger.ARTIM_EXPIRED:        (___, AA2, ___, ___, ___, ___, ___, ___, ___, ___,  ___,  ___,  AA2),
    Trigger.INVALID_PDU:          (___, AA1, AA8, ___, AA8, AA8, AA8, AA8, AA8, AA8,  AA8,  AA8,  AA7),
}
# fmt: on


def step_for(state: State, trigger: Trigger, role: Role) -> Step | None:
    """The cell of table 9-10, or None where the table is empty."""
    step = _TABLE[trigger][state - 1]
    return AR8_ACCEPTOR if step is AR8 and role is Role.ACCEPTOR else step
