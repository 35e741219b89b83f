"""Routing rules: what is matched, what is done, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

# What routing leaves for `status`: findings of this kind, and how many instances no rule of any trigger matched.
HELD_FINDING = "rule-held"
UNMATCHED_COUNTER = "unmatched"


class Operator(StrEnum):
    """Operators of a condition, as typed in `gateway rules add --when "KEY OP VALUE"`."""

    EQ = "="
    NE = "!="
    IN = "in"
    LIKE = "like"
    MATCH = "~"
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="
    EXISTS = "exists"
    MISSING = "missing"


class Trigger(StrEnum):
    """When a rule is looked at: in a moment, or when the series or study has been quiet for its time."""

    INSTANCE = "instance"
    SERIES = "series"
    STUDY = "study"


@dataclass(frozen=True, slots=True)
class Condition:
    """`key` is a DICOM keyword, `calling_aet`, `called_aet`, `source`, `origin` or `mrd.<field>`.

    `values` holds one value, several for `in`, none for `exists` and `missing`.
    """

    key: str
    operator: Operator
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SendAction:
    """Send to the peer with this id."""

    peer_id: int


@dataclass(frozen=True, slots=True)
class ReconstructAction:
    """Reconstruct the raw scan by `method` (a registered name or `auto`) with these parameters."""

    method: str
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StopAction:
    """Look at no further rule; nothing is deleted."""


Action = SendAction | ReconstructAction | StopAction


@dataclass(frozen=True, slots=True)
class Rule:
    """An enabled or disabled rule in one version of its text.

    `groups`: alternatives (`--or`), each a conjunction; no group at all matches everything. `priority`: higher acts
    first and is sent first.
    """

    id: int
    name: str
    version: int
    groups: tuple[tuple[Condition, ...], ...]
    actions: tuple[Action, ...]
    trigger: Trigger = Trigger.SERIES
    priority: int = 0
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rule said of one object.

    `matched` is None when the rule could not be evaluated: such an object is held, never dropped. `reason` is one
    line for the administrator, without the object's values.
    """

    rule_id: int
    rule_name: str
    rule_version: int
    matched: bool | None
    reason: str


@dataclass(frozen=True, slots=True)
class PlannedAction:
    """An action that a matched rule asks for."""

    rule_id: int
    rule_version: int
    priority: int
    action: SendAction | ReconstructAction


@dataclass(frozen=True, slots=True)
class Decision:
    """Everything that the rules say of one object, with the explanation."""

    actions: tuple[PlannedAction, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def held(self) -> bool:
        """True when a rule could not be evaluated."""
        return any(verdict.matched is None for verdict in self.verdicts)
