"""The simulated header as others read it."""

from __future__ import annotations

import ismrmrd
import pytest

from gateway.recon.simulation.header import header_of
from gateway.recon.simulation.protocol import Protocol
from tests.recon.raw_scan import header_from

PROTOCOLS = {
    "plain": Protocol(),
    "dynamic": Protocol(slices=3, repetitions=4, contrasts=2, phases=5, partial_fourier=0.75, averages=2, segments=3),
    "volume": Protocol(matrix=(181, 217), field_of_view=(200.0, 230.0), partitions=9, phase_oversampling=1.3),
}


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_the_text_says_what_the_values_say(protocol: Protocol) -> None:
    header = header_of(protocol)
    read = header_from(header.xml)
    assert read.encodings == tuple(header.encodings)
    assert read.user.string == header.user.string
    assert read.system.relative_receiver_noise_bandwidth == header.system.relative_receiver_noise_bandwidth


def test_the_text_names_patient_and_study() -> None:
    document = ismrmrd.xsd.CreateFromDocument(header_of(Protocol()).xml)
    assert document.subjectInformation.patientName == "Phantom^Test"
    assert str(document.studyInformation.studyDate) == "2024-01-02"
    assert document.measurementInformation.patientPosition.value == "HFS"
    strings = {item.name: item.value for item in document.userParameters.userParameterString}
    assert strings["AccessionNumber"] == "A24B0017"


def test_the_same_protocol_gives_the_same_text_and_another_one_other_uids() -> None:
    assert header_of(Protocol()).xml == header_of(Protocol()).xml
    assert header_of(Protocol()).study.instance_uid != header_of(Protocol(seed=1)).study.instance_uid
    assert len(header_of(Protocol()).study.instance_uid) <= 64
