"""Asking a peer what it has: C-FIND by an administrator."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass

from pydicom.datadict import keyword_for_tag

from gateway.admin.context import Context
from gateway.admin.plain import Json
from gateway.admin.progress import Progress
from gateway.db import peers
from gateway.dicom.elements import Elements
from gateway.dicom.encoding import tag_text
from gateway.model.errors import UsageError
from gateway.model.query import Key, Level
from gateway.search.keywords import criteria_of, key_of

# What is always asked to be returned, by level.
RETURNED = {
    Level.PATIENT: ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "NumberOfPatientRelatedStudies"),
    Level.STUDY: (
        "StudyDate",
        "StudyTime",
        "PatientID",
        "PatientName",
        "ModalitiesInStudy",
        "StudyDescription",
        "AccessionNumber",
        "NumberOfStudyRelatedSeries",
        "NumberOfStudyRelatedInstances",
        "StudyInstanceUID",
    ),
    Level.SERIES: (
        "SeriesNumber",
        "Modality",
        "SeriesDescription",
        "BodyPartExamined",
        "NumberOfSeriesRelatedInstances",
        "StudyInstanceUID",
        "SeriesInstanceUID",
    ),
    Level.IMAGE: ("InstanceNumber", "SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"),
}
_DEEPEST_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Answers:
    """`answers`: DICOM keyword → value, an object each; `complete` is False where there are more than were wanted."""

    answers: list[dict[str, Json]]
    complete: bool


def run(
    context: Context,
    peer: str,
    level: str = "study",
    keys: dict[str, str] | None = None,
    limit: int = 1000,
    fuzzy: bool = False,
) -> Answers:
    """The first `limit` answers of a peer; the query is cancelled there, and when who asked goes away."""
    from gateway.scu.find import Query, find  # what speaks to the network, which no other operation here loads

    given, at = keys or {}, _level(level)
    criteria_of(given)  # a mistake is ours to name, not the peer's
    with context.database.read() as connection:
        destination = context.calling.destination(peers.get(connection, peer))
    query = Query(at, tuple(_keys(at, given)), fuzzy)
    answers: list[dict[str, Json]] = []
    with closing(find(destination, query, context.look)) as found:
        for elements in found:
            if len(answers) == limit:
                return Answers(answers, complete=False)
            answers.append(_shown(elements, depth=0))
            context.report(Progress(len(answers), None, "answers"))
    return Answers(answers, complete=True)


def _level(name: str) -> Level:
    if name.upper() not in Level.__members__:
        raise UsageError(f"{name} is none of patient, study, series, image")
    return Level[name.upper()]


def _keys(level: Level, given: dict[str, str]) -> Iterable[Key]:
    for keyword in dict.fromkeys((*RETURNED[level], *given)):
        key = key_of(keyword, given.get(keyword, ""))
        if key.vr == "SQ":
            raise UsageError(f"{keyword} is a sequence, which cannot be asked for here")
        yield key


def _shown(elements: Elements, depth: int) -> dict[str, Json]:
    """Several values have backslashes between them, as DICOM writes them; a sequence is a list of objects."""
    shown: dict[str, Json] = {}
    for tag in elements:
        name = keyword_for_tag(tag) or tag_text(tag)
        if elements.vr(tag) == "SQ":
            items = elements.items(tag) if depth < _DEEPEST_SHOWN else ()
            shown[name] = [_shown(item, depth + 1) for item in items]
        else:
            shown[name] = "\\".join(elements.values(tag) or ())
    return shown
