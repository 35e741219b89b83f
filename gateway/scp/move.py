"""C-MOVE (PS3.4 C.4.2): what was asked for, over an association of ours to a peer that is named by its AE title.

The destination is a peer of this node's table, so that nobody can have objects sent where the administrator did not
mean them to go. An association that breaks is opened once more, for what is left; what was under way counts as
failed. A pause of a peer holds back what is queued for it, not what somebody asks for now.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial

from gateway.dicom.information_models import Operation
from gateway.model import peer
from gateway.model.attention import Look
from gateway.model.errors import Cancelled, DatabaseFault, PeerFault, PeerTimeout, ShuttingDown, StoreFault
from gateway.model.peer import Peer
from gateway.net.association import Association
from gateway.net.waiting import first_to_speak
from gateway.scp.retrieve import INDEX_FAILS, Operating, Retrieval, begin, refuse, retrieve_offer
from gateway.scp.service import ServiceClass, ServiceContext, message_id_of
from gateway.scp.suboperations import MOVE_DESTINATION_UNKNOWN, UNABLE_TO_PERFORM
from gateway.scu.association import RequestedAssociation
from gateway.scu.contexts import propose_in_one
from gateway.scu.sender import MoveOriginator, StoreOutcome, StoreSender
from gateway.wire.command import CommandField
from gateway.wire.dimse import Message
from gateway.wire.pdu import ProposedContext

# Associations to a destination for one request: the first, and another for what is left when it breaks.
_ASSOCIATIONS = 2

Connect = Callable[[Peer, Sequence[ProposedContext], Look], RequestedAssociation]
"""Opens an association to a peer, looking up while it waits for it; raises PeerFault and its kind."""


@dataclass(frozen=True, slots=True)
class Moving:
    """What C-MOVE needs beside the retrieval.

    `own_titles` are the AE titles of this node.
    """

    retrieval: Retrieval
    peers: Callable[[], Sequence[Peer]]
    connect: Connect
    own_titles: frozenset[str]
    places: Places


class Places:
    """How many associations C-MOVE has to each peer: no more than the peer's `max_associations` at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: Counter[int] = Counter()

    @contextmanager
    def hold(self, destination: Peer) -> Iterator[bool]:
        """Take a place until the end of the block; False where there is none."""
        with self._lock:
            free = self._taken[destination.id] < destination.max_associations
            self._taken[destination.id] += free
        try:
            yield free
        finally:
            with self._lock:
                self._taken[destination.id] -= free


class _Broken(Exception):
    """The association to the destination could not be had or has ended, or an object broke off within it."""


class _RequestorLost(Cancelled):
    """The association that the request came on has ended, as `__cause__` says."""


def move_class(moving: Moving) -> ServiceClass:
    """The service class."""
    return ServiceClass(
        peer.Service.MOVE,
        {CommandField.C_MOVE_RQ: partial(_move, moving)},
        lambda uid, _: retrieve_offer(Operation.MOVE, uid),
    )


def _move(moving: Moving, context: ServiceContext, message: Message) -> None:
    message_id_of(message.command)
    destination = _destination(moving, message.command.move_destination or "")
    if isinstance(destination, str):
        refuse(context, message, MOVE_DESTINATION_UNKNOWN, destination)
        return
    operation = begin(context, message, moving.retrieval)
    if operation is None:
        return
    with moving.places.hold(destination) as free:
        if not free:
            refuse(context, message, UNABLE_TO_PERFORM, "as many associations to the destination as it may have")
            return
        try:
            _Mover(moving, operation, destination).run()
        except Cancelled:
            operation.conclude(cancelled=True)
        else:
            operation.conclude(cancelled=False)


def _destination(moving: Moving, title: str) -> Peer | str:
    """The peer of this AE title, or why there is none."""
    titled = [each for each in moving.peers() if each.ae_title == title]
    reachable = next((each for each in titled if each.sendable), None)
    if reachable is not None:
        return reachable
    if title in moving.own_titles:
        return "this node has the objects already"
    return "the destination has no address in the peers table" if titled else "the destination is no peer of this node"


