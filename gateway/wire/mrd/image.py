"""Body of an IMAGE message: 198 bytes of header, attributes with a u64 length, pixels [channel][z][y][x].

Offsets as in the `ismrmrd` library's ImageHeader, packed to two bytes, little-endian. All eight pixel types keep
their width: data type 4 is 32 bits, whatever the machine's own integer.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.model.errors import MalformedData
from gateway.model.mrd import Image, ImageType
from gateway.wire.mrd.framing import ATTRIBUTE_LENGTH, IMAGE_HEADER_SIZE, Bytes
from gateway.wire.mrd.meta import decode_meta, encode_meta

# version type flags uid matrix[3] fov[3] channels | position read phase slice table | average … set | stamp
# physiology[3] | image_type index series | user_int[8] user_float[8] | attribute length
_HEADER = struct.Struct("<HHQI3H3fH3f3f3f3f3f6HI3I3H8i8fI")
_VERSION = 1

PIXEL_TYPES: dict[int, np.dtype[Any]] = {
    1: np.dtype("<u2"),
    2: np.dtype("<i2"),
    3: np.dtype("<u4"),
    4: np.dtype("<i4"),
    5: np.dtype("<f4"),
    6: np.dtype("<f8"),
    7: np.dtype("<c8"),
    8: np.dtype("<c16"),
}
_NUMBERS = {dtype: number for number, dtype in PIXEL_TYPES.items()}


def decode_image(body: Bytes) -> Image:
    """One image; its array is a copy. Raises MalformedData that names the field."""
    start = IMAGE_HEADER_SIZE + ATTRIBUTE_LENGTH.size
    if len(body) < start:
        raise MalformedData(f"IMAGE: {len(body)} bytes are no header")
    values = _HEADER.unpack_from(body)
    (attribute_length,) = ATTRIBUTE_LENGTH.unpack_from(body, IMAGE_HEADER_SIZE)
    dtype = PIXEL_TYPES.get(values[1])
    if dtype is None:
        raise MalformedData(f"IMAGE: data_type {values[1]} is not one of 1 to 8")
    x, y, z, channels = *values[4:7], values[10]
    expected = start + attribute_length + dtype.itemsize * x * y * z * channels
    if len(body) != expected:
        raise MalformedData(f"IMAGE: {len(body)} bytes; its header asks for {expected}")
    attributes = decode_meta(bytes(body[start : start + attribute_length]))
    pixels = np.frombuffer(body, dtype, offset=start + attribute_length).reshape(channels, z, y, x)
    return _image(values, pixels.astype(dtype.newbyteorder("=")), attributes)


def _image(fields: tuple[Any, ...], data: NDArray[np.generic], attributes: dict[str, tuple[str, ...]]) -> Image:
    return Image(
        data=data,
        flags=fields[2],
        measurement_uid=fields[3],
        field_of_view=(fields[7], fields[8], fields[9]),
        position=(fields[11], fields[12], fields[13]),
        read_dir=(fields[14], fields[15], fields[16]),
        phase_dir=(fields[17], fields[18], fields[19]),
        slice_dir=(fields[20], fields[21], fields[22]),
        patient_table_position=(fields[23], fields[24], fields[25]),
        average=fields[26],
        slice=fields[27],
        contrast=fields[28],
        phase=fields[29],
        repetition=fields[30],
        set=fields[31],
        acquisition_time_stamp=fields[32],
        physiology_time_stamp=(fields[33], fields[34], fields[35]),
        image_type=_image_type(fields[36]),
        image_index=fields[37],
        image_series_index=fields[38],
        user_int=fields[39:47],
        user_float=fields[47:55],
        attributes=attributes,
    )


def _image_type(number: int) -> ImageType:
    try:
        # Writers that predate the field leave 0, which the format's documentation reads as magnitude.
        return ImageType(number or ImageType.MAGNITUDE)
    except ValueError:
        raise MalformedData(f"IMAGE: image_type {number} is not one of 1 to 6") from None


def encode_image(image: Image) -> bytes:
    """The body. Raises ValueError when a value does not fit its field."""
    channels, z, y, x = image.data.shape
    dtype = image.data.dtype.newbyteorder("<")
    if dtype not in _NUMBERS:
        raise ValueError(f"image pixels of {image.data.dtype}: MRD has {', '.join(map(str, PIXEL_TYPES.values()))}")
    attributes = encode_meta(image.attributes)
    try:
        head = _HEADER.pack(
            _VERSION,
            _NUMBERS[dtype],
            image.flags,
            image.measurement_uid,
            *(x, y, z),
            *image.field_of_view,
            channels,
            *image.position,
            *image.read_dir,
            *image.phase_dir,
            *image.slice_dir,
            *image.patient_table_position,
            image.average,
            image.slice,
            image.contrast,
            image.phase,
            image.repetition,
            image.set,
            image.acquisition_time_stamp,
            *image.physiology_time_stamp,
            image.image_type,
            image.image_index,
            image.image_series_index,
            *image.user_int,
            *image.user_float,
            len(attributes),
        )
    except (struct.error, OverflowError) as error:
        raise ValueError(f"image header: {error}") from error
    pixels = image.data.astype(dtype, copy=False).tobytes()
    return b"".join((head, ATTRIBUTE_LENGTH.pack(len(attributes)), attributes, pixels))
