"""Query: C-FIND (PS3.4 C.4.1, PS3.7 9.1.2).

Answers go out batch by batch as the index gives them, several in one write; between two batches a C-CANCEL is looked
for. Status FF01 says that a key of the identifier was neither matched nor returned.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.db.engine import Database
from gateway.dicom.answers import AnswerEncoder
from gateway.dicom.encoding import encoding_of
from gateway.dicom.identifier import LONGEST_IDENTIFIER, UNABLE_TO_PROCESS, check_levels, parse_identifier
from gateway.dicom.information_models import INFORMATION_MODELS, Operation
from gateway.dicom.transfer_syntaxes import DEFLATED_LITTLE, EXPLICIT_LITTLE, NATIVE, transfer_syntax
from gateway.model.errors import BadIdentifier, DatabaseFault, LimitExceeded
from gateway.model.peer import Service
from gateway.scp.requestor import IDENTIFIER_S, Requestor
from gateway.scp.service import (
    SOP_CLASS_NOT_SUPPORTED,
    SUCCESS,
    ServiceClass,
    ServiceContext,
    error_comment,
    message_id_of,
)
from gateway.search.engine import Search
from gateway.search.options import answer_extended, granted
from gateway.search.plan import Plan, make_plan
from gateway.wire.command import Command, CommandField
from gateway.wire.dimse import Message
from gateway.wire.items import SopClassCommonExtended
from gateway.wire.negotiation import Offer

# PS3.4 table C.4-1.
PENDING, PENDING_KEYS_NOT_SUPPORTED = 0xFF00, 0xFF01
CANCELLED = 0xFE00
OUT_OF_RESOURCES = 0xA700

# A deflated identifier would have to be inflated whole, and nobody sends one.
_OFFER = Offer(NATIVE - {DEFLATED_LITTLE}, preferred=(EXPLICIT_LITTLE,), extended=answer_extended)


def query_class(finder: Finder) -> ServiceClass:
    """The query half of PS3.4 annex C."""

    def offer(abstract_syntax: str, _: SopClassCommonExtended | None) -> Offer | None:
        model = INFORMATION_MODELS.get(abstract_syntax)
        return _OFFER if model and model.operation is Operation.FIND else None

    return ServiceClass(Service.FIND, {CommandField.C_FIND_RQ: finder.find}, offer)


@dataclass(frozen=True, slots=True)
class Finder:
    """Answers queries from one database.

    `always_utf_8`: answers beyond ASCII do not use the character set of the object. `local_offset`: minutes from UTC of
    objects that name no time zone.
    """

    database: Database
    ae_title: str
    always_utf_8: bool = False
    local_offset: int = 0

    def find(self, context: ServiceContext, message: Message) -> None:
        """Send an answer for each match, then the final status."""
        message_id_of(message.command)
        try:
            plan = self._plan(context, message)
            sent, cancelled = self._answer(context, message, plan)
        except BadIdentifier as fault:
            _fail(context, message, fault.status, str(fault), fault.offending)
        except LimitExceeded as fault:
            _fail(context, message, UNABLE_TO_PROCESS, str(fault))
        except DatabaseFault as fault:
            _fail(context, message, OUT_OF_RESOURCES, "the index cannot be read", cause=str(fault))
        else:
            status = CANCELLED if cancelled else SUCCESS
            context.association.send(message.context_id, _response(message.command, status))
            keys = [f"{tag:08X}" for tag in plan.unsupported]
            context.log.info(
                "find.answered", query_level=plan.level.name, answers=sent, cancelled=cancelled, unsupported=keys
            )

    def _plan(self, context: ServiceContext, message: Message) -> Plan:
        """Read and check the identifier. The data set is read to its end in every case."""
        request, on = message.command, context.association.contexts[message.context_id]
        if request.affected_sop_class_uid != on.abstract_syntax:
            context.association.skip_data_set()
            raise BadIdentifier("not the SOP class of the presentation context", status=SOP_CLASS_NOT_SUPPORTED)
        data = b""
        if request.has_data_set:
            data = context.association.read_data_set(LONGEST_IDENTIFIER, first_s=IDENTIFIER_S)
        identifier = parse_identifier(data, on.transfer_syntax)
        extended = granted(context.extended.get(on.abstract_syntax, b""))
        check_levels(identifier, INFORMATION_MODELS[on.abstract_syntax], relational=extended.relational)
        return make_plan(identifier, extended, context.source.called_aet or self.ae_title)

    def _answer(self, context: ServiceContext, message: Message, plan: Plan) -> tuple[int, bool]:
        """The number of answers that were sent, and whether the peer wants no more."""
        association, request = context.association, message.command
        syntax = association.contexts[message.context_id].transfer_syntax
        encoder = AnswerEncoder(plan.returned, encoding_of(transfer_syntax(syntax)), always_utf_8=self.always_utf_8)
        status = PENDING_KEYS_NOT_SUPPORTED if plan.unsupported else PENDING
        pending = _response(request, status)._replace(has_data_set=True)
        requestor = Requestor(association, message_id_of(request))
        sent = 0
        with requestor.attended():
            for batch in Search(self.database, plan, self.local_offset).batches():
                if requestor.cancelled:
                    return sent, True
                association.send_each(message.context_id, pending, [encoder.encode(*answer) for answer in batch])
                sent += len(batch)
        return sent, requestor.cancelled


def _fail(
    context: ServiceContext,
    message: Message,
    status: int,
    comment: str,
    offending: tuple[int, ...] = (),
    *,
    cause: str | None = None,
) -> None:
    context.association.skip_data_set()
    context.log.warning("find.refused", status=f"{status:04X}", comment=comment, cause=cause)
    failed = _response(message.command, status)._replace(
        error_comment=error_comment(comment), offending_elements=offending or None
    )
    context.association.send(message.context_id, failed)


def _response(request: Command, status: int) -> Command:
    return Command(
        field=CommandField.C_FIND_RSP,
        message_id_being_responded_to=request.message_id,
        affected_sop_class_uid=request.affected_sop_class_uid,
        status=status,
    )
