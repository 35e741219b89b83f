"""C-GET (PS3.4 C.4.3): what was asked for, over the association it was asked on.

The requestor has to have the role of SCP on the storage contexts (PS3.7 D.3.3.4): without it an object cannot be sent
there and counts as failed.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from gateway.dicom.information_models import Operation
from gateway.model import peer
from gateway.scp.offers import storage_offers
from gateway.scp.retrieve import Operating, Retrieval, begin, retrieve_offer
from gateway.scp.service import ServiceClass, ServiceContext, refuse_unknown
from gateway.scu.sender import StoreSender
from gateway.wire.command import CommandField
from gateway.wire.dimse import Message
from gateway.wire.items import SopClassCommonExtended
from gateway.wire.negotiation import Offer


def get_class(retrieval: Retrieval, *, accept_unknown: bool = True) -> ServiceClass:
    """The service class; the storage classes belong to it with the roles turned round."""
    storage = storage_offers(accept_unknown=accept_unknown)

    def offer(abstract_syntax: str, said: SopClassCommonExtended | None) -> Offer | None:
        if found := retrieve_offer(Operation.GET, abstract_syntax):
            return found
        stored = storage(abstract_syntax, said)
        return replace(stored, requestor_scu=False, requestor_scp=True) if stored else None

    return ServiceClass(peer.Service.GET, {CommandField.C_GET_RQ: partial(_get, retrieval)}, offer)


def _get(retrieval: Retrieval, context: ServiceContext, message: Message) -> None:
    abstract_syntax = context.association.contexts[message.context_id].abstract_syntax
    if retrieve_offer(Operation.GET, abstract_syntax) is None:
        refuse_unknown(context, message)
    elif operation := begin(context, message, retrieval):
        operation.conclude(cancelled=_send(operation))


def _send(operation: Operating) -> bool:
    """Send all; True when the requestor has cancelled it."""
    association, retrieval = operation.context.association, operation.retrieval
    contexts = [context for context in association.contexts.values() if context.requestor_scp]
    sender = StoreSender(association, contexts, retrieval.reencode)
    for outcome in sender.each(retrieval.objects(operation.ids)):
        operation.note(outcome)
        if operation.done.remaining and operation.cancelled:
            return True
    return False
