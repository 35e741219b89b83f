"""MRD (ISMRMRD) raw data in memory: header, readouts, waveforms and images.

Our own frozen types, which `gateway.wire.mrd` reads and writes. Names follow the MRD format
(https://ismrmrd.readthedocs.io); units: mm, ms, T, Hz, degrees; time stamps in the ticks of the vendor (2.5 ms for
Siemens).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag

import numpy as np
from numpy.typing import NDArray

Vector = tuple[float, float, float]


class AcquisitionFlag(IntFlag):
    """Flags of an acquisition header: bit n−1 for the format's flag n."""

    FIRST_IN_ENCODE_STEP1 = 1 << 0
    LAST_IN_ENCODE_STEP1 = 1 << 1
    FIRST_IN_ENCODE_STEP2 = 1 << 2
    LAST_IN_ENCODE_STEP2 = 1 << 3
    FIRST_IN_AVERAGE = 1 << 4
    LAST_IN_AVERAGE = 1 << 5
    FIRST_IN_SLICE = 1 << 6
    LAST_IN_SLICE = 1 << 7
    FIRST_IN_CONTRAST = 1 << 8
    LAST_IN_CONTRAST = 1 << 9
    FIRST_IN_PHASE = 1 << 10
    LAST_IN_PHASE = 1 << 11
    FIRST_IN_REPETITION = 1 << 12
    LAST_IN_REPETITION = 1 << 13
    FIRST_IN_SET = 1 << 14
    LAST_IN_SET = 1 << 15
    FIRST_IN_SEGMENT = 1 << 16
    LAST_IN_SEGMENT = 1 << 17
    IS_NOISE_MEASUREMENT = 1 << 18
    IS_PARALLEL_CALIBRATION = 1 << 19
    IS_PARALLEL_CALIBRATION_AND_IMAGING = 1 << 20
    IS_REVERSE = 1 << 21
    IS_NAVIGATION_DATA = 1 << 22
    IS_PHASECORR_DATA = 1 << 23
    LAST_IN_MEASUREMENT = 1 << 24
    IS_HPFEEDBACK_DATA = 1 << 25
    IS_DUMMYSCAN_DATA = 1 << 26
    IS_RTFEEDBACK_DATA = 1 << 27
    IS_SURFACECOILCORRECTIONSCAN_DATA = 1 << 28
    IS_PHASE_STABILIZATION_REFERENCE = 1 << 29
    IS_PHASE_STABILIZATION = 1 << 30
    COMPRESSION1 = 1 << 52
    COMPRESSION2 = 1 << 53
    COMPRESSION3 = 1 << 54
    COMPRESSION4 = 1 << 55


_NOT_IMAGING = int(
    AcquisitionFlag.IS_NOISE_MEASUREMENT
    | AcquisitionFlag.IS_NAVIGATION_DATA
    | AcquisitionFlag.IS_PHASECORR_DATA
    | AcquisitionFlag.IS_HPFEEDBACK_DATA
    | AcquisitionFlag.IS_RTFEEDBACK_DATA
    | AcquisitionFlag.IS_DUMMYSCAN_DATA
    | AcquisitionFlag.IS_SURFACECOILCORRECTIONSCAN_DATA
    | AcquisitionFlag.IS_PHASE_STABILIZATION_REFERENCE
    | AcquisitionFlag.IS_PHASE_STABILIZATION
)
_CALIBRATION = int(AcquisitionFlag.IS_PARALLEL_CALIBRATION)
_CALIBRATION_AND_IMAGING = int(AcquisitionFlag.IS_PARALLEL_CALIBRATION_AND_IMAGING)


def is_imaging(flags: int) -> bool:
    """Whether a readout with these flags is part of an image; calibration lines only where they are flagged as both."""
    if flags & _NOT_IMAGING:
        return False
    return not flags & _CALIBRATION or bool(flags & _CALIBRATION_AND_IMAGING)


class ImageType(IntEnum):
    """`image_type` of an MRD image header."""

    MAGNITUDE = 1
    PHASE = 2
    REAL = 3
    IMAGINARY = 4
    COMPLEX = 5
    RGB = 6


@dataclass(frozen=True, slots=True)
class Counters:
    """`idx` of an acquisition: where in the encoded space and in which image a readout belongs."""

    kspace_encode_step_1: int = 0
    kspace_encode_step_2: int = 0
    average: int = 0
    slice: int = 0
    contrast: int = 0
    phase: int = 0
    repetition: int = 0
    set: int = 0
    segment: int = 0
    user: tuple[int, ...] = (0,) * 8


