"""C-STORE towards DCMTK's storescp and towards pynetdicom."""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO, cast

import pytest
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    MPEG2MPML,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    generate_uid,
)
from pynetdicom import AE, evt

from gateway.model.errors import AssociationAborted, AssociationRejected, PeerFault, PeerUnreachable, StoreFault
from gateway.net.connection import Deadlines
from gateway.reencode.pool import Reencoder
from gateway.scu.association import Destination
from gateway.scu.contexts import group_by_contexts, propose
from gateway.scu.outgoing import CHUNK, Outgoing
from gateway.scu.store import StoreSession, store_all
from tests.interop.peers import eventually
from tests.interop.pynetdicom_peer import listening

CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
IMPLICIT, EXPLICIT, MPEG = str(ImplicitVRLittleEndian), str(ExplicitVRLittleEndian), str(MPEG2MPML)

pytestmark = pytest.mark.interop


def dataset(sop_class_uid: str = CT, rows: int = 16) -> Dataset:
    """A small image."""
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = sop_class_uid, generate_uid()
    made.PatientName = "Zoë^Ä"
    made.SpecificCharacterSet = "ISO_IR 192"
    made.Rows = made.Columns = rows
    made.BitsAllocated = made.BitsStored = 16
    made.HighBit, made.PixelRepresentation, made.SamplesPerPixel = 15, 0, 1
    made.PhotometricInterpretation = "MONOCHROME2"
    made.PixelData = bytes(range(256)) * (rows * rows * 2 // 256)
    made["PixelData"].VR = "OW"
    return made


def encoded(made: Dataset, syntax: str) -> bytes:
    """The bytes of the data set alone."""
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = UID(syntax)
    stream = BytesIO()
    dcmwrite(stream, made, enforce_file_format=True)
    data = stream.getvalue()
    return data[144 + struct.unpack_from("<I", data, 140)[0] :]


def outgoing(made: Dataset, syntax: str, data: bytes | None = None) -> Outgoing:
    """An object as the store would hand it out."""
    payload = data if data is not None else encoded(made, syntax)
    uid, sop_class = str(made.SOPInstanceUID), str(made.SOPClassUID)
    return Outgoing(sop_class, uid, syntax, len(payload), lambda: file_of(payload))


def file_of(payload: bytes) -> BinaryIO:
    """A file that stands at its first byte."""
    file = cast(BinaryIO, TemporaryFile())  # noqa: SIM115 - the reader closes it
    file.write(payload)
    file.seek(0)
    return file


def received(tmp_path: Path, uid: str) -> Dataset:
    """The object that storescp has written."""
    (path,) = (tmp_path / "received").glob(f"*{uid}*")
    return dcmread(path)


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT])
@pytest.mark.parametrize("options", [[], ["-pdu", "4096"], ["-pdu", "131072"]])
def test_bytes_go_as_they_are_kept(
    syntax: str, options: list[str], start_storescp: Callable[..., Destination], tmp_path: Path
) -> None:
    destination = start_storescp("-B", *(["+xi"] if syntax == IMPLICIT else []), *options)
    made = dataset(rows=256)
    payload = encoded(made, syntax)
    (outcome,) = store_all(destination, [outgoing(made, syntax, payload)])
    assert (outcome.status, outcome.stored, outcome.error) == (0, True, "")
    (path,) = (tmp_path / "received").iterdir()
    assert path.read_bytes().endswith(payload)


@pytest.mark.parametrize("syntax", [EXPLICIT, str(DeflatedExplicitVRLittleEndian)])
def test_what_the_peer_does_not_take_is_encoded_again(
    syntax: str, start_storescp: Callable[..., Destination], tmp_path: Path, reencoder: Reencoder
) -> None:
    made = dataset()
    (outcome,) = store_all(start_storescp("+xi"), [outgoing(made, syntax)], reencoder)
    assert outcome.stored
    seen = received(tmp_path, made.SOPInstanceUID)
    assert seen.file_meta.TransferSyntaxUID == IMPLICIT
    assert seen.PatientName == "Zoë^Ä"
    assert seen.PixelData == made.PixelData


