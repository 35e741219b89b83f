"""Headers of real files and of the `ismrmrd` package, and what is refused by name."""

from __future__ import annotations

from pathlib import Path

import h5py
import ismrmrd
import pytest
from ismrmrd.xsd import CreateFromDocument

from gateway.model.errors import LimitExceeded, MalformedData
from gateway.model.mrd import Limit
from gateway.wire.mrd.header import parse_header
from gateway.wire.mrd.identity import scan_identity

FILES = ["gre_2ch", "oblique_5slice_4ch", "c13_dynamic", "xe129_dixon_radial3d", "epi_2ch", "brain5t_16ch_vd"]


def read(path: Path) -> bytes:
    with h5py.File(path) as file:
        return bytes(file["dataset/xml"][0])


@pytest.mark.parametrize("name", FILES)
def test_agrees_with_the_packages_parser(shared_data: Path, name: str) -> None:
    xml = read(shared_data / "raw" / f"{name}.h5")
    header, judge = parse_header(xml), CreateFromDocument(xml)
    for ours, theirs in zip(header.encodings, judge.encoding, strict=True):
        matrix, field = theirs.encodedSpace.matrixSize, theirs.reconSpace.fieldOfView_mm
        assert ours.encoded.matrix == (matrix.x, matrix.y, matrix.z)
        assert ours.recon.field_of_view == (field.x, field.y, field.z)
        assert ours.trajectory == theirs.trajectory.value
        for axis in ("kspace_encoding_step_1", "kspace_encoding_step_2", "repetition", "slice"):
            limit = getattr(theirs.encodingLimits, axis)
            expected = None if limit is None else Limit(limit.minimum, limit.maximum, limit.center)
            assert getattr(ours.limits, axis) == expected
    assert header.system.h1_frequency_hz == judge.experimentalConditions.H1resonanceFrequency_Hz
    assert header.system.field_strength_t == judge.acquisitionSystemInformation.systemFieldStrength_T
    assert header.sequence.echo_times == tuple(judge.sequenceParameters.TE)
    if judge.subjectInformation is not None:
        assert header.subject.id == (judge.subjectInformation.patientID or "")
    if judge.userParameters is not None:
        assert header.user.double == {p.name: p.value for p in judge.userParameters.userParameterDouble}


def test_written_anew_by_the_package_it_is_the_same_scan(header_xml: str) -> None:
    again = ismrmrd.xsd.ToXML(CreateFromDocument(header_xml))
    assert again.split() != header_xml.split()
    assert scan_identity(parse_header(header_xml), []) == scan_identity(parse_header(again), [])


def test_another_patient_is_another_scan(header_xml: str) -> None:
    def scan_of(patient: str) -> str:
        subject = f"<subjectInformation><patientID>{patient}</patientID></subjectInformation><encoding>"
        return scan_identity(parse_header(header_xml.replace("<encoding>", subject)), [])

    assert scan_of("1") != scan_of("2")


def test_the_accession_number_with_letters_stays_among_the_user_parameters(shared_data: Path) -> None:
    header = parse_header(read(shared_data / "raw" / "oblique_5slice_4ch.h5"))
    assert header.user.string["AccessionNumber"] == "ACC24B00917"
    assert "ACC24B00917" not in header.study.accession_number


def test_dates_and_times_become_dicoms(header_xml: str) -> None:
    study = (
        "<studyInformation><studyDate>2024-03-14+01:00</studyDate><studyTime>09:30:01.2500Z</studyTime>"
        "<accessionNumber>A0012</accessionNumber></studyInformation><encoding>"
    )
    header = parse_header(header_xml.replace("<encoding>", study))
    assert (header.study.date, header.study.time) == ("20240314", "093001.25")
    assert header.study.accession_number == "A0012"


def test_a_date_that_is_none_is_passed_on_for_the_writer_to_judge(header_xml: str) -> None:
    subject = "<subjectInformation><patientBirthdate>soon</patientBirthdate></subjectInformation><encoding>"
    assert parse_header(header_xml.replace("<encoding>", subject)).subject.birth_date == "soon"


def test_unknown_elements_are_passed_over(header_xml: str) -> None:
    newer = header_xml.replace("<encoding>", "<somethingNew><x>1</x></somethingNew><encoding>")
    assert parse_header(newer).encodings == parse_header(header_xml).encodings


def test_a_header_without_namespace_is_read(header_xml: str) -> None:
    assert parse_header(header_xml.replace(' xmlns="http://www.ismrm.org/ISMRMRD"', "")).encodings


def test_a_header_that_declares_another_encoding_is_read_as_text_and_as_bytes(header_xml: str) -> None:
    user = (
        "<userParameters><userParameterString><name>a</name><value>Grün</value></userParameterString></userParameters>"
    )
    xml = header_xml.replace('"1.0"?', '"1.0" encoding="ISO-8859-1"?').replace(
        "</ismrmrdHeader>", f"{user}</ismrmrdHeader>"
    )
    for form in (xml, xml.encode("latin-1")):
        assert parse_header(form).user.string == {"a": "Grün"}


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("<x>8</x>", "", "encoding/encodedSpace/matrixSize/x is missing"),
        ("<x>8</x>", "<x>0</x>", "encoding/encodedSpace/matrixSize/x"),
        ("<x>8</x>", "<x>70000</x>", "encoding/encodedSpace/matrixSize/x"),
        ("<x>8</x>", "<x>8.5</x>", "encoding/encodedSpace/matrixSize/x"),
        ("<x>400</x>", "<x>NaN</x>", "encoding/encodedSpace/fieldOfView_mm/x is not finite"),
        ("<x>400</x>", "<x>wide</x>", "encoding/encodedSpace/fieldOfView_mm/x is not a number"),
        ("<trajectory>cartesian</trajectory>", "", "encoding/trajectory"),
        ("<trajectory>cartesian</trajectory>", "<trajectory>zigzag</trajectory>", "cartesian, epi"),
        ("<minimum>0</minimum>", "<minimum>9</minimum>", "kspace_encoding_step_1/minimum"),
        ("<maximum>3</maximum>", "<maximum>-3</maximum>", "kspace_encoding_step_1/maximum"),
        ("ismrmrdHeader", "html", "root element is html"),
        ("</encoding>", "", "mismatched tag"),
        ('<?xml version="1.0"?>', '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]>', "document type"),
        ('<?xml version="1.0"?>', '<?xml version="1.0" encoding="no-such"?>', "encoding"),
    ],
)
def test_what_is_wrong_is_named(header_xml: str, old: str, new: str, named: str) -> None:
    with pytest.raises(MalformedData, match=named):
        parse_header(header_xml.replace(old, new).encode())


def test_a_header_needs_an_encoding(header_xml: str) -> None:
    before, _, rest = header_xml.partition("<encoding>")
    with pytest.raises(MalformedData, match="encoding is missing"):
        parse_header(before + rest.partition("</encoding>")[2])


def test_depth_and_number_of_elements_are_limited() -> None:
    with pytest.raises(LimitExceeded, match="levels"):
        parse_header("<a>" * 1000 + "</a>" * 1000)
    with pytest.raises(LimitExceeded, match="elements"):
        parse_header("<a>" + "<b/>" * 300_000 + "</a>")
