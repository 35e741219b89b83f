"""File heads: ours as pydicom and DCMTK read them, and other writers' as they are."""

from __future__ import annotations

import subprocess
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.filereader import dcmread

from gateway.dicom.encoding import EXPLICIT_BE, IMPLICIT
from gateway.dicom.part10 import RECEIVING_AE_TITLE, SENDING_AE_TITLE, SOURCE_AE_TITLE, file_head, read_head
from gateway.dicom.transfer_syntaxes import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from gateway.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from gateway.model.errors import GatewayError, MalformedData, Unsupported
from tests.dicom.building import element, minimal
from tests.dicom.conftest import RealFile
from tests.interop.peers import program

MR = "1.2.840.10008.5.1.4.1.1.4"


def head(source_aet: str = "") -> bytes:
    return file_head(MR, "1.2.3.4", EXPLICIT_LITTLE, calling_aet="SCANNER", called_aet="GATEWAY", source_aet=source_aet)


def test_pydicom_reads_our_head() -> None:
    theirs = dcmread(BytesIO(head("WRITER") + minimal()))
    meta = theirs.file_meta
    assert theirs.StudyInstanceUID == "1.2.3"
    assert meta.FileMetaInformationVersion == b"\0\1"
    assert meta.FileMetaInformationGroupLength == len(head("WRITER")) - 144
    assert meta.MediaStorageSOPClassUID == MR
    assert meta.MediaStorageSOPInstanceUID == "1.2.3.4"
    assert meta.TransferSyntaxUID == EXPLICIT_LITTLE
    assert meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
    assert meta.ImplementationVersionName == IMPLEMENTATION_VERSION_NAME
    assert meta.SendingApplicationEntityTitle == "SCANNER"
    assert meta.ReceivingApplicationEntityTitle == "GATEWAY"
    assert meta.SourceApplicationEntityTitle == "WRITER"


@pytest.mark.interop
def test_dcmtk_reads_our_head(tmp_path: Path) -> None:
    path = tmp_path / "ours.dcm"
    path.write_bytes(head() + minimal())
    dump = subprocess.run([program("dcmftest"), path], check=True, capture_output=True, text=True)
    assert dump.stdout.startswith("yes")
    dump = subprocess.run(
        [program("dcmdump"), "--search", "0002,0018", path], check=True, capture_output=True, text=True
    )
    assert "[GATEWAY]" in dump.stdout


def test_we_read_our_head() -> None:
    read = read_head(head() + minimal())
    assert read.transfer_syntax_uid == EXPLICIT_LITTLE
    assert (head() + minimal())[read.payload_offset :] == minimal()
    assert read.value(SENDING_AE_TITLE) == "SCANNER"
    assert read.value(RECEIVING_AE_TITLE) == "GATEWAY"
    assert read.value(SOURCE_AE_TITLE) == ""
    assert read_head(BytesIO(head() + minimal())) == read


@given(st.text(alphabet="0123456789.", min_size=1, max_size=64), st.text(max_size=16), st.text(max_size=16))
def test_any_titles_and_uids_keep_the_group_length_right(uid: str, calling: str, called: str) -> None:
    written = file_head(uid, uid, EXPLICIT_LITTLE, calling_aet=calling, called_aet=called)
    assert len(written) % 2 == 0
    assert int.from_bytes(written[140:144], "little") == len(written) - 144
    assert read_head(written + minimal()).payload_offset == len(written)


def test_heads_of_real_files(valid_files: list[RealFile]) -> None:
    for file in valid_files:
        raw = file.path.read_bytes()
        read = read_head(raw)
        assert read.transfer_syntax_uid == file.transfer_syntax_uid, file.path.name
        assert raw[read.payload_offset :] == file.data_set, file.path.name


# Files that are not quite files

NO_HEAD = {
    "008e9302_ExplVR_LitEndNoMeta.dcm": EXPLICIT_LITTLE,
    "a56be8c8_ExplVR_BigEndNoMeta.dcm": EXPLICIT_BIG,
    "40c41bdf_rtstruct.dcm": IMPLICIT_LITTLE,
}
REFUSED = {
    "52912b99_no_meta.dcm": "neither a DICOM file nor a data set",  # its first byte is damaged
    "075dc514_meta_missing_tsyntax.dcm": "neither a DICOM file nor a data set",  # begins at group 0001
    "62010513_DICOMDIR": "DICOMDIR",
    "0023bc22_DICOMDIR-implicit": "DICOMDIR",
    "0197125b_DICOMDIR-bigEnd": "DICOMDIR",
}


@pytest.mark.parametrize("name", NO_HEAD)
def test_real_data_sets_without_a_head(shared_data: Path, name: str) -> None:
    read = read_head((shared_data / "dicom" / "other" / "pydicom+pydicom" / name).read_bytes())
    assert (read.transfer_syntax_uid, read.payload_offset) == (NO_HEAD[name], 0)


@pytest.mark.parametrize("name", REFUSED)
def test_real_files_that_are_refused_with_the_reason(shared_data: Path, name: str) -> None:
    with pytest.raises(Unsupported, match=REFUSED[name]):
        read_head((shared_data / "dicom" / "other" / "pydicom+pydicom" / name).read_bytes())


def test_a_meta_without_preamble_is_read(shared_data: Path) -> None:
    folder = shared_data / "dicom" / "other" / "pydicom+pydicom-data"
    read = read_head((folder / "281610d5_JLSL_RGB_ILV1.dcm").read_bytes())
    assert read.transfer_syntax_uid == "1.2.840.10008.1.2.4.80"


@pytest.mark.parametrize(("uid", "data"), [(IMPLICIT_LITTLE, minimal(IMPLICIT)), (EXPLICIT_BIG, minimal(EXPLICIT_BE))])
def test_a_meta_that_does_not_name_the_transfer_syntax(uid: str, data: bytes) -> None:
    meta = bytes(128) + b"DICM" + element(0x00020002, b"UI", b"1.2\0")
    read = read_head(meta + data)
    assert (read.transfer_syntax_uid, read.payload_offset) == (uid, len(meta))


def test_a_meta_in_implicit_vr_is_read() -> None:
    meta = bytes(128) + b"DICM" + element(0x00020010, b"", b"1.2.840.10008.1.2\0", IMPLICIT)
    assert read_head(meta + minimal(IMPLICIT)).transfer_syntax_uid == IMPLICIT_LITTLE


def test_a_meta_that_is_cut_off_is_named() -> None:
    with pytest.raises(MalformedData, match=r"\(0002,0102\) of the file meta is cut off"):
        read_head(head()[:-2])


@pytest.mark.parametrize("data", [b"", b"\0", bytes(200), b"\x89PNG\r\n\x1a\n", b"PK\3\4" + bytes(100), b"text" * 90])
def test_what_is_no_dicom(data: bytes) -> None:
    with pytest.raises(Unsupported, match="neither"):
        read_head(data)


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_read_or_refused(data: bytes, prefixed: bool) -> None:
    try:
        read_head(bytes(128) + b"DICM\2\0" + data if prefixed else data)
    except GatewayError:
        return
