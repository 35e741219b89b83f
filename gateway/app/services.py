"""Which DIMSE service classes the DICOM listener provides beside verification and storage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from gateway.admin.context import Context
from gateway.app.retrieving import retrieve_classes
from gateway.config import AnswerCharset
from gateway.db import commitments
from gateway.jobs.ask_commit import take_report
from gateway.model.commitment import CommitmentRequest, Requester
from gateway.model.peer import Peer
from gateway.model.work import JobKind, Wake
from gateway.scp.commitment import Commitment, ReportDesk
from gateway.scp.find import Finder, query_class
from gateway.scp.service import ServiceClass


def service_classes(
    context: Context, desk: ReportDesk, requested: Wake, peers: Callable[[], Sequence[Peer]]
) -> tuple[ServiceClass, ...]:
    """The service classes that need more of the node than the door: a line for each.

    `desk`: where jobs find the associations that wait for a report; `requested`: as of `assemble`; `peers`: the
    destinations of C-MOVE.
    """
    return (_query(context), _commitment(context, desk, requested), *retrieve_classes(context, peers))


def _query(context: Context) -> ServiceClass:
    dicom = context.settings.dicom
    local = datetime.now().astimezone().utcoffset() or timedelta()
    finder = Finder(
        context.database,
        dicom.ae_title,
        always_utf_8=dicom.answer_charset is AnswerCharset.UTF_8,
        local_offset=local // timedelta(minutes=1),
    )
    return query_class(finder)


def _commitment(context: Context, desk: ReportDesk, requested: Wake) -> ServiceClass:
    def record(requester: Requester, asked: CommitmentRequest) -> None:
        context.database.write(lambda conn: commitments.request(conn, requester, asked))
        requested(JobKind.COMMIT)

    return Commitment(desk, record, partial(take_report, context.database)).service_class()
