"""A heart whose beats only an ECG tells, from the bytes of a stream and of a file to gated images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import ismrmrd
import pydicom
import pytest

from gateway.jobs.recon_files import reconstruct_file
from gateway.jobs.sandbox import Sandbox
from gateway.model.mrd import Acquisition, Waveform
from gateway.recon.simulation.beating import Beating, BeatingScan, Ecg, simulate_beating
from gateway.wire.mrd.acquisition import encode_acquisition
from gateway.wire.mrd.messages import Close, ConfigFile, Header, Message
from gateway.wire.mrd.stream import encode
from gateway.wire.mrd.waveform import encode_waveform

SMALL = replace(Beating().protocol, matrix=(32, 32), coils=2)
BEATING = Beating(radial=False, beats=5, ectopic=None, ecg=Ecg.TRIGGERS, protocol=SMALL)


def as_stream(scan: BeatingScan, path: Path) -> Path:
    """Waveforms come after the readouts that they tell of, as scanners send them."""
    records: list[Acquisition | Waveform] = [*scan.scan.acquisitions, *scan.waveforms]
    records.sort(key=when)
    messages: list[Message] = [ConfigFile("cine"), Header(scan.scan.header_xml), *records, Close()]
    path.write_bytes(b"".join(map(encode, messages)))
    return path


def when(record: Acquisition | Waveform) -> int:
    return record.time_stamp + 200 if isinstance(record, Waveform) else record.acquisition_time_stamp


def as_file(scan: BeatingScan, path: Path) -> Path:
    with ismrmrd.Dataset(str(path)) as data_set:
        data_set.write_xml_header(scan.scan.header_xml.encode())
        for readout in scan.scan.acquisitions:
            data_set.append_acquisition(ismrmrd.Acquisition.from_bytes(encode_acquisition(readout)))
        for waveform in scan.waveforms:
            data_set.append_waveform(ismrmrd.Waveform.from_bytes(encode_waveform(waveform)))
    return path


@pytest.mark.parametrize("write", [as_stream, as_file])
def test_a_stream_and_a_file_carry_the_ecg_to_the_gating(
    write: Callable[[BeatingScan, Path], Path], sandbox: Sandbox, tmp_path: Path
) -> None:
    path = write(simulate_beating(BEATING), tmp_path / "raw")
    written = list(reconstruct_file(sandbox, path, tmp_path / "out", config="cine", parameters={"phases": "4"}))
    found = [pydicom.dcmread(file) for one in written for file in one.files]
    assert len(found) == 4
    assert [float(each.TriggerTime) for each in found] == pytest.approx([95, 285, 475, 665], abs=15)
