"""The modules of an MR Image that are the same for every plane of an image (PS3.3 A.4.3).

Each function fills one module of a data set: Patient and Patient Study (C.7.1.1, C.7.2.2), General Study (C.7.2.1),
General Series (C.7.3.1), General Equipment (C.7.5.1) with SOP Common's contributing equipment (C.12.1), the parts of
MR Image (C.8.3.1) that the sequence decides. Type 2 attributes are there and empty when unknown; type 3 ones are left
out. The planes themselves are `mr_image`'s.
"""

from __future__ import annotations

from pydicom.dataset import Dataset

from gateway.dicom import mr_values as values
from gateway.dicom.derived import Provenance, frame_of_reference_uid, scan_reference
from gateway.dicom.derived_identity import Identity
from gateway.dicom.mr_counters import series_number
from gateway.dicom.mr_sequence import PulseSequence
from gateway.model.mrd import AcquisitionSystem, Encoding, Image, ImageType, ScanHeader
from gateway.model.nucleus import resonance

PRODUCT = "dicom-mrd-gateway"

# PS3.3 C.7.3.1.1.2: which end or side goes first into the gantry, and what lies below.
_PATIENT_POSITIONS = frozenset(
    {"HFP", "HFS", "HFDR", "HFDL", "FFP", "FFS", "FFDR", "FFDL", "LFP", "LFS", "RFP", "RFS"}
    | {"AFP", "AFS", "AFDR", "AFDL", "PFP", "PFS", "PFDR", "PFDL"}
)
# Regions that have no left and right (PS3.16 table L-1). For all others, and where the region is unknown, Laterality is
# type 2C; MRD has none, so it is there and empty.
_UNPAIRED = frozenset(
    {"ABDOMEN", "ABDOMENPELVIS", "AORTA", "BACK", "BLADDER", "BRAIN", "CEREBELLUM", "CERVIX", "CHEST", "CHESTABDOMEN"}
    | {"CHESTABDPELVIS", "CIRCLEOFWILLIS", "COCCYX", "COLON", "CSPINE", "CTSPINE", "DUODENUM", "ESOPHAGUS", "FACE"}
    | {"GALLBLADDER", "HEAD", "HEADNECK", "HEART", "ILEUM", "JAW", "JEJUNUM", "LARYNX", "LIVER", "LSPINE", "LSSPINE"}
    | {"MAXILLA", "MEDIASTINUM", "MOUTH", "NECK", "NECKCHEST", "NECKCHESTABDOMEN", "NECKCHESTABDPELV", "NOSE"}
    | {"PANCREAS", "PELVIS", "PENIS", "PHARYNX", "PROSTATE", "RECTUM", "SCALP", "SKULL", "SPINE", "SPLEEN", "SSPINE"}
    | {"STERNUM", "STOMACH", "THYMUS", "THYROID", "TLSPINE", "TONGUE", "TRACHEA", "TSPINE", "URETHRA", "UTERUS"}
    | {"VAGINA", "VULVA", "WHOLEBODY"}
)
_COMPONENT_WORDS = {ImageType.PHASE: "phase", ImageType.REAL: "real", ImageType.IMAGINARY: "imaginary"}
# CID 7005, Contributing Equipment Purpose of Reference.
_PROCESSING_EQUIPMENT = ("109102", "DCM", "Processing Equipment")


def add_patient(ds: Dataset, header: ScanHeader, identity: Identity) -> None:
    """Patient and Patient Study."""
    ds.PatientName = identity.patient_name
    ds.PatientID = identity.patient_id
    _set_known(ds, "IssuerOfPatientID", identity.issuer_of_patient_id)
    ds.PatientBirthDate = identity.birth_date
    ds.PatientSex = identity.sex
    _set_known(ds, "PatientWeight", values.positive_decimal(header.subject.weight_kg))
    _set_known(ds, "PatientSize", values.positive_decimal(header.subject.height_m))


def add_study(ds: Dataset, header: ScanHeader, identity: Identity) -> None:
    """General Study, but for its UID."""
    ds.StudyDate = identity.study_date
    ds.StudyTime = identity.study_time
    ds.ReferringPhysicianName = identity.referring_physician_name
    ds.StudyID = identity.study_id
    ds.AccessionNumber = identity.accession_number
    _set_known(ds, "StudyDescription", values.text(header.study.description, values.LO))


def add_series(ds: Dataset, header: ScanHeader, image: Image, provenance: Provenance) -> None:
    """General Series and Frame of Reference, but for the series' UID."""
    measurement = header.measurement
    number = series_number(measurement.initial_series_number, image, preview=provenance.preview, run=provenance.run)
    ds.Modality = "MR"
    ds.SeriesNumber = values.integer(number)
    ds.SeriesDescription = _series_description(header, image, provenance)
    position = values.code_string(measurement.patient_position)
    ds.PatientPosition = position if position in _PATIENT_POSITIONS else ""
    _set_known(ds, "SeriesDate", values.date(measurement.series_date))
    _set_known(ds, "SeriesTime", values.time(measurement.series_time))
    _set_known(ds, "ProtocolName", values.text(measurement.protocol_name, values.LO))
    body_part = values.code_string(header.study.body_part_examined)
    _set_known(ds, "BodyPartExamined", body_part)
    if body_part not in _UNPAIRED:
        ds.Laterality = ""
    ds.FrameOfReferenceUID = frame_of_reference_uid(header, provenance.scan_identity)
    ds.PositionReferenceIndicator = ""