@dataclass(frozen=True, slots=True)
class Acquisition:
    """One readout. `flags` are those of `AcquisitionFlag`.

    `data`: (coils, samples) complex64. `trajectory`: (samples, dimensions) float32, dimensions may be 0.
    `position` is the centre of the slice or slab in patient coordinates (LPS, mm); the directions are unit vectors.
    """

    data: NDArray[np.complex64]
    trajectory: NDArray[np.float32]
    idx: Counters = field(default_factory=Counters)
    flags: int = 0
    measurement_uid: int = 0
    scan_counter: int = 0
    acquisition_time_stamp: int = 0
    physiology_time_stamp: tuple[int, int, int] = (0, 0, 0)
    available_channels: int = 0
    channel_mask: tuple[int, ...] = (0,) * 16
    discard_pre: int = 0
    discard_post: int = 0
    center_sample: int = 0
    encoding_space_ref: int = 0
    sample_time_us: float = 0.0
    position: Vector = (0.0, 0.0, 0.0)
    read_dir: Vector = (1.0, 0.0, 0.0)
    phase_dir: Vector = (0.0, 1.0, 0.0)
    slice_dir: Vector = (0.0, 0.0, 1.0)
    patient_table_position: Vector = (0.0, 0.0, 0.0)
    user_int: tuple[int, ...] = (0,) * 8
    user_float: tuple[float, ...] = (0.0,) * 8


@dataclass(frozen=True, slots=True)
class Waveform:
    """A physiology or gradient waveform. `data`: (channels, samples) uint32."""

    data: NDArray[np.uint32]
    waveform_id: int = 0
    flags: int = 0
    measurement_uid: int = 0
    scan_counter: int = 0
    time_stamp: int = 0
    sample_time_us: float = 0.0


@dataclass(frozen=True, slots=True)
class Image:
    """One image or volume.

    `data`: (channels, z, y, x) in any of the eight MRD pixel types. Pixel n of N along an axis lies (n − N//2) pixel
    sizes from `position` (mm, LPS) along that axis' direction: x along `read_dir`, y along `phase_dir`, z along
    `slice_dir`. `field_of_view` in mm (x, y, z). `attributes` are the MRD meta container's, name → values.
    """

    data: NDArray[np.generic]
    image_type: ImageType = ImageType.MAGNITUDE
    field_of_view: Vector = (0.0, 0.0, 0.0)
    position: Vector = (0.0, 0.0, 0.0)
    read_dir: Vector = (1.0, 0.0, 0.0)
    phase_dir: Vector = (0.0, 1.0, 0.0)
    slice_dir: Vector = (0.0, 0.0, 1.0)
    patient_table_position: Vector = (0.0, 0.0, 0.0)
    flags: int = 0
    measurement_uid: int = 0
    average: int = 0
    slice: int = 0
    contrast: int = 0
    phase: int = 0
    repetition: int = 0
    set: int = 0
    acquisition_time_stamp: int = 0
    physiology_time_stamp: tuple[int, int, int] = (0, 0, 0)
    image_index: int = 0
    image_series_index: int = 0
    user_int: tuple[int, ...] = (0,) * 8
    user_float: tuple[float, ...] = (0.0,) * 8
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Limit:
    """Range of one counter; `center` is the value that belongs to the middle of the encoded space."""

    minimum: int = 0
    maximum: int = 0
    center: int = 0


@dataclass(frozen=True, slots=True)
class EncodingLimits:
    """`encodingLimits`; None where the header does not say."""

    kspace_encoding_step_0: Limit | None = None
    kspace_encoding_step_1: Limit | None = None
    kspace_encoding_step_2: Limit | None = None
    average: Limit | None = None
    slice: Limit | None = None
    contrast: Limit | None = None
    phase: Limit | None = None
    repetition: Limit | None = None
    set: Limit | None = None
    segment: Limit | None = None


@dataclass(frozen=True, slots=True)
class Space:
    """Encoded or reconstruction space: `matrix` (x, y, z) in pixels, `field_of_view` (x, y, z) in mm."""

    matrix: tuple[int, int, int]
    field_of_view: Vector


