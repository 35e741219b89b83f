"""Which DIMSE service classes the DICOM listener provides beside verification and storage."""

from __future__ import annotations

from datetime import datetime, timedelta

from gateway.admin.context import Context
from gateway.config import AnswerCharset
from gateway.scp.find import Finder, query_class
from gateway.scp.service import ServiceClass


def service_classes(context: Context) -> tuple[ServiceClass, ...]:
    """The service classes that need more of the node than the door: a line for each."""
    return (_query(context),)


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
