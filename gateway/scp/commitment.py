"""Storage commitment, push model, as SCP: N-ACTION in, N-EVENT-REPORT out (PS3.4 annex J, PS3.7 10.1.1 and 10.1.4).

A request is answered when it is durable in the index; who looks into it, and when, is no concern of the association.
The report goes out on the association that asked while that is open (`ReportDesk`), and else on a new one, which is
not made here. Reports that others send to us, about objects that this node has sent them, come in here too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.dicom.commitment import (
    ALL_COMMITTED,
    FAILURES_EXIST,
    LONGEST_DATA_SET,
    REQUEST_COMMITMENT,
    STORAGE_COMMITMENT,
    STORAGE_COMMITMENT_INSTANCE,
    decode_report,
    decode_request,
    encode_report,
)
from gateway.dicom.transfer_syntaxes import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from gateway.model.commitment import CommitmentReport, CommitmentRequest, Requester
from gateway.model.errors import DatabaseFault, GatewayError, LimitExceeded, MalformedData, NotFoundError
from gateway.model.peer import Service
from gateway.scp.outbox import Question
from gateway.scp.service import SUCCESS, ServiceClass, ServiceContext, message_id_of
from gateway.wire.command import RESPONSE_BIT, Command, CommandField
from gateway.wire.dimse import Message
from gateway.wire.negotiation import Offer

# PS3.7 10.1.4.1.10 and 10.1.1.1.8.
PROCESSING_FAILURE = 0x0110
NO_SUCH_INSTANCE = 0x0112
NO_SUCH_EVENT = 0x0113
INVALID_ARGUMENT = 0x0115
NO_SUCH_CLASS = 0x0118
NO_SUCH_ACTION = 0x0123
RESOURCE_LIMITATION = 0x0213

_OFFER = Offer(
    frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE}), preferred=(EXPLICIT_LITTLE, IMPLICIT_LITTLE), requestor_scp=True
)
# How long a job waits for a peer to take a report on an open association before it opens one of its own.
_ANSWER_S = 30.0

Operation = Callable[[ServiceContext, Message], None]
Record = Callable[[Requester, CommitmentRequest], object]
"""Makes a request durable. Raises DatabaseFault, and LimitExceeded where too many are open."""
TakeReport = Callable[[str, CommitmentReport], object]
"""Takes what a peer (its AE title first) reports; durable on return. Raises DatabaseFault, and NotFoundError for a
transaction that it was not asked for."""

# What may go wrong, the most derived class first, and the status that says so.
_FAULTS: Mapping[type[GatewayError], int] = {
    NotFoundError: INVALID_ARGUMENT,
    MalformedData: INVALID_ARGUMENT,
    LimitExceeded: RESOURCE_LIMITATION,
    DatabaseFault: PROCESSING_FAILURE,
}


class ReportDesk:
    """Where the job that has an answer finds the association that asked, while that is open."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[tuple[str, str], tuple[ServiceContext, int]] = {}

    def asked(self, context: ServiceContext, context_id: int, transaction_uid: str) -> None:
        """A request came on this association and presentation context."""
        context.outbox.open()
        with self._lock:
            for key in [key for key, (on, _) in self._open.items() if on.outbox.closed]:
                del self._open[key]
            self._open[context.source.calling_aet, transaction_uid] = context, context_id

    def forget(self, context: ServiceContext, transaction_uid: str) -> None:
        """The request that came on this association was not taken: there will be no report of it."""
        key = context.source.calling_aet, transaction_uid
        with self._lock:
            if key in self._open and self._open[key][0] is context:
                del self._open[key]

    def report(self, calling_aet: str, report: CommitmentReport) -> int | None:
        """From another thread: the requester's answer to a report, or None where it could not be had here."""
        with self._lock:
            found = self._open.pop((calling_aet, report.transaction_uid), None)
        if found is None:
            return None
        context, context_id = found
        syntax = context.association.contexts[context_id].transfer_syntax
        question = Question(context_id, report_command(report), encode_report(report, syntax))
        context.outbox.put(question)
        if not question.settled.wait(_ANSWER_S):
            context.outbox.withdraw(question)
        return question.status


