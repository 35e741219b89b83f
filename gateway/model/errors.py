"""The one error tree.

Three branches say whose turn it is to act: the administrator (`UsageError`), the other side of a connection
(`PeerFault`) or this node and its machine (`NodeFault`). A message names the field, the place of the value and
what to do. No message carries a patient's value.
"""

from __future__ import annotations


class GatewayError(Exception):
    """Root of every error that this product raises on purpose."""


class UsageError(GatewayError):
    """The administrator asked for something that cannot be; exit status 2 in the CLI."""


class NotFoundError(UsageError):
    """A name, UID or id that the administrator gave does not exist."""


class PeerFault(GatewayError):
    """The other side sent or did something that cannot be accepted."""


class ProtocolViolation(PeerFault):
    """Bytes or an order of messages that the protocol does not allow."""


class MalformedData(PeerFault):
    """A DICOM data set, MRD message or file whose content contradicts its own format."""


class DataSetMismatch(MalformedData):
    """The SOP Class or SOP Instance UID of a data set is not the one that its command named; a peer is told A900."""


class BadIdentifier(PeerFault):
    """The identifier of a query or retrieval is refused with `status`; `offending` are the tags that are wrong."""

    def __init__(self, message: str, *, status: int, offending: tuple[int, ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.offending = offending


class OperationRefused(PeerFault):
    """The other side answered a request of ours with a status of failure, which the message names."""


class LimitExceeded(PeerFault):
    """A length, count or depth above the cap that this node sets."""


class PeerTimeout(PeerFault):
    """The other side did not act within its deadline."""


class PeerUnreachable(PeerFault):
    """No connection to the other side: refused, no route, name unknown."""


class ConnectionLost(PeerFault):
    """The transport connection ended in the middle of something."""


class TlsFault(PeerFault):
    """TLS was not agreed on, or the other side's certificate is not the one that it must be."""


class AssociationRejected(PeerFault):
    """A-ASSOCIATE-RJ received: `result`, `source` and `reason` as in PS3.8 table 9-21."""

    def __init__(self, message: str, *, result: int, source: int, reason: int) -> None:
        super().__init__(message)
        self.result = result
        self.source = source
        self.reason = reason


class AssociationAborted(PeerFault):
    """A-ABORT received: `source` and `reason` as in PS3.8 table 9-26."""

    def __init__(self, message: str, *, source: int, reason: int) -> None:
        super().__init__(message)
        self.source = source
        self.reason = reason


class Cancelled(GatewayError):
    """Who asked for the work wants no more of it, or is gone."""


class Unsupported(GatewayError):
    """Understood, and refused by name: the message says what is missing and what would be taken."""


class NodeFault(GatewayError):
    """This node or its machine cannot do its part now."""


class StoreFault(NodeFault):
    """The store could not keep or give back bytes."""


class OutOfSpace(StoreFault):
    """Too little free space in the store; a peer is told A700."""


class DatabaseFault(NodeFault):
    """The index could not be read or written."""


class SchemaMismatch(DatabaseFault):
    """The database is of another version than this program."""


class LeaseLost(NodeFault):
    """A job is another worker's now, or nobody's: what was done under the old lease must not be recorded."""


class LimitHit(NodeFault):
    """A reconstruction ran past its memory or time limit."""


class ShuttingDown(NodeFault):
    """This node is being stopped and ended the work from its side."""


class LocalProtocolError(NodeFault):
    """This program asked the protocol for something that its state does not allow: a fault of ours, not the peer's."""
