"""Verification: C-ECHO towards a peer (PS3.4 annex A)."""

from __future__ import annotations

import time

from gateway.dicom.sop_classes import VERIFICATION
from gateway.dicom.transfer_syntaxes import IMPLICIT_LITTLE
from gateway.model.errors import ProtocolViolation, Unsupported
from gateway.scu.association import Destination, request_association
from gateway.wire.command import Command, CommandField
from gateway.wire.pdu import ProposedContext


def verify(destination: Destination) -> float:
    """Associate, ask for one C-ECHO, release; returns the time of the echo itself in seconds.

    Raises what `request_association` raises, Unsupported where the peer takes no verification, ProtocolViolation
    where it answers with another status than Success.
    """
    with request_association(destination, [ProposedContext(1, VERIFICATION, (IMPLICIT_LITTLE,))]) as peer:
        context = peer.context_for(VERIFICATION)
        if context is None:
            raise Unsupported(f"{destination.called_ae_title} does not take the verification SOP class")
        request = Command(
            field=CommandField.C_ECHO_RQ, message_id=peer.next_message_id(), affected_sop_class_uid=VERIFICATION
        )
        began = time.perf_counter()
        peer.association.send(context.id, request)
        response = peer.response_to(request)
        elapsed = time.perf_counter() - began
        if response.command.status != 0:
            raise ProtocolViolation(f"{destination.called_ae_title} answered C-ECHO with {response.command.status}")
    return elapsed
