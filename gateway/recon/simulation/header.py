"""The header of a simulated scan: the values, and the XML text that says the same (ismrmrd.xsd).

Dates and identifiers are fixed or follow from the protocol: the same protocol gives the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from xml.etree import ElementTree

from gateway.model.mrd import (
    AcquisitionSystem,
    Encoding,
    EncodingLimits,
    Limit,
    Measurement,
    Multiband,
    ParallelImaging,
    ScanHeader,
    SequenceParameters,
    Space,
    Study,
    Subject,
    UserParameters,
)
from gateway.recon.simulation.protocol import Protocol

_NAMESPACE = "http://www.ismrm.org/ISMRMRD"
_ECHO_SPACING_MS = 4.0

# Elements by name: text, a number, further elements, or several of one name.
_Node = Mapping[str, "_Node"] | Sequence["_Node"] | str | int | float


def header_of(protocol: Protocol) -> ScanHeader:
    """The header of a scan with this protocol, its XML text included."""
    header = ScanHeader(
        encodings=(_encoding(protocol),),
        system=AcquisitionSystem(
            vendor="SIMULATION",
            model="Numerical phantom",
            field_strength_t=3.0,
            relative_receiver_noise_bandwidth=1.0,
            receiver_channels=protocol.coils,
            coil_names=tuple(f"Ring:1:R{index + 1:02d}" for index in range(protocol.coils)),
            institution_name="Phantom laboratory",
            h1_frequency_hz=123_250_000,
        ),
        subject=Subject(name="Phantom^Test", id="PH0042", birth_date="19800102", sex="O", weight_kg=70.0),
        study=Study(
            date="20240102",
            time="101112",
            id="SIM1",
            referring_physician_name="Referrer^Test",
            description="Simulated head",
            instance_uid=_uid("study", protocol),
        ),
        measurement=Measurement(
            measurement_id="SIM_1",
            series_date="20240102",
            series_time="101112",
            patient_position="HFS",
            protocol_name="gre_3d" if protocol.partitions > 1 else "gre_2d",
            series_description="Simulated gradient echo",
            frame_of_reference_uid=_uid("frame of reference", protocol),
        ),
        sequence=SequenceParameters(
            repetition_times=(10.0,),
            echo_times=tuple(_ECHO_SPACING_MS * (echo + 1) for echo in range(protocol.contrasts)),
            flip_angles=(15.0,),
            sequence_type="Flash",
        ),
        user=UserParameters(
            double={"SliceSpacing_mm": protocol.slice_spacing} if protocol.slices > 1 else {},
            string={"PatientID": "PH0042", "AccessionNumber": "A24B0017"},
        ),
    )
    return replace(header, xml=header_xml(header))


def header_xml(header: ScanHeader) -> str:
    """What a simulated header holds, as a document that is valid by ismrmrd.xsd."""
    root = ElementTree.Element("ismrmrdHeader", {"xmlns": _NAMESPACE})
    _add_children(root, _document(header))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=False) + "\n"


def _encoding(protocol: Protocol) -> Encoding:
    lines, n_lines = protocol.lines, protocol.encoded_matrix[1]
    first, second = (
        _limit(len(lines), n_lines // 2 - lines.start),
        _limit(protocol.partitions, protocol.partitions // 2),
    )
    return Encoding(
        encoded=Space(protocol.encoded_matrix, protocol.encoded_field_of_view),
        recon=Space(protocol.recon_matrix, protocol.recon_field_of_view),
        limits=EncodingLimits(
            kspace_encoding_step_1=first,
            kspace_encoding_step_2=second,
            average=_limit(protocol.averages),
            slice=_limit(protocol.slices),
            contrast=_limit(protocol.contrasts),
            phase=_limit(protocol.phases),
            repetition=_limit(protocol.repetitions),
            set=_limit(1),
            segment=_limit(protocol.segments),
        ),
        trajectory="cartesian",
        parallel=ParallelImaging(protocol.undersampling.step_1, protocol.undersampling.step_2),
        echo_train_length=1,
    )


def _limit(count: int, centre: int = 0) -> Limit:
    return Limit(0, count - 1, centre)


def _uid(name: str, protocol: Protocol) -> str:
    """A UID (PS3.5 B.2, a UUID-derived one) that follows from the protocol."""
    digest = hashlib.sha256(f"{name} {protocol!r}".encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def _document(header: ScanHeader) -> Mapping[str, _Node]:
    """In the order of the schema."""
    subject, study, measurement = header.subject, header.study, header.measurement
    return {
        "subjectInformation": {
            "patientName": subject.name,
            "patientWeight_kg": subject.weight_kg or 0.0,
            "patientID": subject.id,
            "patientBirthdate": _date(subject.birth_date),
            "patientGender": subject.sex,
        },
        "studyInformation": {
            "studyDate": _date(study.date),
            "studyTime": _time(study.time),
            "studyID": study.id,
            "referringPhysicianName": study.referring_physician_name,
            "studyDescription": study.description,
            "studyInstanceUID": study.instance_uid,
        },
        "measurementInformation": {
            "measurementID": measurement.measurement_id,
            "seriesDate": _date(measurement.series_date),
            "seriesTime": _time(measurement.series_time),
            "patientPosition": measurement.patient_position,
            "protocolName": measurement.protocol_name,
            "seriesDescription": measurement.series_description,
            "frameOfReferenceUID": measurement.frame_of_reference_uid,
        },
        "acquisitionSystemInformation": _system(header.system),
        "experimentalConditions": {"H1resonanceFrequency_Hz": header.system.h1_frequency_hz or 0},
        "encoding": [_encoding_node(encoding) for encoding in header.encodings],
        "sequenceParameters": {
            "TR": header.sequence.repetition_times,
            "TE": header.sequence.echo_times,
            "flipAngle_deg": header.sequence.flip_angles,
            "sequence_type": header.sequence.sequence_type,
        },
        "userParameters": {
            "userParameterDouble": [{"name": n, "value": v} for n, v in header.user.double.items()],
            "userParameterString": [{"name": n, "value": v} for n, v in header.user.string.items()],
        },
    }


def _system(system: AcquisitionSystem) -> _Node:
    return {
        "systemVendor": system.vendor,
        "systemModel": system.model,
        "systemFieldStrength_T": system.field_strength_t or 0.0,
        "relativeReceiverNoiseBandwidth": system.relative_receiver_noise_bandwidth or 1.0,
        "receiverChannels": system.receiver_channels or 0,
        "coilLabel": [{"coilNumber": n, "coilName": name} for n, name in enumerate(system.coil_names)],
        "institutionName": system.institution_name,
    }


def _encoding_node(encoding: Encoding) -> _Node:
    limits = encoding.limits
    parallel = encoding.parallel or ParallelImaging()
    return {
        "encodedSpace": _space(encoding.encoded),
        "reconSpace": _space(encoding.recon),
        "encodingLimits": {
            name: {"minimum": limit.minimum, "maximum": limit.maximum, "center": limit.center}
            for name in EncodingLimits.__dataclass_fields__
            if (limit := getattr(limits, name)) is not None
        },
        "trajectory": encoding.trajectory,
        "parallelImaging": {
            "accelerationFactor": {
                "kspace_encoding_step_1": parallel.acceleration_1,
                "kspace_encoding_step_2": parallel.acceleration_2,
            },
            **({"calibrationMode": parallel.calibration_mode} if parallel.calibration_mode else {}),
            **({"multiband": _multiband_node(parallel.multiband)} if parallel.multiband else {}),
        },
        "echoTrainLength": encoding.echo_train_length or 1,
    }


def _multiband_node(multiband: Multiband) -> _Node:
    return {
        "spacing": [{"dZ": spacing} for spacing in multiband.spacings],
        "deltaKz": multiband.delta_kz,
        "multiband_factor": multiband.factor,
        "calibration": multiband.calibration,
        "calibration_encoding": multiband.calibration_encoding,
    }


def _space(space: Space) -> _Node:
    return {
        "matrixSize": dict(zip("xyz", space.matrix, strict=True)),
        "fieldOfView_mm": dict(zip("xyz", space.field_of_view, strict=True)),
    }


def _date(value: str) -> str:
    return f"{value[:4]}-{value[4:6]}-{value[6:]}"


def _time(value: str) -> str:
    return f"{value[:2]}:{value[2:4]}:{value[4:]}"


def _add_children(parent: ElementTree.Element, children: Mapping[str, _Node]) -> None:
    for name, child in children.items():
        several = not isinstance(child, (str, Mapping)) and isinstance(child, Sequence)
        for node in child if several else (child,):  # type: ignore[union-attr]
            element = ElementTree.SubElement(parent, name)
            if isinstance(node, Mapping):
                _add_children(element, node)
            else:
                element.text = str(node)
