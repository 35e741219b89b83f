"""MRD raw data in an HDF5 file: group `dataset` with `xml`, `data` and perhaps `waveforms`.

Rows are read many at a time: one by one costs sixty times as much. HDF5 can refer to other files (external links,
external storage, virtual data sets), load filters from disk and claim terabytes in a few bytes: all of that is
refused here by looking at the description before any value is read. What remains (a variable-length row that claims
too much) is held by the limits of the process that reads: open files of strangers only in the sandboxed one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np
from numpy.typing import NDArray

from gateway.model.errors import LimitExceeded, MalformedData, Unsupported
from gateway.model.mrd import Acquisition, Waveform
from gateway.wire.mrd.acquisition import acquisition_of, decode_header
from gateway.wire.mrd.framing import ACQUISITION_HEADER_SIZE, WAVEFORM_HEADER_SIZE
from gateway.wire.mrd.limits import DEFAULT_LIMITS
from gateway.wire.mrd.waveform import decode_waveform

SIGNATURE = b"\x89HDF\r\n\x1a\n"

Item = TypeVar("Item")
Value = TypeVar("Value", bound=np.generic)

_GROUP = "dataset"
# Enough rows to make the cost of a read small, few enough to keep memory near that of a few hundred readouts.
_ROWS = 256
# An hour at a readout a millisecond has 3.6 million.
_MAX_ROWS = 1 << 24
# Deflate packs at most 1032 to 1: more rows than that allows were never written.
_MAX_PACKING = 1100
# Filters that are part of the libraries: deflate, shuffle, fletcher32, szip, nbit, scale-offset, LZF.
_FILTERS = frozenset({1, 2, 3, 4, 5, 6, 32000})
_COUNTERS = 9
# The members of the compound types, laid out as in the stream; `idx` as its 17 numbers.
_ACQUISITION_HEADER = np.dtype(
    [
        ("version", "<u2"),
        ("flags", "<u8"),
        ("measurement_uid", "<u4"),
        ("scan_counter", "<u4"),
        ("acquisition_time_stamp", "<u4"),
        ("physiology_time_stamp", "<u4", 3),
        ("number_of_samples", "<u2"),
        ("available_channels", "<u2"),
        ("active_channels", "<u2"),
        ("channel_mask", "<u8", 16),
        ("discard_pre", "<u2"),
        ("discard_post", "<u2"),
        ("center_sample", "<u2"),
        ("encoding_space_ref", "<u2"),
        ("trajectory_dimensions", "<u2"),
        ("sample_time_us", "<f4"),
        ("position", "<f4", 3),
        ("read_dir", "<f4", 3),
        ("phase_dir", "<f4", 3),
        ("slice_dir", "<f4", 3),
        ("patient_table_position", "<f4", 3),
        ("idx", "<u2", 17),
        ("user_int", "<i4", 8),
        ("user_float", "<f4", 8),
    ]
)
_WAVEFORM_HEADER = np.dtype(
    [
        ("version", "<u2"),
        ("flags", "<u8"),
        ("measurement_uid", "<u4"),
        ("scan_counter", "<u4"),
        ("time_stamp", "<u4"),
        ("number_of_samples", "<u2"),
        ("channels", "<u2"),
        ("sample_time_us", "<f4"),
        ("waveform_id", "<u2"),
    ],
    align=True,
)


class RawFile:
    """An open file: the XML header, and the readouts and waveforms as they are iterated."""

    def __init__(self, group: h5py.Group) -> None:
        self._group = group
        self.header_xml = _read_xml(group)

    def acquisitions(self) -> Iterator[Acquisition]:
        """Every readout in the file's order. Raises MalformedData, LimitExceeded, Unsupported."""
        with _translated():
            rows = _data_set(self._group, "data")
            yield from _items(rows, ACQUISITION_HEADER_SIZE, _acquisitions)

    def waveforms(self) -> Iterator[Waveform]:
        """Every waveform in the file's order; none when the file has none."""
        with _translated():
            if "waveforms" in self._group:
                rows = _data_set(self._group, "waveforms")
                yield from _items(rows, WAVEFORM_HEADER_SIZE, _waveforms)


@contextmanager
def open_raw_file(path: Path) -> Iterator[RawFile]:
    """Open for reading only. Raises MalformedData, Unsupported, LimitExceeded."""
    with _translated():
        file = h5py.File(path, "r", locking=False)
    with file:
        with _translated():
            raw = RawFile(_raw_group(file))
        yield raw


@contextmanager
def _translated() -> Iterator[None]:
    """h5py says what is wrong in a file through these types, depending on the layer that noticed."""
    try:
        yield
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise MalformedData(f"HDF5 file cannot be read: {type(error).__name__}") from error


