"""The listener, spoken to by DCMTK, by pynetdicom and by clients that mean no good."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid
from pynetdicom import AE, build_role
from pynetdicom.pdu_primitives import AsynchronousOperationsWindowNegotiation, UserIdentityNegotiation

from gateway.model.errors import (
    DatabaseFault,
    DataSetMismatch,
    LimitExceeded,
    MalformedData,
    OutOfSpace,
    StoreFault,
)
from gateway.model.instance import RecordOutcome
from gateway.model.peer import Peer
from gateway.net.connection import Deadlines
from gateway.scp.dicom import DicomScp
from gateway.wire.command import Command, CommandField
from tests.interop.peers import program
from tests.scp.raw_client import (
    CT,
    REQUEST,
    VERIFICATION,
    answer_to,
    associated,
    message,
    receive_pdu,
    store_request,
)

pytestmark = pytest.mark.interop


def dataset(pixels: int = 512) -> Dataset:
    """A small CT object."""
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = CT, generate_uid()
    made.PatientID = "ID"
    made.PixelData = os.urandom(pixels)
    made["PixelData"].VR = "OW"
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    return made


def after_meta(path: Path) -> bytes:
    """The data set of a Part 10 file, as bytes."""
    data = path.read_bytes()
    (length,) = struct.unpack_from("<I", data, 140)
    return data[144 + length :]


def store_by_pynetdicom(scp: DicomScp, made: Dataset) -> Dataset:
    """Send one object; the response's command set."""
    ae = AE("CLIENT")
    ae.add_requested_context(CT, ExplicitVRLittleEndian)
    association = ae.associate(*scp.address, ae_title="GATEWAY")
    assert association.is_established
    status: Dataset = association.send_c_store(made)
    association.release()
    return status


def test_echoscu(scp: DicomScp) -> None:
    line = [program("echoscu"), "-aec", "GATEWAY", scp.address[0], str(scp.address[1])]
    done = subprocess.run(line, check=False, timeout=60)
    assert done.returncode == 0


def test_dcmtk_with_its_default_names_is_told_the_reason(scp: DicomScp) -> None:
    line = [program("echoscu"), scp.address[0], str(scp.address[1])]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "Called AE Title Not Recognized" in done.stderr


@pytest.mark.parametrize("max_pdu", [4096, 16384, 131072, 0])
def test_storescu_and_the_bytes_are_as_sent(
    max_pdu: int, start_scp: Callable[..., DicomScp], door: Any, tmp_path: Path
) -> None:
    scp = start_scp(max_pdu=max_pdu)
    paths = []
    for number in range(3):
        paths.append(tmp_path / f"{number}.dcm")
        dataset(pixels=100_000 * number + 512).save_as(paths[-1], enforce_file_format=True)
    host, port = scp.address
    line = [program("storescu"), "-aec", "GATEWAY", "-aet", "SENDER", host, str(port), *map(str, paths)]
    assert subprocess.run(line, check=False, timeout=60).returncode == 0
    assert [bytes(intake.data) for intake in door.kept] == [after_meta(path) for path in paths]
    assert {intake.transfer_syntax_uid for intake in door.kept} == {str(ExplicitVRLittleEndian)}
    assert door.kept[0].source.calling_aet == "SENDER"
    assert door.kept[0].source.called_aet == "GATEWAY"
    assert door.kept[0].source.address == "127.0.0.1"


