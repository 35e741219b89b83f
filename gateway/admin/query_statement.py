"""What the conformance statement says of queries (PS3.4 C.4.1.4), from the tables that queries work by."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.db.query import COLUMNS, COMPUTED
from gateway.dicom.conformance import QueryKey, Role, Service, Status
from gateway.dicom.information_models import (
    PATIENT_ROOT_FIND,
    STUDY_ROOT_FIND,
    UNIQUE_KEYS,
    Operation,
    models_of,
)
from gateway.dicom.walk import dictionary_vr
from gateway.model.query import Level

# PS3.4 tables C.6-1 to C.6-5; required keys beside the unique ones.
_REQUIRED = frozenset({0x00100010, 0x00080020, 0x00080030, 0x00080050, 0x00200010, 0x00080060, 0x00200011, 0x00200013})
_MATCHING = {
    "DA": "single value, range",
    "TM": "single value, range",
    "UI": "single value, list",
    "IS": "single value",
    "US": "single value",
    "PN": "single value, wildcards, without regard to case and character form",
}
_STATUSES = (
    Status(0xFF00, "Pending", "an answer"),
    Status(0xFF01, "Pending", "an answer; a key was neither matched nor returned"),
    Status(0x0000, "Success", "every match has been sent"),
    Status(
        0xFE00,
        "Cancel",
        "a C-CANCEL came: looked for before each 500 answers, and while none is taken",
    ),
    Status(0x0122, "SOP class not supported", "not the SOP class of the presentation context"),
    Status(0xA700, "Out of resources", "the index cannot be read"),
    Status(0xA900, "Identifier does not match SOP class", "with Offending Element and Error Comment"),
    Status(0xC000, "Unable to process", "the identifier cannot be decoded, or is beyond a limit"),
)
_SCP_TEXT = (
    "Hierarchical queries, and relational ones where that was negotiated. Extended negotiation also grants"
    " combined date and time matching, fuzzy person names, time zone adjustment, empty and multiple value"
    " matching; enhanced multi-frame conversion is not done. Besides the keys below every attribute that the kept"
    " headers of the stored objects hold is matched and returned, sequences and private elements included: of an"
    " image its own, of what is above the first of each series, 16 at most; values above 4 KiB, sequences above 64"
    " KiB and bulk data are not in them. Keys that belong to a level below are not supported. Keys of levels above"
    " are matched and returned in hierarchical queries too. A list of values is met by any of them in every VR."
    " Text is matched with regard to case, person names without; a name without `=` is compared with every"
    " component group. Fuzzy names match when each word of the key begins a word of the name or sounds like one"
    " (American Soundex), in any order and group, without accents. Of an object without Timezone Offset From UTC"
    " the time zone of this node is assumed. Answers are in the character set of the object, or in UTF-8"
    " (`dicom.answer_charset`); it is named when an answer goes beyond ASCII. Priority is not regarded, and the"
    " number of answers is not limited."
)
_SCU_TEXT = (
    "C-FIND is sent by `gateway query`: Patient Root at the level PATIENT, Study Root at all others; relational"
    " queries are proposed, fuzzy person names with `--fuzzy`. C-CANCEL is sent when the command is interrupted or"
    " has what it wants. Keys beyond ASCII go as ISO_IR 100 where that has their characters, else as ISO_IR 192."
)


def query_services() -> tuple[Service, ...]:
    """Query as SCP and SCU."""
    models = tuple(model.uid for model in models_of(Operation.FIND))
    return (
        Service("Query", Role.SCP, models, _SCP_TEXT, _STATUSES, tuple(_keys())),
        Service("Query", Role.SCU, (PATIENT_ROOT_FIND, STUDY_ROOT_FIND), _SCU_TEXT),
    )


def _keys() -> Iterator[QueryKey]:
    levels = {tag: column.level for tag, column in COLUMNS.items()}
    levels |= {tag: computed.level for tag, computed in COMPUTED.items()}
    for level in Level:
        for tag in sorted(tag for tag, its in levels.items() if its is level):
            vr = dictionary_vr(tag)
            yield QueryKey(level.name, tag, _kind(tag), _MATCHING.get(vr, "single value, wildcards"))


def _kind(tag: int) -> str:
    if tag in UNIQUE_KEYS.values():
        return "unique"
    return "required" if tag in _REQUIRED else "optional"