@dataclass(frozen=True, slots=True)
class Multiband:
    """`multiband`: `factor` slices are excited together.

    `spacings`: for each group of slices, or one for all groups, where its slices lie in mm from the readout's position
    along the slice direction, or the distances from one to the next. `delta_kz` (cycles/mm): in a readout with counter
    n of the second phase encoding, counted from its centre, a slice at z has the phase 2π · `delta_kz` · n · z.
    `calibration_encoding`: the encoding section of the slices measured one by one.
    """

    factor: int
    spacings: tuple[tuple[float, ...], ...] = ()
    delta_kz: float = 0.0
    calibration: str = ""
    calibration_encoding: int = 0


@dataclass(frozen=True, slots=True)
class ParallelImaging:
    """`parallelImaging`: acceleration factors along the two phase encodings and the kind of calibration."""

    acceleration_1: int = 1
    acceleration_2: int = 1
    calibration_mode: str = ""
    interleaving_dimension: str = ""
    multiband: Multiband | None = None


@dataclass(frozen=True, slots=True)
class UserParameters:
    """Free parameters by name; base64 values stay encoded."""

    long: Mapping[str, int] = field(default_factory=dict)
    double: Mapping[str, float] = field(default_factory=dict)
    string: Mapping[str, str] = field(default_factory=dict)
    base64: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Encoding:
    """One `encoding` section. `trajectory`: cartesian, epi, radial, goldenangle, spiral or other."""

    encoded: Space
    recon: Space
    limits: EncodingLimits
    trajectory: str
    parallel: ParallelImaging | None = None
    echo_train_length: int | None = None
    trajectory_identifier: str = ""
    trajectory_parameters: UserParameters = field(default_factory=UserParameters)


@dataclass(frozen=True, slots=True)
class Subject:
    """`subjectInformation`; dates as DICOM DA (YYYYMMDD), empty where absent.

    `issuer_of_id`: who gave out the ID; the schema has no element for it.
    """

    name: str = ""
    id: str = ""
    birth_date: str = ""
    sex: str = ""
    weight_kg: float | None = None
    height_m: float | None = None
    issuer_of_id: str = ""


@dataclass(frozen=True, slots=True)
class Study:
    """`studyInformation`; dates and times as DICOM DA and TM, empty where absent."""

    date: str = ""
    time: str = ""
    id: str = ""
    accession_number: str = ""
    referring_physician_name: str = ""
    description: str = ""
    instance_uid: str = ""
    body_part_examined: str = ""


@dataclass(frozen=True, slots=True)
class Measurement:
    """`measurementInformation`."""

    measurement_id: str = ""
    series_date: str = ""
    series_time: str = ""
    patient_position: str = ""
    relative_table_position: Vector | None = None
    initial_series_number: int | None = None
    protocol_name: str = ""
    sequence_name: str = ""
    series_description: str = ""
    series_instance_uid_root: str = ""
    frame_of_reference_uid: str = ""
    referenced_image_uids: tuple[str, ...] = ()
    dependencies: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AcquisitionSystem:
    """`acquisitionSystemInformation` and `experimentalConditions`."""

    vendor: str = ""
    model: str = ""
    field_strength_t: float | None = None
    relative_receiver_noise_bandwidth: float | None = None
    receiver_channels: int | None = None
    coil_names: tuple[str, ...] = ()
    institution_name: str = ""
    station_name: str = ""
    device_id: str = ""
    device_serial_number: str = ""
    h1_frequency_hz: int | None = None


@dataclass(frozen=True, slots=True)
class SequenceParameters:
    """`sequenceParameters`; times in ms, angles in degrees; empty where absent."""

    repetition_times: tuple[float, ...] = ()
    echo_times: tuple[float, ...] = ()
    inversion_times: tuple[float, ...] = ()
    flip_angles: tuple[float, ...] = ()
    sequence_type: str = ""
    echo_spacing: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class WaveformInformation:
    """What the header says of the waveforms of one `waveform_id`.

    `trigger_channel` counts from 0, None where the header does not say.
    """

    name: str = ""
    trigger_channel: int | None = None


@dataclass(frozen=True, slots=True)
class ScanHeader:
    """The XML header of a scan. `xml` is the text as it came."""

    encodings: tuple[Encoding, ...]
    system: AcquisitionSystem = field(default_factory=AcquisitionSystem)
    subject: Subject = field(default_factory=Subject)
    study: Study = field(default_factory=Study)
    measurement: Measurement = field(default_factory=Measurement)
    sequence: SequenceParameters = field(default_factory=SequenceParameters)
    user: UserParameters = field(default_factory=UserParameters)
    waveforms: Mapping[int, WaveformInformation] = field(default_factory=dict)
    xml: str = field(default="", repr=False)
