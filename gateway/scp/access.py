"""Who may open an association: the reject reason or the peer (PS3.8 9.3.4, table 9-21). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from gateway.model.peer import Peer
from gateway.net.transport import Secured
from gateway.scp.settings import AccessMode
from gateway.wire.pdu import APPLICATION_CONTEXT, AssociateRj, AssociateRq, RejectResult, RejectSource

# Of the protocol version field only the first bit counts (PS3.8 table 9-11).
_PROTOCOL_VERSION_1 = 1


class Refusal(Enum):
    """Reasons that this node gives: the answer, of which the last number is the reason among those of its source, and
    the cause for the log, where the standard has no reason of its own."""

    APPLICATION_CONTEXT = (RejectResult.PERMANENT, RejectSource.USER, 2, "application context")
    CALLING_AE_TITLE = (RejectResult.PERMANENT, RejectSource.USER, 3, "calling AE title or its address not known")
    CERTIFICATE = (RejectResult.PERMANENT, RejectSource.USER, 3, "not the certificate of this calling AE title")
    CALLED_AE_TITLE = (RejectResult.PERMANENT, RejectSource.USER, 7, "called AE title")
    PROTOCOL_VERSION = (RejectResult.PERMANENT, RejectSource.ACSE, 2, "protocol version")
    USER_IDENTITY = (RejectResult.PERMANENT, RejectSource.ACSE, 1, "no user or a wrong passcode")
    IDENTITY_KIND = (RejectResult.PERMANENT, RejectSource.ACSE, 1, "a kind of user identity that is not supported")
    CONGESTION = (RejectResult.TRANSIENT, RejectSource.PRESENTATION, 1, "busy")
    LOCAL_LIMIT = (RejectResult.TRANSIENT, RejectSource.PRESENTATION, 2, "limit of associations")

    def __init__(self, result: RejectResult, source: RejectSource, reason: int, cause: str) -> None:
        self.answer = AssociateRj(result, source, reason)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Access:
    """`refusal` is None where the association may be; `peer` is the entry that matched, if any."""

    refusal: Refusal | None
    peer: Peer | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Where a request came from: the address, and what TLS says where the connection has it."""

    address: str
    secured: Secured | None = None


def check_access(
    request: AssociateRq, caller: Caller, peers: Iterable[Peer], titles: frozenset[str], mode: AccessMode
) -> Access:
    """Judge a request by protocol version, application context, AE titles, address and certificate."""
    if not request.protocol_version & _PROTOCOL_VERSION_1:
        return Access(Refusal.PROTOCOL_VERSION)
    if request.application_context != APPLICATION_CONTEXT:
        return Access(Refusal.APPLICATION_CONTEXT)
    if request.called_ae_title not in titles:
        return Access(Refusal.CALLED_AE_TITLE)
    if not request.calling_ae_title.isprintable():  # PS3.5 6.2: AE has no control characters, and no index keeps NUL
        return Access(Refusal.CALLING_AE_TITLE)
    peer = match_peer(request.calling_ae_title, caller.address, peers)
    if peer is None and mode is AccessMode.PEERS:
        return Access(Refusal.CALLING_AE_TITLE)
    if peer is not None and not _shows_its_certificate(peer, caller.secured):
        return Access(Refusal.CERTIFICATE, peer)
    return Access(None, peer)


def _shows_its_certificate(peer: Peer, secured: Secured | None) -> bool:
    """True where the peer's entry is bound to no certificate, or this is the one."""
    if peer.tls_name is None and peer.tls_fingerprint is None:
        return True
    if secured is None or secured.fingerprint is None:
        return False
    named = peer.tls_name is None or peer.tls_name.lower() in (name.lower() for name in secured.names)
    return named and peer.tls_fingerprint in (None, secured.fingerprint)


def match_peer(calling_ae_title: str, address: str, peers: Iterable[Peer]) -> Peer | None:
    """The peer that calls under this title from this address; one whose networks name the address comes first."""
    titled = [peer for peer in peers if calling_ae_title == peer.ae_title or calling_ae_title in peer.also_aets]
    if not titled:
        return None
    located = [peer for peer in titled if _within(address, peer.networks)]
    anywhere = [peer for peer in titled if not peer.networks]
    return next(iter(located + anywhere), None)


def _within(address: str, networks: Sequence[str]) -> bool:
    if not address or not networks:
        return False
    ip = ip_address(address.partition("%")[0])
    return any(ip in _network(network) for network in networks)


@lru_cache(maxsize=1024)
def _network(cidr: str) -> IPv4Network | IPv6Network:
    """Of our own peers table: the same few again and again, and reading one takes longer than looking into it."""
    return ip_network(cidr, strict=False)
