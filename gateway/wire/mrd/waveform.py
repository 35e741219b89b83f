"""Body of a WAVEFORM message: 40 bytes of header (natural alignment, little-endian) and u32 samples."""

from __future__ import annotations

import struct

import numpy as np

from gateway.model.errors import MalformedData
from gateway.model.mrd import Waveform
from gateway.wire.mrd.framing import WAVEFORM_HEADER_SIZE, Bytes

# version flags uid counter time | samples channels sample_time id, and padding to a multiple of eight
_HEADER = struct.Struct("<H6xQIIIHHfH2x")
_VERSION = 1


def decode_waveform(body: Bytes) -> Waveform:
    """One waveform; its array is a copy. Raises MalformedData when the length is not what the header says."""
    if len(body) < WAVEFORM_HEADER_SIZE:
        raise MalformedData(f"WAVEFORM: {len(body)} bytes are no header")
    _, flags, uid, counter, time_stamp, samples, channels, sample_time, number = _HEADER.unpack_from(body)
    expected = WAVEFORM_HEADER_SIZE + 4 * samples * channels
    if len(body) != expected:
        raise MalformedData(f"WAVEFORM: {len(body)} bytes; its header asks for {expected}")
    data = np.frombuffer(body, "<u4", offset=WAVEFORM_HEADER_SIZE).reshape(channels, samples)
    return Waveform(
        data=data.astype(np.uint32),
        waveform_id=number,
        flags=flags,
        measurement_uid=uid,
        scan_counter=counter,
        time_stamp=time_stamp,
        sample_time_us=sample_time,
    )


def encode_waveform(waveform: Waveform) -> bytes:
    """The body. Raises ValueError when a value does not fit its field."""
    channels, samples = waveform.data.shape
    try:
        head = _HEADER.pack(
            _VERSION,
            waveform.flags,
            waveform.measurement_uid,
            waveform.scan_counter,
            waveform.time_stamp,
            samples,
            channels,
            waveform.sample_time_us,
            waveform.waveform_id,
        )
    except (struct.error, OverflowError) as error:
        raise ValueError(f"waveform header: {error}") from error
    return head + waveform.data.astype("<u4", copy=False).tobytes()