def _raw_group(file: h5py.File) -> h5py.Group:
    """`dataset`, or the one group that holds readouts."""
    names = [name for name in file if _is_raw(file, name)]
    if _GROUP in names:
        return file[_GROUP]
    if len(names) != 1:
        found = "several groups" if names else "no group"
        raise Unsupported(f"HDF5 file has {found} with xml and data; an MRD raw file has one, named {_GROUP}")
    return file[names[0]]


def _is_raw(file: h5py.File, name: str) -> bool:
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        return False
    group = file[name]
    return isinstance(group, h5py.Group) and "xml" in group and "data" in group


def _data_set(group: h5py.Group, name: str) -> h5py.Dataset:
    """A data set whose values lie in this file. Raises Unsupported, LimitExceeded."""
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise Unsupported(f"HDF5 {name} is a link to elsewhere")
    data_set = group[name]
    if not isinstance(data_set, h5py.Dataset):
        raise MalformedData(f"HDF5 {name} is no data set")
    if data_set.external is not None or data_set.is_virtual:
        raise Unsupported(f"HDF5 {name} keeps its values in other files")
    properties = data_set.id.get_create_plist()
    filters = {properties.get_filter(number)[0] for number in range(properties.get_nfilters())}
    if filters - _FILTERS:
        raise Unsupported(f"HDF5 {name} uses filter {min(filters - _FILTERS)}")
    if data_set.size > min(_MAX_ROWS, _MAX_PACKING * data_set.id.get_storage_size()):
        raise LimitExceeded(f"HDF5 {name} claims {data_set.size} rows in {data_set.id.get_storage_size()} bytes")
    return data_set


def _read_xml(group: h5py.Group) -> str:
    data_set = _data_set(group, "xml")
    if data_set.size != 1:
        raise MalformedData(f"HDF5 xml has {data_set.size} values, not one")
    value = data_set[()] if data_set.shape == () else data_set[(0,) * data_set.ndim]
    data = value.encode() if isinstance(value, str) else bytes(value)
    if len(data) > DEFAULT_LIMITS.header:
        raise LimitExceeded(f"HDF5 xml of {len(data)} bytes; at most {DEFAULT_LIMITS.header} are taken")
    try:
        return data.rstrip(b"\0").decode()
    except UnicodeDecodeError as error:
        raise MalformedData(f"HDF5 xml: byte {error.start} is not UTF-8") from None


def _items(rows: h5py.Dataset, header_size: int, decode: Callable[[NDArray[Any]], Iterator[Item]]) -> Iterator[Item]:
    if rows.ndim != 1 or "head" not in (rows.dtype.names or ()) or rows.dtype["head"].itemsize < header_size - 2:
        raise MalformedData("HDF5 rows are not a list of header and data")
    for start in range(0, rows.shape[0], _ROWS):
        yield from decode(rows[start : start + _ROWS])


def _acquisitions(rows: NDArray[Any]) -> Iterator[Acquisition]:
    heads = _packed(rows["head"], _ACQUISITION_HEADER)
    for head, trajectory, data in zip(heads, rows["traj"], rows["data"], strict=True):
        samples, dimensions = int(head["number_of_samples"]), int(head["trajectory_dimensions"])
        coils = int(head["active_channels"])
        yield acquisition_of(
            decode_header(head.tobytes()),
            _shaped(data, np.complex64, (coils, samples), "data"),
            _shaped(trajectory, np.float32, (samples, dimensions), "trajectory"),
        )


def _waveforms(rows: NDArray[Any]) -> Iterator[Waveform]:
    heads = _packed(rows["head"], _WAVEFORM_HEADER)
    for head, data in zip(heads, rows["data"], strict=True):
        yield decode_waveform(head.tobytes() + np.asarray(data, "<u4").tobytes())


def _packed(heads: NDArray[Any], packed: np.dtype[Any]) -> NDArray[Any]:
    """Headers as the stream has them, by name; compilers and libraries lay the file's compound out differently."""
    result = np.zeros(heads.shape, packed)
    for name in packed.names or ():
        values = heads[name]
        if name == "idx":
            counters = (values.dtype.names or ())[:_COUNTERS]
            result[name][:, :_COUNTERS] = np.stack([values[counter] for counter in counters], -1)
            result[name][:, _COUNTERS:] = values["user"]
        else:
            result[name] = values
    return result


def _shaped(values: Any, dtype: type[Value], shape: tuple[int, int], what: str) -> NDArray[Value]:
    """One row's numbers, which a file keeps as a flat list of floats."""
    array = np.ascontiguousarray(values)
    array = array.view(dtype) if array.size else np.zeros(0, dtype)
    if array.size != shape[0] * shape[1]:
        raise MalformedData(f"HDF5 {what} has {array.size} values; its header asks for {shape[0]} x {shape[1]}")
    return array.reshape(shape)
