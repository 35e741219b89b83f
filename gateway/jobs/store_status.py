"""What a C-STORE status of a destination means for the delivery: PS3.4 table B.2-1 and PS3.7 annex C.

The question is whose trouble it is. Out of resources is the destination's, and passes: every object waits. A refusal
of the object is the object's: it alone is tried again, and given up after `MAX_ATTEMPTS`.
"""

from __future__ import annotations

from enum import Enum, auto

MAX_ATTEMPTS = 3


class Verdict(Enum):
    """What becomes of a delivery."""

    SENT = auto()
    DESTINATION_BUSY = auto()
    REFUSED = auto()


# First and last status, both included. What no row names is a refusal of this object.
_VERDICTS = (
    (0x0000, 0x0000, Verdict.SENT),
    (0x0001, 0x0001, Verdict.SENT),  # warning: requested optional attributes are not supported
    (0x0107, 0x0107, Verdict.SENT),  # warning: attribute list error
    (0x0111, 0x0111, Verdict.SENT),  # duplicate SOP instance: it has it
    (0x0116, 0x0116, Verdict.SENT),  # warning: attribute value out of range
    (0xB000, 0xBFFF, Verdict.SENT),  # warnings; table B.2-1 lists B000, B006 and B007: stored all the same
    (0xA700, 0xA7FF, Verdict.DESTINATION_BUSY),  # out of resources
)


def verdict_of(status: int) -> Verdict:
    """What this status means for the delivery."""
    return next((verdict for first, last, verdict in _VERDICTS if first <= status <= last), Verdict.REFUSED)
