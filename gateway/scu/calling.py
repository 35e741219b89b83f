"""How this node calls its peers: under which AE title, within which limits, and over TLS where an entry says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.model.errors import UsageError
from gateway.model.peer import Peer
from gateway.net.tls import Credentials
from gateway.scu.association import Destination, TlsCall


@dataclass(frozen=True, slots=True)
class Calling:
    """`credentials` is called for a peer with TLS alone."""

    ae_title: str
    max_pdu: int
    credentials: Callable[[], Credentials]

    def destination(self, peer: Peer) -> Destination:
        """Where to reach a peer. Raises UsageError for one that only sends to us."""
        if peer.host is None or peer.port is None:
            raise UsageError(
                f"{peer.name} only sends to us: it has no address;"
                f" gateway peers set {peer.name} --address AET@HOST:PORT"
            )
        tls = TlsCall(self.credentials(), peer.tls_name or peer.host, peer.tls_fingerprint) if peer.tls else None
        return Destination(
            host=peer.host,
            port=peer.port,
            called_ae_title=peer.ae_title,
            calling_ae_title=peer.calling_aet or self.ae_title,
            max_pdu=self.max_pdu,
            peer=peer.name,
            tls=tls,
        )
