"""Requests that are known again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.model.errors import ProtocolViolation
from gateway.wire import request_memory
from gateway.wire.items import UserIdentity
from gateway.wire.pdu import AssociateRq, Pdu, PduType, ReleaseRq, decode, encode
from gateway.wire.request_memory import RequestMemory


def body_of(request: AssociateRq) -> memoryview:
    return memoryview(encode(request))[6:]


def read(memory: RequestMemory, request: AssociateRq) -> Pdu:
    return memory.decode(PduType.ASSOCIATE_RQ, body_of(request))


def test_the_same_request_is_read_once(request_pdu: AssociateRq) -> None:
    memory = RequestMemory()
    first = read(memory, request_pdu)
    assert first == decode(PduType.ASSOCIATE_RQ, body_of(request_pdu))
    assert read(memory, request_pdu) is first
    assert read(memory, replace(request_pdu, calling_ae_title="ANOTHER")) != first


def test_who_names_a_user_is_not_remembered(request_pdu: AssociateRq) -> None:
    memory = RequestMemory()
    user = replace(request_pdu.user, user_identity=UserIdentity(2, True, b"user", b"passcode"))
    for _ in range(2):
        request = read(memory, replace(request_pdu, user=user))
        assert isinstance(request, AssociateRq)
        assert request.as_sent == b""
    assert not memory._known


def test_what_is_kept_is_bounded(request_pdu: AssociateRq, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_memory, "_MOST", 4)
    memory = RequestMemory()
    for number in range(20):
        read(memory, replace(request_pdu, calling_ae_title=f"CALLER{number}"))
        assert len(memory._known) <= 4
    monkeypatch.setattr(request_memory, "_LONGEST", 100)
    assert read(memory, request_pdu) == request_pdu
    assert body_of(request_pdu).tobytes() not in memory._known


def test_other_pdus_and_faults_pass_through(request_pdu: AssociateRq) -> None:
    memory = RequestMemory()
    assert memory.decode(PduType.RELEASE_RQ, memoryview(bytes(4))) == ReleaseRq()
    with pytest.raises(ProtocolViolation):
        memory.decode(PduType.ASSOCIATE_RQ, body_of(request_pdu)[:-1])
