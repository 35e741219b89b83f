"""The DICOM listener: binds the port, serves associations, drains."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence

from gateway.model.peer import Peer
from gateway.net.listener import Listener, ListenerSettings
from gateway.scp.association import AcceptedAssociation, Node
from gateway.scp.classes import storage, verification
from gateway.scp.door import Door
from gateway.scp.registry import AssociationRegistry
from gateway.scp.service import AssociationState, ServiceClass
from gateway.scp.settings import ScpSettings


class DicomScp:
    """Bound when constructed (raises OSError where the port is taken), accepting from `start` until `drain`.

    `peers` is asked at each association request and must be quick. `classes` are provided beside verification and
    storage, which need nothing but the door.
    """

    def __init__(
        self,
        settings: ScpSettings,
        door: Door,
        peers: Callable[[], Sequence[Peer]],
        classes: Sequence[ServiceClass] = (),
    ) -> None:
        self._registry = AssociationRegistry(max_per_peer=settings.max_associations_per_peer)
        provided = (verification(), storage(accept_unknown=settings.accept_unknown), *classes)
        self._node = Node(settings, door, peers, self._registry, provided)
        self._listener = Listener(
            ListenerSettings(
                name="dicom", host=settings.host, port=settings.port, max_connections=settings.max_associations
            ),
            self._session,
        )

    @property
    def address(self) -> tuple[str, int]:
        """The bound host and port."""
        return self._listener.address

    @property
    def associations(self) -> tuple[AssociationState, ...]:
        """The open associations, oldest first."""
        return self._registry.snapshot()

    def start(self) -> None:
        """Begin to accept."""
        self._listener.start()

    def drain(self, timeout_s: float) -> None:
        """Refuse new associations as transient, let open ones end within `timeout_s`, abort the rest, and close."""
        self._registry.drain()
        self._listener.drain(timeout_s)

    def _session(self, sock: socket.socket, address: str) -> AcceptedAssociation:
        return AcceptedAssociation(sock, address, self._node)
