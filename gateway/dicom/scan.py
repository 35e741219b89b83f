"""The header scan: from the bytes of a data set to the keys of the index, without pydicom and without recursion.

PS3.5 section 7. It reads the bytes as they come, in pieces of any size, keeps what belongs to the header, passes over
everything else, and finds where a data set contradicts itself. One that is cut off, by a length beyond its end or a
sequence or fragment that is never closed, is still scanned: whether to keep it is the caller's to decide. Nesting
costs a counter, so depth is only limited by the cap below.

Taken as they are, because real senders write them: odd lengths, group lengths, unknown VRs, UN of undefined length
(Implicit VR inside, PS3.5 6.2.2), elements out of order, trailing padding. The bytes are never changed.
"""

from __future__ import annotations

import struct

from gateway.dicom.encoding import (
    IMPLICIT,
    ITEM,
    ITEM_DELIMITER,
    NESTING_VRS,
    NO_VR,
    PIXEL_DATA,
    SEQUENCE_DELIMITER,
    SHORT_VRS,
    UNDEFINED,
    Head,
    encoding_of,
    tag_text,
)
from gateway.dicom.inflate import Inflater
from gateway.dicom.keys import KEY_TAGS, build_header
from gateway.dicom.transfer_syntaxes import EXPLICIT_LITTLE, transfer_syntax
from gateway.dicom.walk import dictionary_vr
from gateway.model.errors import LimitExceeded, MalformedData
from gateway.model.instance import InstanceHeader

LONGEST_VALUE = 4096  # no query key is longer; look-up tables and private blocks are, and stay in the object
LONGEST_SEQUENCE = 64 * 1024  # holds every sequence a query or rule asks for; per-frame groups run to megabytes
LARGEST_HEADER = 16 * 1024 * 1024  # what is kept of one object: 1,000 times a usual header
DEEPEST = 10_000  # real objects nest ten deep; a counter is all it costs, so the cap only ends absurdity
MOST_ELEMENTS = 5_000_000  # a 20,000-frame enhanced object, its items undelimited, has two million; 7 s of work

_RUN = 1024 * 1024  # bytes read between two looks at LARGEST_HEADER
_STEP = 16 * 1024  # bytes that are looked at, and copied for it, at a time while the header lasts


def scan(data: bytes | memoryview, transfer_syntax_uid: str, *, complete: bool) -> InstanceHeader:
    """The header of a data set.

    `complete`: `data` is the whole data set; otherwise it is the beginning of one and must reach the pixels (an object
    without pixels has to be complete).

    Raises `MalformedData` naming tag and offset, `LimitExceeded`, or `Unsupported` for a transfer syntax that is not
    in the table.
    """
    scanner = HeaderScanner(transfer_syntax_uid)
    view = memoryview(data)
    for start in range(0, len(view), _STEP):
        if scanner.feed(view[start : start + _STEP]):
            if complete:
                scanner.feed(view[start + _STEP :])
            break
    return scanner.finish() if complete else scanner.header()