def test_pynetdicom_with_everything_that_can_be_negotiated(scp: DicomScp, door: Any) -> None:
    ae = AE("CLIENT")
    ae.add_requested_context(CT, [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
    ae.add_requested_context(VERIFICATION)
    window = AsynchronousOperationsWindowNegotiation()
    window.maximum_number_operations_invoked = 8
    identity = UserIdentityNegotiation()
    identity.user_identity_type, identity.primary_field, identity.positive_response_requested = 1, b"user", True
    extra: list[Any] = [build_role(CT, scu_role=True, scp_role=True), window, identity]
    association = ae.associate(*scp.address, ae_title="GATEWAY", ext_neg=extra)
    assert association.is_established
    assert {context.transfer_syntax[0] for context in association.accepted_contexts} == {ExplicitVRLittleEndian}
    assert association.acceptor.asynchronous_operations == (1, 1)
    assert association.acceptor.user_identity is not None
    assert association.send_c_echo().Status == 0
    made = dataset()
    assert association.send_c_store(made).Status == 0
    (state,) = scp.associations
    assert (state.calling_aet, state.instances) == ("CLIENT", 1)
    association.release()
    assert door.kept[0].sop_instance_uid == made.SOPInstanceUID


@pytest.mark.parametrize(
    ("place", "fault", "status"),
    [
        ("begin", OutOfSpace("/secret/path is full"), 0xA700),
        ("write", OutOfSpace("x"), 0xA700),
        ("finish", StoreFault("x"), 0xA700),
        ("finish", DatabaseFault("x"), 0xA700),
        ("finish", DataSetMismatch("SOP Instance UID"), 0xA900),
        ("finish", MalformedData("(0010,0010) at byte 17\\ends early " + "é" * 80), 0xC000),
        ("write", LimitExceeded("x"), 0xC000),
    ],
)
def test_a_fault_becomes_its_status_and_the_association_goes_on(
    place: str, fault: Exception, status: int, scp: DicomScp, door: Any
) -> None:
    door.faults[place] = fault
    answer = store_by_pynetdicom(scp, dataset(300_000))
    assert answer.Status == status
    assert 0 < len(answer.ErrorComment) <= 64
    assert "secret" not in answer.ErrorComment
    assert door.discarded.acquire(blocking=False) is (place != "begin")
    door.faults.clear()
    assert store_by_pynetdicom(scp, dataset()).Status == 0


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (RecordOutcome.ADDED, 0),
        (RecordOutcome.DUPLICATE, 0),
        (RecordOutcome.CONFLICT_KEPT, 0),
        (RecordOutcome.CONFLICT_REPLACED, 0),
        (RecordOutcome.CONFLICT_REFUSED, 0x0111),
    ],
)
def test_an_outcome_becomes_its_status(outcome: RecordOutcome, status: int, scp: DicomScp, door: Any) -> None:
    door.outcome = outcome
    assert store_by_pynetdicom(scp, dataset()).Status == status


def test_what_was_kept_though_it_is_cut_off_is_answered_with_a_warning(scp: DicomScp, door: Any) -> None:
    door.cut_off = "(7FE0,0010) at offset 80"
    response = store_by_pynetdicom(scp, dataset())
    assert response.Status == 0xB007
    assert "cut off" in response.ErrorComment


def test_a_broken_off_object_leaves_no_trace(client: socket.socket, door: Any) -> None:
    associated(client)
    client.sendall(message(3, store_request(), [bytes(100_000)])[:50_000])
    client.close()
    assert door.discarded.acquire(timeout=10)
    assert door.kept == []


def test_an_abort_inside_an_object_leaves_no_trace(client: socket.socket, door: Any) -> None:
    associated(client)
    client.sendall(message(3, store_request(), [bytes(16378 * 3)])[: -16384 - 6])
    client.sendall(bytes((7, 0, 0, 0, 0, 4, 0, 0, 0, 0)))
    assert door.discarded.acquire(timeout=10)
    assert client.recv(1) == b""
    assert door.kept == []


def test_an_unforeseen_error_ends_one_association_only(scp: DicomScp, client: socket.socket, door: Any) -> None:
    door.faults["finish"] = RuntimeError("planted")
    associated(client)
    with socket.create_connection(scp.address, timeout=10) as other:
        associated(other)
        client.sendall(message(3, store_request(), [bytes(10)]))
        assert receive_pdu(client) == (7, bytes(4))
        assert door.discarded.acquire(timeout=10)
        door.faults.clear()
        assert answer_to(other, message(3, store_request(), [bytes(10)])).status == 0


@pytest.mark.parametrize(
    ("context", "changes", "status"),
    [
        (3, {"affected_sop_class_uid": "1.2.840.10008.5.1.4.1.1.4"}, 0x0122),
        (3, {"affected_sop_instance_uid": "../etc/passwd"}, 0x0117),
        (3, {"affected_sop_instance_uid": None}, 0x0117),
        (3, {"has_data_set": False}, 0xC000),
        (3, {"field": CommandField.C_FIND_RQ}, 0x0211),
        (3, {"field": 0x0777}, 0x0211),
    ],
)
def test_requests_that_cannot_be_served(
    context: int, changes: dict[str, Any], status: int, client: socket.socket, door: Any
) -> None:
    associated(client)
    command = store_request(**changes)
    answer = answer_to(client, message(context, command, [bytes(40_000)] if command.has_data_set else None))
    assert (answer.status, answer.field) == (status, command.field | 0x8000)
    assert answer.message_id_being_responded_to == 1
    assert door.kept == []
    assert answer_to(client, message(3, store_request(), [bytes(10)])).status == 0


