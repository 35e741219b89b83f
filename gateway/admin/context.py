"""What an operation works on: the node's database, store and settings, and what only a running node knows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from gateway.admin.once import Once
from gateway.admin.progress import Report, silent
from gateway.config import Settings
from gateway.db.engine import Database
from gateway.model.attention import Look, nobody_asks
from gateway.model.instance import Groups
from gateway.store.protocol import ObjectStore

if TYPE_CHECKING:
    from gateway.admin.way_in import WayIn
    from gateway.ingest.door import Door
    from gateway.ingest.scans import ScanIntake
    from gateway.jobs.reconstruct import Reconstructor
    from gateway.jobs.sandbox import Sandbox
    from gateway.net.tls import Credentials
    from gateway.reencode.pool import Reencoder
    from gateway.scu.calling import Calling


@dataclass(frozen=True, slots=True)
class Listener:
    """A bound listener. `accepts` says in words who may connect."""

    name: str
    host: str
    port: int
    accepts: str


@dataclass(frozen=True, slots=True)
class LiveStatus:
    """What a running node says of itself."""

    pid: int
    version: str
    started_at: datetime
    listeners: tuple[Listener, ...]
    associations: int
    draining: bool
    index_fault: str = ""  # why the index took nothing when it was last asked
    received: Groups = field(default_factory=Groups)  # since the start


class Live(Protocol):
    """The running node behind the control socket."""

    @property
    def ending(self) -> bool:
        """True when the node takes nothing new."""

    def status(self) -> LiveStatus:
        """How the node is now."""

    def wake(self) -> None:
        """Jobs may be due: look now."""

    def forget(self) -> None:
        """Peers or rules have changed: read them again."""


@dataclass(frozen=True, slots=True)
class Context:
    """The first argument of every operation. `live` is None when no node runs on this home.

    The way in, and what TLS needs, are made when they are first asked for. `report` is told how far a long operation
    is, and `look` raises Cancelled when nobody waits for it any more.
    """

    home: Path
    settings: Settings
    database: Database
    store: ObjectStore
    way_in: Once[WayIn]
    credentials: Once[Credentials]
    reencoder: Reencoder
    live: Live | None = None
    report: Report = silent
    look: Look = nobody_asks

    @property
    def door(self) -> Door:
        """Where DICOM objects come in."""
        return self.way_in().door

    @property
    def scans(self) -> ScanIntake:
        """Where raw data comes in."""
        return self.way_in().scans

    @property
    def sandbox(self) -> Sandbox:
        """What starts reconstruction processes."""
        return self.way_in().sandbox

    @property
    def reconstructor(self) -> Reconstructor:
        """What makes objects of raw data."""
        return self.way_in().reconstructor

    @property
    def calling(self) -> Calling:
        """How this node calls its peers."""
        from gateway.scu.calling import Calling  # what speaks to the network, which few operations need

        dicom = self.settings.dicom
        return Calling(dicom.ae_title, dicom.max_pdu, self.credentials)

    def close_way_in(self) -> None:
        """End what the way in has started, if it was needed."""
        if self.way_in.made is not None:
            self.way_in.made.sandbox.close()

    def changed(self) -> None:
        """Peers or rules were changed: a running node reads them again."""
        if self.live is not None:
            self.live.forget()

    def wake(self) -> None:
        """New work was queued: a running node looks at once."""
        if self.live is not None:
            self.live.wake()
