"""Verification: C-ECHO (PS3.4 annex A, PS3.7 9.1.5)."""

from __future__ import annotations

from gateway.scp.service import SUCCESS, ServiceContext, message_id_of
from gateway.wire.command import Command, CommandField
from gateway.wire.dimse import Message


def echo(context: ServiceContext, message: Message) -> None:
    """Answer that this node is here."""
    response = Command(
        field=CommandField.C_ECHO_RSP,
        message_id_being_responded_to=message_id_of(message.command),
        affected_sop_class_uid=message.command.affected_sop_class_uid,
        status=SUCCESS,
    )
    context.association.send(message.context_id, response)
