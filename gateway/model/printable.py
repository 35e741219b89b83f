"""Text of strangers made fit for a terminal: no escape sequence, and nothing that turns the direction of writing."""

from __future__ import annotations

import re

# C0 but for tab and line feed, DEL and C1 (ECMA-48); the marks, embeddings, overrides and isolates of bidirectional
# text (Unicode, UAX #9), which make a line read other than it is.
_COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """`text` with U+FFFD for each character that a terminal would obey instead of showing it."""
    return text if text.isprintable() else _COMMANDS.sub("\ufffd", text)  # none of them is printable to Python either
