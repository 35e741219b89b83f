"""Messages cut into PDUs."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.fragments import LONGEST_PDV_LIST, message_fragments, small_messages


def parse(data: bytes) -> list[tuple[int, int, int, bytes]]:
    """PDU length, context, control header and data of each PDU, which holds one PDV."""
    found = []
    while data:
        kind, length, item_length, context, control = struct.unpack_from(">BxIIBB", data)
        assert (kind, item_length) == (4, length - 4)
        found.append((length, context, control, data[12 : 6 + length]))
        data = data[6 + length :]
    return found


def joined(context: int, command: bytes, data_set: list[bytes] | None, max_length: int) -> bytes:
    """All batches as one byte string."""
    return b"".join(
        bytes(part) for batch in message_fragments(context, command, data_set, max_length) for part in batch
    )


@given(
    command=st.binary(min_size=1, max_size=40).map(lambda data: data * 2),
    chunks=st.none() | st.lists(st.binary(max_size=70), max_size=6),
    max_length=st.integers(8, 64),
)
def test_fragments_are_even_within_the_bound_and_lose_nothing(
    command: bytes, chunks: list[bytes] | None, max_length: int
) -> None:
    pdus = parse(joined(5, command, chunks, max_length))
    assert all(length <= max_length and context == 5 and len(data) % 2 == 0 for length, context, _, data in pdus)
    assert b"".join(data for _, _, control, data in pdus if control & 1) == command
    whole = b"".join(chunks or [])
    assert b"".join(data for _, _, control, data in pdus if not control & 1) == whole + bytes(len(whole) % 2)
    lasts = [control for _, _, control, _ in pdus if control & 2]
    assert lasts == ([3] if chunks is None else [3, 2])
    assert pdus[-1][2] & 2


@pytest.mark.parametrize(("max_length", "longest"), [(0, LONGEST_PDV_LIST), (16383, 16382), (16384, 16384)])
def test_the_bound_is_used_and_never_odd(max_length: int, longest: int) -> None:
    lengths = [length for length, *_ in parse(joined(1, b"ab", [bytes(1 << 18)], max_length))]
    assert max(lengths) == longest


def test_the_payload_is_not_copied() -> None:
    payload = bytes(50000)
    pieces = [part for batch in message_fragments(1, b"ab", [payload], 16384) for part in batch]
    assert sum(len(part) for part in pieces if isinstance(part, memoryview) and part.obj is payload) == 50000


def test_a_small_message_is_one_write() -> None:
    assert len(list(message_fragments(1, b"ab", [bytes(100000)], 16384))) == 1


@pytest.mark.parametrize("max_length", [0, 64, 4096])
def test_many_small_messages_are_those_that_would_be_sent_one_by_one(max_length: int) -> None:
    command = bytes(range(70))
    data_sets = [bytes([n]) * length for n, length in enumerate((2, 50, 51, 52, 200, 5000, 0, 10))]
    together = b"".join(bytes(b) for batch in small_messages(3, command, data_sets, max_length) for b in batch)
    apart = b"".join(
        bytes(b) for each in data_sets for batch in message_fragments(3, command, [each], max_length) for b in batch
    )
    assert together == apart
