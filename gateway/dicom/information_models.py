"""The Query/Retrieve information models: which levels each has, and the keys that name an entity at each level.

PS3.4 C.3, C.6 and, for the retired Patient/Study Only model, its 2004 edition.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from gateway.model.query import Level

PATIENT_ID, STUDY_UID, SERIES_UID, SOP_INSTANCE_UID = 0x00100020, 0x0020000D, 0x0020000E, 0x00080018
UNIQUE_KEYS: Mapping[Level, int] = MappingProxyType(
    {
        Level.PATIENT: PATIENT_ID,
        Level.STUDY: STUDY_UID,
        Level.SERIES: SERIES_UID,
        Level.IMAGE: SOP_INSTANCE_UID,
    }
)


class Operation(StrEnum):
    """What is done by a model's SOP class."""

    FIND = "FIND"
    MOVE = "MOVE"
    GET = "GET"


@dataclass(frozen=True, slots=True)
class InformationModel:
    """A SOP class of the service. `levels` from the top."""

    uid: str
    name: str
    operation: Operation
    levels: tuple[Level, ...]


_PATIENT_ROOT = ("Patient Root", 1, tuple(Level))
_STUDY_ROOT = ("Study Root", 2, (Level.STUDY, Level.SERIES, Level.IMAGE))
_PATIENT_STUDY_ONLY = ("Patient/Study Only", 3, (Level.PATIENT, Level.STUDY))
_NUMBERS = {Operation.FIND: 1, Operation.MOVE: 2, Operation.GET: 3}
_ROWS = tuple(
    InformationModel(
        f"1.2.840.10008.5.1.4.1.2.{root}.{number}",
        f"{name} Query/Retrieve Information Model - {operation}",
        operation,
        levels,
    )
    for name, root, levels in (_PATIENT_ROOT, _STUDY_ROOT, _PATIENT_STUDY_ONLY)
    for operation, number in _NUMBERS.items()
)

INFORMATION_MODELS: Mapping[str, InformationModel] = MappingProxyType({row.uid: row for row in _ROWS})
PATIENT_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.1.1"
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"


def models_of(operation: Operation) -> tuple[InformationModel, ...]:
    """The SOP classes with this operation."""
    return tuple(row for row in _ROWS if row.operation is operation)
