"""`gateway retrieve`: a study or series from a peer into this node, or from the peer to another."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from gateway.admin.context import Context
from gateway.admin.progress import Progress
from gateway.db import peers as table
from gateway.dicom.uids import is_usable
from gateway.model.errors import UsageError
from gateway.model.instance import Source
from gateway.model.peer import Peer
from gateway.net.association import Association
from gateway.scp.service import AssociationState, ServiceContext
from gateway.scp.store import store
from gateway.scu.retrieve import SUCCESS, Retrieved, Wanted, get, move
from gateway.wire.dimse import Message


@dataclass(frozen=True, slots=True)
class RetrieveReport:
    """What became of a retrieval. `taken` and `refused` count what this node was sent over the same association.

    `trouble` says what was wrong with the operation as a whole; `failed_uids` are those that the peer names.
    """

    completed: int
    warning: int
    failed: int
    taken: int
    refused: int
    failed_uids: tuple[str, ...]
    trouble: str


def get_(context: Context, peer: str, study_uid: str, series_uid: str = "") -> RetrieveReport:
    """C-GET into this node. Raises what the network raises."""
    source = _named(context, peer)
    receiving = _Receiving(context, source)
    wanted = _wanted(study_uid, series_uid)
    responses = get(context.calling.destination(source), wanted, receiving.store, context.look)
    return _followed(context, responses, receiving)


def move_(context: Context, peer: str, study_uid: str, series_uid: str = "", to: str = "") -> RetrieveReport:
    """C-MOVE to this node's listener, or to the peer named `to`."""
    source = _named(context, peer)
    if to:
        title = _named(context, to).ae_title
    elif context.live is None:
        raise UsageError("no node runs here that the peer could send to: gateway serve, or retrieve with --get")
    else:
        title = context.settings.dicom.ae_title
    responses = move(context.calling.destination(source), _wanted(study_uid, series_uid), title, context.look)
    return _followed(context, responses, None)


class _Receiving:
    """Takes what a C-GET brings through the door, as if it had been sent to the listener."""

    def __init__(self, context: Context, peer: Peer) -> None:
        self._context = context
        self._peer = peer
        self._log = structlog.get_logger().bind(retrieved_from=peer.name)
        self.state = AssociationState(peer.ae_title, self._title, peer.host or "", peer.name, datetime.now(UTC))

    @property
    def _title(self) -> str:
        return self._peer.calling_aet or self._context.settings.dicom.ae_title

    def store(self, association: Association, message: Message) -> None:
        """Answer a C-STORE request."""
        source = Source(self._peer.ae_title, self._title, association.address, self._peer.id)
        store(ServiceContext(association, source, self.state, self._context.door, self._log), message)


def _followed(context: Context, responses: Generator[Retrieved], receiving: _Receiving | None) -> RetrieveReport:
    last = Retrieved(SUCCESS, None, 0, 0, 0)
    with closing(responses):
        for told in responses:
            last = told
            done = told.completed + told.failed + told.warning
            total = done + told.remaining if told.remaining is not None else None
            context.report(Progress(done, total, "instances"))
    context.wake()
    return RetrieveReport(
        completed=last.completed,
        warning=last.warning,
        failed=last.failed,
        taken=receiving.state.instances if receiving else 0,
        refused=receiving.state.failures if receiving else 0,
        failed_uids=last.failed_uids,
        trouble=last.trouble,
    )


def _wanted(study_uid: str, series_uid: str) -> Wanted:
    for name, uid in (("study", study_uid), ("series", series_uid)):
        if (uid or name == "study") and not is_usable(uid):
            raise UsageError(f"the UID of the {name} is none: digits and dots, as `gateway studies list` shows them")
    return Wanted(study_uid, series_uid)


def _named(context: Context, name: str) -> Peer:
    with context.database.read() as connection:
        return table.get(connection, name)
