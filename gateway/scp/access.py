"""Who may open an association: the reject reason or the peer (PS3.8 9.3.4, table 9-21). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address, ip_network

from gateway.model.peer import Peer
from gateway.scp.settings import AccessMode
from gateway.wire.pdu import APPLICATION_CONTEXT, AssociateRj, AssociateRq, RejectResult, RejectSource

# Of the protocol version field only the first bit counts (PS3.8 table 9-11).
_PROTOCOL_VERSION_1 = 1


class Refusal(Enum):
    """Reasons that this node gives; the last number is the reason among those of its source."""

    APPLICATION_CONTEXT = AssociateRj(RejectResult.PERMANENT, RejectSource.USER, 2)
    CALLING_AE_TITLE = AssociateRj(RejectResult.PERMANENT, RejectSource.USER, 3)
    CALLED_AE_TITLE = AssociateRj(RejectResult.PERMANENT, RejectSource.USER, 7)
    PROTOCOL_VERSION = AssociateRj(RejectResult.PERMANENT, RejectSource.ACSE, 2)
    CONGESTION = AssociateRj(RejectResult.TRANSIENT, RejectSource.PRESENTATION, 1)
    LOCAL_LIMIT = AssociateRj(RejectResult.TRANSIENT, RejectSource.PRESENTATION, 2)


@dataclass(frozen=True, slots=True)
class Access:
    """`refusal` is None where the association may be; `peer` is the entry that matched, if any."""

    refusal: Refusal | None
    peer: Peer | None = None


def check_access(
    request: AssociateRq, address: str, peers: Iterable[Peer], titles: frozenset[str], mode: AccessMode
) -> Access:
    """Judge a request by protocol version, application context, called and calling AE title and address."""
    if not request.protocol_version & _PROTOCOL_VERSION_1:
        return Access(Refusal.PROTOCOL_VERSION)
    if request.application_context != APPLICATION_CONTEXT:
        return Access(Refusal.APPLICATION_CONTEXT)
    if request.called_ae_title not in titles:
        return Access(Refusal.CALLED_AE_TITLE)
    if not request.calling_ae_title.isprintable():  # PS3.5 6.2: AE has no control characters, and no index keeps NUL
        return Access(Refusal.CALLING_AE_TITLE)
    peer = match_peer(request.calling_ae_title, address, peers)
    if peer is None and mode is AccessMode.PEERS:
        return Access(Refusal.CALLING_AE_TITLE)
    return Access(None, peer)


def match_peer(calling_ae_title: str, address: str, peers: Iterable[Peer]) -> Peer | None:
    """The peer that calls under this title from this address; one whose networks name the address comes first."""
    titled = [peer for peer in peers if calling_ae_title in (peer.ae_title, *peer.also_aets)]
    located = [peer for peer in titled if _within(address, peer.networks)]
    anywhere = [peer for peer in titled if not peer.networks]
    return next(iter(located + anywhere), None)


def _within(address: str, networks: Sequence[str]) -> bool:
    if not address or not networks:
        return False
    ip = ip_address(address.partition("%")[0])
    return any(ip in ip_network(network, strict=False) for network in networks)
