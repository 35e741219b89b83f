"""C-GET (PS3.4 C.4.3): what was asked for, over the association it was asked on.

The requestor has to have the role of SCP on the storage contexts (PS3.7 D.3.3.4): without it an object cannot be sent
there and counts as failed.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from gateway.dicom.information_models import Operation
from gateway.model import peer
from gateway.model.errors import Cancelled, PeerTimeout
from gateway.net.waiting import first_to_speak
from gateway.scp.offers import storage_offers
from gateway.scp.retrieve import Operating, Retrieval, begin, retrieve_offer
from gateway.scp.service import ServiceClass, ServiceContext, refuse_unknown
from gateway.scu.sender import StoreSender
from gateway.wire.command import CommandField
from gateway.wire.dimse import Message
from gateway.wire.items import SopClassCommonExtended
from gateway.wire.negotiation import Offer

# A requestor that cancelled answers for what it has just been sent, as a rule; its answer is not waited for longer.
_ANSWER_AFTER_CANCEL_S = 0.5


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
    association, retrieval, requestor = operation.context.association, operation.retrieval, operation.requestor
    contexts = [context for context in association.contexts.values() if context.requestor_scp]
    sender = StoreSender(association, contexts, retrieval.reencode, look=partial(_heed, operation))
    with requestor.attended():
        try:
            for outcome in sender.each(retrieval.objects(operation.plan), partial(_wait, operation)):
                operation.note(outcome)
                if operation.done.remaining and requestor.cancelled:
                    return True
        except Cancelled:
            if outcome_heard := sender.settle():
                operation.note(outcome_heard)
            return True
    return False


def _heed(operation: Operating) -> None:
    """Look up from re-encoding."""
    if operation.requestor.cancelled:
        raise Cancelled("the requestor wants no more")
    operation.keep_alive()


def _wait(operation: Operating) -> None:
    """Until the requestor answers for an object; not for long after it has cancelled. Raises Cancelled, PeerTimeout."""
    association, allowed_s, cancelled = operation.context.association, operation.retrieval.response_s, False
    deadline = operation.clock() + allowed_s
    while not association.spoken:
        left = deadline - operation.clock()
        if left <= 0 and cancelled:
            raise Cancelled("the requestor wants no more")
        if left <= 0:
            raise PeerTimeout(f"{association.address} has not answered within {allowed_s:g} s")
        first_to_speak((association,), left)
        if operation.requestor.cancelled and not cancelled:
            cancelled, deadline = True, operation.clock() + _ANSWER_AFTER_CANCEL_S
