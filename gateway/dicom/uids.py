"""UIDs: what is legal, our own, and UIDs derived from content.

PS3.5 section 9 and annex B.2 (UUID-derived UIDs under 2.25). No random source: every UID made here is a function of
what is passed in.
"""

from __future__ import annotations

import hashlib
import re

IMPLEMENTATION_CLASS_UID = "2.25.260868256561003531376301070690394798747"
"""Ours in every association and file meta; a UUID drawn once for this product."""

IMPLEMENTATION_VERSION_NAME = "DICOMMRD_GW_01"
"""At most 16 characters (PS3.7 D.3.3.2.3)."""

_LONGEST = 64
_NAME = re.compile(r"[0-9A-Za-z._-]+")
_FORM = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))*")


def is_valid(uid: str) -> bool:
    """True when `uid` is legal by PS3.5 9.1: numeric components without leading zeros, at most 64 characters."""
    return len(uid) <= _LONGEST and _FORM.fullmatch(uid) is not None


def is_usable(uid: str) -> bool:
    """True for a legal UID, and for what is none but names its object as well: leading zeros, hexadecimal digests.

    Old modalities, converters and anonymisers write such UIDs. An object is taken and sent on under them unchanged,
    and shown to the administrator; what holds any other character, a slash or NUL, is no name for anything.
    """
    return len(uid) <= _LONGEST and _NAME.fullmatch(uid) is not None


def derived_uid(*parts: str | bytes) -> str:
    """The UID that stands for these parts: the same parts give the same UID, on every machine and in every version.

    SHA-256 over the parts, each preceded by its kind and length so that no two lists of parts run together, shortened
    to a version 8 UUID (RFC 9562 5.8) and written as PS3.5 B.2 says; at most 44 characters.
    """
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode() if isinstance(part, str) else part
        digest.update(b"%c%d:" % (b"s" if isinstance(part, str) else b"b", len(encoded)))
        digest.update(encoded)
    number = int.from_bytes(digest.digest()[:16], "big")
    number = number & ~(0xF << 76) | 0x8 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    return f"2.25.{number}"
