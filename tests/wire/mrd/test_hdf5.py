"""Raw files of other writers, and files that are not what they claim."""

from __future__ import annotations

from pathlib import Path

import h5py
import ismrmrd
import numpy as np
import pytest

from gateway.model.errors import LimitExceeded, MalformedData, Unsupported
from gateway.model.mrd import Acquisition
from gateway.wire.mrd.acquisition import encode_acquisition
from gateway.wire.mrd.hdf5 import open_raw_file


@pytest.fixture
def raw(tmp_path: Path, acquisition: Acquisition, header_xml: str) -> Path:
    """Three readouts and a waveform as the `ismrmrd` package writes them."""
    path = tmp_path / "raw.h5"
    with ismrmrd.Dataset(str(path)) as data_set:
        data_set.write_xml_header(header_xml.encode())
        for _ in range(3):
            data_set.append_acquisition(ismrmrd.Acquisition.from_bytes(encode_acquisition(acquisition)))
        data_set.append_waveform(ismrmrd.Waveform.from_array(np.arange(6, dtype=np.uint32).reshape(2, 3)))
    return path


def test_reads_what_the_package_wrote(raw: Path, acquisition: Acquisition, header_xml: str) -> None:
    with open_raw_file(raw) as file:
        assert file.header_xml == header_xml
        read = list(file.acquisitions())
        (waveform,) = file.waveforms()
    assert [encode_acquisition(item) for item in read] == [encode_acquisition(acquisition)] * 3
    assert waveform.data.tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("name", ["gre_2ch.h5", "xe129_dixon_radial3d.h5"])
def test_agrees_with_the_package_on_real_files(shared_data: Path, name: str) -> None:
    path = shared_data / "raw" / name
    with ismrmrd.Dataset(str(path), mode="r") as judge:
        theirs = [judge.read_acquisition(number).to_bytes() for number in range(40)]
    with open_raw_file(path) as file:
        for acquisition, expected in zip(file.acquisitions(), theirs, strict=False):
            # The first field is the version of the header, which ours always writes as 1.
            assert encode_acquisition(acquisition)[2:] == expected[2:]


def test_a_missing_file_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(MalformedData), open_raw_file(tmp_path / "none.h5"):
        pass
    assert not (tmp_path / "none.h5").exists()


def test_what_the_reader_of_a_file_raises_is_not_translated(raw: Path) -> None:
    with pytest.raises(ZeroDivisionError), open_raw_file(raw) as file:
        [1 / 0 for _ in file.acquisitions()]


def test_links_to_other_files_are_refused(raw: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.h5"
    with h5py.File(outside, "w") as file, h5py.File(raw) as source:
        group = file.create_group("dataset")
        source.copy("dataset/xml", group)
        group["data"] = h5py.ExternalLink(str(raw), "/dataset/data")
    with pytest.raises(Unsupported, match="link"), open_raw_file(outside) as opened:
        list(opened.acquisitions())


def test_values_kept_in_other_files_are_refused(raw: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(4096))
    with h5py.File(raw, "a") as file:
        del file["dataset/data"]
        file["dataset"].create_dataset("data", (4,), "f4", external=[(str(secret), 0, 16)])
    with pytest.raises(Unsupported, match="other files"), open_raw_file(raw) as opened:
        list(opened.acquisitions())


def test_rows_that_were_never_written_are_refused(raw: Path) -> None:
    with h5py.File(raw, "a") as file:
        file["dataset/data"].resize(16_000_000, axis=0)
    with pytest.raises(LimitExceeded, match="16000000 rows"), open_raw_file(raw) as opened:
        next(opened.acquisitions())


def test_a_row_that_contradicts_its_header_is_malformed(raw: Path) -> None:
    with h5py.File(raw, "a") as file:
        row = file["dataset/data"][1]
        row["data"] = row["data"][:-2]
        file["dataset/data"][1] = row
    with open_raw_file(raw) as opened:
        rows = opened.acquisitions()
        with pytest.raises(MalformedData, match="3 x 5"):
            list(rows)


def test_a_file_of_images_is_refused_by_what_is_missing(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "images.h5", "w") as file:
        file.create_group("image_0")
    with pytest.raises(Unsupported, match="no group with xml and data"), open_raw_file(tmp_path / "images.h5"):
        pass


@pytest.mark.parametrize("keep", [0, 8, 100, 2000, 5000])
def test_a_cut_file_is_malformed(raw: Path, keep: int) -> None:
    raw.write_bytes(raw.read_bytes()[:keep])
    with pytest.raises(MalformedData), open_raw_file(raw) as opened:
        list(opened.acquisitions())
