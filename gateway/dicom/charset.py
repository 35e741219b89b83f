"""Text of a data set: Specific Character Set (0008,0005) and ISO 2022 code extensions.

PS3.5 6.1.2 and PS3.3 C.12.1.1.2. The tables of codecs are pydicom's; the decoder is ours because it has to be quick
for plain text, must not print values in warnings, and never fails: a byte that its character set does not have
becomes U+FFFD. The encoder is ours because it has to say what it cannot write instead of writing something else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from pydicom.charset import CODES_TO_ENCODINGS, ENCODINGS_TO_CODES, python_encoding

_ESC = 0x1B
_DEFAULT = "iso8859"
# Control characters and the delimiters after which PS3.5 6.1.2.5.3 goes back to the initial character sets. `^` and
# `=` count in PN only; in other text they are rare, and resetting there is what other readers do as well.
_RESETTING = frozenset(b"\t\n\f\r\\^=")
# Escape sequences that Python's codec for this set understands by itself; for all others they are cut off.
_SELF_SHIFTING = frozenset({"iso2022_jp", "iso2022_jp_2"})
_DOUBLE_BYTE_G0 = _SELF_SHIFTING

UTF_8 = "ISO_IR 192"
# Each run of text between these is encoded for itself, for after them the initial character sets hold again.
_RUNS = re.compile(r"([\t\n\f\r\\^=]+)")
# JIS X 0201 has one byte a character; Python's Shift-JIS would write kanji as well.
_SINGLE_BYTE = frozenset({"shift_jis"})
# Codecs that write what their defined term stands for and nothing beyond it.
_STRICT = {"iso2022_jp_2": "iso2022_jp_1", "iso_ir_58": "gb2312"}
_TO_ASCII, _TO_JIS_ROMAN, _TO_JIS_X_0208 = b"\x1b(B", b"\x1b(J", b"\x1b$B"


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


class TextEncoder:
    """Encodes text values for one Specific Character Set, given as in `TextDecoder`."""

    def __init__(self, character_sets: Sequence[str]) -> None:
        self._codecs = [python_encoding.get(_canonical(term), "") for term in character_sets]
        self._first = self._codecs[0] if self._codecs else ""

    def encode(self, text: str) -> bytes:
        """`text`, delimiters included. Raises `UnicodeEncodeError` for what these character sets do not have."""
        if text.isascii():
            return text.encode("ascii")
        if len(self._codecs) < 2:
            return self._encode_run(text)
        return b"".join(self._encode_run(run) for run in _RUNS.split(text))

    def _encode_run(self, run: str) -> bytes:
        if run.isascii():
            return run.encode("ascii")
        for position, codec in enumerate(self._codecs):
            encoded = self._encoded(run, codec, initial=position == 0)
            if encoded is not None:
                return encoded
        raise UnicodeEncodeError(self._first or "ascii", run, 0, len(run), "not in its character sets")

    def _encoded(self, run: str, codec: str, *, initial: bool) -> bytes | None:
        """`run` in one of the character sets, with the escape sequence that designates it; None where it cannot."""
        if codec in ("", _DEFAULT):
            return None
        try:
            encoded = run.encode(_STRICT.get(codec, codec))
        except UnicodeEncodeError:
            return None
        if codec in _SINGLE_BYTE and len(encoded) != len(run):
            return None
        if codec in _SELF_SHIFTING:
            return self._shifted(encoded, codec)
        return encoded if initial else ENCODINGS_TO_CODES.get(codec, b"") + encoded

    def _shifted(self, encoded: bytes, codec: str) -> bytes | None:
        """What carries its escape sequences itself, if it has only those of declared character sets."""
        if codec != "iso2022_jp" and _TO_JIS_X_0208 in encoded and "iso2022_jp" not in self._codecs:
            return None
        return encoded.replace(_TO_ASCII, _TO_JIS_ROMAN) if self._first == "shift_jis" else encoded


@lru_cache(maxsize=64)
def text_encoder(specific_character_set: str) -> TextEncoder:
    """The encoder for a decoded value of (0008,0005), with a backslash between its terms."""
    return TextEncoder(specific_character_set.split("\\"))


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
