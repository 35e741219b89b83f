"""Storage commitment on an association of our own: reporting to who asked us, and asking a destination.

PS3.4 annex J. Who reports on an association that it opened itself proposes the SCP role (PS3.7 D.3.3.4). A peer that
accepts the presentation context and says nothing of roles is reported to all the same: many that wait for the report
do not know the item.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from gateway.dicom.commitment import (
    ALL_COMMITTED,
    FAILURES_EXIST,
    LONGEST_DATA_SET,
    REQUEST_COMMITMENT,
    STORAGE_COMMITMENT,
    STORAGE_COMMITMENT_INSTANCE,
    decode_report,
    encode_report,
    encode_request,
)
from gateway.dicom.transfer_syntaxes import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from gateway.model.commitment import CommitmentReport, CommitmentRequest
from gateway.model.errors import NotFoundError, PeerTimeout, ProtocolViolation, Unsupported
from gateway.scu.association import Destination, Proposal, RequestedAssociation, request_association
from gateway.wire.command import Command, CommandField
from gateway.wire.items import RoleSelection
from gateway.wire.negotiation import Context
from gateway.wire.pdu import ProposedContext

SUCCESS = 0x0000
INVALID_ARGUMENT = 0x0115
# How long an association is kept open for the report; most peers send it on one of their own.
REPORT_S = 5.0

_CONTEXT = ProposedContext(1, STORAGE_COMMITMENT, (EXPLICIT_LITTLE, IMPLICIT_LITTLE))


def report(destination: Destination, told: CommitmentReport) -> int:
    """Send an N-EVENT-REPORT over an association of its own and return the peer's status.

    Raises `Unsupported` where the peer takes no such report, and what `request_association` raises.
    """
    proposal = Proposal((_CONTEXT,), roles=(RoleSelection(STORAGE_COMMITMENT, scu=False, scp=True),))
    with request_association(destination, proposal) as peer:
        context = _context(peer)
        request = Command(
            field=CommandField.N_EVENT_REPORT_RQ,
            has_data_set=True,
            message_id=peer.next_message_id(),
            affected_sop_class_uid=STORAGE_COMMITMENT,
            affected_sop_instance_uid=STORAGE_COMMITMENT_INSTANCE,
            event_type_id=FAILURES_EXIST if told.failed else ALL_COMMITTED,
        )
        peer.association.send(context.id, request, (encode_report(told, context.transfer_syntax),))
        status = peer.response_to(request).command.status
    if status is None:
        raise ProtocolViolation("an N-EVENT-REPORT response without a status")
    return status


def request_commitment(
    destination: Destination, request: CommitmentRequest, take: Callable[[CommitmentReport], None]
) -> None:
    """Ask a destination to vouch for objects; returns when it has taken the request.

    A report that comes within some seconds on the same association is given to `take` before it is answered; any
    other comes to our listener. Raises `Unsupported` where the peer takes no such request or refuses this one, and
    what `request_association` raises.
    """
    waiting = replace(destination, deadlines=replace(destination.deadlines, idle_s=REPORT_S))
    with request_association(waiting, (_CONTEXT,)) as peer:
        context = _context(peer)
        command = Command(
            field=CommandField.N_ACTION_RQ,
            has_data_set=True,
            message_id=peer.next_message_id(),
            requested_sop_class_uid=STORAGE_COMMITMENT,
            requested_sop_instance_uid=STORAGE_COMMITMENT_INSTANCE,
            action_type_id=REQUEST_COMMITMENT,
        )
        peer.association.send(context.id, command, (encode_request(request, context.transfer_syntax),))
        status = peer.response_to(command).command.status
        if status != SUCCESS:
            raise Unsupported(f"the peer answered the request for commitment with status {status or 0:04X}")
        with suppress(PeerTimeout):
            _hear(peer, take)


def _hear(peer: RequestedAssociation, take: Callable[[CommitmentReport], None]) -> None:
    """Wait for the report; another message, or the end of the association, is as good as none."""
    message = peer.association.receive()
    if message is None or message.command.field != CommandField.N_EVENT_REPORT_RQ:
        return
    context = peer.association.contexts[message.context_id]
    data = peer.association.read_data_set(LONGEST_DATA_SET)
    status = SUCCESS
    try:
        take(decode_report(data, context.transfer_syntax))
    except NotFoundError:
        status = INVALID_ARGUMENT
    response = Command(
        field=CommandField.N_EVENT_REPORT_RSP,
        message_id_being_responded_to=message.command.message_id,
        affected_sop_class_uid=STORAGE_COMMITMENT,
        affected_sop_instance_uid=STORAGE_COMMITMENT_INSTANCE,
        event_type_id=message.command.event_type_id,
        status=status,
    )
    peer.association.send(message.context_id, response)


def _context(peer: RequestedAssociation) -> Context:
    context = peer.context_for(STORAGE_COMMITMENT)
    if context is None:
        raise Unsupported("the peer takes no storage commitment (it refused the presentation context)")
    return context
