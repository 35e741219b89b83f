"""Values of the format, made without our codec."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.model.mrd import Acquisition, Counters, Image, ImageType, Waveform

HEADER_XML = """<?xml version="1.0"?>
<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">
 <experimentalConditions><H1resonanceFrequency_Hz>63500000</H1resonanceFrequency_Hz></experimentalConditions>
 <encoding>
  <encodedSpace>
   <matrixSize><x>8</x><y>4</y><z>1</z></matrixSize>
   <fieldOfView_mm><x>400</x><y>200</y><z>5</z></fieldOfView_mm>
  </encodedSpace>
  <reconSpace>
   <matrixSize><x>4</x><y>4</y><z>1</z></matrixSize>
   <fieldOfView_mm><x>200</x><y>200</y><z>5</z></fieldOfView_mm>
  </reconSpace>
  <encodingLimits>
   <kspace_encoding_step_1><minimum>0</minimum><maximum>3</maximum><center>2</center></kspace_encoding_step_1>
  </encodingLimits>
  <trajectory>cartesian</trajectory>
 </encoding>
</ismrmrdHeader>
"""


@pytest.fixture
def header_xml() -> str:
    return HEADER_XML


@pytest.fixture
def acquisition() -> Acquisition:
    """A readout in which no two fields have the same value."""
    random = np.random.default_rng(1)
    values = random.normal(size=(3, 5)) + 1j * random.normal(size=(3, 5))
    return Acquisition(
        data=values.astype(np.complex64),
        trajectory=random.normal(size=(5, 2)).astype(np.float32),
        idx=Counters(1, 2, 3, 4, 5, 6, 7, 8, 9, (10, 11, 12, 13, 14, 15, 16, 65535)),
        flags=(1 << 18) | (1 << 55),
        measurement_uid=17,
        scan_counter=18,
        acquisition_time_stamp=0xFFFFFFFF,
        physiology_time_stamp=(19, 20, 21),
        available_channels=22,
        channel_mask=(7, *range(23, 38)),
        discard_pre=38,
        discard_post=39,
        center_sample=40,
        encoding_space_ref=41,
        sample_time_us=2.5,
        position=(1.5, -2.5, 3.5),
        read_dir=(0.0, 1.0, 0.0),
        phase_dir=(0.0, 0.0, 1.0),
        slice_dir=(1.0, 0.0, 0.0),
        patient_table_position=(4.5, 5.5, -6.5),
        user_int=(-1, 43, 44, 45, 46, 47, 48, 49),
        user_float=(0.5, 1.25, 2.125, 3.5, 4.5, 5.5, 6.5, -7.5),
    )


@pytest.fixture
def waveform() -> Waveform:
    return Waveform(np.arange(12, dtype=np.uint32).reshape(3, 4), 5, 6, 7, 8, 9, 2.5)


@pytest.fixture
def image() -> Image:
    """A two-channel volume with attributes."""
    return Image(
        data=np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5),
        image_type=ImageType.PHASE,
        field_of_view=(100.0, 80.0, 30.0),
        position=(1.5, -2.5, 3.5),
        read_dir=(0.0, 1.0, 0.0),
        phase_dir=(0.0, 0.0, 1.0),
        slice_dir=(1.0, 0.0, 0.0),
        patient_table_position=(4.5, 5.5, -6.5),
        flags=1 << 24,
        measurement_uid=1,
        average=2,
        slice=3,
        contrast=4,
        phase=5,
        repetition=6,
        set=7,
        acquisition_time_stamp=8,
        physiology_time_stamp=(9, 10, 11),
        image_index=12,
        image_series_index=13,
        user_int=(-1, 2, 3, 4, 5, 6, 7, 8),
        user_float=(0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5),
        attributes={"WindowCenter": ("100",), "Comment": ("a < b & c", "second")},
    )