class HeaderScanner:
    """Scans a data set that arrives in pieces.

    Feed every piece in order; once the header is complete a piece costs next to nothing. At the end of the data set
    `finish` gives the header and says whether something is missing. Whoever needs the header earlier takes `header` as
    soon as `feed` has returned True.
    """

    def __init__(self, transfer_syntax_uid: str) -> None:
        syntax = transfer_syntax(transfer_syntax_uid)
        self._syntax_uid = EXPLICIT_LITTLE if syntax.deflated else syntax.uid
        self._inflater = Inflater() if syntax.deflated else None
        self._declared = encoding_of(syntax)
        self._encoding = self._declared  # Implicit Little Endian while inside a UN of undefined length
        self._found: dict[int, bytes] = {}
        self._kept: list[bytes] = []
        self._kept_size = 0
        # Positions are in the buffer; `_base` is the buffer's offset in the data set.
        self._buffer = b""
        self._base = 0
        self._at = 0  # the next head
        self._keep_from = 0  # from here to `_open_at` everything belongs to the header and is not in `_kept` yet
        self._open = Head(0, b"", 0, 0)  # the top-level element that is being read
        self._open_at = 0  # where it begins; negative when that is no longer in the buffer
        self._keeping = True  # False within a top-level element that is left out, and after the pixels have begun
        self._passing = 0  # bytes still to be passed over
        self._depth = 0  # odd: in a sequence, between items; even: in an item, or at the top
        self._unknown_depth = 0  # depth at which the last UN of undefined length was entered
        self._heads = 0
        self._reached = False

    def feed(self, chunk: bytes | memoryview) -> bool:
        """Take the next bytes; True once the header is complete, that is, the pixels have begun."""
        if self._inflater is None:
            self._take(chunk)
        else:
            for piece in self._inflater.inflate(chunk):
                self._take(piece)
        return self._reached

    def header(self) -> InstanceHeader:
        """The header so far. Raises `MalformedData` when the pixels have not begun or a UID is missing or illegal."""
        if not self._reached:
            raise MalformedData(f"data set ends at offset {self._base + len(self._buffer)}, before its pixels")
        return self._header()

    def finish(self) -> InstanceHeader:
        """The data set is over; where it ends within an element, the header's `cut_off` says which."""
        if self._inflater is not None:
            self._inflater.finish()
        return self._header(self._cut_off())

    def _cut_off(self) -> str:
        if self._passing or self._depth:
            return self._ends_within(self._open, self._open_at)
        rest = len(self._buffer) - self._at
        if not rest:
            return ""
        head = self._encoding.head_at(self._buffer, self._at)
        if head is None:
            return f"{rest} bytes at offset {self._base + self._at} are no data element"
        return self._ends_within(head, self._at)

    def _ends_within(self, head: Head, at: int) -> str:
        end = self._base + len(self._buffer)
        return f"{self._where(head, at)}: the data set ends at offset {end}, within this element"

    def _header(self, cut_off: str = "") -> InstanceHeader:
        header = b"".join(self._kept)
        big_endian = self._declared.big_endian
        return build_header(self._found, header, self._syntax_uid, big_endian=big_endian, cut_off=cut_off)

    def _where(self, head: Head, at: int) -> str:
        return f"{tag_text(head.tag)} at offset {self._base + at}"

    # The buffer

    def _take(self, chunk: bytes | memoryview) -> None:
        while (start := self._passing) < len(chunk):
            fresh = bytes(chunk[start : start + _STEP])
            chunk = chunk[start + _STEP :]
            self._pass(start)
            self._buffer = self._buffer + fresh if self._buffer else fresh
            while self._step():
                if self._depth == 0 and self._keeping:
                    self._run()
            self._trim()
        self._pass(len(chunk))

    def _pass(self, count: int) -> None:
        self._passing -= count
        self._base += count
        self._open_at -= count

    def _trim(self) -> None:
        """Let go of what has been read, except the sequence that is still open and may be kept."""
        if self._depth and self._at - self._open_at > LONGEST_SEQUENCE:
            self._leave_out()
        done = self._open_at if self._keeping and self._depth else self._at
        if self._keeping:
            self._keep(done)
        self._buffer = self._buffer[done:]
        self._base += done
        self._at -= done
        self._open_at -= done
        self._keep_from = 0

    def _keep(self, end: int) -> None:
        if end > self._keep_from:
            self._kept.append(self._buffer[self._keep_from : end])
            self._kept_size += end - self._keep_from
        if self._kept_size > LARGEST_HEADER:
            raise LimitExceeded(f"header larger than {LARGEST_HEADER} bytes at offset {self._base + end}")

    def _leave_out(self) -> None:
        """The open top-level element is not to be kept."""
        if self._keeping:
            self._keep(self._open_at)
            self._keeping = False

    def _pass_to(self, end: int) -> bool:
        """Go on behind a value; False when the value has not all come and is to be kept."""
        if end <= len(self._buffer):
            self._at = end
            return True
        if self._keeping and end - self._open_at <= LONGEST_SEQUENCE:
            return False
        self._leave_out()
        self._passing = end - len(self._buffer)
        self._base += len(self._buffer)
        self._open_at -= len(self._buffer)
        self._buffer = b""
        self._at = 0
        return True

    # The elements

    def _run(self) -> None:
        """Read plain elements of the top level, quickly, up to one that needs a closer look."""
        read = _run_explicit if self._declared.explicit else _run_implicit
        self._at = read(self._buffer, self._at, self._declared.big_endian, self._found)
        if self._at - self._keep_from > _RUN:
            self._keep(self._at)
            self._keep_from = self._at

    def _step(self) -> bool:
        """Read one head and act on it; False when it, or a value that is to be kept, has not all come."""
        head = self._encoding.head_at(self._buffer, self._at)
        if head is None:
            return False
        self._heads += 1
        if self._heads > MOST_ELEMENTS:
            raise LimitExceeded(f"more than {MOST_ELEMENTS} elements and items at offset {self._base + self._at}")
        if self._depth & 1:
            return self._step_in_sequence(head)
        if self._depth and head.tag == ITEM_DELIMITER:
            self._ascend(head)
            return True
        self._check(head)
        if self._depth == 0:
            return self._step_at_top(head)
        if head.length == UNDEFINED:
            self._descend(head)
            return True
        return self._pass_to(head.value + head.length)

    def _step_in_sequence(self, head: Head) -> bool:
        if head.tag == SEQUENCE_DELIMITER:
            self._ascend(head)
            return True
        if head.tag != ITEM:
            raise MalformedData(f"{self._where(head, self._at)}: neither an item nor the end of the sequence")
        if head.length == UNDEFINED:
            self._descend(head)
            return True
        return self._pass_to(head.value + head.length)

    def _step_at_top(self, head: Head) -> bool:
        self._open, self._open_at = head, self._at
        if head.tag in PIXEL_DATA:
            self._leave_out()
            self._reached = True
        if head.length == UNDEFINED:
            self._descend(head)
            return True
        if head.length > LONGEST_VALUE and (head.length > LONGEST_SEQUENCE or not _is_sequence(head)):
            self._leave_out()
        value = self._buffer[head.value : head.value + head.length] if head.tag in KEY_TAGS and self._keeping else b""
        if not self._pass_to(head.value + head.length):
            return False
        if value:
            self._found[head.tag] = value
        self._close()
        return True

    def _check(self, head: Head) -> None:
        if head.tag in NO_VR:
            raise MalformedData(f"{self._where(head, self._at)}: an item or delimiter outside of a sequence")
        if self._base + self._at == 0 and head.tag >> 16 < 8:
            raise MalformedData(f"{self._where(head, self._at)}: no data set begins below group 0008")
        if head.length == UNDEFINED and head.vr and head.vr not in NESTING_VRS:
            raise MalformedData(f"{self._where(head, self._at)}: undefined length in a value that does not nest")

    def _descend(self, head: Head) -> None:
        """Enter a sequence, an item, or the fragments of encapsulated pixels."""
        if head.vr == b"UN":
            self._encoding, self._unknown_depth = IMPLICIT, self._depth
        self._depth += 1
        self._at = head.value
        if self._depth > 2 * DEEPEST:
            raise LimitExceeded(f"{self._where(self._open, self._open_at)}: nested more than {DEEPEST} deep")

    def _ascend(self, delimiter: Head) -> None:
        self._depth -= 1
        self._at = delimiter.value
        if self._depth <= self._unknown_depth:
            self._encoding = self._declared
        if self._depth == 0:
            if self._at - self._open_at > LONGEST_SEQUENCE:
                self._leave_out()
            self._close()

    def _close(self) -> None:
        """The open top-level element has ended at `_at`."""
        if not self._keeping:
            self._keep_from = self._at
            self._keeping = not self._reached


