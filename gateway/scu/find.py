"""Query: C-FIND towards a peer (PS3.4 C.4.1).

Relational queries are asked for in every association, so that a series can be looked for without its study; a peer that
does not grant them says what it misses. Text goes in Latin-1 where that will do, for that is what every PACS reads.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from gateway.dicom.answers import encode_keys
from gateway.dicom.elements import Elements
from gateway.dicom.encoding import encoding_of, tag_text
from gateway.dicom.identifier import QUERY_RETRIEVE_LEVEL
from gateway.dicom.information_models import PATIENT_ROOT_FIND, STUDY_ROOT_FIND
from gateway.dicom.transfer_syntaxes import EXPLICIT_LITTLE, IMPLICIT_LITTLE, transfer_syntax
from gateway.model.attention import Look
from gateway.model.errors import Cancelled, OperationRefused, PeerFault, ProtocolViolation, Unsupported
from gateway.model.query import Key, Level
from gateway.net.waiting import no_longer_than
from gateway.scu.association import Destination, Proposal, RequestedAssociation, request_association
from gateway.wire.command import Command, CommandField
from gateway.wire.items import SopClassExtended
from gateway.wire.negotiation import Context
from gateway.wire.pdu import ProposedContext

LONGEST_ANSWER = 1 << 20  # an answer has some hundred bytes; a modality may return a whole sequence
HEARD_OUT_S = 1.0  # how long a peer that says nothing may take to confirm a C-CANCEL
MOST_AFTER_CANCEL = 10_000  # answers that were on their way when they were no longer wanted

_SUCCESS, _CANCELLED = 0x0000, 0xFE00
_PENDING = frozenset({0xFF00, 0xFF01})
_LATIN_1 = "ISO_IR 100"
# PS3.4 table C.4-1, PS3.7 annex C.
_REFUSALS: Mapping[int, str] = {
    0x0122: "it does not know this kind of query",
    0x0124: "this node may not query there",
    0x0211: "it does not answer queries",
    0xA700: "it is out of resources",
    0xA900: "the keys do not fit the kind of query",
}


@dataclass(frozen=True, slots=True)
class Query:
    """What to ask for. `fuzzy`: names that sound alike, if the peer can."""

    level: Level
    keys: tuple[Key, ...]
    fuzzy: bool = False

    @property
    def model(self) -> str:
        """The SOP class: Patient Root where patients are asked for, Study Root for all else."""
        return PATIENT_ROOT_FIND if self.level is Level.PATIENT else STUDY_ROOT_FIND


def find(destination: Destination, query: Query, look: Look | None = None) -> Generator[Elements, None, None]:
    """The answers, as they come. Who ends the iteration early, or is interrupted, cancels the query; so does `look`,
    called now and then while the peer is waited for, when it raises Cancelled.

    Raises what `request_association` raises, Unsupported where the peer takes no such query, OperationRefused where it
    refuses this one.
    """
    proposed = ProposedContext(1, query.model, (EXPLICIT_LITTLE, IMPLICIT_LITTLE))
    extended = SopClassExtended(query.model, bytes((1, 0, 1)) if query.fuzzy else bytes((1,)))
    with request_association(destination.brief, Proposal((proposed,), extended=(extended,)), look) as peer:
        context = peer.context_for(query.model)
        if context is None:
            raise Unsupported(f"{destination.called_ae_title} takes no queries by {query.level.name.lower()}")
        request = Command(
            field=CommandField.C_FIND_RQ,
            has_data_set=True,
            message_id=peer.next_message_id(),
            affected_sop_class_uid=query.model,
            priority=0,
        )
        peer.association.send(context.id, request, [_identifier(query, context)])
        try:
            yield from _answers(peer, request, context)
        except GeneratorExit:
            _cancel(peer, request, context)
        except (KeyboardInterrupt, Cancelled):
            _cancel(peer, request, context)
            raise


def _answers(peer: RequestedAssociation, request: Command, context: Context) -> Iterator[Elements]:
    encoding = encoding_of(transfer_syntax(context.transfer_syntax))
    while (answer := _answer(peer, request)) is not None:
        yield Elements(answer, encoding)


def _answer(peer: RequestedAssociation, request: Command) -> bytes | None:
    """The next identifier; None at the end."""
    response = peer.response_to(request).command
    if response.status in _PENDING:
        if not response.has_data_set:
            raise ProtocolViolation("an answer to C-FIND without an identifier")
        return peer.association.read_data_set(LONGEST_ANSWER)
    if response.status not in (_SUCCESS, _CANCELLED):
        raise OperationRefused(_refusal(response))
    return None


def _identifier(query: Query, context: Context) -> bytes:
    rows = [(key.tag, key.vr, "\\".join(key.values)) for key in query.keys if key.vr != "SQ"]
    rows.append((QUERY_RETRIEVE_LEVEL, "CS", query.level.name))
    return encode_keys(sorted(rows), encoding_of(transfer_syntax(context.transfer_syntax)), _LATIN_1)


def _cancel(peer: RequestedAssociation, request: Command, context: Context) -> None:
    """C-CANCEL, and the answers that were on their way read off; a peer that is gone needs none."""
    cancel = Command(field=CommandField.C_CANCEL_RQ, message_id_being_responded_to=request.message_id)
    peer.association.attend(no_longer_than(HEARD_OUT_S))
    with suppress(PeerFault):
        peer.association.send(context.id, cancel)
        for _ in range(MOST_AFTER_CANCEL):
            if _answer(peer, request) is None:
                return


def _refusal(response: Command) -> str:
    status = response.status or 0
    reason = _REFUSALS.get(status, "it cannot process the query")
    offending: Sequence[int] = response.offending_elements or ()
    which = f", because of {', '.join(map(tag_text, offending))}" if offending else ""
    comment = f": {response.error_comment}" if response.error_comment else ""
    return f"the peer refused the query ({status:04X}): {reason}{which}{comment}"
