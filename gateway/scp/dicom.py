"""The DICOM listener: binds the port, serves associations, drains."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gateway.model.peer import Peer
from gateway.net.listener import Listener, ListenerSettings
from gateway.net.tls import Credentials
from gateway.scp.agreement import Agreements
from gateway.scp.association import AcceptedAssociation, Node
from gateway.scp.classes import storage, verification
from gateway.scp.door import Door
from gateway.scp.identity import IdentityCheck, IdentityMode
from gateway.scp.registry import AssociationRegistry
from gateway.scp.service import AssociationState, ServiceClass
from gateway.scp.settings import ScpSettings


@dataclass(frozen=True, slots=True)
class Security:
    """What a listener is told of TLS and users. With `credentials` every connection begins with a TLS handshake."""

    credentials: Credentials | None = None
    identity: IdentityCheck = field(default_factory=lambda: IdentityCheck(IdentityMode.IGNORE, lambda _: None))


class DicomScp:
    """Bound when constructed (raises OSError where the port is taken), accepting from `start` until `drain`.

    `peers` is asked at each association request and must be quick. `classes` are provided beside verification and
    storage, which need nothing but the door. Listeners of one node share a `registry`, whose limits count for all.
    """

    def __init__(
        self,
        settings: ScpSettings,
        door: Door,
        peers: Callable[[], Sequence[Peer]],
        classes: Sequence[ServiceClass] = (),
        *,
        security: Security | None = None,
        registry: AssociationRegistry | None = None,
    ) -> None:
        self._registry = registry or AssociationRegistry(
            max_per_peer=settings.max_associations_per_peer, max_in_all=settings.max_associations
        )
        provided = (verification(), storage(accept_unknown=settings.accept_unknown), *classes)
        security = security or Security()
        self._secured = security.credentials is not None
        agreements = Agreements(provided, settings.max_pdu)
        self._node = Node(settings, door, peers, self._registry, agreements, security.identity, security.credentials)
        self._listener = Listener(
            ListenerSettings(
                name="dicom-tls" if self._secured else "dicom",
                host=settings.host,
                port=settings.port,
                max_connections=settings.max_associations,
            ),
            self._session,
        )

    @property
    def address(self) -> tuple[str, int]:
        """The bound host and port."""
        return self._listener.address

    @property
    def associations(self) -> tuple[AssociationState, ...]:
        """The open associations on this port, oldest first."""
        return tuple(state for state in self._registry.snapshot() if state.secured is self._secured)

    def start(self) -> None:
        """Begin to accept."""
        self._listener.start()

    def drain(self, timeout_s: float) -> None:
        """Refuse new associations as transient, let open ones end within `timeout_s`, abort the rest, and close."""
        self._registry.drain()
        self._listener.drain(timeout_s)

    def _session(self, sock: socket.socket, address: str) -> AcceptedAssociation:
        return AcceptedAssociation(sock, address, self._node)
