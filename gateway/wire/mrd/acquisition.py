"""Body of an ACQUISITION message: 340 bytes of header, float trajectory, complex data.

Offsets as in the `ismrmrd` library's AcquisitionHeader, packed to two bytes, little-endian.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.model.errors import MalformedData
from gateway.model.mrd import Acquisition, Counters
from gateway.wire.mrd.framing import ACQUISITION_HEADER_SIZE, Bytes

# version flags uid counter stamp physiology[3] | samples available active mask[16] | discard_pre discard_post center
# space dimensions | sample_time position read phase slice table | idx[9] idx.user[8] | user_int[8] user_float[8]
_HEADER = struct.Struct("<HQIII3I3H16Q5Hf3f3f3f3f3f9H8H8i8f")
_VERSION = 1

# The fields of a header, integers and floats, in the order of the format.
Fields = tuple[Any, ...]


def decode_acquisition(body: Bytes) -> Acquisition:
    """One readout; its arrays are copies. Raises MalformedData when the length is not what the header says."""
    if len(body) < ACQUISITION_HEADER_SIZE:
        raise MalformedData(f"ACQUISITION: {len(body)} bytes are no header")
    values = _HEADER.unpack_from(body)
    samples, coils, dimensions = values[8], values[10], values[31]
    expected = ACQUISITION_HEADER_SIZE + samples * (4 * dimensions + 8 * coils)
    if len(body) != expected:
        raise MalformedData(f"ACQUISITION: {len(body)} bytes; its header asks for {expected}")
    numbers = np.frombuffer(body, "<f4", offset=ACQUISITION_HEADER_SIZE)
    trajectory = numbers[: samples * dimensions].reshape(samples, dimensions)
    data = numbers[samples * dimensions :].view("<c8").reshape(coils, samples)
    return acquisition_of(values, data.astype(np.complex64), trajectory.astype(np.float32))


def decode_header(head: Bytes) -> Fields:
    """The fields of a header in the order of the format, as `acquisition_of` takes them."""
    return _HEADER.unpack_from(head)


def acquisition_of(fields: Fields, data: NDArray[np.complex64], trajectory: NDArray[np.float32]) -> Acquisition:
    """A readout from the fields of its header and its arrays, (coils, samples) and (samples, dimensions)."""
    return Acquisition(
        data=data,
        trajectory=trajectory,
        flags=fields[1],
        measurement_uid=fields[2],
        scan_counter=fields[3],
        acquisition_time_stamp=fields[4],
        physiology_time_stamp=(fields[5], fields[6], fields[7]),
        available_channels=fields[9],
        channel_mask=fields[11:27],
        discard_pre=fields[27],
        discard_post=fields[28],
        center_sample=fields[29],
        encoding_space_ref=fields[30],
        sample_time_us=fields[32],
        position=(fields[33], fields[34], fields[35]),
        read_dir=(fields[36], fields[37], fields[38]),
        phase_dir=(fields[39], fields[40], fields[41]),
        slice_dir=(fields[42], fields[43], fields[44]),
        patient_table_position=(fields[45], fields[46], fields[47]),
        idx=Counters(*(*fields[48:57], fields[57:65])),
        user_int=fields[65:73],
        user_float=fields[73:81],
    )


def encode_acquisition(acquisition: Acquisition) -> bytes:
    """The body. Raises ValueError when a value does not fit its field."""
    coils, samples = acquisition.data.shape
    dimensions = acquisition.trajectory.shape[1]
    idx = acquisition.idx
    try:
        head = _HEADER.pack(
            _VERSION,
            acquisition.flags,
            acquisition.measurement_uid,
            acquisition.scan_counter,
            acquisition.acquisition_time_stamp,
            *acquisition.physiology_time_stamp,
            samples,
            acquisition.available_channels,
            coils,
            *acquisition.channel_mask,
            acquisition.discard_pre,
            acquisition.discard_post,
            acquisition.center_sample,
            acquisition.encoding_space_ref,
            dimensions,
            acquisition.sample_time_us,
            *acquisition.position,
            *acquisition.read_dir,
            *acquisition.phase_dir,
            *acquisition.slice_dir,
            *acquisition.patient_table_position,
            idx.kspace_encode_step_1,
            idx.kspace_encode_step_2,
            idx.average,
            idx.slice,
            idx.contrast,
            idx.phase,
            idx.repetition,
            idx.set,
            idx.segment,
            *idx.user,
            *acquisition.user_int,
            *acquisition.user_float,
        )
    except (struct.error, OverflowError) as error:
        raise ValueError(f"acquisition header: {error}") from error
    trajectory = acquisition.trajectory.astype("<f4", copy=False).tobytes()
    return head + trajectory + acquisition.data.astype("<c8", copy=False).tobytes()
