"""A listener that answers C-GET and C-MOVE without index or store: `python -m benchmarks.canned PORT COUNT FILE [TO]`.

It sends one object, encoded once, again and again: what a client takes from it in a second is the client's ceiling.
`TO` is the port of the destination STORESCP of every C-MOVE.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable
from pathlib import Path

from gateway.dicom.information_models import INFORMATION_MODELS
from gateway.dicom.part10 import MEDIA_STORAGE_SOP_CLASS_UID, read_head
from gateway.dicom.transfer_syntaxes import EXPLICIT_LITTLE
from gateway.model.peer import Service
from gateway.net.association import Association
from gateway.scp.dicom import DicomScp
from gateway.scp.door import Door, Intake
from gateway.scp.service import ServiceClass, ServiceContext
from gateway.scp.settings import AccessMode, ScpSettings
from gateway.scu.association import Destination, request_association
from gateway.wire.command import RESPONSE_BIT, Command, CommandField
from gateway.wire.dimse import Message
from gateway.wire.negotiation import Context, Offer
from gateway.wire.pdu import ProposedContext


def main() -> None:
    """Listen until the process is ended."""
    port, count, path = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    to = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    file = path.read_bytes()
    head = read_head(file)
    sop_class, data = head.value(MEDIA_STORAGE_SOP_CLASS_UID), file[head.payload_offset :]

    def send(association: Association, contexts: Iterable[Context]) -> None:
        context = next(each for each in contexts if each.abstract_syntax == sop_class)
        request = Command(
            CommandField.C_STORE_RQ,
            has_data_set=True,
            message_id=1,
            affected_sop_class_uid=sop_class,
            affected_sop_instance_uid="1.2.3",
            priority=0,
        )
        message = list(association.encoded(context.id, request, (data,)))
        for _ in range(count):
            association.send_encoded(message)
            association.response_to(request)

    def get(context: ServiceContext, message: Message) -> None:
        context.association.skip_data_set()
        send(context.association, context.association.contexts.values())
        _conclude(context, message)

    def move(context: ServiceContext, message: Message) -> None:
        context.association.skip_data_set()
        proposed = (ProposedContext(1, sop_class, (EXPLICIT_LITTLE,)),)
        with request_association(Destination("127.0.0.1", to, "STORESCP", "CANNED"), proposed) as peer:
            send(peer.association, peer.contexts)
        _conclude(context, message)

    def offer(uid: str, _: object) -> Offer | None:
        if uid in INFORMATION_MODELS or uid == sop_class:
            return Offer({EXPLICIT_LITTLE}, requestor_scp=uid == sop_class)
        return None

    classes = (ServiceClass(Service.GET, {CommandField.C_GET_RQ: get, CommandField.C_MOVE_RQ: move}, offer),)
    settings = ScpSettings(port=port, access=AccessMode.ANY)
    DicomScp(settings, _NoDoor(), lambda: (), classes).start()
    threading.Event().wait()


class _NoDoor(Door):
    """Nothing is taken."""

    def begin(self, **_: object) -> Intake:
        """Never called: no storage is offered as SCP."""
        raise NotImplementedError


def _conclude(context: ServiceContext, message: Message) -> None:
    response = Command(
        message.command.field | RESPONSE_BIT,
        message_id_being_responded_to=message.command.message_id,
        affected_sop_class_uid=message.command.affected_sop_class_uid,
        status=0x0000,
    )
    context.association.send(message.context_id, response)


if __name__ == "__main__":
    main()