@dataclass(frozen=True, slots=True)
class Commitment:
    """What the services below need of the node."""

    desk: ReportDesk
    record: Record
    take_report: TakeReport

    def service_class(self) -> ServiceClass:
        """PS3.4 annex J; a peer that opens an association to report to us proposes the SCP role for itself."""
        operations: dict[int, Operation] = {
            CommandField.N_ACTION_RQ: self.action,
            CommandField.N_EVENT_REPORT_RQ: self.event,
        }
        return ServiceClass(Service.COMMIT, operations, lambda uid, _: _OFFER if uid == STORAGE_COMMITMENT else None)

    def action(self, context: ServiceContext, message: Message) -> None:
        """N-ACTION: take a request."""
        message_id_of(message.command)
        status = _wrong_action(message.command) or self._take(context, message, self._request)
        _answer(context, message, status)

    def event(self, context: ServiceContext, message: Message) -> None:
        """N-EVENT-REPORT: hear what became of a request of ours."""
        message_id_of(message.command)
        status = _wrong_event(message.command) or self._take(context, message, self._report)
        _answer(context, message, status)

    def _take(
        self, context: ServiceContext, message: Message, work: Callable[[ServiceContext, int, bytes], None]
    ) -> int:
        try:
            data = context.association.read_data_set(LONGEST_DATA_SET)
            work(context, message.context_id, data)
        except tuple(_FAULTS) as fault:
            context.log.warning("commitment.refused", fault=type(fault).__name__, error=str(fault))
            return next(_FAULTS[kind] for kind in type(fault).__mro__ if kind in _FAULTS)
        return SUCCESS

    def _request(self, context: ServiceContext, context_id: int, data: bytes) -> None:
        asked = decode_request(data, context.association.contexts[context_id].transfer_syntax)
        source = context.source
        # Before it is recorded: the job may have its answer at once, and finds no other way to this association.
        self.desk.asked(context, context_id, asked.transaction_uid)
        try:
            self.record(Requester(source.calling_aet, source.called_aet, source.address, source.peer_id), asked)
        except BaseException:
            self.desk.forget(context, asked.transaction_uid)
            raise
        context.log.info("commitment.requested", transaction=asked.transaction_uid, objects=len(asked.references))

    def _report(self, context: ServiceContext, context_id: int, data: bytes) -> None:
        report = decode_report(data, context.association.contexts[context_id].transfer_syntax)
        self.take_report(context.source.calling_aet, report)
        context.log.info("commitment.heard", transaction=report.transaction_uid, failed=len(report.failed))


def report_command(report: CommitmentReport) -> Command:
    """The command of an N-EVENT-REPORT without its Message ID."""
    return Command(
        field=CommandField.N_EVENT_REPORT_RQ,
        has_data_set=True,
        affected_sop_class_uid=STORAGE_COMMITMENT,
        affected_sop_instance_uid=STORAGE_COMMITMENT_INSTANCE,
        event_type_id=FAILURES_EXIST if report.failed else ALL_COMMITTED,
    )


def _wrong_action(request: Command) -> int:
    if request.requested_sop_class_uid != STORAGE_COMMITMENT:
        return NO_SUCH_CLASS
    if request.requested_sop_instance_uid != STORAGE_COMMITMENT_INSTANCE:
        return NO_SUCH_INSTANCE
    return 0 if request.action_type_id == REQUEST_COMMITMENT else NO_SUCH_ACTION


def _wrong_event(request: Command) -> int:
    if request.affected_sop_class_uid != STORAGE_COMMITMENT:
        return NO_SUCH_CLASS
    if request.affected_sop_instance_uid != STORAGE_COMMITMENT_INSTANCE:
        return NO_SUCH_INSTANCE
    return 0 if request.event_type_id in (ALL_COMMITTED, FAILURES_EXIST) else NO_SUCH_EVENT


def _answer(context: ServiceContext, message: Message, status: int) -> None:
    request = message.command
    context.association.skip_data_set()
    response = Command(
        field=request.field | RESPONSE_BIT,
        message_id_being_responded_to=message_id_of(request),
        affected_sop_class_uid=STORAGE_COMMITMENT,
        affected_sop_instance_uid=STORAGE_COMMITMENT_INSTANCE,
        event_type_id=request.event_type_id,
        action_type_id=request.action_type_id,
        status=status,
    )
    context.association.send(message.context_id, response)
