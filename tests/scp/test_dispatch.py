"""Which service answers a request, by operation and role."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from gateway.model.errors import ProtocolViolation
from gateway.model.peer import Service
from gateway.scp import dispatch
from gateway.scp.dispatch import Dispatcher
from gateway.scp.service import Service as Operation
from gateway.scp.service import ServiceClass, ServiceContext
from gateway.wire.command import Command, CommandField
from gateway.wire.dimse import Message
from gateway.wire.negotiation import Context, Offer

UID = "1.2.840.10008.1.20.1"
ACTION, EVENT = CommandField.N_ACTION_RQ, CommandField.N_EVENT_REPORT_RQ


def answered_by(request: int, *, scu: bool, scp: bool, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of what answers on a context on which the requestor has these roles."""
    called: list[str] = []
    operations: dict[int, Operation] = {
        ACTION: lambda *_: called.append("action"),
        EVENT: lambda *_: called.append("event"),
    }
    monkeypatch.setattr(dispatch, "refuse_unknown", lambda *_: called.append("nobody"))
    provided = ServiceClass(Service.COMMIT, operations, lambda *_: Offer(frozenset()))
    association = SimpleNamespace(
        contexts={1: Context(1, UID, "1.2", requestor_scu=scu, requestor_scp=scp)}, forsaken=lambda _: False
    )
    context = cast(ServiceContext, SimpleNamespace(association=association))
    Dispatcher(context, (provided,)).dispatch(Message(1, Command(field=request)))
    return called[0]


@pytest.mark.parametrize(
    ("request_field", "scu", "scp", "by"),
    [
        (ACTION, True, False, "action"),
        (ACTION, False, True, "nobody"),
        (EVENT, False, True, "event"),
        (EVENT, True, False, "event"),  # a report without the role that belongs to it
        (CommandField.C_ECHO_RQ, True, True, "nobody"),
    ],
)
def test_by_operation_and_role(
    request_field: int, scu: bool, scp: bool, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert answered_by(request_field, scu=scu, scp=scp, monkeypatch=monkeypatch) == by


def test_a_response_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ProtocolViolation):
        answered_by(CommandField.C_STORE_RSP, scu=True, scp=True, monkeypatch=monkeypatch)
