"""A raw scan as rules see it: the fields of its MRD header by the names that the format gives them.

https://ismrmrd.readthedocs.io, schema/ismrmrd.xsd. Numbers as text in their shortest form; units as in the format:
mm, ms, T, Hz, degrees. A field that occurs once an encoding has one value for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain

from gateway.model.instance import Origin, Source
from gateway.model.mrd import ScanHeader, UserParameters
from gateway.routing.subject import provenance

MRD_PREFIX = "mrd."
USER_PREFIX = "mrd.user."

Number = int | float | None

TEXT_FIELDS: Mapping[str, Callable[[ScanHeader], Iterable[str]]] = {
    "patientName": lambda h: (h.subject.name,),
    "patientID": lambda h: (h.subject.id,),
    "patientBirthdate": lambda h: (h.subject.birth_date,),
    "patientGender": lambda h: (h.subject.sex,),
    "studyDate": lambda h: (h.study.date,),
    "studyTime": lambda h: (h.study.time,),
    "studyID": lambda h: (h.study.id,),
    "studyDescription": lambda h: (h.study.description,),
    "studyInstanceUID": lambda h: (h.study.instance_uid,),
    "accessionNumber": lambda h: (h.study.accession_number,),
    "referringPhysicianName": lambda h: (h.study.referring_physician_name,),
    "bodyPartExamined": lambda h: (h.study.body_part_examined,),
    "measurementID": lambda h: (h.measurement.measurement_id,),
    "patientPosition": lambda h: (h.measurement.patient_position,),
    "protocolName": lambda h: (h.measurement.protocol_name,),
    "sequenceName": lambda h: (h.measurement.sequence_name,),
    "seriesDescription": lambda h: (h.measurement.series_description,),
    "systemVendor": lambda h: (h.system.vendor,),
    "systemModel": lambda h: (h.system.model,),
    "institutionName": lambda h: (h.system.institution_name,),
    "stationName": lambda h: (h.system.station_name,),
    "deviceID": lambda h: (h.system.device_id,),
    "deviceSerialNumber": lambda h: (h.system.device_serial_number,),
    "coilName": lambda h: h.system.coil_names,
    "sequenceType": lambda h: (h.sequence.sequence_type,),
    "trajectory": lambda h: (encoding.trajectory for encoding in h.encodings),
    "trajectoryIdentifier": lambda h: (encoding.trajectory_identifier for encoding in h.encodings),
    "calibrationMode": lambda h: (e.parallel.calibration_mode for e in h.encodings if e.parallel),
}

NUMBER_FIELDS: Mapping[str, Callable[[ScanHeader], Iterable[Number]]] = {
    "patientWeight_kg": lambda h: (h.subject.weight_kg,),
    "patientHeight_m": lambda h: (h.subject.height_m,),
    "initialSeriesNumber": lambda h: (h.measurement.initial_series_number,),
    "systemFieldStrength_T": lambda h: (h.system.field_strength_t,),
    "receiverChannels": lambda h: (h.system.receiver_channels,),
    "H1resonanceFrequency_Hz": lambda h: (h.system.h1_frequency_hz,),
    "TR": lambda h: h.sequence.repetition_times,
    "TE": lambda h: h.sequence.echo_times,
    "TI": lambda h: h.sequence.inversion_times,
    "flipAngle_deg": lambda h: h.sequence.flip_angles,
    "echo_spacing": lambda h: h.sequence.echo_spacing,
    "encodings": lambda h: (len(h.encodings),),
    "echoTrainLength": lambda h: (encoding.echo_train_length for encoding in h.encodings),
    "encodedMatrix.x": lambda h: (encoding.encoded.matrix[0] for encoding in h.encodings),
    "encodedMatrix.y": lambda h: (encoding.encoded.matrix[1] for encoding in h.encodings),
    "encodedMatrix.z": lambda h: (encoding.encoded.matrix[2] for encoding in h.encodings),
    "reconMatrix.x": lambda h: (encoding.recon.matrix[0] for encoding in h.encodings),
    "reconMatrix.y": lambda h: (encoding.recon.matrix[1] for encoding in h.encodings),
    "reconMatrix.z": lambda h: (encoding.recon.matrix[2] for encoding in h.encodings),
    # The product of both directions: 1 where nothing was left out.
    "accelerationFactor": lambda h: (
        e.parallel.acceleration_1 * e.parallel.acceleration_2 if e.parallel else 1 for e in h.encodings
    ),
    "accelerationFactor.kspace_encoding_step_1": lambda h: (
        e.parallel.acceleration_1 if e.parallel else 1 for e in h.encodings
    ),
    "accelerationFactor.kspace_encoding_step_2": lambda h: (
        e.parallel.acceleration_2 if e.parallel else 1 for e in h.encodings
    ),
}

FIELDS = (*TEXT_FIELDS, *NUMBER_FIELDS)


def is_number(field: str) -> bool:
    """True when a field of `FIELDS` holds numbers."""
    return field in NUMBER_FIELDS


class ScanSubject:
    """The values of one raw scan; DICOM keywords have none here."""

    def __init__(self, header: ScanHeader, source: Source, origin: Origin) -> None:
        self._header = header
        self._provenance = provenance(source, origin)

    def values(self, key: str) -> tuple[str, ...] | None:
        if key in self._provenance:
            return self._provenance[key]
        if not key.startswith(MRD_PREFIX):
            return None
        if key.startswith(USER_PREFIX):
            return _user_values(self._header.user, key.removeprefix(USER_PREFIX))
        name = key.removeprefix(MRD_PREFIX)
        if name in TEXT_FIELDS:
            return tuple(TEXT_FIELDS[name](self._header))
        return tuple(f"{number:.15g}" for number in NUMBER_FIELDS[name](self._header) if number is not None)


def _user_values(parameters: UserParameters, name: str) -> tuple[str, ...]:
    numbers: Iterable[int | float] = (table[name] for table in (parameters.long, parameters.double) if name in table)
    texts = (parameters.string[name],) if name in parameters.string else ()
    return tuple(chain((f"{number:.15g}" for number in numbers), texts))
