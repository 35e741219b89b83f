"""How an association ended, and the one line in the log that every association leaves.

The same for both roles. The line carries names, numbers and reasons; no message's content can get into it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from structlog.typing import FilteringBoundLogger

from gateway.model.errors import (
    AssociationAborted,
    AssociationRejected,
    Cancelled,
    ConnectionLost,
    GatewayError,
    PeerFault,
    PeerTimeout,
    ShuttingDown,
    TlsFault,
)
from gateway.wire.pdu import AssociateRj
from gateway.wire.upper_layer import UpperLayer

if TYPE_CHECKING:
    from gateway.net.association import Association
    from gateway.net.connection import Connection


class How(StrEnum):
    """In which way."""

    RELEASED = "released"
    REJECTED = "rejected"
    ABORTED = "aborted"
    TIMEOUT = "timeout"
    LOST = "lost"
    DRAINED = "drained"
    NO_TLS = "no TLS"
    FAILED = "failed"


class By(StrEnum):
    """By whom: this node or the other side."""

    US = "us"
    PEER = "peer"


@dataclass(frozen=True, slots=True)
class Ending:
    """`source` and `reason` are those of PS3.8 tables 9-21 (rejected) and 9-26 (aborted); `cause` is in words."""

    how: How
    by: By
    source: int | None = None
    reason: int | None = None
    cause: str = ""


def rejected(answer: AssociateRj, cause: str) -> Ending:
    """This side rejected the request."""
    return Ending(How.REJECTED, By.US, int(answer.source), int(answer.reason), cause)


def ending_of(error: BaseException, layer: UpperLayer) -> Ending:
    """What an exception means for the association that it ended; `layer` after the connection was closed."""
    match error:
        case AssociationAborted():
            return Ending(How.ABORTED, By.PEER, error.source, error.reason)
        case AssociationRejected():
            return Ending(How.REJECTED, By.PEER, error.source, error.reason)
        case ShuttingDown():
            return Ending(How.DRAINED, By.US)
        case TlsFault():
            return Ending(How.NO_TLS, By.PEER, cause=str(error))
        case ConnectionLost() | PeerTimeout() if layer.violation:  # before the request there is no indication of it
            return _aborted(layer, layer.violation)
        case PeerTimeout():
            return Ending(How.TIMEOUT, By.PEER, cause=str(error))
        case ConnectionLost():
            return Ending(How.LOST, By.PEER, cause=str(error))
        case PeerFault() | Cancelled():
            return _aborted(layer, str(error))
        case GatewayError():
            return Ending(How.FAILED, By.US, cause=f"{type(error).__name__}: {error}")
        case _:
            return Ending(How.FAILED, By.US, cause=type(error).__name__)


def _aborted(layer: UpperLayer, cause: str) -> Ending:
    sent = layer.abort_sent
    if sent is None:
        return Ending(How.ABORTED, By.US, cause=cause)
    return Ending(How.ABORTED, By.US, int(sent.source), int(sent.reason), cause)


def log_ending(
    log: FilteringBoundLogger, ending: Ending, connection: Connection, association: Association | None, **more: object
) -> None:
    """The line. A connection on which nothing was ever said is of no interest: a port scan, a health check."""
    secured = connection.secured
    level = logging.INFO
    if ending.how is How.LOST and not connection.bytes_in and not connection.bytes_out:
        level = logging.DEBUG
    elif ending.by is By.US and ending.how in (How.REJECTED, How.FAILED):
        level = logging.WARNING
    fields: dict[str, object] = {
        "tls": f"{secured.version} {secured.cipher}" if secured else None,
        "certificate": secured.names[0] if secured and secured.names else None,
        "contexts": len(association.contexts) if association else 0,
        "messages_in": association.messages_in if association else 0,
        "messages_out": association.messages_out if association else 0,
        "bytes_in": connection.bytes_in,
        "bytes_out": connection.bytes_out,
        "seconds": round(connection.age_s, 3),
        "ended": str(ending.how),
        "by": str(ending.by),
        "source": ending.source,
        "reason": ending.reason,
        "cause": ending.cause or None,
        **more,
    }
    log.log(level, "association.ended", **{name: value for name, value in fields.items() if value is not None})