@pytest.mark.parametrize(
    "data",
    [
        message(5, store_request(), [bytes(10)]),
        message(3, store_request(message_id=None), [bytes(10)]),
        message(3, store_request(field=CommandField.C_STORE_RSP, has_data_set=False)),
        message(3, store_request()) + message(1, store_request()),
        b"\x04\0\xff\xff\xff\xff",
        b"\x0b\0\xff\xff\xff\xff",
    ],
)
def test_violations_are_answered_with_an_abort(data: bytes, client: socket.socket) -> None:
    associated(client)
    client.sendall(data)
    assert receive_pdu(client)[0] == 7


def test_a_cancel_of_nothing_has_no_answer(client: socket.socket) -> None:
    associated(client)
    client.sendall(message(3, Command(CommandField.C_CANCEL_RQ, message_id_being_responded_to=9)))
    assert answer_to(client, message(3, store_request(), [bytes(10)])).status == 0


def test_a_silent_client_is_hung_up_on(start_scp: Callable[..., DicomScp]) -> None:
    scp = start_scp(deadlines=Deadlines(association_s=0.1))
    with socket.create_connection(scp.address, timeout=10) as client:
        client.sendall(REQUEST[:3])
        assert client.recv(1) == b""


def test_an_idle_association_is_aborted(start_scp: Callable[..., DicomScp]) -> None:
    scp = start_scp(deadlines=Deadlines(idle_s=0.1, farewell_s=1))
    with socket.create_connection(scp.address, timeout=10) as client:
        associated(client)
        assert receive_pdu(client)[0] == 7


def test_a_message_that_trickles_is_aborted(start_scp: Callable[..., DicomScp], door: Any) -> None:
    scp = start_scp(deadlines=Deadlines(progress_s=0.1, farewell_s=1))
    with socket.create_connection(scp.address, timeout=10) as client:
        associated(client)
        client.sendall(message(3, store_request(), [bytes(100_000)])[:1000])
        assert receive_pdu(client)[0] == 7
        assert door.discarded.acquire(timeout=10)


def test_one_peer_may_not_use_up_all_associations(start_scp: Callable[..., DicomScp]) -> None:
    scp = start_scp(max_associations_per_peer=1)
    with socket.create_connection(scp.address, timeout=10) as first:
        associated(first)
        with socket.create_connection(scp.address, timeout=10) as second:
            second.sendall(REQUEST)
            assert receive_pdu(second) == (3, bytes((0, 2, 3, 2)))


def test_over_the_total_limit_a_client_is_rejected_as_transient(start_scp: Callable[..., DicomScp]) -> None:
    scp = start_scp(max_associations=1)
    with socket.create_connection(scp.address, timeout=10) as first:
        associated(first)
        with socket.create_connection(scp.address, timeout=10) as second:
            second.sendall(REQUEST)
            assert receive_pdu(second) == (3, bytes((0, 2, 3, 2)))


def test_a_known_peer_is_recorded_with_its_objects(start_scp: Callable[..., DicomScp], door: Any) -> None:
    scp = start_scp(peers=(Peer(7, "ct", "CLIENT", networks=("127.0.0.0/8",)),))
    assert store_by_pynetdicom(scp, dataset()).Status == 0
    assert door.kept[0].source.peer_id == 7


def test_a_drain_finishes_the_object_in_progress_and_rejects_the_new(scp: DicomScp, door: Any) -> None:
    data = message(3, store_request(), [bytes(100_000)])
    with socket.create_connection(scp.address, timeout=10) as begun:
        associated(begun)
        begun.sendall(data[:50_000])
        assert door.begun.wait(10)
        drain = threading.Thread(target=scp.drain, args=(20,))
        drain.start()
        with socket.create_connection(scp.address, timeout=10) as late:
            late.sendall(REQUEST)
            kind, body = receive_pdu(late)
            assert (kind, body) == (3, bytes((0, 2, 3, 1)))
        assert answer_to(begun, data[50_000:]).status == 0
        begun.sendall(bytes((5, 0, 0, 0, 0, 4, 0, 0, 0, 0)))
        assert receive_pdu(begun)[0] == 6
    drain.join(20)
    assert not drain.is_alive()
    assert len(door.kept) == 1


def test_a_drain_does_not_wait_for_idle_associations(scp: DicomScp, client: socket.socket) -> None:
    associated(client)
    drain = threading.Thread(target=scp.drain, args=(600,))
    drain.start()
    assert receive_pdu(client)[0] == 7
    client.close()
    drain.join(10)
    assert not drain.is_alive()


def test_a_drain_aborts_what_does_not_finish(scp: DicomScp, client: socket.socket, door: Any) -> None:
    associated(client)
    client.sendall(message(3, store_request(), [bytes(100_000)])[:50_000])
    assert door.begun.wait(10)
    scp.drain(0)
    assert receive_pdu(client)[0] == 7
    assert door.discarded.acquire(timeout=10)
