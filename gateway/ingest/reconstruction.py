"""What is asked of a reconstruction, and how it answers: known both to who receives scans and to who reconstructs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from gateway.model.errors import GatewayError
from gateway.model.mrd import Image


@dataclass(frozen=True, slots=True)
class ReconRequest:
    """What is to be done with a scan.

    `config` is what a client or an administrator asked for: `auto`, a method or an alias. A parameter that the method
    does not have is an error in `parameters` and passed over in `hints`.
    """

    scan_id: int
    config: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    hints: Mapping[str, str] = field(default_factory=dict)
    rule_id: int | None = None


@dataclass(frozen=True, slots=True)
class ReconOutcome:
    """How a run ended. `error` is None when it made its images; `missing` says what the scan lacked."""

    run_id: int
    images: int
    method: str = ""
    series_instance_uids: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    missing: str = ""
    error: GatewayError | None = None


Deliver = Callable[[Image], None]
"""Takes an image as soon as it is made; must not wait."""

Tell = Callable[[str], None]
"""Takes a line about how far a long step is; must not wait."""


class LiveReconstruction(Protocol):
    """A reconstruction of a scan that is still arriving."""

    def tell(self, complete: int) -> None:
        """The spool file is complete up to this offset. Never waits."""

    def end(self, complete: int) -> None:
        """The client has closed: nothing more comes."""

    def cancel(self) -> None:
        """The scan is broken off: make no more images of it."""

    @property
    def ended(self) -> bool:
        """True when it has ended already, perhaps without waiting for the scan."""

    def wait(self) -> ReconOutcome:
        """How it ended. Raises NodeFault."""


class Reconstructs(Protocol):
    """Starts reconstructions of scans that are arriving."""

    def live(self, request: ReconRequest, path: Path, deliver: Deliver, tell: Tell) -> LiveReconstruction:
        """Start on the spool file `path`. Raises GatewayError when nothing could be started."""
