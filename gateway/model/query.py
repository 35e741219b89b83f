"""A query or retrieval by keys: the levels of PS3.4 C.6, the keys of an identifier, and what of them is wanted."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum


class Level(IntEnum):
    """Query/Retrieve Level (0008,0052), from the top; `name` is the defined term."""

    PATIENT = 0
    STUDY = 1
    SERIES = 2
    IMAGE = 3


@dataclass(frozen=True, slots=True)
class Key:
    """One element of an identifier, decoded.

    `values` are without padding, none for universal matching; numbers in decimal, AT as `(gggg,eeee)`. `item` is for
    sequences: the keys of its one item.
    """

    tag: int
    vr: str
    values: tuple[str, ...] = ()
    item: tuple[Key, ...] = ()


@dataclass(frozen=True, slots=True)
class Identifier:
    """The identifier of a request: its level, and its keys in the order of their tags.

    Specific Character Set, Query/Retrieve Level, Timezone Offset From UTC and group lengths are no keys: what they say
    has a field here. `timezone` is None where it is absent, and empty where only its return is asked for.
    """

    level: Level
    keys: tuple[Key, ...]
    character_set: str = ""
    timezone: str | None = None

    def key(self, tag: int) -> Key | None:
        """The key with this tag."""
        return next((key for key in self.keys if key.tag == tag), None)


@dataclass(frozen=True, slots=True)
class Selection:
    """What a retrieval names: the unique keys of its level and of those above. Empty: any.

    Each is a list of which one must be met, and the lists must all be met.
    """

    patient_ids: tuple[str, ...] = ()
    study_uids: tuple[str, ...] = ()
    series_uids: tuple[str, ...] = ()
    instance_uids: tuple[str, ...] = field(default=())