class _Mover:
    """Performs the sub-operations of one request."""

    def __init__(self, moving: Moving, operation: Operating, destination: Peer) -> None:
        self._moving = moving
        self._operation = operation
        self._destination = destination
        self._position = 0

    def run(self) -> None:
        """Send all, or note as failed what cannot be. Raises Cancelled, and what ends the requestor's association."""
        cause = ""
        for _ in range(_ASSOCIATIONS):
            if self._position == len(self._operation.plan):
                break
            before = self._position
            try:
                self._associate()
            except _Broken as broken:
                cause = str(broken)
                if self._position == before:
                    break  # it does not even take the first: another association would end alike
            except _RequestorLost as lost:
                raise lost.__cause__ or lost from None
        plan = self._operation.plan
        for place in range(self._position, len(plan)):
            self._operation.note(StoreOutcome(plan.uid(place), None, cause))

    def _associate(self) -> None:
        """Send what is left over one association."""
        retrieval, plan = self._moving.retrieval, self._operation.plan
        with self._destination_association(plan.ids[self._position :]) as destination:
            reencode, originator = retrieval.reencode, self._originator()
            sender = StoreSender(destination.association, destination.contexts, reencode, originator, self._heed)
            waiting = partial(self._wait, destination.association)
            outcomes = sender.each(retrieval.objects(plan, self._position), waiting)
            try:
                while (outcome := self._next(outcomes, sender)) is not None:
                    self._note(outcome)
            except _RequestorLost:
                raise
            except Cancelled:
                with suppress(PeerFault):
                    if (outcome := sender.settle()) is not None:
                        self._note(outcome)
                self._operation.conclude(cancelled=True)  # before the destination is told, which may take its time
                raise
            if self._position == len(plan):  # and before its release, which concerns nobody else
                destination.association.attend(None)
                self._operation.conclude(cancelled=False)

    def _destination_association(self, ids: Sequence[int]) -> RequestedAssociation:
        try:
            contexts = propose_in_one(self._moving.retrieval.index.kinds(ids))
            return self._moving.connect(self._destination, contexts, self._heed)
        except DatabaseFault as fault:
            raise _Broken(INDEX_FAILS) from fault
        except PeerFault as fault:
            raise _Broken(str(fault)) from fault

    def _originator(self) -> MoveOriginator:
        context, request = self._operation.context, self._operation.message.command
        return MoveOriginator(context.source.calling_aet, message_id_of(request))

    def _next(self, outcomes: Iterator[StoreOutcome], sender: StoreSender) -> StoreOutcome | None:
        try:
            return next(outcomes, None)
        except (PeerFault, StoreFault) as fault:
            if sender.under_way is not None:
                self._note(StoreOutcome(sender.under_way, None, str(fault)))
            raise _Broken(str(fault)) from fault

    def _note(self, outcome: StoreOutcome) -> None:
        self._position += 1
        self._operation.note(outcome)

    def _wait(self, destination: Association) -> None:
        """Until the destination answers, with an ear for the requestor, which hears how far it is meanwhile."""
        requestor, allowed_s = self._operation.context.association, self._moving.retrieval.response_s
        listening = {destination, requestor}
        deadline = self._operation.clock() + allowed_s
        while True:
            left = min(self._operation.quiet_s, deadline - self._operation.clock())
            spoken = first_to_speak(listening, left)
            if requestor in spoken:
                self._hear_requestor()
                if requestor.spoken:
                    listening = {destination}  # it asks for more already, which is for later
            if destination in spoken:
                return
            if self._operation.clock() > deadline:
                raise PeerTimeout(f"{destination.address} has not answered within {allowed_s:g} s")
            self._keep_alive()

    def _heed(self) -> None:
        """Look up from the destination, or from re-encoding."""
        self._hear_requestor()
        self._keep_alive()

    def _hear_requestor(self) -> None:
        try:
            cancelled = self._operation.requestor.cancelled
        except (PeerFault, ShuttingDown) as fault:
            raise _RequestorLost from fault
        if cancelled:
            raise Cancelled("the requestor wants no more")

    def _keep_alive(self) -> None:
        try:
            self._operation.keep_alive()
        except (PeerFault, ShuttingDown) as fault:
            raise _RequestorLost from fault