_EXPLICIT_HEAD = (struct.Struct("<I2sH"), struct.Struct(">I2sH"))
_IMPLICIT_HEAD = struct.Struct("<II")


def _raw_little(tag: int) -> int:
    """`tag` as its four bytes read in little endian order at once: element number above group number."""
    return (tag & 0xFFFF) << 16 | tag >> 16


_CLOSER_LOOK = 0
_NOTED = {tag: tag for tag in KEY_TAGS} | dict.fromkeys(PIXEL_DATA | NO_VR, _CLOSER_LOOK)
_RAW_NOTED = ({_raw_little(tag): what for tag, what in _NOTED.items()}, _NOTED)
"""Raw tag → tag of a key, or `_CLOSER_LOOK`; by byte order."""


def _run_explicit(buffer: bytes, at: int, big_endian: bool, found: dict[int, bytes]) -> int:
    """Read elements with a 16-bit length from `at` on, note the keys, and return where something else begins."""
    noted, unpack = _RAW_NOTED[big_endian], _EXPLICIT_HEAD[big_endian].unpack_from
    available = len(buffer)
    last = min(available - 8, at + _RUN)
    while at <= last:
        raw, vr, length = unpack(buffer, at)
        end = at + 8 + length
        if vr not in SHORT_VRS or length > LONGEST_VALUE or end > available:
            break
        if raw in noted:
            tag = noted[raw]
            if tag == _CLOSER_LOOK:
                break
            found[tag] = buffer[at + 8 : end]
        at = end
    return at


def _run_implicit(buffer: bytes, at: int, _big_endian: bool, found: dict[int, bytes]) -> int:
    """The same for Implicit VR Little Endian, up to a long value, a sequence of undefined length or the pixels."""
    noted, unpack = _RAW_NOTED[False], _IMPLICIT_HEAD.unpack_from
    available = len(buffer)
    last = min(available - 8, at + _RUN)
    while at <= last:
        raw, length = unpack(buffer, at)
        end = at + 8 + length
        if length > LONGEST_VALUE or end > available:
            break
        if raw in noted:
            tag = noted[raw]
            if tag == _CLOSER_LOOK:
                break
            found[tag] = buffer[at + 8 : end]
        at = end
    return at


def _is_sequence(head: Head) -> bool:
    return head.vr == b"SQ" or (not head.vr and dictionary_vr(head.tag) == "SQ")
