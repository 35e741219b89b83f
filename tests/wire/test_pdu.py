"""The association PDUs against pynetdicom's classes, and what a hostile peer may put in them."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from pynetdicom import build_context
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    AsynchronousOperationsWindowNegotiation,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)

from gateway.model.errors import ProtocolViolation
from gateway.wire.items import (
    OperationsWindow,
    RoleSelection,
    SopClassCommonExtended,
    SopClassExtended,
    UserIdentity,
    UserInformation,
    item,
)
from gateway.wire.pdu import (
    MAX_CONTEXTS,
    Abort,
    AnsweredContext,
    AssociateAc,
    AssociateRj,
    AssociateRq,
    ContextResult,
    ProposedContext,
    ReleaseRp,
    ReleaseRq,
    decode,
    encode,
)

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
STORAGE_SERVICE = "1.2.840.10008.4.2"

USER = UserInformation(
    max_length=16382,
    implementation_class_uid="1.2.826.0.1.3680043.9.3811.1",
    implementation_version_name="VERSION_1",
    window=OperationsWindow(5, 0),
    roles=(RoleSelection(CT, scu=False, scp=True),),
    extended=(SopClassExtended(CT, b"\x02\x00\x03\x00\x01\x00"),),
    common_extended=(SopClassCommonExtended(CT, STORAGE_SERVICE, (MR,)),),
    user_identity=UserIdentity(2, response_requested=True, primary=b"user", secondary=b"secret"),
)
REQUEST = AssociateRq(
    "CALLED",
    "CALLING",
    (ProposedContext(1, CT, (IMPLICIT, EXPLICIT)), ProposedContext(3, MR, (EXPLICIT,))),
    USER,
)


def pynetdicom_request() -> bytes:
    """The same request, made by pynetdicom."""
    primitive = A_ASSOCIATE()
    primitive.application_context_name = "1.2.840.10008.3.1.1.1"
    primitive.calling_ae_title, primitive.called_ae_title = "CALLING", "CALLED"
    contexts = [build_context(CT, [IMPLICIT, EXPLICIT]), build_context(MR, [EXPLICIT])]
    for number, context in enumerate(contexts):
        context.context_id = 2 * number + 1
    primitive.presentation_context_definition_list = contexts
    length = MaximumLengthNotification()
    length.maximum_length_received = 16382
    class_uid = ImplementationClassUIDNotification()
    class_uid.implementation_class_uid = USER.implementation_class_uid
    name = ImplementationVersionNameNotification()
    name.implementation_version_name = "VERSION_1"
    window = AsynchronousOperationsWindowNegotiation()
    window.maximum_number_operations_invoked, window.maximum_number_operations_performed = 5, 0
    role = SCP_SCU_RoleSelectionNegotiation()
    role.sop_class_uid, role.scu_role, role.scp_role = CT, False, True
    extended = SOPClassExtendedNegotiation()
    extended.sop_class_uid, extended.service_class_application_information = CT, b"\x02\x00\x03\x00\x01\x00"
    common = SOPClassCommonExtendedNegotiation()
    common.sop_class_uid, common.service_class_uid = CT, STORAGE_SERVICE
    common.related_general_sop_class_identification = [MR]
    identity = UserIdentityNegotiation()
    identity.user_identity_type, identity.positive_response_requested = 2, True
    identity.primary_field, identity.secondary_field = b"user", b"secret"
    primitive.user_information = [length, class_uid, name, window, role, extended, common, identity]
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(primitive)
    return pdu.encode()


def body_of(data: bytes) -> memoryview:
    """What follows the six bytes of a PDU's header."""
    return memoryview(data)[6:]


def test_a_request_is_read_as_pynetdicom_writes_it() -> None:
    assert decode(1, body_of(pynetdicom_request())) == REQUEST


def test_a_request_is_written_so_that_pynetdicom_reads_it() -> None:
    theirs = A_ASSOCIATE_RQ()
    theirs.decode(encode(REQUEST))
    assert theirs.encode() == encode(REQUEST)
    assert (theirs.called_ae_title, theirs.calling_ae_title) == ("CALLED", "CALLING")
    assert [context.abstract_syntax for context in theirs.presentation_context] == [CT, MR]
    user: Any = theirs.user_information
    assert user.maximum_length == 16382
    assert user.user_identity.secondary_field == b"secret"


