"""The XML header of a scan: ismrmrdHeader of the MRD schema → `ScanHeader`.

Source: https://ismrmrd.readthedocs.io, schema/ismrmrd.xsd. What a reconstruction needs must be there and sound; what
only describes may be missing; elements that the schema does not have (newer versions, vendors) are passed over. The
`ismrmrd` package's parser is not used: it stops at any unknown element, prints values of others as warnings, and
resolves a document type declaration.
"""

from __future__ import annotations

from gateway.model.errors import LimitExceeded, MalformedData
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
    Vector,
    WaveformInformation,
)
from gateway.wire.mrd.header_values import Node
from gateway.wire.mrd.limits import DEFAULT_LIMITS
from gateway.wire.mrd.markup import Element, parse_markup

_ROOT = "ismrmrdHeader"
_TRAJECTORIES = ("cartesian", "epi", "radial", "goldenangle", "spiral", "other")
_LIMITS = (
    "kspace_encoding_step_0",
    "kspace_encoding_step_1",
    "kspace_encoding_step_2",
    "average",
    "slice",
    "contrast",
    "phase",
    "repetition",
    "set",
    "segment",
)
_UNSIGNED_SHORT = 65_535
# A scan has one encoding for the image and a few for calibration and navigation.
_MAX_ENCODINGS = 64
# Five are standardised, and a gradient system adds a few.
_MAX_WAVEFORMS = 64


def parse_header(xml: bytes | str) -> ScanHeader:
    """Read a header. Raises MalformedData that names the element, LimitExceeded."""
    data = xml.encode() if isinstance(xml, str) else xml
    if len(data) > DEFAULT_LIMITS.header:
        raise LimitExceeded(f"MRD header of {len(data)} bytes; at most {DEFAULT_LIMITS.header} are taken")
    # A declared encoding speaks of the bytes as they once were; text is UTF-8 here.
    root = parse_markup(data, "MRD header", encoding="utf-8" if isinstance(xml, str) else None)
    if root.name != _ROOT:
        raise MalformedData(f"MRD header: root element is {root.name[:64]}, not {_ROOT}")
    node = Node(root)
    return ScanHeader(
        encodings=_encodings(node),
        system=_system(node),
        subject=_subject(_section(node, "subjectInformation")),
        study=_study(_section(node, "studyInformation")),
        measurement=_measurement(_section(node, "measurementInformation")),
        sequence=_sequence(_section(node, "sequenceParameters")),
        user=_user_parameters(_section(node, "userParameters")),
        waveforms=_waveforms(node),
        xml=xml if isinstance(xml, str) else xml.decode("utf-8", "replace"),
    )


def _section(node: Node, name: str) -> Node:
    """A section, an empty one where the header has none."""
    return node.child(name) or Node(Element(name), name)


def _waveforms(node: Node) -> dict[int, WaveformInformation]:
    """By `waveformId`; where senders leave it out, as the schema did before it had one, by their order."""
    found = {}
    for place, waveform in enumerate(node.children("waveformInformation")[:_MAX_WAVEFORMS]):
        number = waveform.integer("waveformId", 0, _UNSIGNED_SHORT)
        channel = waveform.integer("waveformTriggerChannel", 0, _UNSIGNED_SHORT)
        found[place if number is None else number] = WaveformInformation(waveform.text("waveformName"), channel)
    return found


def _encodings(node: Node) -> tuple[Encoding, ...]:
    encodings = node.children("encoding")
    if not encodings:
        raise MalformedData("MRD header: encoding is missing")
    if len(encodings) > _MAX_ENCODINGS:
        raise LimitExceeded(f"MRD header: {len(encodings)} encodings; at most {_MAX_ENCODINGS} are taken")
    return tuple(_encoding(encoding) for encoding in encodings)


def _encoding(node: Node) -> Encoding:
    description = _section(node, "trajectoryDescription")
    return Encoding(
        encoded=_space(node.required("encodedSpace")),
        recon=_space(node.required("reconSpace")),
        limits=_limits(_section(node, "encodingLimits")),
        trajectory=node.one_of("trajectory", _TRAJECTORIES),
        parallel=_parallel(node.child("parallelImaging")),
        echo_train_length=node.integer("echoTrainLength"),
        trajectory_identifier=description.text("identifier"),
        trajectory_parameters=_user_parameters(description),
    )


def _space(node: Node) -> Space:
    matrix, field_of_view = node.required("matrixSize"), node.required("fieldOfView_mm")
    x, y, z = (matrix.required_integer(axis, 1, _UNSIGNED_SHORT) for axis in "xyz")
    return Space(matrix=(x, y, z), field_of_view=_vector(field_of_view))


def _vector(node: Node) -> Vector:
    return node.required_number("x"), node.required_number("y"), node.required_number("z")


def _limits(node: Node) -> EncodingLimits:
    return EncodingLimits(**{name: _limit(node.child(name)) for name in _LIMITS})


