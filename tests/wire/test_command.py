"""Command sets against pydicom's encoder of Implicit VR Little Endian."""

from __future__ import annotations

from io import BytesIO

import pytest
from pydicom import Dataset, dcmread
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from gateway.model.errors import ProtocolViolation
from gateway.wire.command import Command, CommandField, Priority, decode_command, encode_command

CT = "1.2.840.10008.5.1.4.1.1.2"
STORE = Command(
    field=CommandField.C_STORE_RQ,
    has_data_set=True,
    message_id=7,
    affected_sop_class_uid=CT,
    affected_sop_instance_uid="1.2.3.45",
    priority=Priority.LOW,
    move_originator_ae_title="ORIGIN",
    move_originator_message_id=65535,
)
RESPONSE = Command(
    field=CommandField.C_MOVE_RSP,
    message_id_being_responded_to=7,
    status=0xB000,
    offending_elements=(0x00080018, 0x00100020),
    error_comment="odd",
    remaining_suboperations=0,
    completed_suboperations=1,
    failed_suboperations=2,
    warning_suboperations=3,
)


def by_pydicom(data: bytes) -> Dataset:
    """A command set as pydicom reads it."""
    return dcmread(BytesIO(data), force=True)


def test_a_request_as_pydicom_sees_it() -> None:
    data = encode_command(STORE)
    seen = by_pydicom(data)
    assert seen.CommandGroupLength == len(data) - 12
    assert (seen.CommandField, seen.MessageID, seen.Priority) == (1, 7, 2)
    assert (seen.AffectedSOPClassUID, seen.AffectedSOPInstanceUID) == (CT, "1.2.3.45")
    assert seen.MoveOriginatorApplicationEntityTitle == "ORIGIN"
    assert seen.MoveOriginatorMessageID == 65535
    assert seen.CommandDataSetType != 0x0101


def test_a_response_as_pydicom_sees_it() -> None:
    seen = by_pydicom(encode_command(RESPONSE))
    assert seen.Status == 0xB000
    assert list(seen.OffendingElement) == [0x00080018, 0x00100020]
    assert seen.ErrorComment == "odd"
    assert seen.CommandDataSetType == 0x0101
    assert [seen.NumberOfCompletedSuboperations, seen.NumberOfFailedSuboperations] == [1, 2]


def test_what_pydicom_writes_is_read() -> None:
    theirs = Dataset()
    theirs.CommandGroupLength = 0
    theirs.AffectedSOPClassUID = CT
    theirs.CommandField = CommandField.C_ECHO_RQ
    theirs.MessageID = 1
    theirs.CommandDataSetType = 0x0101
    stream = DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, True
    write_dataset(stream, theirs)
    expected = Command(CommandField.C_ECHO_RQ, message_id=1, affected_sop_class_uid=CT)
    assert decode_command(stream.getvalue()) == expected


@pytest.mark.parametrize("command", [STORE, RESPONSE, Command(0x0FFF, message_id_being_responded_to=3)])
def test_there_and_back(command: Command) -> None:
    assert decode_command(encode_command(command)) == command


def test_retired_elements_are_skipped() -> None:
    retired = b"\x00\x00\x01\x00\x04\x00\x00\x00ABCD"
    assert decode_command(encode_command(STORE) + retired) == STORE


@pytest.mark.parametrize(
    "data",
    [
        b"",
        encode_command(STORE)[:-1],
        encode_command(STORE) + b"\0\0\0",
        encode_command(STORE) + b"\x08\x00\x18\x00\x00\x00\x00\x00",
        b"\x00\x00\x00\x01\x02\x00\x00\x00\x01\x00",
        b"\x00\x00\x00\x01\x04\x00\x00\x00\x01\x00\x00\x00",
        b"\x00\x00\x00\x08\x02\x00\x00\x00\xff\xff\xff\xff",
        encode_command(STORE) + b"\x00\x00\x01\x09\x03\x00\x00\x00abc",
    ],
)
def test_what_is_no_command_set(data: bytes) -> None:
    with pytest.raises(ProtocolViolation, match="command set"):
        decode_command(data)
