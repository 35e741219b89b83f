"""A query server that answers from memory, as fast as it can send: what a client can take at most.

`python -m benchmarks.canned_find PORT ANSWERS`.
"""

from __future__ import annotations

import sys
import time

from benchmarks.query_index import ROOT
from gateway.dicom.answers import AnswerEncoder
from gateway.dicom.encoding import EXPLICIT
from gateway.dicom.information_models import STUDY_ROOT_FIND
from gateway.dicom.transfer_syntaxes import EXPLICIT_LITTLE
from gateway.model import peer
from gateway.model.instance import Origin, Source
from gateway.scp.dicom import DicomScp
from gateway.scp.door import Intake
from gateway.scp.service import Service, ServiceClass, ServiceContext
from gateway.scp.settings import AccessMode, ScpSettings
from gateway.wire.command import Command, CommandField
from gateway.wire.dimse import Message
from gateway.wire.negotiation import Offer

_KEYS = ((0x00080020, "DA"), (0x00080052, "CS"), (0x00100010, "PN"), (0x00100020, "LO"), (0x0020000D, "UI"))


def main() -> None:
    """Serve until the process is ended."""
    port, count = int(sys.argv[1]), int(sys.argv[2])
    encoder = AnswerEncoder(_KEYS, EXPLICIT)
    canned = [encoder.encode(("20260101", "STUDY", "BENCH^P1", f"PID{n}", f"{ROOT}.{n}"), "") for n in range(count)]

    def answer(context: ServiceContext, message: Message) -> None:
        context.association.skip_data_set()
        context.association.send_each(message.context_id, _response(message.command, 0xFF00), canned)
        context.association.send(message.context_id, _response(message.command, 0))

    offer = Offer(frozenset({EXPLICIT_LITTLE}))
    operations: dict[int, Service] = {CommandField.C_FIND_RQ: answer}
    find = ServiceClass(peer.Service.FIND, operations, lambda uid, _said: offer if uid == STUDY_ROOT_FIND else None)
    settings = ScpSettings(ae_title="GATEWAY", port=port, access=AccessMode.ANY)
    scp = DicomScp(settings, _NoDoor(), lambda: (), (find,))
    scp.start()
    while True:
        time.sleep(3600)


class _NoDoor:
    """Nothing is stored here."""

    def begin(
        self, *, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, source: Source, origin: Origin
    ) -> Intake:
        raise NotImplementedError


def _response(request: Command, status: int) -> Command:
    return Command(
        field=CommandField.C_FIND_RSP,
        has_data_set=status != 0,
        message_id_being_responded_to=request.message_id,
        affected_sop_class_uid=request.affected_sop_class_uid,
        status=status,
    )


if __name__ == "__main__":
    main()