def _limit(node: Node | None) -> Limit | None:
    """Each value defaults to 0 (schema)."""
    if node is None:
        return None
    minimum, maximum, center = (
        node.integer(name, 0, _UNSIGNED_SHORT) or 0 for name in ("minimum", "maximum", "center")
    )
    if minimum > maximum:
        raise MalformedData(f"MRD header: {node.path}/minimum is above its maximum")
    return Limit(minimum=minimum, maximum=maximum, center=center)


def _parallel(node: Node | None) -> ParallelImaging | None:
    if node is None:
        return None
    factor = node.required("accelerationFactor")
    return ParallelImaging(
        acceleration_1=factor.required_integer("kspace_encoding_step_1", 1, _UNSIGNED_SHORT),
        acceleration_2=factor.required_integer("kspace_encoding_step_2", 1, _UNSIGNED_SHORT),
        calibration_mode=node.text("calibrationMode"),
        interleaving_dimension=node.text("interleavingDimension"),
        multiband=_multiband(node.child("multiband")),
    )


def _multiband(node: Node | None) -> Multiband | None:
    if node is None:
        return None
    return Multiband(
        factor=node.required_integer("multiband_factor", 1, _UNSIGNED_SHORT),
        spacings=tuple(group.numbers("dZ") for group in node.children("spacing")),
        delta_kz=node.number("deltaKz") or 0.0,
        calibration=node.text("calibration"),
        calibration_encoding=node.required_integer("calibration_encoding", 0, _MAX_ENCODINGS - 1),
    )


def _system(node: Node) -> AcquisitionSystem:
    system = _section(node, "acquisitionSystemInformation")
    return AcquisitionSystem(
        vendor=system.text("systemVendor"),
        model=system.text("systemModel"),
        field_strength_t=system.number("systemFieldStrength_T"),
        relative_receiver_noise_bandwidth=system.number("relativeReceiverNoiseBandwidth"),
        receiver_channels=system.integer("receiverChannels"),
        coil_names=tuple(label.text("coilName") for label in system.children("coilLabel")),
        institution_name=system.text("institutionName"),
        station_name=system.text("stationName"),
        device_id=system.text("deviceID"),
        device_serial_number=system.text("deviceSerialNumber"),
        h1_frequency_hz=_section(node, "experimentalConditions").integer("H1resonanceFrequency_Hz"),
    )


def _subject(node: Node) -> Subject:
    return Subject(
        name=node.text("patientName"),
        id=node.text("patientID"),
        birth_date=node.date("patientBirthdate"),
        sex=node.text("patientGender"),
        weight_kg=node.number("patientWeight_kg"),
        height_m=node.number("patientHeight_m"),
    )


def _study(node: Node) -> Study:
    """The accession number as text: the schema has an integer, senders have letters and leading zeros."""
    return Study(
        date=node.date("studyDate"),
        time=node.time("studyTime"),
        id=node.text("studyID"),
        accession_number=node.text("accessionNumber"),
        referring_physician_name=node.text("referringPhysicianName"),
        description=node.text("studyDescription"),
        instance_uid=node.text("studyInstanceUID"),
        body_part_examined=node.text("bodyPartExamined"),
    )


def _measurement(node: Node) -> Measurement:
    table = node.child("relativeTablePosition")
    dependencies = node.children("measurementDependency")
    return Measurement(
        measurement_id=node.text("measurementID"),
        series_date=node.date("seriesDate"),
        series_time=node.time("seriesTime"),
        patient_position=node.text("patientPosition"),
        relative_table_position=None if table is None else _vector(table),
        initial_series_number=node.integer("initialSeriesNumber"),
        protocol_name=node.text("protocolName"),
        sequence_name=node.text("sequenceName"),
        series_description=node.text("seriesDescription"),
        series_instance_uid_root=node.text("seriesInstanceUIDRoot"),
        frame_of_reference_uid=node.text("frameOfReferenceUID"),
        referenced_image_uids=_section(node, "referencedImageSequence").texts("referencedSOPInstanceUID"),
        dependencies={item.text("dependencyType"): item.text("measurementID") for item in dependencies},
    )


def _sequence(node: Node) -> SequenceParameters:
    return SequenceParameters(
        repetition_times=node.numbers("TR"),
        echo_times=node.numbers("TE"),
        inversion_times=node.numbers("TI"),
        flip_angles=node.numbers("flipAngle_deg"),
        sequence_type=node.text("sequence_type"),
        echo_spacing=node.numbers("echo_spacing"),
    )


def _user_parameters(node: Node) -> UserParameters:
    longs = {item.text("name"): item.integer("value") for item in node.children("userParameterLong")}
    doubles = {item.text("name"): item.number("value") for item in node.children("userParameterDouble")}
    return UserParameters(
        long={name: value for name, value in longs.items() if value is not None},
        double={name: value for name, value in doubles.items() if value is not None},
        string={item.text("name"): item.text("value") for item in node.children("userParameterString")},
        base64={item.text("name"): item.text("value") for item in node.children("userParameterBase64")},
    )
