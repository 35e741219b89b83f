"""What C-MOVE and C-GET are given of this node: the index, the store, and the way to other peers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from gateway.admin.context import Context
from gateway.db import retrieval
from gateway.db.engine import Database
from gateway.db.retrieval import Planned, StoredInstance
from gateway.model.attention import Look
from gateway.model.peer import Peer
from gateway.model.query import Selection
from gateway.net.connection import Deadlines
from gateway.scp.get import get_class
from gateway.scp.move import Connect, Moving, Places, move_class
from gateway.scp.retrieve import Retrieval
from gateway.scp.service import ServiceClass
from gateway.scu.association import RequestedAssociation, request_association
from gateway.scu.calling import Calling
from gateway.scu.contexts import Kind
from gateway.wire.pdu import ProposedContext

# A destination that takes nothing for this long in the middle of an object is not coming back.
_STALLED_S = 60.0
# And does not even close the connection when it is told to: who asked waits for its next answer meanwhile.
_FAREWELL_S = 1.0


def retrieve_classes(context: Context, peers: Callable[[], Sequence[Peer]]) -> tuple[ServiceClass, ...]:
    """C-GET and C-MOVE, to the destinations that `peers` gives."""
    dicom = context.settings.dicom
    retrieving = Retrieval(
        RetrieveIndex(context.database),
        context.store,
        context.reencoder,
        pending_s=dicom.pending_seconds,
        response_s=dicom.response_seconds,
    )
    titles = frozenset({dicom.ae_title, *dicom.ae_aliases})
    moving = Moving(retrieving, peers, connector(context.calling), titles, Places())
    return (get_class(retrieving, accept_unknown=dicom.accept_unknown), move_class(moving))


class RetrieveIndex:
    """`gateway.db.retrieval` in transactions of its own; see `gateway.scp.retrieve.RetrieveIndex`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def selected(self, selection: Selection) -> Planned:
        """What is selected."""
        with self._database.read() as connection:
            return retrieval.selected(connection, selection)

    def kinds(self, ids: Sequence[int]) -> list[Kind]:
        """Their SOP classes and transfer syntaxes."""
        with self._database.read() as connection:
            return retrieval.kinds(connection, ids)

    def stored(self, ids: Sequence[int]) -> list[StoredInstance]:
        """Their rows."""
        with self._database.read() as connection:
            return retrieval.stored(connection, ids)


def connector(calling: Calling) -> Connect:
    """Opens associations for C-MOVE as this node calls its peers."""

    def connect(peer: Peer, contexts: Sequence[ProposedContext], look: Look) -> RequestedAssociation:
        deadlines = Deadlines(progress_s=_STALLED_S, farewell_s=_FAREWELL_S)
        return request_association(replace(calling.destination(peer), deadlines=deadlines), contexts, look)

    return connect
