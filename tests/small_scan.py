"""A scan that is small enough for every test: one slice of a square, fully sampled, two coils."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from gateway.model.mrd import Acquisition, AcquisitionFlag, Counters
from gateway.wire.mrd.messages import Close, ConfigFile, Header, Message
from gateway.wire.mrd.stream import encode

SIZE = 32
COILS = 2
PATIENT_ID = "SMALL01"


def header_xml(*, size: int = SIZE, repetitions: int = 1, patient_id: str = PATIENT_ID) -> str:
    """A header that is valid against the schema."""
    space = (
        f"<matrixSize><x>{size}</x><y>{size}</y><z>1</z></matrixSize>"
        "<fieldOfView_mm><x>240</x><y>240</y><z>5</z></fieldOfView_mm>"
    )
    lines = f"<minimum>0</minimum><maximum>{size - 1}</maximum><center>{size // 2}</center>"
    return f"""<?xml version="1.0"?>
<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">
<subjectInformation><patientName>Test^Small</patientName><patientID>{patient_id}</patientID></subjectInformation>
<measurementInformation><patientPosition>HFS</patientPosition><protocolName>square</protocolName></measurementInformation>
<experimentalConditions><H1resonanceFrequency_Hz>63500000</H1resonanceFrequency_Hz></experimentalConditions>
<encoding><encodedSpace>{space}</encodedSpace><reconSpace>{space}</reconSpace>
<encodingLimits>
<kspace_encoding_step_1>{lines}</kspace_encoding_step_1>
<repetition><minimum>0</minimum><maximum>{repetitions - 1}</maximum><center>0</center></repetition>
</encodingLimits><trajectory>cartesian</trajectory></encoding>
</ismrmrdHeader>
"""


def readouts(*, size: int = SIZE, repetitions: int = 1) -> Iterator[Acquisition]:
    """Every line of a square, repetition after repetition."""
    image = np.zeros((COILS, size, size), np.complex64)
    image[:, size // 4 : size // 2, size // 4 : size // 2] = np.array([[[1.0]], [[0.5j]]])
    kspace = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(image, axes=(1, 2))), axes=(1, 2)).astype(np.complex64)
    for repetition in range(repetitions):
        for line in range(size):
            flags = AcquisitionFlag.LAST_IN_SLICE if line == size - 1 else 0
            yield Acquisition(
                data=kspace[:, line] * np.float32(1 + repetition),
                trajectory=np.zeros((size, 0), np.float32),
                idx=Counters(kspace_encode_step_1=line, repetition=repetition),
                flags=flags,
                scan_counter=repetition * size + line + 1,
                available_channels=COILS,
                center_sample=size // 2,
                sample_time_us=5.0,
            )


def with_data(acquisition: Acquisition, value: complex) -> Acquisition:
    """The readout with every sample replaced."""
    return replace(acquisition, data=np.full_like(acquisition.data, value))


def messages(config: str = "auto", *, repetitions: int = 1) -> Iterator[Message]:
    """The whole session of a client."""
    yield ConfigFile(config)
    yield Header(header_xml(repetitions=repetitions))
    yield from readouts(repetitions=repetitions)
    yield Close()


def stream(config: str = "auto", *, repetitions: int = 1) -> bytes:
    """The same as bytes."""
    return b"".join(encode(message) for message in messages(config, repetitions=repetitions))
