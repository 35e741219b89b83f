"""Text of a data set: Specific Character Set (0008,0005) and ISO 2022 code extensions.

PS3.5 6.1.2 and PS3.3 C.12.1.1.2. The tables of codecs are pydicom's; the decoder is ours because it has to be quick
for plain text, must not print values in warnings, and never fails: a byte that its character set does not have
becomes U+FFFD.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from pydicom.charset import CODES_TO_ENCODINGS, python_encoding

_ESC = 0x1B
_DEFAULT = "iso8859"
# Control characters and the delimiters after which PS3.5 6.1.2.5.3 goes back to the initial character sets. `^` and
# `=` count in PN only; in other text they are rare, and resetting there is what other readers do as well.
_RESETTING = frozenset(b"\t\n\f\r\\^=")
# Escape sequences that Python's codec for this set understands by itself; for all others they are cut off.
_SELF_SHIFTING = frozenset({"iso2022_jp", "iso2022_jp_2"})
_DOUBLE_BYTE_G0 = _SELF_SHIFTING


class TextDecoder:
    """Decodes the text values of one data set.

    `character_sets`: the defined terms of (0008,0005) in order; an empty first one is the default repertoire. An
    unknown term is read as ISO 8859-1, so that no byte is lost.
    """

    def __init__(self, character_sets: Sequence[str]) -> None:
        codecs = [python_encoding.get(_canonical(term), _DEFAULT) for term in character_sets] or [_DEFAULT]
        self._first = codecs[0]

    def decode(self, value: bytes) -> str:
        """The text of `value`, padding included."""
        if _ESC in value:
            return "".join(_decode_part(part, self._first) for part in _parts(value))
        if value.isascii():
            return value.decode("ascii")
        return value.decode(self._first, "replace")


def _canonical(term: str) -> str:
    """`term` as PS3.3 C.12.1.1.2 spells it: senders write `ISO-IR 100`, `ISO IR 192` or `iso_ir_100` too."""
    text = term.strip().upper().replace("-", " ").replace("_", " ")
    if text.startswith("ISO IR "):
        return "ISO_IR " + text[len("ISO IR ") :]
    return text


@lru_cache(maxsize=64)
def text_decoder(specific_character_set: bytes) -> TextDecoder:
    """The decoder for an encoded value of (0008,0005); an absent or empty value is the default repertoire."""
    terms = specific_character_set.decode("ascii", "replace").replace("\0", "").split("\\")
    return TextDecoder(terms)


def _parts(value: bytes) -> list[bytes]:
    """Cut at every escape sequence; each part but the first begins with one."""
    first, *rest = value.split(b"\x1b")
    return [first, *(b"\x1b" + part for part in rest)]


def _decode_part(part: bytes, first: str) -> str:
    """One part up to the next escape sequence: its own character set until a resetting character, then the first."""
    codec, length = _designated(part)
    if codec is None:
        return part.decode(first, "replace")
    end = _reset_at(part, length, codec)
    head = part[:end] if codec in _SELF_SHIFTING else part[length:end]
    return head.decode(codec, "replace") + part[end:].decode(first, "replace")


def _designated(part: bytes) -> tuple[str | None, int]:
    """The codec that the escape sequence at the start of `part` asks for, and the length of the sequence."""
    for length in (3, 4):
        codec = CODES_TO_ENCODINGS.get(part[:length])
        if codec is not None:
            return codec, length
    return None, 0


def _reset_at(part: bytes, start: int, codec: str) -> int:
    """Where the first resetting character stands; in a two-byte G0 set only control characters are themselves."""
    step = 2 if codec in _DOUBLE_BYTE_G0 else 1
    for position in range(start, len(part), step):
        byte = part[position]
        if byte in _RESETTING and (step == 1 or byte < 0x20):
            return position
    return len(part)
