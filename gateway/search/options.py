"""What a requestor may switch on for its queries: extended negotiation of C-FIND (PS3.4 C.5.1.1)."""

from __future__ import annotations

from dataclasses import astuple, dataclass


@dataclass(frozen=True, slots=True)
class Extended:
    """The sub-fields in the order of table C.5-1; the fifth, enhanced multi-frame conversion, is never honoured."""

    relational: bool = False
    combined_date_time: bool = False
    fuzzy_names: bool = False
    timezone: bool = False
    multi_frame_conversion: bool = False
    empty_values: bool = False
    several_values: bool = False


_HONOURED = Extended(True, True, True, True, False, True, True)


def answer_extended(proposed: bytes) -> bytes:
    """The acceptor's sub-fields: 1 where 1 was proposed and is done here, and no more of them than were proposed."""
    return bytes(int(asked == 1 and done) for asked, done in zip(proposed, astuple(_HONOURED), strict=False))


def granted(information: bytes) -> Extended:
    """What the sub-fields that were answered switch on."""
    return Extended(*(value == 1 for value in information[: len(astuple(_HONOURED))]))
