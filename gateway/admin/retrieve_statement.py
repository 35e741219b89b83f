"""What the conformance statement says of C-MOVE and C-GET."""

from __future__ import annotations

from gateway.dicom.conformance import Role, Service, Status
from gateway.dicom.information_models import Operation, models_of

_COMMON = (
    Status(0x0000, "Success", "all sub-operations were successful, or nothing matches"),
    Status(0xA701, "Out of resources", "the index cannot be read"),
    Status(0xA702, "Unable to perform sub-operations", "every one failed; Failed SOP Instance UID List"),
    Status(0xA900, "Identifier does not match SOP class", "level or unique key missing or wrong; Offending Element"),
    Status(0xB000, "Warning", "some failed or had a warning; Failed SOP Instance UID List"),
    Status(0xC000, "Unable to process", "the identifier cannot be parsed"),
    Status(0xFE00, "Cancel", "after C-CANCEL, at once: counts with what remains; Failed SOP Instance UID List"),
    Status(0xFF00, "Pending", "how far it is, each `dicom.pending_seconds` and each 100 sub-operations"),
)
_MOVE = (*_COMMON, Status(0xA801, "Move destination unknown", "no peer of this AE title, or one without an address"))

_SENDING = (
    " Objects go byte for byte in the transfer syntax they are kept in where that was negotiated, otherwise re-encoded"
    " as 3.5 says; what can be sent in neither way counts as failed and stops nothing, as does what was deleted"
    " meanwhile. A Failed SOP Instance UID List holds as many UIDs as fit into 64 KiB. Relational retrieval by extended"
    " negotiation. A C-CANCEL, an A-ABORT or the end of the connection is seen within a second, whatever is waited for:"
    " an association to a destination is aborted, a re-encoding ended. An object that a C-GET has begun is sent to its"
    " end before the last response; from a requestor that cancelled and takes none of it for two seconds the"
    " association is taken."
)
_MOVE_TEXT = (
    "C-MOVE to peers of this node, over one association with the presentation contexts that the objects need. One that"
    " breaks is opened once more for what is left; an object may take `dicom.response_seconds`. A paused peer is sent"
    " to as well; no more associations than the peer's `--max-associations` are open for C-MOVE." + _SENDING
)
_GET_TEXT = "C-GET; the requestor takes the SCP role for storage SOP classes by role selection." + _SENDING
_SCU_TEXT = (
    "`gateway retrieve PEER STUDY_UID` asks by {name} for a study or a series{how}. An interruption sends C-CANCEL."
)


def retrieve_services() -> tuple[Service, ...]:
    """C-MOVE and C-GET in both roles."""
    moves = tuple(model.uid for model in models_of(Operation.MOVE))
    gets = tuple(model.uid for model in models_of(Operation.GET))
    to_listener = ", to be sent to this node's listener or, with `--move-to`, to another peer"
    in_portions = (
        ", in the SCP role for the storage SOP classes that the peer names in SOP Classes in Study, else for the usual"
        " ones: a presentation context for each transfer syntax, so that objects come as they are kept. What it cannot"
        " send is asked for again with all other storage SOP classes, uncompressed or compressed as the peer chooses,"
        " over further associations"
    )
    return (
        Service("Retrieve (MOVE)", Role.SCP, moves, _MOVE_TEXT, _MOVE),
        Service("Retrieve (GET)", Role.SCP, gets, _GET_TEXT, _COMMON),
        Service("Retrieve (MOVE)", Role.SCU, moves[1:2], _SCU_TEXT.format(name="C-MOVE", how=to_listener)),
        Service("Retrieve (GET)", Role.SCU, gets[1:2], _SCU_TEXT.format(name="C-GET", how=in_portions)),
    )
