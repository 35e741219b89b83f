"""The data sets of storage commitment, against pydicom's reading and writing."""

from __future__ import annotations

import io
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset

from gateway.dicom import commitment
from gateway.dicom.commitment import _uid, decode_report, decode_request, encode_report, encode_request
from gateway.dicom.encoding import EXPLICIT, ITEM, ITEM_DELIMITER, UNDEFINED
from gateway.dicom.transfer_syntaxes import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from gateway.model.commitment import CommitmentReport, CommitmentRequest, Reference
from gateway.model.errors import LimitExceeded, MalformedData

MR = "1.2.840.10008.5.1.4.1.1.4"
SYNTAXES = [IMPLICIT_LITTLE, EXPLICIT_LITTLE]
ONE, TWO, THREE = (Reference(MR, f"1.2.3.{number}") for number in (1, 22, 3))


def _parse(data: bytes, syntax: str) -> Dataset:
    return pydicom.filereader.read_dataset(io.BytesIO(data), syntax == IMPLICIT_LITTLE, True)


def written(dataset: Dataset, syntax: str) -> bytes:
    file = io.BytesIO()
    dataset.save_as(file, implicit_vr=syntax == IMPLICIT_LITTLE, little_endian=True)
    return file.getvalue()


def item(reference: Reference, reason: int | None = None) -> Dataset:
    made = Dataset()
    made.ReferencedSOPClassUID, made.ReferencedSOPInstanceUID = reference.sop_class_uid, reference.sop_instance_uid
    if reason is not None:
        made.FailureReason = reason
    return made


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_request_goes_both_ways(syntax: str) -> None:
    request = CommitmentRequest("1.2.3", (ONE, TWO))
    data = encode_request(request, syntax)
    dataset = _parse(data, syntax)
    assert dataset.TransactionUID == "1.2.3"
    assert [each.ReferencedSOPInstanceUID for each in dataset.ReferencedSOPSequence] == ["1.2.3.1", "1.2.3.22"]
    assert decode_request(data, syntax) == request


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_report_goes_both_ways(syntax: str) -> None:
    report = CommitmentReport("1.2.3", (ONE, TWO), ((THREE, 0x0112),))
    data = encode_report(report, syntax)
    dataset = _parse(data, syntax)
    assert [each.FailureReason for each in dataset.FailedSOPSequence] == [0x0112]
    assert len(dataset.ReferencedSOPSequence) == 2
    assert decode_report(data, syntax) == report


def test_a_sequence_without_items_is_left_out() -> None:
    dataset = _parse(encode_report(CommitmentReport("1.2.3", (), ((ONE, 0x0110),)), EXPLICIT_LITTLE), EXPLICIT_LITTLE)
    assert "ReferencedSOPSequence" not in dataset
    assert "FailedSOPSequence" in dataset


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_what_another_writes(syntax: str, undefined: bool) -> None:
    dataset = Dataset()
    dataset.TransactionUID = "1.2.3"
    dataset.RetrieveAETitle = "ELSEWHERE"
    dataset.ReferencedSOPSequence = [item(ONE), item(TWO)]
    dataset["ReferencedSOPSequence"].is_undefined_length = undefined
    for each in dataset.ReferencedSOPSequence:
        each.is_undefined_length_sequence_item = undefined
    dataset.ReferencedPerformedProcedureStepSequence = [item(THREE)]
    assert decode_request(written(dataset, syntax), syntax) == CommitmentRequest("1.2.3", (ONE, TWO))


def test_a_request_says_what_is_wrong_with_it() -> None:
    empty = encode_request(CommitmentRequest("1.2.3", ()), EXPLICIT_LITTLE)
    nameless = encode_request(CommitmentRequest("1.2.3", (Reference("", "1.2"),)), EXPLICIT_LITTLE)
    without = encode_request(CommitmentRequest("", (ONE,)), EXPLICIT_LITTLE)
    path = encode_request(CommitmentRequest("1.2.3", (Reference(MR, "../x"),)), EXPLICIT_LITTLE)
    whole = encode_request(CommitmentRequest("1.2.3", (ONE,)), EXPLICIT_LITTLE)
    for data, place in (
        (empty, "0008,1199"),
        (nameless, "0008,1150"),
        (without, "0008,1195"),
        (path, "0008,1155"),
        (whole[:-3], "longer|offset"),
        (b"\xff" * 40, "offset"),
    ):
        with pytest.raises(MalformedData, match=place):
            decode_request(data, EXPLICIT_LITTLE)


def test_the_number_of_objects_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commitment, "MOST_REFERENCES", 2)
    with pytest.raises(LimitExceeded, match="more than 2"):
        decode_request(encode_request(CommitmentRequest("1.2.3", (ONE, TWO, THREE)), EXPLICIT_LITTLE), EXPLICIT_LITTLE)


def test_a_request_of_open_items_is_read_once() -> None:
    """What an item of undefined length holds is looked at element by element, and never copied up to the end."""
    uid = _uid(EXPLICIT, 0x0008_1150, MR) + _uid(EXPLICIT, 0x0008_1155, "1.2.3")
    item = EXPLICIT.head(ITEM, b"", UNDEFINED) + uid + EXPLICIT.head(ITEM_DELIMITER, b"", 0)
    items = item * 2000
    padding = EXPLICIT.head(0x0009_1001, b"OB", 4 << 20) + bytes(4 << 20)
    sequence = EXPLICIT.head(0x0008_1199, b"SQ", len(items)) + items
    data = Counted(_uid(EXPLICIT, 0x0008_1195, "1.2") + sequence + padding)
    assert len(decode_request(data, EXPLICIT_LITTLE).references) == 2000
    assert data.copied < 2 * len(data)


class Counted(bytes):
    """Counts the bytes that are cut out of it."""

    copied = 0

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        self.copied += len(found) if isinstance(place, slice) else 1
        return found
