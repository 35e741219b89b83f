"""C-FIND towards pynetdicom: answers, refusals, and a cancel when enough has come."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, evt

from gateway.model.errors import OperationRefused, Unsupported
from gateway.model.query import Key, Level
from gateway.scu.association import Destination
from gateway.scu.find import Query, find
from tests.interop.pynetdicom_peer import listening

STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.2.1"
MOST = 2_000


class Pacs:
    """Answers without an end to who asks for it, refuses studies called `refuse`, and remembers what was asked."""

    def __init__(self) -> None:
        self.asked = Dataset()
        self.cancelled = threading.Event()

    def answer(self, event: evt.Event) -> Iterator[tuple[Dataset | int, Dataset | None]]:
        self.asked = event.identifier
        if self.asked.StudyID == "refuse":
            status = Dataset()
            status.Status, status.ErrorComment = 0xA900, "no such key"
            status.OffendingElement = [0x00200010]
            yield status, None
            return
        for number in range(MOST):
            if event.is_cancelled:
                self.cancelled.set()
                yield 0xFE00, None
                return
            found = Dataset()
            found.SpecificCharacterSet, found.PatientName = "ISO_IR 192", "Люк"
            found.StudyInstanceUID = f"1.2.{number}"
            yield 0xFF00, found


@pytest.fixture
def pacs() -> Iterator[tuple[Pacs, Destination]]:
    pacs = Pacs()
    ae = AE("PACS")
    ae.add_supported_context(STUDY_ROOT)
    with listening(ae, (evt.EVT_C_FIND, pacs.answer)) as port:
        yield pacs, Destination("127.0.0.1", port, "PACS", "GATEWAY")


def query(**values: str) -> Query:
    tags = {"name": (0x00100010, "PN"), "study_id": (0x00200010, "SH")}
    keys = (Key(*tags[name], (value,)) for name, value in values.items())
    return Query(Level.STUDY, (*keys, Key(0x0020000D, "UI")))


def test_who_has_enough_cancels(pacs: tuple[Pacs, Destination]) -> None:
    server, destination = pacs
    with closing(find(destination, query(name="Müller*", study_id="x"))) as answers:
        first = next(answers)
    assert (first.values(0x0020000D), first.values(0x00100010)) == (("1.2.0",), ("Люк",))
    assert server.cancelled.wait(10)
    assert (server.asked.QueryRetrieveLevel, server.asked.SpecificCharacterSet) == ("STUDY", "ISO_IR 100")
    assert str(server.asked.PatientName) == "Müller*"


def test_a_refusal_names_status_element_and_comment(pacs: tuple[Pacs, Destination]) -> None:
    with pytest.raises(OperationRefused, match=r"A900.*\(0020,0010\): no such key"):
        list(find(pacs[1], query(study_id="refuse")))


def test_a_model_that_is_not_taken(pacs: tuple[Pacs, Destination]) -> None:
    with pytest.raises(Unsupported, match="takes no queries by patient"):
        list(find(pacs[1], Query(Level.PATIENT, ())))
