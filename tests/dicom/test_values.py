"""Values of a header: as text, and as a pydicom data set."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.filereader import dcmread
from pydicom.multival import MultiValue

from gateway.dicom.encoding import EXPLICIT_BE, IMPLICIT
from gateway.dicom.scan import scan
from gateway.dicom.transfer_syntaxes import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from gateway.dicom.values import Header, parse, tag_of
from gateway.model.errors import GatewayError, MalformedData, UsageError
from tests.dicom.building import element, identity, in_unknown, nested, nested_by_length
from tests.dicom.conftest import RealFile

WITHOUT_TEXT = {"SQ", "OB", "OW", "OF", "UN", "AT"}


def read_values(header: bytes, transfer_syntax_uid: str, keyword: str) -> tuple[str, ...] | None:
    return Header(header, transfer_syntax_uid).values(keyword)


def headers(files: list[RealFile]) -> list[tuple[RealFile, bytes, str]]:
    scanned = []
    for file in files:
        try:
            header = scan(file.data_set, file.transfer_syntax_uid, complete=True)
        except MalformedData:
            continue
        scanned.append((file, header.header, header.header_transfer_syntax_uid))
    return scanned


def texts(data_set: Dataset, tag: int) -> tuple[str, ...]:
    value = data_set[tag].value
    if value is None or str(value) == "":
        return ()
    several = value if isinstance(value, MultiValue | list) else [value]
    return tuple(str(one).strip().rstrip("=") for one in several)


def test_text_of_real_headers_is_that_of_pydicom(valid_files: list[RealFile]) -> None:
    for file, header, uid in headers(valid_files):
        theirs, ours = dcmread(file.path, stop_before_pixels=True), Header(header, uid)
        for item in parse(header, uid):
            if not item.keyword or theirs[item.tag].VR in WITHOUT_TEXT or item.tag.element == 0:
                continue
            found = ours.values(item.keyword)
            assert found is not None
            if theirs[item.tag].VR in ("DS", "IS"):  # pydicom shows the number, we the text
                assert len(found) == len(texts(theirs, item.tag)), (file.path.name, item.keyword)
            else:
                assert tuple(one.rstrip("=") for one in found) == texts(theirs, item.tag), (
                    file.path.name,
                    item.keyword,
                )


def test_real_headers_parse_to_what_pydicom_reads_from_the_file(valid_files: list[RealFile]) -> None:
    for file, header, uid in headers(valid_files):
        theirs = dcmread(file.path, stop_before_pixels=True)
        for item in parse(header, uid):
            assert item == theirs[item.tag], (file.path.name, item.tag)


@pytest.mark.parametrize(
    ("tag", "vr", "value", "keyword", "expected"),
    [
        (0x00080008, b"CS", b"ORIGINAL\\PRIMARY ", "ImageType", ("ORIGINAL", "PRIMARY")),
        (0x00080060, b"CS", b"", "Modality", ()),
        (0x00080060, b"CS", b"  ", "Modality", ()),
        (0x00081030, b"LO", b"a\\\\b ", "StudyDescription", ("a", "", "b")),
        (0x00204000, b"LT", b" a\\b \r\n ", "ImageComments", (" a\\b \r\n",)),
        (0x0020000D, b"UI", b"1.2.3\0", "StudyInstanceUID", ("1.2.3",)),
        (0x00280010, b"US", b"\x01\x02", "Rows", ("513",)),
        (0x00280009, b"AT", b"\x18\x00\x63\x10", "FrameIncrementPointer", ("(0018,1063)",)),
        (0x00186020, b"SL", b"\xff\xff\xff\xff", "ReferencePixelX0", ("-1",)),
        (0x00189087, b"FD", b"\0\0\0\0\0\0\xf8\x3f", "DiffusionBValue", ("1.5",)),
        (0x00081140, b"SQ", b"", "ReferencedImageSequence", ()),
        (0x00420011, b"OB", b"%PDF", "EncapsulatedDocument", ()),
        (0x00100020, b"UN", b"A12 ", "PatientID", ("A12",)),
        (0x00280106, b"SS", b"\xff\xff", "SmallestImagePixelValue", ("-1",)),
    ],
)
def test_values(tag: int, vr: bytes, value: bytes, keyword: str, expected: tuple[str, ...]) -> None:
    assert read_values(element(tag, vr, value), EXPLICIT_LITTLE, keyword) == expected
    if vr != b"SS":  # implicit: the VR is US or SS
        assert read_values(element(tag, b"", value, IMPLICIT), IMPLICIT_LITTLE, keyword) == expected


def test_us_or_ss_in_implicit_vr() -> None:
    smallest = element(0x00280106, b"", b"\xff\xff", IMPLICIT)
    signed = element(0x00280103, b"", b"\1\0", IMPLICIT)
    assert read_values(smallest, IMPLICIT_LITTLE, "SmallestImagePixelValue") == ("65535",)
    assert read_values(signed + smallest, IMPLICIT_LITTLE, "SmallestImagePixelValue") == ("-1",)


def test_big_endian() -> None:
    assert read_values(element(0x00280010, b"US", b"\2\1", EXPLICIT_BE), EXPLICIT_BIG, "Rows") == ("513",)


def test_the_character_set_of_the_header() -> None:
    charset = element(0x00080005, b"CS", b"ISO_IR 144")
    name = element(0x00100010, b"PN", b"\xbb\xee\xda ")
    assert read_values(charset + name, EXPLICIT_LITTLE, "PatientName") == ("Люк",)


def test_absent_is_not_empty() -> None:
    header = Header(element(0x00080060, b"CS", b""), EXPLICIT_LITTLE)
    assert header.values("PatientID") is None
    assert header.values("Modality") == ()


def test_an_unknown_keyword_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean StudyDescription"):
        read_values(b"", EXPLICIT_LITTLE, "StudyDesciption")
    with pytest.raises(UsageError, match=r"is not a DICOM keyword$"):
        tag_of("zzzzzzzzzz")


def test_a_number_of_the_wrong_length() -> None:
    with pytest.raises(MalformedData, match=r"\(0028,0010\).*3 bytes"):
        read_values(element(0x00280010, b"US", b"\1\2\3"), EXPLICIT_LITTLE, "Rows")


@pytest.mark.parametrize("depth", [33, 1000, 3000])
def test_what_pydicom_cannot_read_is_left_out(depth: int) -> None:
    for sequence in (nested(depth), nested_by_length(depth), in_unknown(nested(depth, IMPLICIT))):
        data_set = parse(sequence + identity(), EXPLICIT_LITTLE)
        assert [item.keyword for item in data_set] == [
            "SOPClassUID",
            "SOPInstanceUID",
            "StudyInstanceUID",
            "SeriesInstanceUID",
        ]
        assert read_values(sequence + identity(), EXPLICIT_LITTLE, "StudyInstanceUID") == ("1.2.3",)


def test_what_pydicom_fails_on_is_malformed() -> None:
    charset = element(0x00080005, b"CS", b"AB\0C")
    with pytest.raises(MalformedData, match="ValueError"):
        parse(charset + identity(), EXPLICIT_LITTLE)
    assert read_values(charset + identity(), EXPLICIT_LITTLE, "StudyInstanceUID") == ("1.2.3",)


def test_a_sequence_that_can_be_read_is_there() -> None:
    assert "ReferencedImageSequence" in parse(nested(32) + identity(), EXPLICIT_LITTLE)
    assert read_values(nested(32), EXPLICIT_LITTLE, "ReferencedImageSequence") == ()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.sampled_from([EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG]))
def test_any_bytes_are_read_or_refused(tail: bytes, uid: str) -> None:
    try:
        read_values(tail, uid, "PatientName")
        parse(tail, uid)
    except GatewayError:
        return