def add_equipment(ds: Dataset, system: AcquisitionSystem, provenance: Provenance) -> None:
    """General Equipment: the scanner; this node is its contributing equipment."""
    ds.Manufacturer = values.text(system.vendor, values.LO)
    _set_known(ds, "ManufacturerModelName", values.text(system.model, values.LO))
    _set_known(ds, "InstitutionName", values.text(system.institution_name, values.LO))
    _set_known(ds, "StationName", values.text(system.station_name, values.SH))
    _set_known(ds, "DeviceSerialNumber", values.identifier(system.device_serial_number, values.LO))
    # The pixels were made by this software, not by the scanner's: the product's name in front says whose version it is.
    version = values.text(f"{PRODUCT} {provenance.software_version}", values.LO)
    ds.SoftwareVersions = version
    purpose = Dataset()
    purpose.CodeValue, purpose.CodingSchemeDesignator, purpose.CodeMeaning = _PROCESSING_EQUIPMENT
    node = Dataset()
    node.PurposeOfReferenceCodeSequence = [purpose]
    node.Manufacturer = PRODUCT
    node.ManufacturerModelName = PRODUCT
    node.SoftwareVersions = version
    node.ContributionDescription = values.text(f"Reconstruction from raw data: {_method(provenance)}", values.ST)
    ds.ContributingEquipmentSequence = [node]


def add_sequence(ds: Dataset, header: ScanHeader, encoding: Encoding, sequence: PulseSequence) -> None:
    """What the pulse sequence, the magnet and the coil decide of MR Image."""
    ds.ScanningSequence = list(sequence.scanning_sequence)
    ds.SequenceVariant = list(sequence.variant)
    ds.MRAcquisitionType = sequence.acquisition_type
    ds.RepetitionTime = values.positive_decimal(sequence.repetition_time)
    ds.EchoTime = values.positive_decimal(sequence.echo_time)
    ds.EchoTrainLength = values.integer(sequence.echo_train_length)
    _set_known(ds, "EchoNumbers", values.integer(sequence.echo_number))
    _set_known(ds, "InversionTime", values.positive_decimal(sequence.inversion_time))
    _set_known(ds, "FlipAngle", values.positive_decimal(sequence.flip_angle))
    # Makers give the sequence as a path; its last part is the name.
    name = header.measurement.sequence_name.replace("\\", "/").rpartition("/")[2]
    _set_known(ds, "SequenceName", values.text(name, values.SH))
    if encoding.trajectory in ("cartesian", "epi"):
        ds.InPlanePhaseEncodingDirection = "COL"
    _set_known(ds, "MagneticFieldStrength", values.positive_decimal(header.system.field_strength_t))
    spins = resonance(header)
    _set_known(ds, "ImagedNucleus", spins.nucleus)
    _set_known(ds, "ImagingFrequency", values.positive_decimal(spins.frequency_mhz))
    if len(header.system.coil_names) == 1:
        _set_known(ds, "ReceiveCoilName", values.text(header.system.coil_names[0], values.SH))


def derivation(provenance: Provenance) -> str:
    """Derivation Description (0008,2111): from which raw scan and how, for a reader and for a search."""
    parts = [scan_reference(provenance.scan_identity), _method(provenance)]
    if provenance.parameters:
        settings = (f"{name}={provenance.parameters[name]}" for name in sorted(provenance.parameters))
        parts.append("parameters " + ", ".join(settings))
    parts += [f"orientation {provenance.orientation_profile}", f"run {provenance.run}"]
    if not provenance.complete:
        parts.insert(0, "INCOMPLETE RAW DATA")
    if provenance.preview:
        parts.insert(0, "PREVIEW")
    return values.text("; ".join(parts), values.ST)


def _method(provenance: Provenance) -> str:
    return f"method {provenance.method} {provenance.method_version}".rstrip()


def _series_description(header: ScanHeader, image: Image, provenance: Provenance) -> str:
    """The header's description, shortened if it must be, with what tells this series from its sisters behind it."""
    marks = [provenance.method, *image.attributes.get("SeriesMark", ())]
    marks.append(_COMPONENT_WORDS.get(image.image_type, ""))
    marks += ["preview" * provenance.preview, "" if provenance.complete else "incomplete"]
    suffix = values.text(" ".join(mark for mark in marks if mark), values.LO // 2)
    name = header.measurement.series_description or header.measurement.protocol_name
    return f"{values.text(name, values.LO - len(suffix) - 1)} {suffix}".strip()


def _set_known(ds: Dataset, keyword: str, value: str) -> None:
    """Set a type 3 attribute, unless the value is unknown."""
    if value:
        setattr(ds, keyword, value)