def test_an_answer_goes_both_ways() -> None:
    answers = (
        AnsweredContext(1, ContextResult.ACCEPTANCE, EXPLICIT),
        AnsweredContext(3, ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED, IMPLICIT),
    )
    user = UserInformation(0, "1.2.3", "NAME", roles=USER.roles, user_identity_response=b"ticket")
    answer = AssociateAc(REQUEST.title_fields, answers, user)
    theirs = A_ASSOCIATE_AC()
    theirs.decode(encode(answer))
    assert theirs.encode() == encode(answer)
    assert [context.result for context in theirs.presentation_context] == [0, 3]
    assert decode(2, body_of(theirs.encode())) == answer


def test_a_rejection_is_read_by_pynetdicom() -> None:
    theirs = A_ASSOCIATE_RJ()
    theirs.decode(encode(AssociateRj(1, 2, 2)))
    assert (theirs.result, theirs.source, theirs.reason_diagnostic) == (1, 2, 2)


@pytest.mark.parametrize("pdu", [AssociateRj(2, 3, 1), ReleaseRq(), ReleaseRp(), Abort(2, 6)])
def test_short_pdus_go_there_and_back(pdu: AssociateRj | ReleaseRq | ReleaseRp | Abort) -> None:
    data = encode(pdu)
    assert len(data) == 10
    assert decode(data[0], body_of(data)) == pdu


def test_outer_spaces_of_titles_do_not_count_and_the_fields_come_back_as_sent() -> None:
    data = bytearray(encode(REQUEST))
    data[10:26] = b"  CALLED\0\0      "
    data[42:74] = bytes(range(32))
    request = decode(1, body_of(bytes(data)))
    assert isinstance(request, AssociateRq)
    assert request.called_ae_title == "CALLED"
    answer = encode(AssociateAc(request.title_fields, (AnsweredContext(1, ContextResult.ACCEPTANCE, IMPLICIT),), USER))
    assert answer[10:74] == data[10:74]


def test_unknown_items_are_skipped() -> None:
    unknown = struct.pack(">BxH", 0x7E, 3) + b"abc"
    assert decode(1, body_of(encode(REQUEST) + unknown)) == REQUEST


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(REQUEST)


def spoiled(offset: int, value: bytes) -> bytes:
    """The request with bytes at `offset` replaced."""
    data = encode(REQUEST)
    return data[:offset] + value + data[offset + len(value) :]


FIRST_CONTEXT = 74 + 4 + 21
MANY = tuple(ProposedContext(1, CT, (IMPLICIT,)) for _ in range(2))


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (encode(REQUEST)[:70], "too few"),
        (encode(REQUEST)[:-1], "claims"),
        (spoiled(FIRST_CONTEXT + 4, b"\x02"), "not odd"),
        (spoiled(FIRST_CONTEXT + 2, b"\xff\xff"), "claims"),
        (encode(AssociateRq("A", "B", MANY, USER)), "twice"),
        (encode(AssociateRq("A", "B", (), USER)), "no item 0x20"),
        (encode(AssociateRq("A", "B", (ProposedContext(1, CT, ()),), USER)), "transfer syntax missing"),
        (encode(AssociateRq("A", "B", (ProposedContext(1, CT, (IMPLICIT,) * 129),), USER)), "more than 128"),
        (encode(REQUEST) + item(0x7F, b"") * 513, "more than 512"),  # type: ignore[arg-type]
    ],
)
def test_a_spoiled_request_is_refused_by_name(data: bytes, field: str) -> None:
    with pytest.raises(ProtocolViolation, match=field):
        decode(1, body_of(data))


def test_all_128_contexts_fit() -> None:
    contexts = tuple(ProposedContext(2 * n + 1, CT, (IMPLICIT,)) for n in range(MAX_CONTEXTS))
    request = decode(1, body_of(encode(AssociateRq("A", "B", contexts, USER))))
    assert isinstance(request, AssociateRq)
    assert len(request.contexts) == 128


@pytest.mark.parametrize("title", ["SEVENTEEN_LETTERS", "ÄRZTE"])
def test_a_title_that_cannot_be_sent(title: str) -> None:
    with pytest.raises(ValueError):
        encode(AssociateRq(title, "B", MANY[:1], USER))


@pytest.mark.parametrize("kind", [3, 5, 6, 7])
def test_short_pdus_of_another_length(kind: int) -> None:
    with pytest.raises(ProtocolViolation, match="instead of 4"):
        decode(kind, memoryview(bytes(5)))
