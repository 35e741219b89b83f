"""From a message to the service that answers it."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.model.errors import ProtocolViolation
from gateway.scp.service import Service, ServiceClass, ServiceContext, refuse_unknown
from gateway.wire.command import CommandField
from gateway.wire.dimse import Message
from gateway.wire.items import SopClassCommonExtended


class Dispatcher:
    """The services of one association, by presentation context and command field."""

    def __init__(
        self, context: ServiceContext, classes: Sequence[ServiceClass], common: Sequence[SopClassCommonExtended] = ()
    ) -> None:
        self._context = context
        self._classes = classes
        self._said = {item.sop_class_uid: item for item in common}
        self._services: dict[tuple[int, int], Service] = {}

    def dispatch(self, message: Message) -> None:
        """Answer a request. Raises what the service raises, and ProtocolViolation for what is no request."""
        command = message.command
        if command.field == CommandField.C_CANCEL_RQ:
            return  # what it would cancel has ended already; a cancel has no response (PS3.7 9.3.2.3)
        if not command.is_request:
            if self._context.association.forsaken(command):
                return
            raise ProtocolViolation(f"a response {command.field:#06x} to nothing that was asked")
        key = message.context_id, command.field
        service = self._services.get(key)
        if service is None:
            service = self._services[key] = self._find(*key)
        service(self._context, message)

    def _find(self, context_id: int, field: int) -> Service:
        """Requests are the SCU's but one, which is the SCP's (PS3.7 table 10.1-1).

        Who makes that one is not asked for the role: some archives report on storage commitment without having
        negotiated it, and a report that is refused is lost.
        """
        on = self._context.association.contexts[context_id]
        if not on.requestor_scu and field != CommandField.N_EVENT_REPORT_RQ:
            return refuse_unknown
        for each in self._classes:
            if field in each.operations and each.offer(on.abstract_syntax, self._said.get(on.abstract_syntax)):
                return each.operations[field]
        return refuse_unknown
