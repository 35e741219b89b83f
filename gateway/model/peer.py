"""A peer: a DICOM application entity that this node knows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Service(StrEnum):
    """What a peer may ask of this node (`peers add --allow`)."""

    ECHO = "echo"
    STORE = "store"
    FIND = "find"
    MOVE = "move"
    GET = "get"
    COMMIT = "commit"


DEFAULT_SERVICES = frozenset(Service)


@dataclass(frozen=True, slots=True)
class Peer:
    """An entry of the peers table.

    `host` and `port` are None for a peer that only sends to us. `networks` are the CIDRs that it may connect from
    (empty: any address, matched by AE title alone). `calling_aet` is the title that we use towards it, if it is not
    our own. `also_aets` are further titles under which it may call us.

    `tls`: our associations to it are secured. `tls_name` (a name in its certificate) and `tls_fingerprint` (SHA-256 of
    it) bind its AE title to a certificate, in both directions. `require_user`: it has to name a user when it calls us.
    """

    id: int
    name: str
    ae_title: str
    host: str | None = None
    port: int | None = None
    networks: tuple[str, ...] = ()
    calling_aet: str | None = None
    also_aets: tuple[str, ...] = ()
    services: frozenset[Service] = DEFAULT_SERVICES
    max_associations: int = 1
    tls: bool = False
    tls_name: str | None = None
    tls_fingerprint: str | None = None
    require_user: bool = False
    commitment: bool = False
    paused: bool = False

    @property
    def sendable(self) -> bool:
        """True when this node can open associations to it."""
        return self.host is not None and self.port is not None
