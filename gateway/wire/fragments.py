"""P-DATA-TF for sending: commands and data sets cut into PDUs without copying them (PS3.8 9.3.5, annexes D and E).

Each PDU holds one PDV. What is yielded is a list of buffers for one gathering write: headers as bytes, payload as
views into what was given. Every fragment has an even length.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

Buffer = bytes | bytearray | memoryview

# Where a peer sets no bound, or one beyond any use: large enough that headers cost nothing, small enough for peers
# that allocate what they are sent.
LONGEST_PDV_LIST = 1 << 17
# A gathering write takes at most IOV_MAX (1024 on Linux) buffers and gains nothing past some hundred kilobytes.
_BATCH_BUFFERS = 256
_BATCH_BYTES = 1 << 18

_HEADER = struct.Struct(">BxIIBB")
_P_DATA_TF = 4
_PDV_HEADER_LENGTH = 6
_COMMAND = 1
_LAST = 2


def message_fragments(
    context_id: int, command: bytes, data_set: Iterable[Buffer] | None, max_length: int
) -> Iterator[list[Buffer]]:
    """The PDUs of one message in batches; `max_length` is the peer's bound for a PDV list, 0 for none.

    A data set of odd length, which no transfer syntax allows, is padded with one NUL.
    """
    room = _room(max_length)
    batch: list[Buffer] = []
    size = 0
    for control, piece in _pieces(command, data_set, room):
        length = len(piece)
        batch.append(_HEADER.pack(_P_DATA_TF, length + _PDV_HEADER_LENGTH, length + 2, context_id, control))
        batch.append(piece)
        size += length
        if size >= _BATCH_BYTES or len(batch) >= _BATCH_BUFFERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def small_messages(
    context_id: int, command: bytes, data_sets: Iterable[bytes], max_length: int
) -> Iterator[list[Buffer]]:
    """Many messages with the same command, each with a data set of its own, in as few batches as they fill.

    Copied together, because some hundred bytes cost less to copy than to gather. A data set that does not fit into one
    fragment is cut like any other.
    """
    room = _room(max_length)
    head = b"".join(piece for batch in message_fragments(context_id, command, None, max_length) for piece in batch)
    gathered = bytearray()
    for data_set in data_sets:
        length = len(data_set)
        if length > room or length % 2:
            if gathered:
                yield [bytes(gathered)]
                gathered.clear()
            yield from message_fragments(context_id, command, [data_set], max_length)
            continue
        gathered += head
        gathered += _HEADER.pack(_P_DATA_TF, length + _PDV_HEADER_LENGTH, length + 2, context_id, _LAST)
        gathered += data_set
        if len(gathered) >= _BATCH_BYTES:
            yield [bytes(gathered)]
            gathered.clear()
    if gathered:
        yield [bytes(gathered)]


def _room(max_length: int) -> int:
    """Longest fragment: what the bound leaves after the PDV's header, made even."""
    bound = min(max_length or LONGEST_PDV_LIST, LONGEST_PDV_LIST)
    return (bound - _PDV_HEADER_LENGTH) & ~1


def _pieces(command: bytes, data_set: Iterable[Buffer] | None, room: int) -> Iterator[tuple[int, Buffer]]:
    yield from _cut([command], room, _COMMAND)
    if data_set is not None:
        yield from _cut(_even(data_set), room, 0)


def _cut(chunks: Iterable[Buffer], room: int, control: int) -> Iterator[tuple[int, Buffer]]:
    """Fragments of at most `room` bytes; each is held back until it is known whether it is the last."""
    held: Buffer = b""
    for chunk in chunks:
        view = memoryview(chunk)
        for start in range(0, len(view), room):
            if held:
                yield control, held
            held = view[start : start + room]
    yield control | _LAST, held


def _even(chunks: Iterable[Buffer]) -> Iterator[Buffer]:
    """The same bytes in chunks of even lengths."""
    odd = b""
    for chunk in chunks:
        whole: Buffer = odd + bytes(chunk) if odd else chunk
        keep = len(whole) & ~1
        odd = bytes(whole[keep:])
        if keep:
            yield whole if keep == len(whole) else memoryview(whole)[:keep]
    if odd:
        yield odd + b"\0"
