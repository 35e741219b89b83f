"""What rules would say, before they do: of a file, or of what came lately. Nothing is planned or written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from sqlalchemy import Connection

from gateway.db import routed
from gateway.dicom.part10 import SENDING_AE_TITLE
from gateway.ingest.files import peek_header, read_file_head
from gateway.jobs import subjects
from gateway.model.instance import Origin, Source
from gateway.model.routing import Decision, Rule
from gateway.routing.decide import explain

MOST_RECENT = 10_000  # instances that one test looks at, some seconds of work


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the rules would say of one object."""

    sop_instance_uid: str
    decision: Decision


def evaluate_file(rules: Sequence[Rule], file: BinaryIO, *, source: Source | None = None) -> Explanation:
    """What these rules, enabled or not, would say of a DICOM file, which is read up to its pixels.

    `source` is whom it is to have come from; otherwise the AE title that the file meta names. Raises MalformedData or
    Unsupported for what is no DICOM file.
    """
    head = read_file_head(file)
    header = peek_header(file, head)
    came_from = source or Source(calling_aet=head.value(SENDING_AE_TITLE))
    subject = subjects.InstanceSubject(
        lambda: header.header, header.header_transfer_syntax_uid, came_from, Origin.RECEIVED
    )
    return Explanation(header.sop_instance_uid, explain(rules, subject))


def evaluate_mrd_header(rules: Sequence[Rule], xml: bytes | str, *, source: Source | None = None) -> Explanation:
    """What these rules would say of a raw scan with this header."""
    subject = subjects.of_mrd_header(xml, source or Source(), Origin.RECEIVED)
    return Explanation("", explain(rules, subject, scan=True))


def evaluate_since(
    rules: Sequence[Rule], conn: Connection, since: int, limit: int = MOST_RECENT
) -> Iterator[Explanation]:
    """What these rules would say of the instances that came since a time (microseconds since 1970 UTC), oldest first.

    Of more than `limit` the latest.
    """
    for candidate in routed.candidates(conn, routed.recent(conn, since, limit)):
        yield Explanation(candidate.sop_instance_uid, explain(rules, subjects.of_candidate(candidate)))