def test_objects_of_several_classes_over_one_association(
    start_storescp: Callable[..., Destination], tmp_path: Path
) -> None:
    made = [dataset(CT), dataset(MR), dataset(CT)]
    outcomes = list(store_all(start_storescp(), [outgoing(one, EXPLICIT) for one in made]))
    assert [outcome.sop_instance_uid for outcome in outcomes] == [one.SOPInstanceUID for one in made]
    assert all(outcome.stored for outcome in outcomes)
    assert received(tmp_path, made[1].SOPInstanceUID).SOPClassUID == MR


@contextmanager
def pynetdicom_peer(handler: Callable[[Any], Any], **limits: Any) -> Iterator[Destination]:
    """A store SCP for CT in Implicit VR alone."""
    ae = AE("STORE")
    ae.add_supported_context(CT, ImplicitVRLittleEndian)
    for name, value in limits.items():
        setattr(ae, name, value)
    deadlines = Deadlines(association_s=10, idle_s=20, progress_s=10, farewell_s=2)
    with listening(ae, (evt.EVT_C_STORE, handler)) as port:
        yield Destination("127.0.0.1", port, "STORE", "GATEWAY", deadlines=deadlines)


def test_what_concerns_one_object_ends_up_in_its_outcome_and_the_others_go(reencoder: Reencoder) -> None:
    def failing_to_open() -> BinaryIO:
        raise FileNotFoundError(2, "no such file")

    good = dataset()
    items = [
        outgoing(dataset(CT), MPEG, b"\0" * 10),
        outgoing(dataset(MR), EXPLICIT),
        outgoing(dataset(CT), EXPLICIT, b"not a data set"),
        Outgoing(CT, "1.2.3", IMPLICIT, 10, failing_to_open),
        outgoing(good, EXPLICIT),
    ]
    seen: list[str] = []

    def keep(event: Any) -> int:
        seen.append(event.request.AffectedSOPInstanceUID)
        return 0

    with pynetdicom_peer(keep) as destination:
        outcomes = {outcome.sop_instance_uid: outcome for outcome in store_all(destination, items, reencoder)}
    mpeg, mr, broken, missing, sent = (outcomes[item.sop_instance_uid] for item in items)
    assert (mpeg.status, mpeg.stored) == (None, False)
    assert mpeg.error == "Unsupported: the peer does not take MPEG2 Main Profile / Main Level for CT Image Storage"
    assert mr.error == f"Unsupported: the peer does not take MR Image Storage ({MR})"
    assert broken.error.startswith("MalformedData")
    assert missing.error.startswith("StoreFault")
    assert (sent.status, sent.stored) == (0, True)
    assert seen == [good.SOPInstanceUID]


@pytest.mark.parametrize(
    ("status", "stored"), [(0x0000, True), (0xB000, True), (0xB007, True), (0xA700, False), (0xC123, False)]
)
def test_the_peers_status_is_handed_on(status: int, stored: bool) -> None:
    def answer(_: Any) -> Dataset:
        made = Dataset()
        made.Status = status
        made.ErrorComment = "as it is"
        return made

    with pynetdicom_peer(answer) as destination:
        (outcome,) = store_all(destination, [outgoing(dataset(), IMPLICIT)])
    assert (outcome.status, outcome.stored) == (status, stored)
    assert outcome.error == ("" if status == 0 else f"status {status:04X}: as it is")


def test_an_abort_by_the_peer_is_raised_after_what_was_answered() -> None:
    answered: list[str] = []

    def abort_the_second(event: Any) -> int:
        if answered:
            event.assoc.abort()
        answered.append(event.request.AffectedSOPInstanceUID)
        return 0

    items = [outgoing(dataset(), IMPLICIT) for _ in range(3)]
    with pynetdicom_peer(abort_the_second) as destination:
        outcomes = store_all(destination, items)
        assert next(outcomes).sop_instance_uid == items[0].sop_instance_uid
        with pytest.raises(AssociationAborted):
            next(outcomes)


