"""Retrieving from a peer: C-GET over the association that asks, C-MOVE to whoever is named (PS3.4 C.4.2, C.4.3).

Both ask by the Study Root model, for a study or one of its series. What a peer could not send it says in its last
response, with the UIDs where it keeps to the standard.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, replace

from gateway.dicom.elements import Elements
from gateway.dicom.encoding import Encoding, encoding_of
from gateway.dicom.information_models import SERIES_UID, STUDY_UID
from gateway.dicom.transfer_syntaxes import transfer_syntax
from gateway.dicom.uids import is_usable
from gateway.model.attention import Look, nobody_asks
from gateway.model.errors import (
    AssociationAborted,
    Cancelled,
    ConnectionLost,
    GatewayError,
    MalformedData,
    OperationRefused,
    PeerTimeout,
    ProtocolViolation,
    Unsupported,
)
from gateway.model.query import Key, Level
from gateway.net.association import Association
from gateway.net.waiting import no_longer_than
from gateway.scu.association import Destination, Proposal, RequestedAssociation, request_association
from gateway.scu.find import HEARD_OUT_S, Query, find
from gateway.scu.retrieve_contexts import UNCOMPRESSED, Round, rounds
from gateway.wire.command import RESPONSE_BIT, Command, CommandField, Priority
from gateway.wire.dimse import Message
from gateway.wire.items import RoleSelection
from gateway.wire.negotiation import Context
from gateway.wire.pdu import ProposedContext

STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_ROOT_GET = "1.2.840.10008.5.1.4.1.2.2.3"

PENDING = 0xFF00
SUCCESS = 0x0000
SOME_FAILED = 0xB000
UNABLE_TO_PERFORM = 0xA702
_LEVEL = 0x00080052
_FAILED_SOP_INSTANCE_UID_LIST = 0x00080058
_SOP_CLASSES_IN_STUDY = 0x00080062
# What is known of the classes spares a second association, and is not worth a long wait.
_CLASSES_S = 10.0
_MOST_CLASSES = 64
# A list in Explicit VR has at most 64 KiB; in Implicit VR a peer may send more, of which no more is read than this.
_LONGEST_IDENTIFIER = 1 << 22
# How many messages are heard out after a C-CANCEL before the association is ended without the answer to it.
_PATIENCE = 100

# PS3.4 tables C.4-2 and C.4-3, in the words an administrator can act on; others are told by their number.
_STATUSES = {
    0xA701: "it cannot count the matches",
    0xA702: "it cannot send them",
    0xA801: "it does not know the destination",
    0xA900: "it does not understand the request",
    0xB000: "some could not be sent",
    0xFE00: "it was cancelled",
}

# What may become of a question that need not be answered.
_UNANSWERED = (
    Unsupported, OperationRefused, AssociationAborted, ConnectionLost, ProtocolViolation, MalformedData, PeerTimeout,
)  # fmt: skip

Store = Callable[[Association, Message], None]
"""Answers a C-STORE request that comes on this association."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A study, or one of its series."""

    study_uid: str
    series_uid: str = ""

    def identifier(self, encoding: Encoding) -> bytes:
        """The request's identifier: the level and the unique keys down to it."""
        level = "SERIES" if self.series_uid else "STUDY"
        elements = [(_LEVEL, b"CS", level + " " * (len(level) % 2)), (STUDY_UID, b"UI", _even(self.study_uid))]
        if self.series_uid:
            elements.append((SERIES_UID, b"UI", _even(self.series_uid)))
        return b"".join(encoding.head(tag, vr, len(text)) + text.encode("ascii") for tag, vr, text in elements)


@dataclass(frozen=True, slots=True)
class Retrieved:
    """How far a retrieval is, as the peer tells it; `remaining` None where it does not. `status` of the last response.

    `failed_uids` and `comment` come with the last one.
    """

    status: int
    remaining: int | None
    completed: int
    failed: int
    warning: int
    failed_uids: tuple[str, ...] = ()
    comment: str = ""

    @property
    def ended(self) -> bool:
        """True for the last response."""
        return self.status != PENDING

    def and_then(self, later: Retrieved) -> Retrieved:
        """Both together, where `later` is about what had failed before, and fails for all that had not."""
        sent = later.completed + later.warning
        failed = max(0, self.failed - sent) if later.ended else self.failed
        uids = set(later.failed_uids)
        return replace(
            later,
            status=SUCCESS if later.ended and not failed else later.status,
            remaining=None,
            completed=self.completed + later.completed,
            warning=self.warning + later.warning,
            failed=failed,
            failed_uids=tuple(uid for uid in self.failed_uids if uid in uids),
        )

    @property
    def trouble(self) -> str:
        """What is wrong with the operation, empty for Success."""
        if self.status in (SUCCESS, PENDING):
            return ""
        said = _STATUSES.get(self.status, "it failed")
        return f"{said} (status {self.status:04X}{': ' + self.comment if self.comment else ''})"


def get(destination: Destination, wanted: Wanted, store: Store, look: Look | None = None) -> Generator[Retrieved]:
    """C-GET: each object is given to `store` as it comes. The last of what is given has `ended`.

    To stop before the end, close the iterator, or let `look` raise Cancelled, which is called now and then while the
    peer is waited for: the peer is sent a C-CANCEL. Raises what `request_association` raises, Unsupported where the
    peer offers no C-GET, and what ends an association.
    """
    first: Retrieved | None = None
    for contexts in rounds(_classes(destination, wanted, look)):
        for told in _get_of(destination, wanted, store, contexts, look):
            last = told if first is None else first.and_then(told)
            yield last
        if not last.failed or last.status not in (SOME_FAILED, UNABLE_TO_PERFORM):
            return
        first = last


