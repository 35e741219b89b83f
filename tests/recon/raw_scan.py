"""Scans in files, read with the `ismrmrd` package: not with the code under test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ismrmrd
import numpy as np

from gateway.model.mrd import (
    Acquisition,
    AcquisitionSystem,
    Counters,
    Encoding,
    EncodingLimits,
    Limit,
    ParallelImaging,
    ScanHeader,
    Space,
    UserParameters,
)


@dataclass(frozen=True)
class RawScan:
    """A whole scan in memory."""

    header: ScanHeader
    acquisitions: list[Acquisition]


def read_raw_scan(path: Path) -> RawScan:
    """The header and every readout of an ISMRMRD file."""
    with ismrmrd.Dataset(str(path), mode="r") as dataset:
        header = header_from(dataset.read_xml_header())
        readouts = [dataset.read_acquisition(n) for n in range(dataset.number_of_acquisitions())]
    return RawScan(header, [acquisition_from(readout) for readout in readouts])


def header_from(xml: bytes | str) -> ScanHeader:
    """The parts of a header that recon looks at."""
    document = ismrmrd.xsd.CreateFromDocument(xml)
    system = document.acquisitionSystemInformation
    user = document.userParameters
    return ScanHeader(
        encodings=tuple(_encoding(item) for item in document.encoding),
        system=AcquisitionSystem(
            vendor=(system and system.systemVendor) or "",
            relative_receiver_noise_bandwidth=system.relativeReceiverNoiseBandwidth if system else None,
        ),
        user=UserParameters(string={item.name: item.value for item in (user.userParameterString if user else [])}),
        xml=xml if isinstance(xml, str) else xml.decode(),
    )


def _encoding(item: Any) -> Encoding:
    limits = {
        name: _limit(getattr(item.encodingLimits, name))
        for name in EncodingLimits.__dataclass_fields__
        if hasattr(item.encodingLimits, name)
    }
    parallel = item.parallelImaging
    return Encoding(
        encoded=_space(item.encodedSpace),
        recon=_space(item.reconSpace),
        limits=EncodingLimits(**limits),
        trajectory=item.trajectory.value,
        echo_train_length=item.echoTrainLength,
        parallel=parallel
        and ParallelImaging(
            parallel.accelerationFactor.kspace_encoding_step_1, parallel.accelerationFactor.kspace_encoding_step_2
        ),
    )


def _space(item: Any) -> Space:
    matrix, extent = item.matrixSize, item.fieldOfView_mm
    return Space((matrix.x, matrix.y, matrix.z), (extent.x, extent.y, extent.z))


def _limit(item: Any) -> Limit | None:
    return item and Limit(item.minimum, item.maximum, item.center)


def acquisition_from(readout: Any) -> Acquisition:
    """A readout of the `ismrmrd` package as one of ours."""
    idx = readout.idx
    counters: dict[str, Any] = {
        name: int(getattr(idx, "kspace_encode_step_" + name[-1] if name.startswith("kspace") else name))
        for name in Counters.__dataclass_fields__
        if name != "user"
    }
    return Acquisition(
        data=np.array(readout.data, np.complex64),
        trajectory=np.array(readout.traj, np.float32).reshape(readout.data.shape[1], -1),
        idx=Counters(**counters),
        flags=int(readout.flags),
        discard_pre=int(readout.discard_pre),
        discard_post=int(readout.discard_post),
        center_sample=int(readout.center_sample),
        encoding_space_ref=int(readout.encoding_space_ref),
        acquisition_time_stamp=int(readout.acquisition_time_stamp),
        physiology_time_stamp=_stamps(readout.physiology_time_stamp),
        sample_time_us=float(readout.sample_time_us),
        position=_vector(readout.position),
        read_dir=_vector(readout.read_dir),
        phase_dir=_vector(readout.phase_dir),
        slice_dir=_vector(readout.slice_dir),
    )


def _stamps(values: Any) -> tuple[int, int, int]:
    return int(values[0]), int(values[1]), int(values[2])


def _vector(values: Any) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])