@pytest.mark.parametrize("ends", ["release", "abort"])
def test_after_a_pause_it_is_known_whether_the_association_stands(ends: str) -> None:
    accepted: list[Any] = []
    items = [outgoing(dataset(), IMPLICIT) for _ in range(2)]

    def keep(event: Any) -> int:
        accepted.append(event.assoc)
        return 0

    with pynetdicom_peer(keep) as destination, StoreSession(destination, [items[0].kind]) as session:
        for item in items:
            assert session.stands()
            assert session.send(item).stored
        # The peer waits for the answer to its release.
        peer = threading.Thread(target=getattr(accepted[0], ends), daemon=True)
        peer.start()
        if ends == "release":
            assert eventually(lambda: not session.stands())
        else:
            with pytest.raises(PeerFault):  # that pynetdicom aborts is sometimes lost as it closes
                eventually(lambda: not session.stands())
        peer.join(10)


class BrokenReader(BytesIO):
    """Ends in an error of the disk after the first piece."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() or len(self.getvalue()) < CHUNK:
            raise OSError(5, "input/output error")
        return super().read(size)


@pytest.mark.parametrize("size", [10, 2 * CHUNK])
def test_an_object_that_cannot_be_read_to_its_end_is_never_passed_off_as_whole(size: int) -> None:
    kept: list[Any] = []

    def keep(event: Any) -> int:
        kept.append(event)
        return 0

    item = Outgoing(CT, "1.2.3", IMPLICIT, size, lambda: BrokenReader(bytes(size)))
    with pynetdicom_peer(keep) as destination:
        if size > CHUNK:
            with pytest.raises(StoreFault):
                list(store_all(destination, [item]))
        else:
            (outcome,) = store_all(destination, [item])
            assert (outcome.status, outcome.unreadable) == (None, True)
    assert kept == []


@pytest.mark.parametrize("size", [10, 2 * CHUNK])
@pytest.mark.parametrize("there", [-1, 1])
def test_an_object_of_another_length_than_it_should_have_is_not_sent(size: int, there: int) -> None:
    item = Outgoing(CT, "1.2.3", IMPLICIT, size, lambda: BytesIO(bytes(size + there)))
    with pynetdicom_peer(lambda _: pytest.fail("it was sent")) as destination:
        (outcome,) = store_all(destination, [item])
    assert outcome.unreadable


def test_a_rejection_carries_its_reason() -> None:
    with pynetdicom_peer(lambda _: 0, require_called_aet=True) as destination:
        wrong = Destination(destination.host, destination.port, "OTHER", "GATEWAY")
        with pytest.raises(AssociationRejected, match="not called by this AE title") as caught:
            list(store_all(wrong, [outgoing(dataset(), IMPLICIT)]))
    assert (caught.value.result, caught.value.source, caught.value.reason) == (1, 1, 7)


def test_nobody_is_there() -> None:
    with pytest.raises(PeerUnreachable):
        list(store_all(Destination("127.0.0.1", 1, "STORE", "GATEWAY"), [outgoing(dataset(), IMPLICIT)]))


def test_what_is_proposed_for_a_kind() -> None:
    proposed = propose([(CT, MPEG), (CT, EXPLICIT), (MR, IMPLICIT)])
    pairs = [(context.abstract_syntax, context.transfer_syntaxes) for context in proposed]
    assert pairs == [
        (CT, (MPEG,)),
        (CT, (IMPLICIT,)),
        (CT, (EXPLICIT,)),
        (MR, (IMPLICIT,)),
        (MR, (EXPLICIT,)),
    ]
    assert [context.id for context in proposed] == [1, 3, 5, 7, 9]


def test_more_kinds_than_one_association_has_contexts_for() -> None:
    items = [Outgoing(f"1.2.{n % 100}", f"1.3.{n}", MPEG, 0, BytesIO) for n in range(200)]
    groups = group_by_contexts(items)
    assert [len({item.kind for item in group}) for group in groups] == [64, 36]
    assert all(len(propose({item.kind for item in group})) <= 128 for group in groups)
    assert sorted(item.sop_instance_uid for group in groups for item in group) == sorted(
        item.sop_instance_uid for item in items
    )
    with pytest.raises(ValueError, match="200 presentation contexts"):
        StoreSession(Destination("127.0.0.1", 1, "A", "B"), [item.kind for item in items])
