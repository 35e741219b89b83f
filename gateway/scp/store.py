"""Storage: C-STORE (PS3.4 annex B, PS3.7 9.1.1).

The data set goes to the ingest door as it comes, byte for byte; Success is answered only after the door has said
that the object is durable and in the index.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.dicom.uids import is_usable
from gateway.model.errors import (
    DatabaseFault,
    DataSetMismatch,
    GatewayError,
    LimitExceeded,
    MalformedData,
    OutOfSpace,
    StoreFault,
    Unsupported,
)
from gateway.model.instance import Origin, RecordOutcome
from gateway.scp.door import Intake
from gateway.scp.service import (
    DUPLICATE_SOP_INSTANCE,
    INVALID_OBJECT_INSTANCE,
    SOP_CLASS_NOT_SUPPORTED,
    SUCCESS,
    ServiceContext,
    error_comment,
    message_id_of,
)
from gateway.wire.command import Command, CommandField
from gateway.wire.dimse import Message

# PS3.4 table B.2-1.
_OUT_OF_RESOURCES = 0xA700
_DATA_SET_MISMATCH = 0xA900
_CANNOT_UNDERSTAND = 0xC000
_DATA_SET_DOES_NOT_MATCH_SOP_CLASS = 0xB007

_AFFECTED_SOP_CLASS_UID = 0x0000_0002
_AFFECTED_SOP_INSTANCE_UID = 0x0000_1000


@dataclass(frozen=True, slots=True)
class _Answer:
    """Status with Error Comment (0000,0902) and Offending Element (0000,0901); `cause` is for the log alone."""

    status: int
    comment: str | None = None
    offending: tuple[int, ...] | None = None
    cause: str | None = None


# What the door may raise, the most derived class first. A fault of this node is named in our words, because its own
# may tell of paths; a fault in the data says itself what and where it is, and carries no patient value.
_FAULTS: Mapping[type[GatewayError], _Answer] = {
    OutOfSpace: _Answer(_OUT_OF_RESOURCES, "out of storage space"),
    StoreFault: _Answer(_OUT_OF_RESOURCES, "the object could not be stored"),
    DatabaseFault: _Answer(_OUT_OF_RESOURCES, "the object could not be indexed"),
    DataSetMismatch: _Answer(_DATA_SET_MISMATCH),
    MalformedData: _Answer(_CANNOT_UNDERSTAND),
    LimitExceeded: _Answer(_CANNOT_UNDERSTAND),
    Unsupported: _Answer(_CANNOT_UNDERSTAND),
}
_FAULT_TYPES = tuple(_FAULTS)
_OUTCOMES: Mapping[RecordOutcome, _Answer] = {
    RecordOutcome.ADDED: _Answer(SUCCESS),
    RecordOutcome.DUPLICATE: _Answer(SUCCESS),
    RecordOutcome.CONFLICT_KEPT: _Answer(SUCCESS),
    RecordOutcome.CONFLICT_REPLACED: _Answer(SUCCESS),
    RecordOutcome.CONFLICT_REFUSED: _Answer(
        DUPLICATE_SOP_INSTANCE, "another object is kept under this UID", (_AFFECTED_SOP_INSTANCE_UID,)
    ),
}


def store(context: ServiceContext, message: Message) -> None:
    """Take one object and answer what became of it; the data set is read to its end in every case."""
    message_id_of(message.command)
    answer = _refusal(context, message) or _take(context, message)
    context.association.skip_data_set()
    if answer.status in (SUCCESS, _DATA_SET_DOES_NOT_MATCH_SOP_CLASS):
        context.state.instances += 1
    else:
        context.state.failures += 1
        context.log.warning(
            "store.refused",
            status=f"{answer.status:04X}",
            comment=answer.comment,
            cause=answer.cause,
            sop_class_uid=message.command.affected_sop_class_uid,
            sop_instance_uid=message.command.affected_sop_instance_uid,
        )
    context.association.send(message.context_id, _response(message.command, answer))


def _refusal(context: ServiceContext, message: Message) -> _Answer | None:
    """What can be said before the data set is looked at."""
    request = message.command
    if request.affected_sop_class_uid != context.association.contexts[message.context_id].abstract_syntax:
        comment = "not the SOP class of the presentation context"
        return _Answer(SOP_CLASS_NOT_SUPPORTED, comment, (_AFFECTED_SOP_CLASS_UID,))
    if not is_usable(request.affected_sop_instance_uid or ""):
        return _Answer(INVALID_OBJECT_INSTANCE, "not a UID", (_AFFECTED_SOP_INSTANCE_UID,))
    if not request.has_data_set:
        return _Answer(_CANNOT_UNDERSTAND, "a C-STORE request without a data set")
    return None


def _take(context: ServiceContext, message: Message) -> _Answer:
    request = message.command
    try:
        intake = context.door.begin(
            sop_class_uid=request.affected_sop_class_uid or "",
            sop_instance_uid=request.affected_sop_instance_uid or "",
            transfer_syntax_uid=context.association.contexts[message.context_id].transfer_syntax,
            source=context.source,
            origin=Origin.RECEIVED,
        )
        answer = _OUTCOMES[_fill(intake, context)]
    except _FAULT_TYPES as fault:
        return _answer_to(fault)
    if intake.cut_off and answer.status == SUCCESS:
        return _Answer(_DATA_SET_DOES_NOT_MATCH_SOP_CLASS, error_comment(f"kept, but cut off: {intake.cut_off}"))
    return answer


def _fill(intake: Intake, context: ServiceContext) -> RecordOutcome:
    """Nothing is left behind when the data set, the store or the association breaks off."""
    try:
        for piece in context.association.data_set():
            intake.write(piece)
        return intake.finish()
    except BaseException:
        intake.discard()
        raise


def _answer_to(fault: GatewayError) -> _Answer:
    row = next(_FAULTS[kind] for kind in type(fault).__mro__ if kind in _FAULTS)
    return _Answer(row.status, row.comment or error_comment(str(fault)), cause=str(fault))


def _response(request: Command, answer: _Answer) -> Command:
    return Command(
        field=CommandField.C_STORE_RSP,
        message_id_being_responded_to=request.message_id,
        affected_sop_class_uid=request.affected_sop_class_uid,
        affected_sop_instance_uid=request.affected_sop_instance_uid,
        status=answer.status,
        error_comment=answer.comment,
        offending_elements=answer.offending,
    )
