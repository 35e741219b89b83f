"""What the DICOM listener is told once: names, limits and deadlines."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from gateway.net.connection import Deadlines


class AccessMode(StrEnum):
    """`dicom.access`: who may call. `any` is for loopback."""

    ANY = "any"
    PEERS = "peers"


@dataclass(frozen=True, slots=True)
class ScpSettings:
    """The DICOM listener's settings.

    `max_pdu` is announced to peers as the longest PDV list that is taken, in bytes; 0 announces no bound, and costs
    no memory either. `accept_unknown`: storage classes that no table here has are taken too. Every association may
    hold a thread and a receive buffer of 256 KiB, of which an idle one has touched little; that is what
    `max_associations` bounds. One peer (one address, where it is not in the peers table) may not use them all up.
    """

    ae_title: str = "GATEWAY"
    ae_aliases: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    port: int = 11112
    access: AccessMode = AccessMode.PEERS
    max_pdu: int = 1 << 17
    accept_unknown: bool = True
    max_associations: int = 1000
    max_associations_per_peer: int = 32
    deadlines: Deadlines = field(default_factory=Deadlines)

    @property
    def titles(self) -> frozenset[str]:
        """Every title under which this node may be called."""
        return frozenset({self.ae_title, *self.ae_aliases})