def _classes(destination: Destination, wanted: Wanted, look: Look | None) -> tuple[str, ...]:
    """The SOP classes in the study, where the peer says so: SOPClassesInStudy is an optional key, and so is C-FIND."""
    keys = (Key(STUDY_UID, "UI", (wanted.study_uid,)), Key(_SOP_CLASSES_IN_STUDY, "UI"))
    patience = replace(destination.deadlines, idle_s=_CLASSES_S, association_s=_CLASSES_S)
    asked = replace(destination, deadlines=patience)
    try:
        with closing(find(asked, Query(Level.STUDY, keys), look)) as answers:
            found = [uid for answer in answers for uid in answer.values(_SOP_CLASSES_IN_STUDY) or ()]
    except _UNANSWERED:
        return ()
    return tuple(uid for uid in found if is_usable(uid))[:_MOST_CLASSES]


def _get_of(
    destination: Destination, wanted: Wanted, store: Store, contexts: Round, look: Look | None
) -> Generator[Retrieved]:
    asked = ((STUDY_ROOT_GET, UNCOMPRESSED), *contexts)
    proposal = Proposal(
        tuple(ProposedContext(2 * number + 1, *context) for number, context in enumerate(asked)),
        roles=tuple(RoleSelection(uid, scu=False, scp=True) for uid in dict(contexts)),
    )
    with request_association(destination.brief, proposal, look) as peer:
        yield from _ask(peer, STUDY_ROOT_GET, CommandField.C_GET_RQ, wanted, store=store, look=look or nobody_asks)


def move(destination: Destination, wanted: Wanted, to_ae_title: str, look: Look | None = None) -> Generator[Retrieved]:
    """C-MOVE to the application entity of this title; otherwise as `get`."""
    with request_association(destination.brief, (ProposedContext(1, STUDY_ROOT_MOVE, UNCOMPRESSED),), look) as peer:
        yield from _ask(peer, STUDY_ROOT_MOVE, CommandField.C_MOVE_RQ, wanted, to=to_ae_title)


def _ask(
    peer: RequestedAssociation,
    model: str,
    field: CommandField,
    wanted: Wanted,
    *,
    to: str | None = None,
    store: Store | None = None,
    look: Look = nobody_asks,
) -> Generator[Retrieved]:
    context = peer.context_for(model)
    if context is None:
        raise Unsupported(f"the peer offers no {field.name.removesuffix('_RQ').replace('_', '-')} (Study Root)")
    request = Command(
        field=field,
        has_data_set=True,
        message_id=peer.next_message_id(),
        affected_sop_class_uid=model,
        priority=Priority.MEDIUM,
        move_destination=to,
    )
    peer.association.send(context.id, request, (wanted.identifier(_encoding(context)),))
    told = None
    try:
        while told is None or not told.ended:
            told = _next(peer.association, request, context, store, look)
            yield told
    except (GeneratorExit, KeyboardInterrupt, Cancelled):
        if told is None or not told.ended:
            _cancel(peer.association, request, context, store)
        raise


def _next(
    association: Association, request: Command, context: Context, store: Store | None, look: Look = nobody_asks
) -> Retrieved:
    """The next response; objects that come before it are stored, with a look after each."""
    while (message := association.receive()) is not None:
        command = message.command
        if store is not None and command.field == CommandField.C_STORE_RQ:
            store(association, message)
            look()
            continue
        answered = (command.field, command.message_id_being_responded_to)
        if answered != (request.field | RESPONSE_BIT, request.message_id) or command.status is None:
            raise ProtocolViolation(f"a message {command.field:#06x} instead of the answer that is due")
        return _told(association, command, context)
    raise ProtocolViolation("the peer released the association in the middle of a retrieval")


def _told(association: Association, command: Command, context: Context) -> Retrieved:
    told = Retrieved(
        status=command.status or SUCCESS,
        remaining=command.remaining_suboperations,
        completed=command.completed_suboperations or 0,
        failed=command.failed_suboperations or 0,
        warning=command.warning_suboperations or 0,
        comment=command.error_comment or "",
    )
    if told.status & 0xFF00 == PENDING:
        return replace(told, status=PENDING)
    if not command.has_data_set:
        return told
    data = association.read_data_set(_LONGEST_IDENTIFIER)
    return replace(told, failed_uids=_failed_uids(data, context))


def _failed_uids(data: bytes, context: Context) -> tuple[str, ...]:
    """Nothing hangs on the list: one that cannot be read is as good as none."""
    try:
        return Elements(data, _encoding(context)).values(_FAILED_SOP_INSTANCE_UID_LIST) or ()
    except MalformedData:
        return ()


def _cancel(association: Association, request: Command, context: Context, store: Store | None) -> None:
    """Say that no more is wanted, and hear the peer out for a while."""
    cancel = Command(field=CommandField.C_CANCEL_RQ, message_id_being_responded_to=request.message_id)
    association.attend(no_longer_than(HEARD_OUT_S))
    try:
        association.send(context.id, cancel)
        for _ in range(_PATIENCE):
            if _next(association, request, context, store).ended:
                return
    except GatewayError:
        return


def _encoding(context: Context) -> Encoding:
    return encoding_of(transfer_syntax(context.transfer_syntax))


def _even(uid: str) -> str:
    return uid + "\0" * (len(uid) % 2)
