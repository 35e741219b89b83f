"""Bounded inflation."""

from __future__ import annotations

import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dicom.inflate import Inflater
from gateway.model.errors import LimitExceeded, MalformedData


def deflated(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


@given(st.binary(max_size=20_000), st.integers(1, 5000))
def test_pieces_of_any_size_give_the_data_back(data: bytes, step: int) -> None:
    inflater, packed = Inflater(), deflated(data)
    out = b"".join(piece for at in range(0, len(packed), step) for piece in inflater.inflate(packed[at : at + step]))
    inflater.finish()
    assert out == data


def test_a_pad_byte_after_the_stream_is_ignored() -> None:
    inflater = Inflater()
    assert b"".join(inflater.inflate(deflated(b"abc") + b"\0")) == b"abc"
    inflater.finish()


def test_a_bomb_costs_neither_memory_nor_more_than_the_limit() -> None:
    bomb = deflated(bytes(64 * 1024 * 1024))
    inflater = Inflater(limit=32 * 1024 * 1024)
    tracemalloc.start()
    with pytest.raises(LimitExceeded, match="33554432"):
        for _ in inflater.inflate(bomb):
            pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * 1024 * 1024


def test_a_stream_that_is_cut_off() -> None:
    inflater = Inflater()
    list(inflater.inflate(deflated(b"abc" * 1000)[:-3]))
    with pytest.raises(MalformedData, match="cut off"):
        inflater.finish()


def test_what_is_no_deflate_stream() -> None:
    with pytest.raises(MalformedData, match="damaged"):
        list(Inflater().inflate(b"\xff" * 100))
