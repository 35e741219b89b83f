"""What is known of a stream by its frames alone agrees with what a whole decoding gives."""

from __future__ import annotations

import pytest

from gateway.wire.mrd.framing import Framer
from gateway.wire.mrd.header import parse_header
from gateway.wire.mrd.identity import IDENTITY_READOUTS, scan_identity
from gateway.wire.mrd.summary import StreamSummary
from tests import small_scan


def summary_of(data: bytes) -> StreamSummary:
    summary = StreamSummary(lambda offset, length: data[offset : offset + length])
    for frame in Framer().feed(data):
        summary.add(frame)
    return summary


def test_a_whole_stream() -> None:
    summary = summary_of(small_scan.stream("grappa"))
    assert (summary.config, summary.readouts, summary.missing()) == ("grappa", small_scan.SIZE, "")
    assert summary.header == parse_header(small_scan.header_xml())
    assert summary.identity == scan_identity(parse_header(small_scan.header_xml()), small_scan.readouts())


@pytest.mark.parametrize("cut", [1, 300, 4000])
def test_a_cut_stream_is_the_same_scan_and_lacks_its_end(cut: int) -> None:
    whole, cut_off = summary_of(small_scan.stream()), summary_of(small_scan.stream()[:-cut])
    assert cut_off.readouts >= IDENTITY_READOUTS
    assert cut_off.identity == whole.identity
    assert "CLOSE" in cut_off.missing()


def test_a_repetition_that_was_announced_is_missed() -> None:
    data = small_scan.stream().replace(small_scan.header_xml().encode(), small_scan.header_xml(repetitions=9).encode())
    assert len(small_scan.header_xml()) == len(small_scan.header_xml(repetitions=9))
    assert "repetition" in summary_of(data).missing()


def test_a_header_that_cannot_be_read_is_kept_as_text() -> None:
    summary = summary_of(small_scan.stream().replace(b"<trajectory>cartesian", b"<trajectory>sideways!"))
    assert "encoding/trajectory" in summary.header_error
    assert "sideways" in summary.header_xml
    assert (summary.header, summary.identity) == (None, "")
